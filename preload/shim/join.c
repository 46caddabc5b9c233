/* Starts or finds the collector. Enters: options. Leaves: a connected socket.
 *
 * The target must not notice a child that it has to wait for. So a middle process starts the collector and ends at
 * once; its exit signal is 0, because a directly started collector's signal would become SIGCHLD at its exec. Both
 * share the target's memory until they are gone (CLONE_VM | CLONE_VFORK): copying page tables took 36 ms for a target
 * of 1 GB. */
#include "join.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "sys.h"
#include "text.h"
#include "tidemark/session.h"

#define STACK_BYTES (64 * 1024ul) /* for each of the two processes */
#define CONNECT_SECONDS 2
#define BACKLOG 128
#define MAX_PATH 4096
#define MAX_KEPT 16

static socklen_t name_address(struct sockaddr_un *address, const char *name)
{
	size_t n = strcspn(name, ",");
	if (n > sizeof(address->sun_path) - 1)
		n = sizeof(address->sun_path) - 1;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path + 1, name, n); /* after the NUL byte of the abstract namespace */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
}

static int new_socket(void)
{
	return (int)SYS3(socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
}

int join_session(const char *name)
{
	struct sockaddr_un address;
	struct timeval patience = {.tv_sec = CONNECT_SECONDS};
	socklen_t length = name_address(&address, name);
	int fd = new_socket();
	if (fd < 0)
		return fd;
	SYS5(setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)); /* connect heeds it as well */
	long result;
	do {
		result = SYS3(connect, fd, &address, length);
	} while (result == -EINTR);
	if (result == 0)
		return fd;
	SYS1(close, fd);
	return (int)result;
}

int join_send_image(int socket, int memfd)
{
	struct tidemark_message message;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	int pid = (int)SYS0(getpid), fds[2] = {memfd, -1};
#ifdef SYS_pidfd_open
	fds[1] = (int)SYS2(pidfd_open, pid, 0);
#endif
	unsigned n = fds[1] >= 0 ? 2 : 1;
	memset(&message, 0, sizeof(message));
	message.magic = TIDEMARK_SESSION_MAGIC;
	message.version = TIDEMARK_SESSION_VERSION;
	message.kind = TIDEMARK_MESSAGE_IMAGE;
	message.pid = pid;
	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	struct iovec part = {&message, sizeof(message)};
	struct msghdr envelope = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	long result;
	do {
		result = SYS3(sendmsg, socket, &envelope, MSG_NOSIGNAL);
	} while (result == -EINTR);
	if (fds[1] >= 0)
		SYS1(close, fds[1]);
	return result < 0 ? (int)result : 0;
}

/* --- starting the collector --- */

struct start {
	const char *path;
	char **argv;
	char **envp;
	int listener;
	char *stack;        /* of the collector's process until it execs */
	volatile int error; /* negative when the collector could not be executed */
};

/* In the process that becomes the collector. Memory is shared: touch nothing but the stack and start->error. */
static int become_collector(void *argument)
{
	struct start *start = argument;
	if (start->listener == TIDEMARK_LISTEN_FD)
		SYS3(fcntl, TIDEMARK_LISTEN_FD, F_SETFD, 0);
	else
		SYS3(dup3, start->listener, TIDEMARK_LISTEN_FD, 0);
	start->error = (int)SYS3(execve, start->path, start->argv, start->envp);
	SYS1(exit_group, 127);
	return 127;
}

static int be_middle(void *argument)
{
	struct start *start = argument;
	int pid = clone(become_collector, start->stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, start);
	if (pid < 0)
		start->error = -EAGAIN;
	SYS1(exit_group, 0);
	return 0;
}

/* returns: 0 when the collector runs, or a negative error number */
static int spawn(struct start *start)
{
	uint64_t all = ~0ull, mask = 0;
	int saved = errno, status;
	long stacks =
	    SYS6(mmap, NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (sys_failed(stacks))
		return (int)stacks;
	start->stack = (char *)stacks + STACK_BYTES;
	start->error = 0;
	SYS4(rt_sigprocmask, SIG_BLOCK, &all, &mask, 8); /* no handler may run twice in one memory */
	int pid = clone(be_middle, (char *)stacks + STACK_BYTES, CLONE_VM | CLONE_VFORK, start);
	if (pid < 0)
		start->error = -errno;
	else
		while (SYS4(wait4, pid, &status, __WALL, NULL) == -EINTR)
			;
	SYS4(rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
	SYS2(munmap, stacks, 2 * STACK_BYTES);
	errno = saved;
	return start->error;
}

/* DIR/tidemark-collector, DIR being where this library was loaded from. */
static bool find_collector(char *path)
{
	static const char name[] = "tidemark-collector";
	Dl_info info;
	if (!dladdr((void *)join_session, &info) || !info.dli_fname)
		return false;
	const char *slash = strrchr(info.dli_fname, '/');
	size_t n = slash ? (size_t)(slash - info.dli_fname) + 1 : 0;
	if (n + sizeof(name) > MAX_PATH)
		return false;
	memcpy(path, info.dli_fname, n);
	memcpy(path + n, name, sizeof(name));
	return true;
}

/* What the collector and its symbolizer may need; above all not what would preload us there. */
static void clean_environment(char **kept, char **envp)
{
	static const char *const names[] = {"PATH=", "HOME=", "TMPDIR=", "XDG_CACHE_HOME=", "DEBUGINFOD_", "TZ="};
	unsigned n = 0;
	for (; *envp && n < MAX_KEPT; envp++) {
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (strncmp(*envp, names[i], strlen(names[i])) == 0) {
				kept[n++] = *envp;
				break;
			}
		}
	}
	kept[n] = NULL;
}

static bool has_pid(const char *template)
{
	for (; *template; template ++) {
		if (template[0] == '%' && template[1] == 'p')
			return true;
		if (template[0] == '%' && template[1])
			template ++;
	}
	return false;
}

static void make_name(char *name)
{
	uint64_t random[2] = {0, 0};
	if (SYS3(getrandom, random, sizeof(random), 1 /* GRND_NONBLOCK */) != sizeof(random)) {
		struct {
			long seconds, nanoseconds;
		} now = {0, 0};
		SYS2(clock_gettime, 0, &now);
		random[0] = (uint64_t)now.seconds << 30 ^ (uint64_t)now.nanoseconds;
		random[1] =
		    (uint64_t)SYS0(getpid) << 32 ^ (uintptr_t)name; /* the peer's credentials are what is checked */
	}
	struct text text = text_in(name, JOIN_NAME_BYTES);
	text_put(&text, "tidemark-");
	text_put_number(&text, (uint64_t)SYS0(geteuid), 10);
	text_put(&text, "-");
	text_put_number(&text, random[0], 16);
	text_put_number(&text, random[1], 16);
}

static int listen_on(const char *name)
{
	struct sockaddr_un address;
	socklen_t length = name_address(&address, name);
	int fd = new_socket();
	if (fd < 0)
		return fd;
	long result = SYS3(bind, fd, &address, length);
	if (result == 0)
		result = SYS2(listen, fd, BACKLOG);
	if (result == 0)
		return fd;
	SYS1(close, fd);
	return (int)result;
}

int join_new_session(const struct options *options, char **envp, char *name)
{
	char path[MAX_PATH], interval[16], *argv[9], *kept[MAX_KEPT + 1];
	unsigned n = 0;
	if (!find_collector(path))
		return -ENOENT;
	make_name(name);
	int listener = listen_on(name);
	if (listener < 0)
		return listener;
	struct text text = text_in(interval, sizeof(interval));
	text_put_number(&text, options->rss_interval_ms, 10);
	argv[n++] = (char *)"tidemark-collector";
	argv[n++] = (char *)"--session";
	argv[n++] = name;
	argv[n++] = (char *)"--output";
	argv[n++] = (char *)options->output;
	argv[n++] = (char *)"--rss-interval";
	argv[n++] = interval;
	if (!has_pid(options->output))
		argv[n++] = (char *)"--named";
	argv[n] = NULL;
	clean_environment(kept, envp);
	struct start start = {.path = path, .argv = argv, .envp = kept, .listener = listener};
	int result = spawn(&start);
	if (result == 0)
		result = join_session(name);
	SYS1(close, listener);
	return result;
}
