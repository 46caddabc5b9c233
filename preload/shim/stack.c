/* See stack.h. Chooses the engine, keeps what a thread needs between walks, cuts deep stacks and hands the frames to
 * intern.c.
 *
 * Deep stacks: of a stack with more than `depth` frames the innermost and the outermost depth/2 are kept, with one CUT
 * node between. A recursion that allocates at every level would cost time in the square of its depth if each walk went
 * to the root. So a walk that fills its buffer (depth + 64 frames) compares the outer frames of the thread's last deep
 * walk with the memory they came from: when every return address still stands, the root is taken from there. What lies
 * between is not looked at; it is not reported either. */
#include "stack.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "intern.h"
#include "modules.h"
#include "shm.h"
#include "stack_recall.h"
#include "unwind_rules.h"
#include "unwind_walk.h"

#define MIN_DEPTH 4u
#define MAX_DEPTH 4096u
#define SPARE_FRAMES 64u       /* walked beyond the depth before the shortcut for deep stacks is tried */
#define LIBUNWIND_DEPTH 16384u /* deeper stacks lose their root: libunwind always begins at the leaf */

#define WARM_UP 256u /* captures of a thread before it gets a recall */
/* After WINDOW walks in which the shortcuts cost more than they saved they are left off for REST captures. */
#define WINDOW 256u
#define REST 8192u

struct stack_state {
	uint32_t busy; /* set while the fields below change; found set: a handler left by siglongjmp in the middle */
	uint32_t generation;
	struct recall *recall; /* NULL until the thread has shown that it is worth it */
	struct recall *quick;  /* the same, NULL while it rests */
	uint32_t rest;         /* captures to walk without trail and memo */
	uint32_t n_hits;       /* of the memo, since it was last judged */
	uint32_t n_walks;
	uint64_t n_new_frames;
	uint64_t n_frames;
	struct unwind_walk walk;
	uint64_t *words; /* room for depth + 2 */
	struct cfi_work work;
};

extern void *__libc_stack_end; /* of the loader: rsp at the entry point */
#pragma weak __libc_stack_end

uint64_t unwind_entry_sp = UINT64_MAX;
static uint32_t depth_limit;
static enum tidemark_unwinder engine = TIDEMARK_UNWIND_NONE;
static bool libunwind_wanted;

#define signal_fence() atomic_signal_fence(memory_order_seq_cst)

/* The parts of a state, one after the other. */
enum part { PART_STATE, PART_FRAMES, PART_OUTER, PART_WORDS, PART_ADDRESSES, PART_END };

static size_t part_offset(enum part part)
{
	const size_t bytes[PART_END] = {
	    [PART_STATE] = sizeof(struct stack_state),
	    [PART_FRAMES] = (depth_limit + SPARE_FRAMES) * sizeof(struct unwind_frame),
	    [PART_OUTER] = depth_limit / 2 * sizeof(struct unwind_outer),
	    [PART_WORDS] = (depth_limit + 2) * sizeof(uint64_t),
	    [PART_ADDRESSES] = libunwind_wanted ? LIBUNWIND_DEPTH * sizeof(void *) : 0,
	};
	size_t offset = 0;
	for (int i = 0; i < (int)part; i++)
		offset += (bytes[i] + 63) & ~(size_t)63;
	return offset;
}

enum tidemark_unwinder stack_init(enum tidemark_unwinder mode, uint32_t depth)
{
	depth_limit = depth < MIN_DEPTH ? MIN_DEPTH : depth > MAX_DEPTH ? MAX_DEPTH : depth & ~1u;
	if (&__libc_stack_end)
		unwind_entry_sp = (uintptr_t)__libc_stack_end & ~(uintptr_t)15;
	recall_init();
	if (intern_init() != 0 || !modules_init())
		return engine = TIDEMARK_UNWIND_NONE;
	if (mode == TIDEMARK_UNWIND_NONE)
		return engine = mode;
	if (UNWIND_OWN_RULES && rules_init())
		engine = mode == TIDEMARK_UNWIND_LIBUNWIND ? TIDEMARK_UNWIND_PLAIN : mode;
	libunwind_wanted = engine == TIDEMARK_UNWIND_NONE || mode == TIDEMARK_UNWIND_LIBUNWIND;
	return libunwind_wanted ? TIDEMARK_UNWIND_LIBUNWIND : engine;
}

void stack_main_begins(void)
{
	if (!shm || !libunwind_wanted)
		return;
	if (unwind_libunwind_init())
		engine = TIDEMARK_UNWIND_LIBUNWIND;
	shm->unwinder = engine;
}

size_t stack_state_bytes(void)
{
	return part_offset(PART_END);
}

struct stack_state *stack_state_init(void *memory, uintptr_t low, uintptr_t high)
{
	struct stack_state *s = memory;
	char *base = memory;
	memset(s, 0, sizeof(*s));
	recall_reclaim(s);
	s->walk.low = high ? low : 0;
	s->walk.high = high & ~(uintptr_t)7;
	s->walk.frames = (struct unwind_frame *)(base + part_offset(PART_FRAMES));
	s->walk.capacity = depth_limit + SPARE_FRAMES;
	s->walk.half = depth_limit / 2;
	s->walk.work = &s->work;
	s->walk.outer = (struct unwind_outer *)(base + part_offset(PART_OUTER));
	s->walk.addresses = (void **)(base + part_offset(PART_ADDRESSES));
	s->walk.n_addresses = LIBUNWIND_DEPTH;
	s->words = (uint64_t *)(base + part_offset(PART_WORDS));
	s->generation = atomic_load_explicit(&modules_generation, memory_order_acquire);
	return s;
}

/* Is what earlier walks left whole, and about addresses that still mean the same? */
static inline bool is_sound(const struct stack_state *s)
{
	return !s->busy && s->generation == atomic_load_explicit(&modules_generation, memory_order_acquire);
}

static void begin(struct stack_state *s)
{
	if (!is_sound(s)) {
		s->walk.n_outer = 0;
		if (s->recall)
			recall_reset(s->recall);
		s->generation = atomic_load_explicit(&modules_generation, memory_order_acquire);
	}
	s->busy = 1;
	signal_fence();
}

static void end(struct stack_state *s)
{
	signal_fence();
	s->busy = 0;
}

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* After a walk that went round in its buffer: keep the outermost frames for the next. */
static void remember_outer(struct unwind_walk *w)
{
	w->n_outer = 0;
	for (uint32_t i = 0; i < w->half; i++) {
		const struct unwind_frame *f = unwind_frame_at(w, w->n - 1 - i);
		if (f->word >> INTERN_FLAGS_SHIFT || f->sp < w->low || f->sp > w->high)
			return;
		w->outer[i] = (struct unwind_outer){f->word, f->sp};
	}
	w->n_outer = w->half;
}

/* The i-th frame from the leaf, found by the walk or known before. */
static uint64_t word_at(const struct unwind_walk *w, uint64_t i)
{
	if (i < w->n)
		return unwind_frame_at(w, i)->word;
	return w->known[w->join - (int32_t)(i - w->n)].word;
}

/* Is the stack of this walk deeper than what is kept? */
static bool is_cut(const struct unwind_walk *w)
{
	return w->outer_used || w->n + (uint64_t)(w->join + 1) > 2 * (uint64_t)w->half;
}

/* The frames of a walk as words, root first, with the cut and a broken root marked. returns: how many */
static uint32_t collect(struct stack_state *s)
{
	struct unwind_walk *w = &s->walk;
	uint64_t total = w->n + (uint64_t)(w->join + 1);
	uint64_t inner = total;
	uint32_t n = 0;
	if (w->broken)
		s->words[n++] = intern_word(0, TIDEMARK_NODE_BROKEN);
	if (is_cut(w)) {
		inner = w->half;
		for (uint32_t i = 0; i < w->half; i++)
			s->words[n++] = w->outer_used ? w->outer[i].word : word_at(w, total - 1 - i);
		s->words[n++] = intern_word(0, TIDEMARK_NODE_CUT);
	}
	while (inner-- > 0)
		s->words[n++] = word_at(w, inner);
	return n;
}

/* Count a stack that was not there, and what is not whole in it. */
static uint32_t count_capture(const struct unwind_walk *w, uint32_t id, bool is_new)
{
	if (id == 0)
		count(&proc_self->lost_stacks);
	if (is_new && w->broken)
		count(&proc_self->broken_stacks);
	if (is_new && is_cut(w))
		count(&proc_self->cut_stacks);
	return id;
}

static uint64_t seed_now(void)
{
	return atomic_load_explicit(&modules_seed, memory_order_relaxed);
}

/* The stack of a walk that did not become the trail. */
static uint32_t intern_walk(struct stack_state *s)
{
	uint32_t n = collect(s);
	uint64_t seed = seed_now(), hash = seed;
	for (uint32_t i = 0; i < n; i++)
		hash = intern_extend(hash, s->words[i]);
	bool is_new = false;
	uint32_t id = intern_find(hash);
	if (id)
		return id;
	id = intern_add(s->words, n, seed, &is_new);
	return count_capture(&s->walk, id, is_new);
}

static void walk(struct stack_state *s, uint64_t pc, uint64_t sp, uint64_t bp)
{
	struct unwind_walk *w = &s->walk;
	if (engine == TIDEMARK_UNWIND_LIBUNWIND)
		unwind_libunwind(w, pc, sp, bp);
#if UNWIND_OWN_RULES
	else if (engine != TIDEMARK_UNWIND_NONE)
		unwind_own(w, pc, sp, bp);
#endif
	else {
		w->frames[0].word = intern_word(pc, 0);
		w->n = 1;
		w->broken = true;
	}
	if (w->n > w->capacity && !w->broken && !w->outer_used)
		remember_outer(w);
}

/* Do the shortcuts pay? Where most frames of most stacks are new, comparing and writing down what was known costs more
 * than walking it again; unless the memo answers most of the time. */
static void judge(struct stack_state *s)
{
	s->n_new_frames += s->walk.n;
	s->n_frames += s->walk.n + (uint64_t)(s->walk.join + 1);
	if (++s->n_walks < WINDOW)
		return;
	if (s->n_hits < s->n_walks && s->n_new_frames * 2 > s->n_frames)
		s->rest = REST, s->quick = NULL;
	s->n_hits = s->n_walks = 0;
	s->n_new_frames = s->n_frames = 0;
}

/* The node of the trail: down the trie from the frame where the walk joined it. is_new: set when it was made */
static __attribute__((noinline)) uint32_t find_trail(struct stack_state *s, bool *is_new)
{
	struct recall *r = s->recall;
	uint32_t n = (uint32_t)(s->walk.join + 1), id = 0, n_done;
	while (n > 0 && (id = r->frames[n - 1].node) == 0)
		n--;
	if (n == 0 && r->broken)
		id = stack_special(TIDEMARK_NODE_BROKEN);
	for (uint32_t i = n; i < r->n; i++)
		s->words[i] = r->frames[i].word;
	while (n < r->n) {
		n_done = r->n - n;
		if ((id = intern_next(id, r->frames[n].hash, s->words + n, &n_done, is_new)) == 0)
			break;
		for (uint32_t i = 0; i < n_done; i++)
			r->frames[n++].node = id + i;
		id += n_done - 1;
	}
	return id;
}

/* Walk with the trail. */
static uint32_t capture_by_trail(struct stack_state *s, uint64_t pc, uint64_t sp, uint64_t bp)
{
	struct unwind_walk *w = &s->walk;
	struct recall *r = s->recall;
	w->known = r->frames;
	w->join = recall_verify(r, sp);
	walk(s, pc, sp, bp);
	if (s->generation != atomic_load_explicit(&modules_generation, memory_order_acquire)) {
		/* The walk met a module that took another's place: what was joined is from before that. */
		w->join = -1;
		walk(s, pc, sp, bp);
		return intern_walk(s);
	}
	if (!w->pure)
		return intern_walk(s);
	if (w->join >= 0)
		w->broken = r->broken;
	judge(s);
	if (!recall_add(r, w, seed_now()) || r->n > 2 * w->half)
		return intern_walk(s);
	bool is_new = false;
	uint32_t id = find_trail(s, &is_new);
	if (id && !is_new)
		recall_remember(r); /* a stack that comes a second time may come again; most come once */
	return count_capture(w, id, is_new);
}

static __attribute__((noinline)) uint32_t capture(struct stack_state *s, uint64_t pc, uint64_t sp, uint64_t bp)
{
	uint32_t id;
	begin(s);
	s->walk.join = -1;
	if (!s->recall && engine == TIDEMARK_UNWIND_FAST && s->n_walks++ == WARM_UP) {
		s->quick = s->recall = recall_take(s);
		s->n_walks = 0;
	}
	if (s->recall && s->rest == 0 && sp - s->walk.low < s->walk.high - s->walk.low)
		id = capture_by_trail(s, pc, sp, bp);
	else {
		if (s->rest && --s->rest == 0)
			s->quick = s->recall;
		walk(s, pc, sp, bp);
		id = intern_walk(s);
	}
	end(s);
	return id;
}

uint32_t stack_capture(struct stack_state *s, uint64_t pc, uint64_t sp, uint64_t bp)
{
	if (likely(s->quick && is_sound(s))) {
		uint32_t id = recall_find(s->quick, pc, sp, bp);
		if (likely(id)) {
			s->n_hits++;
			return id;
		}
	}
	return capture(s, pc, sp, bp);
}

uint32_t stack_special(uint32_t flags)
{
	uint64_t word = intern_word(0, flags);
	uint64_t hash = intern_extend(seed_now(), word);
	uint32_t id = intern_find(hash), n = 1;
	bool is_new = false;
	return id ? id : intern_next(0, hash, &word, &n, &is_new);
}

void stack_unloaded(void)
{
	if (modules_check_unloaded() && engine == TIDEMARK_UNWIND_LIBUNWIND)
		modules_new_seed();
}
