#include "symbolizer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hashing.h"
#include "procfs.h"
#include "resolver.h"
#include "stringpool.h"
#include "tidemark/trace.h"
#include "timebase.h"

#define MAX_CRASHES 2  /* over one module: then it is asked about no more */
#define MAX_FUTILE 8   /* starts in a row without an answer */
#define MAX_STARTS 100 /* each may take seconds to read what the one before had read */
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
	uint8_t n_crashes;
	bool is_told;
	bool is_gone; /* and what lies at the path is another file */
};

struct perf_map {
	pid_t pid;
	uint32_t path; /* string */
	uint8_t n_crashes;
};

struct question {
	uint64_t offset;
	uint32_t module; /* or perf map, when is_jit */
	uint16_t flags;
	bool is_jit;
	bool is_skipped; /* not sent: answered with nothing when its turn comes */
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
	struct resolver child;
	uint32_t n_starts, n_futile;
	bool dead;
	uint64_t idle_since_ns; /* 0: questions are open */
	uint64_t progress_ns;   /* when the last answer came, or the child was started */
} sym = {.child = {.to = -1, .from = -1}, .n_sent = 1, .n_answered = 1};

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

/* Open a module's file as the process sees it. Devices and pipes are left alone. A build-id tells the analyzer whether it
 * is the right file; without one, it is right as long as the process's own was not replaced. */
static int open_module(
    const struct tidemark_module *module, const char *path, pid_t pid, struct stat *st, bool *is_gone)
{
	char full[4200];
	int fd = -1, flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	if (path[0] != '/')
		return -1;
	if (pid > 0) {
		snprintf(full, sizeof(full), "/proc/%d/root%s", (int)pid, path);
		if (module->build_id_bytes)
			fd = open(full, flags);
		if (fd < 0)
			fd = procfs_open_mapped(pid, module->start, is_gone);
		*is_gone &= !module->build_id_bytes;
		if (fd < 0 && !*is_gone)
			fd = open(full, flags);
	}
	if (fd < 0 && !*is_gone)
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
	bool is_gone = false;
	int fd = open_module(module, path, pid, &st, &is_gone);
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
	*m = (struct asked_module){.path = name, .fd = fd, .device = st.st_dev, .inode = st.st_ino, .is_gone = is_gone};
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
	sym.maps[sym.n_maps] = (struct perf_map){.pid = pid, .path = string_put(path, strlen(path))};
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
	resolver_stop(&sym.child);
	sym.dead = true;
}

/* ---- the child ---- */

static uint8_t *crashes_of(const struct question *q)
{
	return q->is_jit ? &sym.maps[q->module].n_crashes : &sym.modules[q->module].n_crashes;
}

/* Go on to the next question; the ones that were not sent are answered with it. */
static void next_question(void)
{
	do
		sym.n_answered++;
	while (sym.n_answered < sym.n_sent && sym.questions[sym.n_answered].is_skipped);
}

static int start_child(void)
{
	if (sym.n_starts >= MAX_STARTS || sym.n_futile >= MAX_FUTILE || resolver_start(&sym.child) < 0)
		return -1;
	sym.n_starts++;
	sym.n_futile++;
	sym.progress_ns = mono_ns();
	sym.left_symbols = 0;
	sym.map_told = 0;
	sym.n_sent = sym.n_answered;
	for (uint32_t i = 1; i < sym.n_modules; i++)
		sym.modules[i].is_told = false;
	return 0;
}

/* The child is gone. What it was asked first was its end: go on behind it, and if that was not the first time with this
 * module, without the module. */
static void restart_child(void)
{
	bool had_begun = sym.n_sent > sym.n_answered;
	resolver_stop(&sym.child);
	if (had_begun) {
		struct question *q = &sym.questions[sym.n_answered];
		q->n_symbols = 0;
		++*crashes_of(q);
		next_question();
	}
	if (start_child() < 0)
		symbolizer_give_up();
}

void symbolizer_hurry(void)
{
	resolver_hurry(&sym.child);
}

uint64_t symbolizer_progress_ns(void)
{
	return sym.progress_ns;
}

void symbolizer_skip_module(void)
{
	if (sym.child.pid <= 0 || sym.n_sent <= sym.n_answered) {
		symbolizer_give_up();
		return;
	}
	*crashes_of(&sym.questions[sym.n_answered]) = MAX_CRASHES;
	restart_child();
}

/* ---- sending ---- */

static void send_module(uint32_t number)
{
	struct asked_module *m = &sym.modules[number];
	struct resolver *to = &sym.child;
	char hex[2 * TIDEMARK_MAX_BUILD_ID + 1] = "-", path[64];
	if (m->is_told)
		return;
	m->is_told = true;
	for (unsigned i = 0; i < m->build_id_bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", m->build_id[i]);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), m->fd);
	const char *name = string_get(m->path, NULL);
	resolver_put_word(to, "module");
	resolver_put_number(to, "%llu", number);
	resolver_put_field(to, hex);
	resolver_put_field(to, m->fd >= 0 ? path : m->is_gone ? "/dev/null" : name);
	resolver_put_field(to, name);
	resolver_end_line(to);
}

static void send_map(uint32_t number)
{
	struct resolver *to = &sym.child;
	if (sym.map_told == number)
		return;
	sym.map_told = number;
	resolver_put_word(to, "perfmap");
	resolver_put_number(to, "%llu", (unsigned long long)sym.maps[number].pid);
	resolver_put_field(to, string_get(sym.maps[number].path, NULL));
	resolver_end_line(to);
}

static void send_question(uint32_t number)
{
	struct question *q = &sym.questions[number];
	struct resolver *to = &sym.child;
	q->is_skipped = *crashes_of(q) >= MAX_CRASHES;
	if (q->is_skipped) {
		if (number == sym.n_answered)
			sym.n_answered++;
		return;
	}
	if (q->is_jit)
		send_map(q->module);
	else
		send_module(q->module);
	resolver_put_word(to, "frame");
	resolver_put_number(to, "%llu", number);
	resolver_put_number(to, "%llu", q->is_jit ? 0 : q->module);
	resolver_put_number(to, "%llx", q->offset);
	resolver_put_number(to, "%llu", q->flags);
	resolver_end_line(to);
}

/* returns: 0, -1 when the child is gone */
static int pump_out(void)
{
	int sent;
	do {
		while (sym.child.out.n < SEND_BYTES && sym.n_sent < sym.n_questions)
			send_question(sym.n_sent++);
		sent = resolver_send(&sym.child);
	} while (sent > 0 && sym.n_sent < sym.n_questions);
	return sent < 0 ? -1 : 0;
}

/* ---- receiving ---- */

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
	s->function = string_put(fields[0], resolver_unescape(fields[0]));
	s->file = string_put(fields[1], resolver_unescape(fields[1]));
	s->line = (uint32_t)strtoul(fields[2], NULL, 10);
	sym.questions[sym.n_answered].n_symbols++;
	if (--sym.left_symbols == 0)
		next_question();
	return 0;
}

static void take_quality(char **fields)
{
	unsigned long module = strtoul(fields[1], NULL, 10), quality = strtoul(fields[2], NULL, 10);
	if (module && module < sym.n_modules && quality <= TIDEMARK_SYMBOLS_PERF_MAP)
		sym.modules[module].quality = (uint8_t)quality;
}

static int take_line(char *line)
{
	char *fields[5];
	int n = resolver_split(line, fields, 5);
	if (sym.left_symbols)
		return take_symbol(fields, n);
	if (n == 3 && strcmp(fields[0], "quality") == 0) {
		take_quality(fields);
		return 0;
	}
	if (n != 3 || strcmp(fields[0], "frame") != 0 || sym.n_answered >= sym.n_sent ||
	    strtoul(fields[1], NULL, 10) != sym.n_answered)
		return -1;
	struct question *q = &sym.questions[sym.n_answered];
	q->first_symbol = sym.n_symbols;
	q->n_symbols = 0;
	sym.left_symbols = (uint32_t)strtoul(fields[2], NULL, 10);
	sym.n_futile = 0;
	if (sym.left_symbols > MAX_ANSWER_SYMBOLS)
		return -1;
	if (sym.left_symbols == 0)
		next_question();
	return 0;
}

/* returns: 0, -1 when the child is gone or talks nonsense */
static int pump_in(void)
{
	int result = resolver_receive(&sym.child);
	for (char *line; (line = resolver_line(&sym.child)); sym.progress_ns = mono_ns())
		if (take_line(line) < 0)
			return -1;
	return result;
}

/* Debug information is big: a child that has had nothing to do for long is sent home. */
static void rest(void)
{
	uint64_t now = mono_ns();
	if (!sym.idle_since_ns)
		sym.idle_since_ns = now;
	if (sym.child.pid <= 0 || now - sym.idle_since_ns < IDLE_NS)
		return;
	resolver_stop(&sym.child);
	sym.n_starts--;
}

bool symbolizer_runs(void)
{
	return sym.child.pid > 0;
}

void symbolizer_pump(void)
{
	if (!symbolizer_pending()) {
		rest();
		return;
	}
	sym.idle_since_ns = 0;
	if (sym.dead || (sym.child.pid <= 0 && start_child() < 0)) {
		symbolizer_give_up();
		return;
	}
	bool gone = pump_out() < 0;
	if (pump_in() < 0 || gone) /* a dying child leaves its answers in the pipe: they are taken first */
		restart_child();
}

void symbolizer_poll(struct pollfd *fds)
{
	fds[0].fd = fds[1].fd = -1;
	if (sym.child.pid > 0 && symbolizer_pending())
		resolver_poll(&sym.child, fds);
}
