#include "symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bytes.h"
#include "hashing.h"
#include "procfs.h"
#include "stringpool.h"
#include "tidemark/trace.h"
#include "timebase.h"

#define MAX_STARTS 4
#define IDLE_NS 10000000000ull
#define SEND_BYTES 32768u
#define MAX_ANSWER_SYMBOLS 1000u

struct asked_module {
	uint32_t path; /* string */
	int fd;
	dev_t device;
	ino_t inode;
	uint8_t build_id[TIDEMARK_MAX_BUILD_ID];
	uint8_t build_id_bytes;
	uint8_t quality;
	bool is_told;
};

struct perf_map {
	pid_t pid;
	uint32_t path; /* string */
};

struct question {
	uint64_t offset;
	uint32_t module; /* or perf map, when is_jit */
	uint16_t flags;
	bool is_jit;
	uint32_t first_symbol, n_symbols;
};

static struct {
	struct asked_module *modules; /* [0] unused, as in the next two */
	struct perf_map *maps;
	struct question *questions;
	uint32_t n_modules, modules_capacity, n_maps, maps_capacity, n_questions, questions_capacity;
	uint32_t *table; /* question numbers by content; 0: empty */
	uint32_t table_capacity;
	struct symbol *symbols;
	uint32_t n_symbols, symbols_capacity;
	uint32_t n_sent, n_answered; /* questions below are; 1 at first */
	uint32_t left_symbols;       /* lines still to come of question n_answered */
	uint32_t map_told;
	pid_t pid;
	int to, from;
	int n_starts;
	bool dead;
	uint64_t idle_since_ns; /* 0: questions are open */
	struct bytes out, in;
	size_t out_done;
} sym = {.to = -1, .from = -1, .n_sent = 1, .n_answered = 1};

/* Make room for one more item; numbers count from 1. returns: 0, -1 without memory */
static int grow(void *array, uint32_t *n, uint32_t *capacity, size_t item_bytes)
{
	void **items = array;
	if (*n == 0)
		*n = 1;
	if (*n < *capacity)
		return 0;
	uint32_t more = *capacity ? 2 * *capacity : 64;
	void *grown = realloc(*items, more * item_bytes);
	if (!grown)
		return -1;
	*items = grown;
	*capacity = more;
	return 0;
}

/* ---- questions ---- */

/* Open a module's file as the process sees it. Devices and pipes are left alone. */
static int open_module(const struct tidemark_module *module, const char *path, pid_t pid, struct stat *st)
{
	char full[4200];
	int fd = -1, flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	if (path[0] != '/')
		return -1;
	if (pid > 0) {
		snprintf(full, sizeof(full), "/proc/%d/root%s", (int)pid, path);
		fd = open(full, flags);
		if (fd < 0)
			fd = procfs_open_mapped(pid, module->start);
	}
	if (fd < 0)
		fd = open(path, flags);
	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return procfs_keep(fd, 2);
	close(fd);
	return -1;
}

static bool same_build(const struct asked_module *a, const struct tidemark_module *b)
{
	return a->build_id_bytes == b->build_id_bytes && memcmp(a->build_id, b->build_id, b->build_id_bytes) == 0;
}

uint32_t symbolizer_module(const struct tidemark_module *module, const char *path, pid_t pid)
{
	uint32_t name = string_put(path, strlen(path));
	struct stat st = {0};
	for (uint32_t i = 1; i < sym.n_modules && module->build_id_bytes; i++)
		if (sym.modules[i].path == name && same_build(&sym.modules[i], module))
			return i;
	int fd = open_module(module, path, pid, &st);
	for (uint32_t i = 1; i < sym.n_modules; i++) {
		const struct asked_module *m = &sym.modules[i];
		if (m->path != name || !same_build(m, module) || m->device != st.st_dev || m->inode != st.st_ino)
			continue;
		if (fd >= 0)
			close(fd);
		return i;
	}
	if (grow(&sym.modules, &sym.n_modules, &sym.modules_capacity, sizeof(*sym.modules)) < 0) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	struct asked_module *m = &sym.modules[sym.n_modules];
	*m = (struct asked_module){.path = name, .fd = fd, .device = st.st_dev, .inode = st.st_ino};
	memcpy(m->build_id, module->build_id, sizeof(m->build_id));
	m->build_id_bytes = module->build_id_bytes;
	return sym.n_modules++;
}

enum tidemark_symbol_quality symbolizer_quality(uint32_t module)
{
	return module && module < sym.n_modules ? sym.modules[module].quality : TIDEMARK_SYMBOLS_NONE;
}

uint32_t symbolizer_perf_map(pid_t pid, const char *path)
{
	if (grow(&sym.maps, &sym.n_maps, &sym.maps_capacity, sizeof(*sym.maps)) < 0)
		return 0;
	sym.maps[sym.n_maps] = (struct perf_map){pid, string_put(path, strlen(path))};
	return sym.n_maps++;
}

static uint64_t question_hash(const struct question *q)
{
	return hash_pair(q->offset, (uint64_t)q->module << 20 | (uint64_t)q->is_jit << 16 | q->flags);
}

static void table_place(uint32_t *table, uint32_t capacity, uint32_t number)
{
	uint32_t i = (uint32_t)question_hash(&sym.questions[number]) & (capacity - 1);
	while (table[i])
		i = (i + 1) & (capacity - 1);
	table[i] = number;
}

static int grow_table(void)
{
	uint32_t capacity = sym.table_capacity ? 2 * sym.table_capacity : 1024;
	uint32_t *table = calloc(capacity, sizeof(*table));
	if (!table)
		return -1;
	for (uint32_t i = 1; i < sym.n_questions; i++)
		table_place(table, capacity, i);
	free(sym.table);
	sym.table = table;
	sym.table_capacity = capacity;
	return 0;
}

static uint32_t ask(const struct question *q)
{
	if (grow(&sym.questions, &sym.n_questions, &sym.questions_capacity, sizeof(*sym.questions)) < 0)
		return 0;
	if (sym.n_questions * 3ull >= sym.table_capacity * 2ull && grow_table() < 0)
		return 0;
	uint32_t mask = sym.table_capacity - 1;
	for (uint32_t i = (uint32_t)question_hash(q) & mask; sym.table[i]; i = (i + 1) & mask) {
		const struct question *old = &sym.questions[sym.table[i]];
		if (old->offset == q->offset && old->module == q->module && old->flags == q->flags &&
		    old->is_jit == q->is_jit)
			return sym.table[i];
	}
	sym.questions[sym.n_questions] = *q;
	table_place(sym.table, sym.table_capacity, sym.n_questions);
	return sym.n_questions++;
}

uint32_t symbolizer_ask(uint32_t module, uint64_t offset, unsigned flags)
{
	if (!module)
		return 0;
	return ask(&(struct question){.offset = offset, .module = module, .flags = flags & TIDEMARK_NODE_EXACT});
}

uint32_t symbolizer_ask_jit(uint32_t perf_map, uint64_t pc, unsigned flags)
{
	if (!perf_map)
		return 0;
	return ask(
	    &(struct question){.offset = pc, .module = perf_map, .flags = flags & TIDEMARK_NODE_EXACT, .is_jit = true});
}

bool symbolizer_is_answered(uint32_t question)
{
	return question < sym.n_answered;
}

const struct symbol *symbolizer_answer(uint32_t question, uint32_t *n)
{
	*n = 0;
	if (question == 0 || question >= sym.n_answered)
		return NULL;
	*n = sym.questions[question].n_symbols;
	return sym.symbols + sym.questions[question].first_symbol;
}

uint32_t symbolizer_pending(void)
{
	return sym.n_questions > sym.n_answered ? sym.n_questions - sym.n_answered : 0;
}

void symbolizer_give_up(void)
{
	if (sym.n_questions > sym.n_answered)
		sym.n_answered = sym.n_questions;
	sym.dead = true;
}

/* ---- the child ---- */

static void stop_child(void)
{
	if (sym.to >= 0)
		close(sym.to);
	if (sym.from >= 0)
		close(sym.from);
	sym.to = sym.from = -1;
	if (sym.pid > 0) {
		kill(sym.pid, SIGKILL);
		waitpid(sym.pid, NULL, 0);
	}
	sym.pid = 0;
}

/* tidemark beside the collector, or in bin when the collector is in lib/tidemark. */
static bool find_command(char *path, size_t capacity)
{
	char self[3800];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return false;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, capacity, "%s/tidemark", self);
	if (access(path, X_OK) == 0)
		return true;
	snprintf(path, capacity, "%s/../../bin/tidemark", self);
	return access(path, X_OK) == 0;
}

/* vfork: a copy of the page tables of a big collector would take long. The child calls nothing but system calls. */
static pid_t spawn(const char *path, int in, int out)
{
	char *const argv[] = {"tidemark", "symbolize", NULL};
	pid_t pid = vfork();
	if (pid != 0)
		return pid;
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	setpriority(PRIO_PROCESS, 0, 10);
	execv(path, argv);
	_exit(127);
}

static int start_child(void)
{
	char path[4096];
	int to[2], from[2];
	if (sym.n_starts++ >= MAX_STARTS || !find_command(path, sizeof(path)) || pipe2(to, O_CLOEXEC) < 0)
		return -1;
	if (pipe2(from, O_CLOEXEC) < 0) {
		close(to[0]);
		close(to[1]);
		return -1;
	}
	sym.pid = spawn(path, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	sym.to = to[1];
	sym.from = from[0];
	if (sym.pid < 0) {
		stop_child();
		return -1;
	}
	fcntl(sym.to, F_SETFL, O_NONBLOCK);
	fcntl(sym.from, F_SETFL, O_NONBLOCK);
	sym.out.n = sym.in.n = sym.out_done = 0;
	sym.left_symbols = 0;
	sym.map_told = 0;
	sym.n_sent = sym.n_answered;
	for (uint32_t i = 1; i < sym.n_modules; i++)
		sym.modules[i].is_told = false;
	return 0;
}

/* The child is gone. What it was asked first may have been its end: go on behind it. */
static void restart_child(void)
{
	bool had_begun = sym.n_sent > sym.n_answered;
	stop_child();
	if (had_begun && sym.n_answered < sym.n_questions) {
		sym.questions[sym.n_answered].n_symbols = 0;
		sym.n_answered++;
	}
	if (start_child() < 0)
		symbolizer_give_up();
}

/* ---- sending ---- */

static void put_field(const char *text)
{
	bytes_add_byte(&sym.out, '\t');
	for (const char *p = text; *p; p++) {
		char hex[8];
		if (*p == '\\')
			bytes_add(&sym.out, "\\\\", 2);
		else if ((unsigned char)*p >= 32)
			bytes_add_byte(&sym.out, (uint8_t)*p);
		else
			bytes_add(&sym.out, hex, (size_t)snprintf(hex, sizeof(hex), "\\x%02x", (unsigned char)*p));
	}
}

static void put_number_field(const char *format, unsigned long long value)
{
	char text[32];
	snprintf(text, sizeof(text), format, value);
	put_field(text);
}

static void put_word(const char *word)
{
	bytes_add(&sym.out, word, strlen(word));
}

static void send_module(uint32_t number)
{
	struct asked_module *m = &sym.modules[number];
	char hex[2 * TIDEMARK_MAX_BUILD_ID + 1] = "-", path[64];
	if (m->is_told)
		return;
	m->is_told = true;
	for (unsigned i = 0; i < m->build_id_bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", m->build_id[i]);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), m->fd);
	const char *name = string_get(m->path, NULL);
	put_word("module");
	put_number_field("%llu", number);
	put_field(hex);
	put_field(m->fd >= 0 ? path : name);
	put_field(name);
	bytes_add_byte(&sym.out, '\n');
}

static void send_question(uint32_t number)
{
	const struct question *q = &sym.questions[number];
	if (q->is_jit && sym.map_told != q->module) {
		put_word("perfmap");
		put_number_field("%llu", (unsigned long long)sym.maps[q->module].pid);
		put_field(string_get(sym.maps[q->module].path, NULL));
		bytes_add_byte(&sym.out, '\n');
		sym.map_told = q->module;
	}
	if (!q->is_jit)
		send_module(q->module);
	put_word("frame");
	put_number_field("%llu", number);
	put_number_field("%llu", q->is_jit ? 0 : q->module);
	put_number_field("%llx", q->offset);
	put_number_field("%llu", q->flags);
	bytes_add_byte(&sym.out, '\n');
}

/* returns: 0, -1 when the child is gone */
static int pump_out(void)
{
	for (;;) {
		while (sym.out.n < SEND_BYTES && sym.n_sent < sym.n_questions)
			send_question(sym.n_sent++);
		if (sym.out_done == sym.out.n)
			return 0;
		ssize_t n = write(sym.to, sym.out.data + sym.out_done, sym.out.n - sym.out_done);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		sym.out_done += (size_t)n;
		if (sym.out_done < sym.out.n)
			return 0;
		sym.out.n = sym.out_done = 0;
	}
}

/* ---- receiving ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* In place. returns: the new length */
static size_t unescape(char *text)
{
	char *to = text;
	for (const char *p = text; *p; p++) {
		if (*p != '\\') {
			*to++ = *p;
		} else if (p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
			*to++ = (char)(hex_digit(p[2]) << 4 | hex_digit(p[3]));
			p += 3;
		} else if (p[1]) {
			p++;
			*to++ = *p == 't' ? '\t' : *p == 'n' ? '\n' : *p;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

/* Cut a line at its tabs. returns: how many fields */
static int split(char *line, char **fields, int max)
{
	int n = 0;
	for (char *at = line; at && n < max;) {
		fields[n++] = at;
		at = strchr(at, '\t');
		if (at)
			*at++ = '\0';
	}
	return n;
}

static int take_symbol(char **fields, int n)
{
	if (n != 3)
		return -1;
	if (sym.n_symbols == sym.symbols_capacity) {
		uint32_t capacity = sym.symbols_capacity ? 2 * sym.symbols_capacity : 256;
		struct symbol *symbols = realloc(sym.symbols, capacity * sizeof(*symbols));
		if (!symbols)
			return -1;
		sym.symbols = symbols;
		sym.symbols_capacity = capacity;
	}
	struct symbol *s = &sym.symbols[sym.n_symbols++];
	s->function = string_put(fields[0], unescape(fields[0]));
	s->file = string_put(fields[1], unescape(fields[1]));
	s->line = (uint32_t)strtoul(fields[2], NULL, 10);
	sym.questions[sym.n_answered].n_symbols++;
	if (--sym.left_symbols == 0)
		sym.n_answered++;
	return 0;
}

static int take_line(char *line)
{
	char *fields[5];
	int n = split(line, fields, 5);
	if (sym.left_symbols)
		return take_symbol(fields, n);
	if (n == 3 && strcmp(fields[0], "quality") == 0) {
		unsigned long module = strtoul(fields[1], NULL, 10), quality = strtoul(fields[2], NULL, 10);
		if (module && module < sym.n_modules && quality <= TIDEMARK_SYMBOLS_PERF_MAP)
			sym.modules[module].quality = (uint8_t)quality;
		return 0;
	}
	if (n != 3 || strcmp(fields[0], "frame") != 0 || sym.n_answered >= sym.n_sent ||
	    strtoul(fields[1], NULL, 10) != sym.n_answered)
		return -1;
	struct question *q = &sym.questions[sym.n_answered];
	q->first_symbol = sym.n_symbols;
	q->n_symbols = 0;
	sym.left_symbols = (uint32_t)strtoul(fields[2], NULL, 10);
	if (sym.left_symbols > MAX_ANSWER_SYMBOLS)
		return -1;
	if (sym.left_symbols == 0)
		sym.n_answered++;
	return 0;
}

static int take_lines(void)
{
	size_t done = 0;
	char *end;
	while ((end = memchr(sym.in.data + done, '\n', sym.in.n - done))) {
		*end = '\0';
		if (take_line((char *)sym.in.data + done) < 0)
			return -1;
		done = (size_t)(end + 1 - (char *)sym.in.data);
	}
	memmove(sym.in.data, sym.in.data + done, sym.in.n - done);
	sym.in.n -= done;
	return sym.in.n > 1u << 20 ? -1 : 0;
}

/* returns: 0, -1 when the child is gone or talks nonsense */
static int pump_in(void)
{
	for (;;) {
		uint8_t *at = bytes_room(&sym.in, 16384);
		if (!at)
			return -1;
		ssize_t n = read(sym.from, at, 16384);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		if (n == 0)
			return -1;
		sym.in.n += (size_t)n;
		if (take_lines() < 0)
			return -1;
	}
}

/* Debug information is big: a child that has had nothing to do for long is sent home. */
static void rest(void)
{
	uint64_t now = mono_ns();
	if (!sym.idle_since_ns)
		sym.idle_since_ns = now;
	if (sym.pid <= 0 || now - sym.idle_since_ns < IDLE_NS)
		return;
	stop_child();
	sym.n_starts--;
}

bool symbolizer_runs(void)
{
	return sym.pid > 0;
}

void symbolizer_pump(void)
{
	if (!symbolizer_pending()) {
		rest();
		return;
	}
	sym.idle_since_ns = 0;
	if (sym.dead) {
		symbolizer_give_up();
		return;
	}
	if (sym.pid <= 0 && start_child() < 0) {
		symbolizer_give_up();
		return;
	}
	bool gone = pump_out() < 0;
	if (pump_in() < 0 || gone) /* a dying child leaves its answers in the pipe: they are taken first */
		restart_child();
}

void symbolizer_poll(struct pollfd *fds)
{
	bool busy = sym.pid > 0 && symbolizer_pending();
	fds[0] = (struct pollfd){.fd = busy ? sym.from : -1, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = busy && sym.out_done < sym.out.n ? sym.to : -1, .events = POLLOUT};
}
