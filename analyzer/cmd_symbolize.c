/* tidemark symbolize: the collector's helper that turns addresses into names, over stdin and stdout
 * (symbols/service.h).
 *
 * It reads the debug information of arbitrary files, so it is a process of its own: what a forged file may do to a
 * parser ends here. It must not hurt the target either: when memory runs short the kernel shall take this process
 * first. */
#include "base/array.h"
#include "base/option.h"
#include "base/say.h"
#include "cmd.h"
#include "symbols/service.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define READ_BYTES 65536
#define MAX_LINE_BYTES (1u << 18)     /* three escaped paths of 64 KiB */
#define MAX_WAITING_BYTES (64u << 20) /* answers that nobody fetches: reading stops */
/* Of private memory: packed sections may claim any size. A sanitizer's shadow is larger than any limit. */
#ifdef __SANITIZE_ADDRESS__
#define MAX_DATA_BYTES RLIM_INFINITY
#else
#define MAX_DATA_BYTES (4ul << 30)
#endif

#define LOWER_BY 10 /* of 19 */

struct input {
	char *bytes;
	size_t n_bytes, capacity;
	bool skipping; /* inside a line that is too long to be a request */
	bool ended;
};

/* Two threads serve one after the other: the first at low priority, because the targets run beside it; the other goes on
 * when somebody waits for the answers, because a process cannot take its low priority back. */
struct serving {
	struct service *service;
	struct input input;
	bool may_pass; /* the low one serves */
	bool passed;
	int result;
};

/* By SIGCONT, which only the low thread takes; the collector blocks it before the start. */
static volatile sig_atomic_t is_awaited;

static void note_awaited(int signal_number)
{
	(void)signal_number;
	is_awaited = 1;
}

static void process_prepare(void)
{
	struct rlimit none = {0, 0}, data = {MAX_DATA_BYTES, MAX_DATA_BYTES};
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, "1000", 4) < 0)
			errno = 0; /* a favour to others, not a need */
		close(fd);
	}
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_DATA, &data);
	mallopt(M_ARENA_MAX, 1); /* the threads take turns */
	signal(SIGPIPE, SIG_IGN);
}

static void mask_call(int how)
{
	sigset_t call;

	sigemptyset(&call);
	sigaddset(&call, SIGCONT);
	pthread_sigmask(how, &call, NULL);
}

/* What the dying process still owes: whole answers, so that its successor is asked on from the request that killed it.
 */
static struct service *volatile dying_service;

static void die_with_answers(int signal_number)
{
	struct service *service = dying_service;
	size_t at = service ? service->out_sent : 0;

	while (service && at < service->out_whole) {
		ssize_t n = write(STDOUT_FILENO, service->out + at, service->out_whole - at);

		if (n <= 0 && errno != EINTR)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	_exit(128 + signal_number);
}

/* For both threads: only one of them works at a time. */
static int use_fault_stack(stack_t *former)
{
	static char bytes[65536];
	const stack_t stack = {.ss_sp = bytes, .ss_size = sizeof(bytes)};

	return sigaltstack(&stack, former);
}

/* Forged debug information may lead libdw astray, a file that shrinks while it is mapped raises SIGBUS. */
static void catch_faults(struct service *service)
{
	const struct sigaction action = {.sa_handler = die_with_answers, .sa_flags = SA_ONSTACK | SA_RESETHAND};
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

	dying_service = service;
	if (use_fault_stack(NULL))
		return;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

static int input_read(struct input *input)
{
	ssize_t n;

	if (ARRAY_RESERVE(input->bytes, input->capacity, input->n_bytes + READ_BYTES))
		return -1;
	n = read(STDIN_FILENO, input->bytes + input->n_bytes, READ_BYTES);
	if (n > 0)
		input->n_bytes += (size_t)n;
	else if (!n || (errno != EINTR && errno != EAGAIN))
		input->ended = true;
	return 0;
}

static bool passes(struct serving *serving)
{
	serving->passed = serving->may_pass && is_awaited;
	return serving->passed;
}

/* Serve the whole lines that are there; half a line at the very end of the input is none. */
static int input_serve(struct serving *serving)
{
	struct input *input = &serving->input;
	char *line = input->bytes, *end;
	size_t left = input->n_bytes;

	while (left && !passes(serving) && (end = memchr(line, '\n', left))) {
		*end = '\0';
		if (!input->skipping && service_request(serving->service, line))
			return -1;
		input->skipping = false;
		left -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	if (left > MAX_LINE_BYTES && !serving->passed) {
		input->skipping = true;
		left = 0;
	}
	if (left)
		memmove(input->bytes, line, left);
	input->n_bytes = left;
	return 0;
}

static size_t output_waiting(const struct service *service)
{
	return service->out_bytes - service->out_sent;
}

/* returns: 0, -1 when nobody listens any more */
static int output_write(struct service *service)
{
	/* poll() promises room for that much in a pipe: the write does not block, and requests are read on. */
	size_t bytes = output_waiting(service) < 4096 ? output_waiting(service) : 4096;
	ssize_t n = write(STDOUT_FILENO, service->out + service->out_sent, bytes);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	service->out_sent += (size_t)n;
	if (service->out_sent * 2 >= service->out_bytes) {
		memmove(service->out, service->out + service->out_sent, output_waiting(service));
		service->out_bytes -= service->out_sent;
		service->out_whole -= service->out_sent;
		service->out_sent = 0;
	}
	return 0;
}

/* returns: 0 at the end, or when the other thread is to go on */
static int serve(struct serving *serving)
{
	struct service *service = serving->service;
	struct input *input = &serving->input;

	while (!input_serve(serving) && !passes(serving)) {
		struct pollfd fds[2] = {
		    {input->ended || output_waiting(service) > MAX_WAITING_BYTES ? -1 : STDIN_FILENO, POLLIN, 0},
		    {output_waiting(service) ? STDOUT_FILENO : -1, POLLOUT, 0},
		};

		if (input->ended && !output_waiting(service))
			return 0;
		if (poll(fds, 2, -1) < 0) {
			if (errno != EINTR)
				return -1;
		} else if ((fds[1].revents && output_write(service)) || (fds[0].revents && input_read(input))) {
			return -1;
		}
	}
	return serving->passed ? 0 : -1;
}

static void *serve_low(void *arg)
{
	struct serving *serving = arg;
	stack_t former;
	bool has_stack = !use_fault_stack(&former);

	setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + LOWER_BY);
	mask_call(SIG_UNBLOCK);
	serving->result = serve(serving);
	if (has_stack)
		sigaltstack(&former, NULL);
	return NULL;
}

static int serve_all(struct service *service)
{
	struct serving serving = {.service = service, .may_pass = true, .passed = true};
	pthread_t low;

	sigaction(SIGCONT, &(struct sigaction){.sa_handler = note_awaited}, NULL);
	mask_call(SIG_BLOCK);
	if (!pthread_create(&low, NULL, serve_low, &serving))
		pthread_join(low, NULL);
	serving.may_pass = false;
	if (serving.passed)
		serving.result = serve(&serving);
	free(serving.input.bytes);
	return serving.result;
}

static void warn_user(void *arg, const char *text)
{
	(void)arg;
	say("%s", text);
}

int cmd_symbolize(int argc, char **argv)
{
	struct symbols_options options = {.search_debug_files = true, .trust_files = true, .warn = warn_user};
	struct option_list folders = {0};
	const struct option table[] = {
	    {"sysroot", 0, OPTION_TEXT, &options.sysroot, "DIR", "look for debug files below it first", 0, 0},
	    {"debug-dir", 0, OPTION_LIST, &folders, "DIR", "look for debug files there too; may come again", 0, 0},
	    {0},
	};
	const struct option_table usage = {
	    "symbolize [OPTION...]", "Turn addresses into names; internal.", table, false};
	struct service service;
	struct symbols *symbols;
	struct err err;
	int n_operands = option_parse(&usage, argc, argv, &err), status = CMD_OK;

	if (n_operands == OPTION_HELP_SHOWN)
		return CMD_OK;
	if (n_operands < 0)
		return say_err(&err);
	options.debug_dirs = folders.items;
	options.n_debug_dirs = folders.n_items;
	process_prepare();
	if (symbols_new(&symbols, &options, &err)) {
		status = say_err(&err);
	} else {
		service_init(&service, symbols);
		catch_faults(&service);
		if (serve_all(&service))
			status = CMD_TROUBLE;
		dying_service = NULL;
		service_release(&service);
		symbols_free(symbols);
	}
	free(folders.items);
	return status;
}
