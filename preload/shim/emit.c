/* The records that the fast paths of emit.h do not write themselves.
 * Enters: a hook's frame and block. Leaves: records, or counted losses. Any thread, also in signal handlers. */
#include "emit.h"

#include <errno.h>

#include "arena.h"
#include "shm.h"

#define MAX_EARLY 512u /* the loader makes about ten before the first constructor */

bool emit_fence_allocations;

static struct early {
	const void *block;
	size_t size_bytes;
	uint8_t op;
	uint8_t api;
} early[MAX_EARLY]; /* before the constructor there is one thread */
static uint32_t n_early;
static uint32_t lost_early;

static void keep_early(enum tidemark_op op, const void *block, size_t size_bytes, enum tidemark_api_id api)
{
	if (arena_has(block)) /* ours */
		return;
	if (n_early == MAX_EARLY)
		lost_early++;
	else
		early[n_early++] =
		    (struct early){.block = block, .size_bytes = size_bytes, .op = (uint8_t)op, .api = (uint8_t)api};
}

void emit_flush_early(void)
{
	uintptr_t here[2];
	uint32_t node = n_early ? stack_special(TIDEMARK_NODE_EARLY) : 0;
	for (uint32_t i = 0; i < n_early; i++) {
		const struct early *e = &early[i];
		struct thread *t = thread_enter_slow((uintptr_t)here);
		if (!t)
			break;
		if (e->op == TIDEMARK_OP_ALLOC) {
			emit_birth(t, (uintptr_t)here, TIDEMARK_OP_ALLOC, e->block, e->size_bytes, node, e->api);
			continue;
		}
		thread_put(t, 2, tidemark_record_head(thread_stamp(t), TIDEMARK_OP_FREE), (uintptr_t)e->block, 0, 0);
		thread_leave(t);
	}
	atomic_fetch_add_explicit(&proc_self->early_events, n_early, memory_order_relaxed);
	atomic_fetch_add_explicit(&proc_self->lost_events, lost_early, memory_order_relaxed);
}

NOINLINE void emit_alloc_slow(const uintptr_t *frame, const void *block, size_t size_bytes, enum tidemark_api_id api)
{
	if (recording == RECORDING_OFF)
		return;
	if (recording == RECORDING_EARLY) {
		keep_early(TIDEMARK_OP_ALLOC, block, size_bytes, api);
		return;
	}
	int saved = errno;
	struct thread *t = thread_enter_slow(frame_sp(frame));
	if (t)
		emit_birth(t, frame_sp(frame), TIDEMARK_OP_ALLOC, block, size_bytes, frame_stack(t->stack, frame), api);
	errno = saved;
}

/* Is this the inner call of one whose end of the block is recorded? */
static bool is_inner(const struct thread *t, uintptr_t sp, const void *block)
{
	return (uintptr_t)block == t->ending && t->ring && !thread_was_abandoned(t->ending_sp, sp);
}

NOINLINE void emit_free_slow(const uintptr_t *frame, const void *block, enum tidemark_api_id api)
{
	if (recording == RECORDING_OFF || (api != TIDEMARK_API_POOL && is_inner(thread_self(), frame_sp(frame), block)))
		return;
	if (recording == RECORDING_EARLY) {
		keep_early(TIDEMARK_OP_FREE, block, 0, api);
		return;
	}
	emit_other(
	    frame, TIDEMARK_OP_FREE, 2, ((uint64_t)(uintptr_t)block & TIDEMARK_ADDRESS_MASK) | (uint64_t)api << 56, 0);
}

void emit_other(const uintptr_t *frame, enum tidemark_op op, uint32_t n_words, uint64_t w1, uint64_t w2)
{
	int saved = errno;
	struct thread *t;
	clock_fence();
	do {
		t = thread_enter_slow(frame_sp(frame));
	} while (t && !thread_put(t, n_words, tidemark_record_head(thread_stamp(t), op), w1, w2, 0));
	if (t)
		thread_leave(t);
	errno = saved;
}

void emit_map(const uintptr_t *frame, const void *address, size_t length_bytes)
{
	int saved = errno;
	struct thread *t = thread_enter_slow(frame_sp(frame));
	if (t) {
		uint32_t node = frame_stack(t->stack, frame);
		thread_put(t, 4, tidemark_record_head(thread_stamp(t), TIDEMARK_OP_MAP), (uintptr_t)address,
		    length_bytes, node);
		thread_leave(t);
	}
	errno = saved;
}

bool emit_knows(struct thread *t, uint64_t since, const void *block)
{
	uint64_t address = (uintptr_t)block & TIDEMARK_ADDRESS_MASK;
	bool known = false;
	if (!t->ring)
		return false;
	if (since < t->first_cursor) /* attached meanwhile */
		since = t->first_cursor;
	if (t->cursor - since > t->mask) /* overwritten: nothing that one call does by itself */
		return false;
	while (since < t->cursor) {
		uint32_t op = (uint32_t)(t->data[since & t->mask] & 0xff), words = tidemark_record_words(op);
		if (words == 0)
			return known;
		if (words > 1 && (t->data[(since + 1) & t->mask] & TIDEMARK_ADDRESS_MASK) == address)
			known = op == TIDEMARK_OP_ALLOC || op == TIDEMARK_OP_ALLOC_BIG || op == TIDEMARK_OP_REALLOC ||
			        op == TIDEMARK_OP_REALLOC_BIG ||
			        (known && op != TIDEMARK_OP_FREE && op != TIDEMARK_OP_RETIRE);
		since += words;
	}
	return known;
}

void emit_ending_begin(struct emit_ending *e, const uintptr_t *frame, const void *block)
{
	emit_free(frame, block, TIDEMARK_API_MALLOC);
	struct thread *t = thread_self();
	e->ending = t->ending;
	e->ending_sp = t->ending_sp;
	if (!t->ring)
		return;
	t->ending_sp = frame_sp(frame);
	t->ending = (uintptr_t)block;
}

void emit_ending_end(const struct emit_ending *e)
{
	struct thread *t = thread_self();
	if (!t->ring)
		return;
	t->ending = e->ending;
	t->ending_sp = e->ending_sp;
}

/* --- realloc --- */

/* The state for a realloc's two records: one that no other realloc of this thread is using, entered. */
static struct thread *enter_for_move(uintptr_t sp)
{
	struct thread *t = thread_enter_slow(sp);
	if (!t || !t->retiring)
		return t;
	if (thread_was_abandoned(t->ending_sp, sp)) { /* a signal handler left it by siglongjmp: nothing ended */
		thread_put(t, 1, tidemark_record_head(thread_stamp(t), TIDEMARK_OP_UNDO), 0, 0, 0);
		t->retiring = 0;
		thread_leave(t);
		return thread_enter_slow(sp); /* there must be room for two records again */
	}
	thread_leave(t);
	struct thread *nested = t == thread_self() ? thread_enter_nested(t, sp) : NULL;
	if (nested && nested->retiring) {
		thread_leave(nested);
		nested = NULL;
	}
	if (!nested)
		thread_lose(t);
	return nested;
}

void emit_move_begin(struct emit_move *m, const uintptr_t *frame, const void *block)
{
	m->t = NULL;
	if (recording == RECORDING_OFF)
		return;
	if (recording == RECORDING_EARLY) {
		m->outer.ending = (uintptr_t)block;
		return;
	}
	int saved = errno;
	uintptr_t sp = frame_sp(frame);
	struct thread *t = enter_for_move(sp);
	if (t) {
		clock_fence();
		if (thread_put(
		        t, 2, tidemark_record_head(thread_stamp(t), TIDEMARK_OP_RETIRE), (uintptr_t)block, 0, 0)) {
			m->t = t;
			m->outer.ending = t->ending;
			m->outer.ending_sp = t->ending_sp;
			t->retiring = 1;
			t->ending_sp = sp;
			t->ending = (uintptr_t)block;
		}
		m->since = t->cursor;
		thread_leave(t);
	}
	errno = saved;
}

/* Enter the state that holds the RETIRE. returns: NULL when it is gone: in a child that a signal handler forked */
static struct thread *enter_after_move(struct emit_move *m, uintptr_t sp)
{
	struct thread *t = m->t;
	struct stack_state *stack;
	if (!t || !t->retiring || !t->ring)
		return NULL;
	t->ending = m->outer.ending;
	t->ending_sp = m->outer.ending_sp;
	struct thread *entered = t;
	if (!thread_enter(t, sp, &stack))
		entered = t == thread_self() ? thread_enter_slow(sp) : thread_enter_nested(thread_self(), sp);
	t->retiring = 0; /* not before: it keeps the thread on this ring */
	return entered;
}

static void close_move(struct emit_move *m, const uintptr_t *frame, enum tidemark_op op)
{
	int saved = errno;
	struct thread *t = enter_after_move(m, frame_sp(frame));
	if (t) {
		thread_put(t, 1, tidemark_record_head(thread_stamp(t), op), 0, 0, 0);
		thread_leave(t);
	}
	errno = saved;
}

void emit_move_failed(struct emit_move *m, const uintptr_t *frame)
{
	close_move(m, frame, TIDEMARK_OP_UNDO);
}

void emit_move_freed(struct emit_move *m, const uintptr_t *frame)
{
	if (recording == RECORDING_EARLY)
		keep_early(TIDEMARK_OP_FREE, (const void *)m->outer.ending, 0, TIDEMARK_API_MALLOC);
	close_move(m, frame, TIDEMARK_OP_END);
}

void emit_move_done(
    struct emit_move *m, const uintptr_t *frame, const void *block, size_t size_bytes, enum tidemark_api_id api)
{
	if (recording == RECORDING_EARLY) {
		keep_early(TIDEMARK_OP_FREE, (const void *)m->outer.ending, 0, TIDEMARK_API_MALLOC);
		keep_early(TIDEMARK_OP_ALLOC, block, size_bytes, api);
		return;
	}
	if (m->t && m->t->cursor != m->since && emit_knows(m->t, m->since, block)) {
		close_move(m, frame, TIDEMARK_OP_END);
		return;
	}
	int saved = errno;
	struct thread *t = enter_after_move(m, frame_sp(frame));
	if (t)
		emit_birth(
		    t, frame_sp(frame), TIDEMARK_OP_REALLOC, block, size_bytes, frame_stack(t->stack, frame), api);
	else
		emit_alloc_slow(frame, block, size_bytes, api);
	errno = saved;
}
