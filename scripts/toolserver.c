/* A tool server: it answers requests over HTTP as a service would, and leaks as it is told to. For the tests of Tidemark,
 * for docs/tutorial.md, and for trying thresholds where the truth is known.
 *
 * usage: toolserver serve PORT [--seed N] [--no-marks] [TOOL=MODE[:BYTES[:K]]]...
 *        toolserver client PORT [--seed N] [TOOL]...
 *
 * serve: answers GET /TOOL for the tools search, render, convert and fetch, on one thread per connection, until SIGTERM.
 *   Each request is an operation named after its tool, unless --no-marks. What a tool leaves behind is its mode:
 *     clean     nothing (the default)
 *     steady    BYTES (256) of every request, for good
 *     sparse    BYTES (4096) of one request in K (50), at random, for good
 *     cache     BYTES (1024) in a cache of K (200) places; the oldest gives way: no leak
 *     filling   BYTES (1024) for each of K (2000) keys, asked for at random: it grows until it is full; no leak in the end
 *     exit      BYTES (256) of every request, on a list that an exit handler frees: a leak all the same
 *     thread    BYTES (256) of every request, left by a thread that works for it
 *   At the end it prints what it did: "TOOL: N requests, B bytes left behind".
 * client: a helper for `tidemark drive --op-helper`. For each line that it reads it makes one request, to one of the tools
 *   (search) at random, and prints the answer's status as a line.
 * With one seed the same requests leave the same bytes behind, however threads and clients interleave. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "tidemark.h"

enum mode { CLEAN, STEADY, SPARSE, CACHE, FILLING, EXIT, THREAD, MODES };

static const struct {
	const char *name;
	size_t bytes, k; /* what they are unless told */
} modes[MODES] = {{"clean", 0, 0}, {"steady", 256, 0}, {"sparse", 4096, 50}, {"cache", 1024, 200},
		  {"filling", 1024, 2000}, {"exit", 256, 0}, {"thread", 256, 0}};

struct note { /* of the list that is freed at exit */
	struct note *next;
	char text[];
};

struct tool {
	const char *name;
	enum mode mode;
	size_t bytes, k;
	_Atomic uint64_t n_requests;
	pthread_mutex_t lock; /* of what follows */
	void **places;	      /* CACHE, FILLING: k of them */
	struct note *notes;   /* EXIT */
	uint64_t left_bytes;
};

static struct tool tools[] = {{.name = "search", .lock = PTHREAD_MUTEX_INITIALIZER},
			      {.name = "render", .lock = PTHREAD_MUTEX_INITIALIZER},
			      {.name = "convert", .lock = PTHREAD_MUTEX_INITIALIZER},
			      {.name = "fetch", .lock = PTHREAD_MUTEX_INITIALIZER}};
#define N_TOOLS (sizeof(tools) / sizeof(tools[0]))

static uint64_t seed = 1;
static bool marks = true;

static void fail(const char *what)
{
	fprintf(stderr, "toolserver: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A number at random that depends on the seed and its arguments alone (the finaliser of splitmix64). */
static uint64_t draw(uint64_t stream, uint64_t i)
{
	uint64_t z = seed * 0x9e3779b97f4a7c15u + stream * 0xd1342543de82ef95u + i * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static struct tool *tool_find(const char *name, size_t n)
{
	for (size_t i = 0; i < N_TOOLS; i++)
		if (strlen(tools[i].name) == n && !memcmp(tools[i].name, name, n))
			return &tools[i];
	return NULL;
}

/* --- what a request leaves behind --- */

/* Not inlined, or a compiler that sees nobody read the block may leave it out. */
static __attribute__((noinline)) void *allocate(size_t bytes)
{
	char *block = malloc(bytes ? bytes : 1);
	if (!block)
		fail("malloc");
	memset(block, 'x', bytes); /* so that it counts in the resident memory */
	return block;
}

/* A copy of the request for the tool's history. The caller frees it. */
static char *history_entry(const struct tool *tool)
{
	return allocate(tool->bytes);
}

static void remember_query(struct tool *tool)
{
	char *entry = history_entry(tool);
	entry[0] = '\0'; /* the leak: nobody keeps the entry, and nobody frees it */
}

static void cache_answer(struct tool *tool, size_t place, bool replace)
{
	pthread_mutex_lock(&tool->lock);
	if (replace || !tool->places[place]) {
		free(tool->places[place]);
		tool->places[place] = allocate(tool->bytes);
	}
	pthread_mutex_unlock(&tool->lock);
}

static void note_for_exit(struct tool *tool)
{
	struct note *note = allocate(sizeof(*note) + tool->bytes);
	pthread_mutex_lock(&tool->lock);
	note->next = tool->notes;
	tool->notes = note;
	pthread_mutex_unlock(&tool->lock);
}

static void *work_for_request(void *tool)
{
	remember_query(tool);
	return NULL;
}

static void delegate(struct tool *tool)
{
	pthread_t worker;
	errno = pthread_create(&worker, NULL, work_for_request, tool);
	if (errno)
		fail("pthread_create");
	pthread_join(worker, NULL);
}

static void count_left(struct tool *tool, size_t bytes)
{
	pthread_mutex_lock(&tool->lock);
	tool->left_bytes += bytes;
	pthread_mutex_unlock(&tool->lock);
}

/* i: the number of the request among this tool's */
static void leave_behind(struct tool *tool, uint64_t i)
{
	uint64_t chance = draw((uint64_t)(tool - tools) + 1, i);
	switch (tool->mode) {
	case STEADY:
		remember_query(tool);
		count_left(tool, tool->bytes);
		break;
	case SPARSE:
		if (chance % tool->k)
			break;
		remember_query(tool);
		count_left(tool, tool->bytes);
		break;
	case CACHE:
		cache_answer(tool, i % tool->k, true);
		break;
	case FILLING:
		cache_answer(tool, chance % tool->k, false);
		break;
	case EXIT:
		note_for_exit(tool);
		count_left(tool, sizeof(struct note) + tool->bytes);
		break;
	case THREAD:
		delegate(tool);
		count_left(tool, tool->bytes);
		break;
	default:
		break;
	}
}

/* --- answers --- */

struct text { /* an answer that grows as it is written */
	char *bytes;
	size_t n, capacity;
};

static void text_add(struct text *text, const char *format, ...)
{
	va_list arguments;
	char line[256];
	va_start(arguments, format);
	size_t n = (size_t)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	n = n < sizeof(line) ? n : sizeof(line) - 1;
	if (text->n + n > text->capacity) {
		text->capacity = 2 * (text->n + n);
		text->bytes = realloc(text->bytes, text->capacity);
		if (!text->bytes)
			fail("realloc");
	}
	memcpy(text->bytes + text->n, line, n);
	text->n += n;
}

/* Work as tools do it: buffers of many sizes that live as long as the request. */
static void work(const struct tool *tool, uint64_t i, struct text *answer)
{
	uint64_t size = draw(0, i);
	size_t n_results = 1 + size % 20;
	char **results = allocate(n_results * sizeof(*results));
	for (size_t j = 0; j < n_results; j++)
		results[j] = allocate(16 + (size >> 8) % 500);
	for (size_t j = 0; j < n_results; j++) {
		text_add(answer, "%s result %zu of %zu: %" PRIx64 "\n", tool->name, j + 1, n_results, size + j);
		free(results[j]);
	}
	free(results);
}

static void serve_tool(struct tool *tool, struct text *answer)
{
	uint64_t i = atomic_fetch_add(&tool->n_requests, 1);
	if (marks)
		tidemark_op_begin(tool->name);
	work(tool, i, answer);
	leave_behind(tool, i);
	if (marks)
		tidemark_op_end();
}

static void serve_request(const char *line, FILE *out)
{
	struct text answer = {0};
	const char *status = "404 Not Found";
	struct tool *tool = NULL;
	if (!strncmp(line, "GET /", 5))
		tool = tool_find(line + 5, strcspn(line + 5, " ?\r\n"));
	if (tool) {
		status = "200 OK";
		serve_tool(tool, &answer);
	}
	fprintf(out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, answer.n);
	if (answer.n)
		fwrite(answer.bytes, 1, answer.n, out);
	fflush(out);
	free(answer.bytes);
}

/* --- connections --- */

static FILE *open_stream(int fd, const char *mode)
{
	FILE *file = fdopen(fd, mode);
	if (!file)
		fail("fdopen");
	return file;
}

static void *serve_connection(void *argument)
{
	int fd = (int)(intptr_t)argument;
	FILE *in = open_stream(fd, "r"), *out = open_stream(dup(fd), "w");
	char request[1024], header[1024];
	while (fgets(request, sizeof(request), in)) {
		while (fgets(header, sizeof(header), in) && strcmp(header, "\r\n") != 0)
			;
		serve_request(request, out);
	}
	fclose(in);
	fclose(out);
	return NULL;
}

static struct sockaddr_in local(const char *port)
{
	char *end;
	unsigned long number = strtoul(port, &end, 10);
	if (*end || number == 0 || number > 65535) {
		fprintf(stderr, "toolserver: '%s' is no port\n", port);
		exit(2);
	}
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)number),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int open_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void *accept_all(void *argument)
{
	int listener = (int)(intptr_t)argument;
	for (;;) {
		pthread_t thread;
		int fd = accept(listener, NULL, NULL), on = 1;
		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd) != 0)
			close(fd);
		else
			pthread_detach(thread);
	}
	return NULL;
}

static void free_notes(void)
{
	for (size_t i = 0; i < N_TOOLS; i++)
		for (struct note *note = tools[i].notes, *next; note; note = next) {
			next = note->next;
			free(note);
		}
}

static void report(void)
{
	for (size_t i = 0; i < N_TOOLS; i++)
		if (tools[i].n_requests)
			printf("%s: %" PRIu64 " requests, %" PRIu64 " bytes left behind\n", tools[i].name,
			       (uint64_t)tools[i].n_requests, tools[i].left_bytes);
}

static int serve(const char *port)
{
	struct sockaddr_in address = local(port);
	int listener = open_socket(), number;
	sigset_t ends;
	pthread_t thread;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	atexit(free_notes);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 128) < 0)
		fail(port);
	errno = pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)listener);
	if (errno)
		fail("pthread_create");
	printf("toolserver: listening on port %s\n", port);
	fflush(stdout);
	sigwait(&ends, &number);
	report();
	return 0;
}

/* --- the client --- */

/* returns: the status, 0 when the server is gone */
static int request(FILE *in, FILE *out, const char *tool, uint64_t i)
{
	char line[1024];
	int status = 0;
	size_t length = 0;
	fprintf(out, "GET /%s?q=%" PRIu64 " HTTP/1.1\r\nHost: localhost\r\n\r\n", tool, i);
	if (fflush(out) == EOF || !fgets(line, sizeof(line), in) || sscanf(line, "HTTP/1.1 %d", &status) != 1)
		return 0;
	while (fgets(line, sizeof(line), in) && strcmp(line, "\r\n") != 0)
		sscanf(line, "Content-Length: %zu", &length);
	for (size_t n; length; length -= n)
		if (!(n = fread(line, 1, length < sizeof(line) ? length : sizeof(line), in)))
			return 0;
	return status;
}

static int client(const char *port, char **names, size_t n_names)
{
	struct sockaddr_in address = local(port);
	static char standard[] = "search";
	char *only = standard, line[64];
	int fd = open_socket();
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(port);
	FILE *in = open_stream(fd, "r"), *out = open_stream(dup(fd), "w");
	if (!n_names) {
		names = &only;
		n_names = 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t i = strtoull(line, NULL, 10);
		int status = request(in, out, names[draw(99, i) % n_names], i);
		if (status != 200) {
			fprintf(stderr, "toolserver: the answer to request %" PRIu64 " has status %d\n", i, status);
			return 1;
		}
		printf("%d\n", status);
		fflush(stdout);
	}
	return 0;
}

/* --- the command line --- */

static int usage(void)
{
	fputs("usage: toolserver serve PORT [--seed N] [--no-marks] [TOOL=MODE[:BYTES[:K]]]...\n"
	      "       toolserver client PORT [--seed N] [TOOL]...\n"
	      "tools: search render convert fetch   modes: clean steady sparse cache filling exit thread\n",
	      stderr);
	return 2;
}

/* "search=sparse:4096:50". returns: whether it is such a thing */
static bool set_mode(const char *text)
{
	char name[16], mode[16];
	size_t bytes = 0, k = 0;
	int n = sscanf(text, "%15[a-z]=%15[a-z]:%zu:%zu", name, mode, &bytes, &k);
	struct tool *tool = n >= 2 ? tool_find(name, strlen(name)) : NULL;
	for (int i = 0; tool && i < MODES; i++) {
		if (strcmp(mode, modes[i].name) != 0)
			continue;
		tool->mode = (enum mode)i;
		tool->bytes = n > 2 ? bytes : modes[i].bytes;
		tool->k = n > 3 && k ? k : modes[i].k;
		if (i == CACHE || i == FILLING)
			tool->places = calloc(tool->k, sizeof(*tool->places));
		return (i != CACHE && i != FILLING) || tool->places;
	}
	return false;
}

int main(int argc, char **argv)
{
	char **words = argv + 3;
	size_t n_words = 0;
	bool serving = argc > 2 && !strcmp(argv[1], "serve");
	if (argc < 3 || (!serving && strcmp(argv[1], "client") != 0))
		return usage();
	for (int i = 3; i < argc; i++) {
		if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 10);
		else if (serving && !strcmp(argv[i], "--no-marks"))
			marks = false;
		else if (serving ? set_mode(argv[i]) : tool_find(argv[i], strlen(argv[i])) != NULL)
			words[n_words++] = argv[i];
		else
			return usage();
	}
	return serving ? serve(argv[2]) : client(argv[2], words, n_words);
}
