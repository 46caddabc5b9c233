/* A library to preload: at each allocation it compares the frames that Tidemark's unwinder finds with those of libgcc's
 * _Unwind_Backtrace, frame by frame. Linked with the shim's own sources for stacks and with libgcc_s.
 *
 * Differences are written to the file TIDEMARK_CHECK_LOG; the counters (struct counters) live in the file
 * TIDEMARK_CHECK_COUNTERS, shared by all processes, so that they survive any end. TIDEMARK_UNWIND: the mode.
 * TIDEMARK_CHECK_EVERY: compare only every n-th allocation (all are walked). TIDEMARK_CHECK_ARENA: allocate from an
 * arena that is never freed, because the program's signal handlers allocate and libc's malloc does not allow that.
 *
 * Of the nodes that stand for frames of a capture no two may be the same frame below the same parent (but for the
 * outermost frames, whose libraries may have changed).
 *
 * The reference ends at code without unwind information; Tidemark goes on by frame pointers and marks it. So every
 * frame of the reference must be there, and what follows must begin with a guess. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#include "memory.h"
#include "shm.h"
#include "stack.h"

#define MAX_FRAMES 400000
#define MAX_REPORTS 20
#define LEVELS 2
#define MAX_NODES (1u << 22)

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

struct counters { /* read by tests/unwind/run */
	_Atomic uint64_t compared, frames, differences, guessed, broken, cut, signals, lost, foreign, processes;
};

struct level {
	struct stack_state *state;
	uint64_t *ours; /* words, leaf first */
	uint64_t *reference;
	uint32_t n_reference;
	bool full;
};

struct local {
	struct level level[LEVELS];
	int depth;
	uint64_t n_seen;
	uintptr_t low, high;
};

static struct counters *counters;
static _Atomic uint8_t *used; /* by node id: it is part of a captured stack; shared by all processes */
static int log_fd = -1;
static uint64_t every = 1;
static uint32_t depth_limit = 256;
static atomic_bool ready;
static _Atomic uint32_t n_reports;
static _Thread_local struct local *local __attribute__((tls_model("initial-exec")));

#define ARENA_BYTES (16ull << 30)

static char *arena; /* NULL: libc allocates */
static _Atomic uint64_t arena_used;

/* The size stands before the block. */
static void *arena_allocate(size_t align, size_t n)
{
	align = align < 16 ? 16 : align;
	uint64_t at = atomic_fetch_add(&arena_used, n + 2 * align + 16);
	if (at + n + 2 * align + 16 > ARENA_BYTES)
		return NULL;
	uintptr_t p = ((uintptr_t)arena + at + 16 + align - 1) & ~(uintptr_t)(align - 1);
	((size_t *)p)[-1] = n;
	return (void *)p;
}

static bool in_arena(const void *p)
{
	return arena && (const char *)p >= arena && (const char *)p < arena + ARENA_BYTES;
}

static void *arena_reallocate(void *p, size_t n)
{
	void *to = arena_allocate(16, n);
	size_t old = p ? ((size_t *)p)[-1] : 0;
	if (to && p)
		memcpy(to, p, old < n ? old : n);
	return to;
}

static void say(const char *format, ...)
{
	char line[400];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (log_fd >= 0 && n > 0 && write(log_fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1) < 0)
		log_fd = -1;
}

static void name_frame(const char *who, uint32_t i, uint64_t word)
{
	Dl_info info = {0};
	uint64_t pc = word & TIDEMARK_ADDRESS_MASK;
	dladdr((void *)(uintptr_t)pc, &info);
	say("    %s %3u %#lx flags %lu %s %s\n", who, i, (unsigned long)pc, (unsigned long)(word >> 56),
	    info.dli_sname ? info.dli_sname : "?", info.dli_fname ? info.dli_fname : "?");
}

static _Unwind_Reason_Code add_reference(struct _Unwind_Context *context, void *argument)
{
	struct level *l = argument;
	int exact = 0;
	uint64_t pc = _Unwind_GetIPInfo(context, &exact);
	if (l->n_reference < MAX_FRAMES && pc)
		l->reference[l->n_reference++] = pc | (exact ? (uint64_t)TIDEMARK_NODE_EXACT << 56 : 0);
	return _URC_NO_REASON;
}

/* The frames of a node, leaf first; flags in the top byte. */
static uint32_t read_ours(struct level *l, uint32_t id)
{
	const struct tidemark_node *nodes = shm_at(&shm->nodes, 0);
	uint32_t n = 0;
	for (; id; id = nodes[id].parent) {
		l->ours[n++] = nodes[id].pc | (uint64_t)nodes[id].flags << 56;
		if (id < MAX_NODES)
			atomic_store_explicit(&used[id], 1, memory_order_relaxed);
	}
	return n;
}

static int by_place(const void *a, const void *b)
{
	const struct tidemark_node *x = *(const struct tidemark_node *const *)a;
	const struct tidemark_node *y = *(const struct tidemark_node *const *)b;
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->pc != y->pc)
		return x->pc < y->pc ? -1 : 1;
	return (x->flags > y->flags) - (x->flags < y->flags);
}

/* Is every captured stack one node? */
static __attribute__((destructor)) void find_twins(void)
{
	if (!atomic_exchange(&ready, false))
		return;
	const struct tidemark_node *nodes = shm_at(&shm->nodes, 0), **list;
	uint32_t n_nodes = atomic_load(&shm->n_nodes), n = 0;
	list = mmap(NULL, MAX_NODES * sizeof(*list), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (list == MAP_FAILED)
		return;
	for (uint32_t id = 1; id < n_nodes && id < MAX_NODES; id++)
		if (atomic_load_explicit(&used[id], memory_order_relaxed) && nodes[id].parent)
			list[n++] = &nodes[id];
	qsort(list, n, sizeof(*list), by_place);
	for (uint32_t i = 1; i < n; i++) {
		if (by_place(&list[i - 1], &list[i]) != 0)
			continue;
		atomic_fetch_add(&counters->differences, 1);
		if (atomic_fetch_add(&n_reports, 1) < MAX_REPORTS)
			say("nodes %u and %u are the same frame %#lx below node %u\n", (unsigned)(list[i - 1] - nodes),
			    (unsigned)(list[i] - nodes), (unsigned long)list[i]->pc, list[i]->parent);
	}
}

/* Is the node's module what the loader has at its address now? The executable and the vDSO are named in other ways. */
static bool right_module(const struct tidemark_node *node)
{
	struct dl_find_object found;
	uint64_t at = node->flags & TIDEMARK_NODE_EXACT ? node->pc : node->pc - 1;
	bool is_object = _dl_find_object((void *)(uintptr_t)at, &found) == 0;
	if (!is_object || node->module == TIDEMARK_NO_MODULE)
		return !is_object && node->module == TIDEMARK_NO_MODULE;
	const struct tidemark_module *m = (struct tidemark_module *)shm_at(&shm->modules, 0) + node->module;
	const char *path = shm_at(&shm->strings, m->path_string);
	const char *name = found.dlfo_link_map->l_name;
	size_t n = strlen(name);
	if (at < m->start || at >= m->end || m->bias != found.dlfo_link_map->l_addr)
		return false;
	return m->flags != 0 || (strlen(path) >= n && strcmp(path + strlen(path) - n, name) == 0);
}

static bool right_modules(uint32_t id)
{
	const struct tidemark_node *nodes = shm_at(&shm->nodes, 0);
	for (; id; id = nodes[id].parent)
		if (nodes[id].pc && !right_module(&nodes[id]))
			return false;
	return true;
}

static void report(struct level *l, uint32_t skip, uint32_t n, const char *why, uint32_t at)
{
	atomic_fetch_add(&counters->differences, 1);
	if (atomic_fetch_add(&n_reports, 1) >= MAX_REPORTS)
		return;
	say("difference in process %d: %s at frame %u\n", (int)getpid(), why, at);
	uint32_t from = at > 3 ? at - 3 : 0;
	for (uint32_t i = from; i < n && i < from + 12; i++)
		name_frame("ours     ", i, l->ours[i]);
	for (uint32_t i = from; i + skip < l->n_reference && i < from + 12; i++)
		name_frame("reference", i, l->reference[skip + i]);
}

static void compare(struct level *l, uint64_t pc, uint32_t id)
{
	uint32_t n = read_ours(l, id);
	uint32_t skip = 0;
	uint32_t i = 0; /* in ours */
	uint32_t r = 0; /* in the reference */
	while (skip < l->n_reference && l->reference[skip] != pc)
		skip++;
	uint32_t n_reference = l->n_reference - skip;
	const uint64_t *reference = l->reference + skip;
	atomic_fetch_add(&counters->compared, 1);
	if (id == 0) {
		atomic_fetch_add(&counters->lost, 1);
		return;
	}
	if (!right_modules(id))
		report(l, skip, n, "wrong module", 0);
	for (; i < n && r < n_reference; i++, r++) {
		if (l->ours[i] >> 56 == TIDEMARK_NODE_CUT) {
			/* The rest are the outermost. */
			atomic_fetch_add(&counters->cut, 1);
			i++;
			uint32_t outer = n - i;
			while (outer && l->ours[n - 1] >> 56 == TIDEMARK_NODE_BROKEN)
				outer--, n--;
			if (outer != depth_limit / 2 || r != depth_limit / 2 || n_reference < r + outer) {
				report(l, skip, n, "wrong cut", i);
				return;
			}
			r = n_reference - outer;
		}
		if (l->ours[i] != reference[r]) {
			report(l, skip, n, "other frame", i);
			return;
		}
		if (l->ours[i] >> 56 & TIDEMARK_NODE_EXACT)
			atomic_fetch_add(&counters->signals, 1);
	}
	atomic_fetch_add(&counters->frames, r);
	if (r < n_reference)
		report(l, skip, n, "ended early", i);
	else if (i < n && l->ours[i] >> 56 & TIDEMARK_NODE_GUESS)
		atomic_fetch_add(&counters->guessed, 1);
	else if (i < n && l->ours[i] >> 56 & TIDEMARK_NODE_BROKEN)
		atomic_fetch_add(&counters->broken, 1);
	else if (i < n)
		report(l, skip, n, "frames beyond the reference", i);
}

static bool open_level(struct level *l, uintptr_t low, uintptr_t high)
{
	if (l->state)
		return true;
	size_t bytes = (stack_state_bytes() + 4095) & ~(size_t)4095;
	char *memory = mmap(NULL, bytes + 2 * MAX_FRAMES * 8, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	l->ours = (uint64_t *)(memory + bytes);
	l->reference = l->ours + MAX_FRAMES;
	l->state = stack_state_init(memory, low, high);
	return true;
}

static void find_bounds(struct local *t)
{
	pthread_attr_t attributes;
	void *low;
	size_t size, guard;
	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return;
	if (pthread_attr_getstack(&attributes, &low, &size) == 0 &&
	    pthread_attr_getguardsize(&attributes, &guard) == 0) {
		t->low = (uintptr_t)low;
		t->high = (uintptr_t)low + size;
	}
	pthread_attr_destroy(&attributes);
}

static struct local *open_local(void)
{
	if (local)
		return local;
	struct local *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED)
		return NULL;
	t->depth = LEVELS; /* pthread_getattr_np allocates */
	local = t;
	find_bounds(t);
	t->depth = 0;
	return t;
}

static void check(uint64_t pc, uint64_t sp, uint64_t bp)
{
	if (!atomic_load(&ready))
		return;
	struct local *t = open_local();
	if (!t)
		return;
	if (t->depth >= LEVELS)
		return;
	int saved = errno;
	struct level *l = &t->level[t->depth++];
	atomic_signal_fence(memory_order_seq_cst);
	if (open_level(l, t->low, t->high)) {
		uint32_t id = stack_capture(l->state, pc, sp, bp);
		if (t->n_seen++ % every == 0) {
			l->n_reference = 0;
			_Unwind_Backtrace(add_reference, l);
			if (sp < t->low || sp >= t->high)
				atomic_fetch_add(&counters->foreign, 1);
			compare(l, pc, id);
		}
	}
	atomic_signal_fence(memory_order_seq_cst);
	t->depth--;
	errno = saved;
}

/* The hook has a frame pointer: its caller's registers are around it. */
#define CHECK()                                                                                                        \
	do {                                                                                                           \
		uint64_t *frame = __builtin_frame_address(0);                                                          \
		check((uintptr_t)__builtin_return_address(0), (uintptr_t)(frame + 2), frame[0]);                       \
	} while (0)

/* checker_sync(): a target that leaves handlers or hooks by longjmp says so; the level is free again. */
__attribute__((visibility("default"))) void checker_sync(void)
{
	if (local)
		local->depth = 0;
}

__attribute__((visibility("default"))) void *malloc(size_t n)
{
	CHECK();
	return arena ? arena_allocate(16, n) : __libc_malloc(n);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t m)
{
	CHECK();
	return arena ? arena_allocate(16, n * m) : __libc_calloc(n, m);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t n)
{
	CHECK();
	return arena && (!p || in_arena(p)) ? arena_reallocate(p, n) : __libc_realloc(p, n);
}

__attribute__((visibility("default"))) void *memalign(size_t a, size_t n)
{
	CHECK();
	return arena ? arena_allocate(a, n) : __libc_memalign(a, n);
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t a, size_t n)
{
	CHECK();
	return arena ? arena_allocate(a, n) : __libc_memalign(a, n);
}

__attribute__((visibility("default"))) int posix_memalign(void **p, size_t a, size_t n)
{
	CHECK();
	*p = arena ? arena_allocate(a, n) : __libc_memalign(a, n);
	return *p ? 0 : ENOMEM;
}

__attribute__((visibility("default"))) void free(void *p)
{
	if (!in_arena(p))
		__libc_free(p);
}

/* For programs that were linked with another allocator. */
__attribute__((visibility("default"))) size_t malloc_usable_size(void *p)
{
	static size_t (*real)(void *);
	if (in_arena(p))
		return ((size_t *)p)[-1];
	if (!real)
		real = (size_t(*)(void *))(uintptr_t)dlsym(dlopen("libc.so.6", RTLD_NOW), "malloc_usable_size");
	return real(p);
}

__attribute__((visibility("default"))) int dlclose(void *handle)
{
	static int (*real)(void *);
	if (!real)
		real = (int (*)(void *))(uintptr_t)dlsym(RTLD_NEXT, "dlclose");
	int result = real(handle);
	if (atomic_load(&ready))
		stack_unloaded();
	return result;
}

static enum tidemark_unwinder mode_of(const char *name)
{
	if (name && strcmp(name, "plain") == 0)
		return TIDEMARK_UNWIND_PLAIN;
	if (name && strcmp(name, "libunwind") == 0)
		return TIDEMARK_UNWIND_LIBUNWIND;
	return TIDEMARK_UNWIND_FAST;
}

static __attribute__((constructor)) void start(void)
{
	const char *path = getenv("TIDEMARK_CHECK_COUNTERS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	Dl_info info = {0};
	if (fd < 0)
		return;
	counters = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	path = getenv("TIDEMARK_CHECK_LOG");
	if (path) {
		log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
		log_fd = log_fd < 0 ? -1 : fcntl(log_fd, F_DUPFD_CLOEXEC, 700);
	}
	every = getenv("TIDEMARK_CHECK_EVERY") ? strtoull(getenv("TIDEMARK_CHECK_EVERY"), NULL, 10) : 1;
	if (getenv("TIDEMARK_DEPTH"))
		depth_limit = (uint32_t)atoi(getenv("TIDEMARK_DEPTH"));
	if (!dladdr((void *)(uintptr_t)_Unwind_Backtrace, &info) || !strstr(info.dli_fname, "libgcc_s")) {
		say("the reference is not libgcc but %s\n", info.dli_fname ? info.dli_fname : "?");
		atomic_fetch_add(&counters->differences, 1);
		return;
	}
	enum tidemark_unwinder mode = mode_of(getenv("TIDEMARK_UNWIND"));
	used = mmap(NULL, MAX_NODES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counters == MAP_FAILED || used == MAP_FAILED || !memory_init() || stack_init(mode, depth_limit) != mode) {
		say("cannot start the unwinder\n");
		return;
	}
	if (getenv("TIDEMARK_CHECK_ARENA")) {
		void *memory =
		    mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		arena = memory == MAP_FAILED ? NULL : memory;
	}
	stack_main_begins();
	atomic_fetch_add(&counters->processes, 1);
	atomic_store(&ready, true);
}
