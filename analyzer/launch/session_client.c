/* A recording session seen from the command: see session_client.h. */
#include "launch/session_client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX "tidemark-"
#define ACCEPTS 0x10000u /* __SO_ACCEPTCON in the column Flags of /proc/net/unix, proc(5) */
#define BACKLOG 4096     /* every process image of a busy build connects; the kernel cuts it at somaxconn */

static socklen_t address_of(const char *name, struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	size_t n = strnlen(name, sizeof(address->sun_path) - 1);
	memcpy(address->sun_path + 1, name, n); /* a leading NUL: abstract, unix(7) */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
}

/* Descriptors 0..2 may be closed in our caller; what we open must not pose as the target's standard streams. */
static int open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || fd > 2)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return high;
}

static int listen_somewhere(char name[SESSION_NAME_BYTES], struct err *err)
{
	uint64_t random;
	struct sockaddr_un address;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return err_errno(err, "cannot get random bytes");
	snprintf(name, SESSION_NAME_BYTES, PREFIX "%ju-%016jx", (uintmax_t)getuid(), (uintmax_t)random);
	int fd = open_socket();
	if (fd < 0)
		return err_errno(err, "cannot create a socket");
	socklen_t length = address_of(name, &address);
	if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0) {
		err_errno(err, "cannot listen on the session's socket");
		close(fd);
		return TIDEMARK_ERR_SYSTEM;
	}
	return fd;
}

/* What the collector and its symbolizer may want of our environment; LD_PRELOAD and the like stay behind. */
static char **clean_environment(void)
{
	static const char *const kept[] = {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "DEBUGINFOD_URLS",
	    "DEBUGINFOD_CACHE_PATH", "XDG_CACHE_HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	enum { N_KEPT = sizeof(kept) / sizeof(kept[0]) };
	char **environment = calloc(N_KEPT + 1, sizeof(*environment));
	size_t n = 0;
	for (size_t i = 0; environment && i < N_KEPT; i++) {
		const char *value = getenv(kept[i]);
		if (value && asprintf(&environment[n], "%s=%s", kept[i], value) > 0)
			n++;
	}
	if (environment)
		environment[n] = NULL;
	return environment;
}

static void free_environment(char **environment)
{
	for (char **e = environment; e && *e; e++)
		free(*e);
	free(environment);
}

static int spawn_with(struct session *session, char *const *arguments, char *const *environment, int listener)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int error = posix_spawn_file_actions_init(&actions);
	if (error)
		return error;
	error = posix_spawnattr_init(&attributes);
	if (!error) {
		posix_spawnattr_setflags(
		    &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
		posix_spawnattr_setsigmask(&attributes, &none);
		posix_spawnattr_setsigdefault(&attributes, &all);
		error = posix_spawn_file_actions_adddup2(&actions, listener, TIDEMARK_LISTEN_FD);
		if (!error)
			error = posix_spawn_file_actions_addclosefrom_np(&actions, TIDEMARK_LISTEN_FD + 1);
		if (!error)
			error = posix_spawn(
			    &session->collector, arguments[0], &actions, &attributes, arguments, environment);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static int spawn_collector(
    struct session *session, const struct session_options *options, int listener, struct err *err)
{
	char interval[24];
	snprintf(interval, sizeof(interval), "%ju", (uintmax_t)options->rss_interval_ms);
	const char *arguments[10] = {options->collector, "--session", session->name, "--output", options->output};
	size_t n = 5;
	if (options->rss_interval_ms) {
		arguments[n++] = "--rss-interval";
		arguments[n++] = interval;
	}
	if (options->named)
		arguments[n++] = "--named";
	char **environment = clean_environment();
	if (!environment)
		return err_memory(err);
	errno = spawn_with(session, (char *const *)arguments, environment, listener);
	free_environment(environment);
	return errno ? err_errno(err, "cannot start '%s'", options->collector) : 0;
}

int session_start(struct session *session, const struct session_options *options, struct err *err)
{
	session->connection = -1;
	int listener = listen_somewhere(session->name, err);
	if (listener < 0)
		return listener;
	int result = spawn_collector(session, options, listener, err);
	if (result == 0)
		result = session->connection = session_connect(session->name, err);
	close(listener); /* ours: while we hold it, nobody would notice the collector's death */
	return result < 0 ? result : 0;
}

void session_release(struct session *session)
{
	if (session->connection >= 0)
		close(session->connection);
	session->connection = -1;
}

/* The listener's credentials are those of listen(): another user cannot pose as our collector. */
static bool trusted_peer(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       (geteuid() == 0 || peer.uid == 0 || peer.uid == geteuid());
}

int session_connect(const char *name, struct err *err)
{
	struct sockaddr_un address;
	int fd = open_socket();
	if (fd < 0)
		return err_errno(err, "cannot create a socket");
	socklen_t length = address_of(name, &address);
	if (connect(fd, (struct sockaddr *)&address, length) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		if (error == ECONNREFUSED)
			return err_set(err, TIDEMARK_ERR_NOT_FOUND, "no session '%s'", name);
		return err_errno(err, "cannot connect to the session '%s'", name);
	}
	if (!trusted_peer(fd)) {
		close(fd);
		return err_set(err, TIDEMARK_ERR_NOT_FOUND, "the session '%s' belongs to another user", name);
	}
	return fd;
}

int session_send(int connection, const struct tidemark_message *message, struct err *err)
{
	struct tidemark_message wire = *message;
	wire.magic = TIDEMARK_SESSION_MAGIC;
	wire.version = TIDEMARK_SESSION_VERSION;
	ssize_t n;
	do
		n = send(connection, &wire, sizeof(wire), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == sizeof(wire) ? 0 : err_errno(err, "cannot reach the collector");
}

int session_receive(int connection, struct tidemark_message *message, struct err *err)
{
	ssize_t n;
	do
		n = recv(connection, message, sizeof(*message), 0);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return err_errno(err, "cannot hear the collector");
	if (n != sizeof(*message) || message->magic != TIDEMARK_SESSION_MAGIC ||
	    message->version != TIDEMARK_SESSION_VERSION)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "the collector speaks another version of the protocol");
	message->text[sizeof(message->text) - 1] = '\0';
	return 1;
}

const char *session_fate(const struct session *session, char text[64])
{
	int status;
	if (session->collector <= 0 || waitpid(session->collector, &status, WNOHANG) != session->collector)
		snprintf(text, 64, "it is gone");
	else if (WIFSIGNALED(status))
		snprintf(text, 64, "it was killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, 64, "it ended with status %d", WEXITSTATUS(status));
	return text;
}

bool session_each(bool (*each)(void *arg, const char *name), void *arg)
{
	FILE *file = fopen("/proc/net/unix", "re");
	if (!file)
		return false;
	char line[512];
	bool found = false;
	while (!found && fgets(line, sizeof(line), file)) {
		unsigned flags;
		char *name = strstr(line, " @" PREFIX);
		/* Accepted connections bear the listener's name as well. */
		if (!name || sscanf(line, "%*s %*s %*s %x", &flags) != 1 || !(flags & ACCEPTS))
			continue;
		name += 2;
		name[strcspn(name, "\n")] = '\0';
		if (strlen(name) < SESSION_NAME_BYTES)
			found = each(arg, name);
	}
	fclose(file);
	return found;
}
