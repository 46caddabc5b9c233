/* What the hooks say to the ring: a block was born, ends, moves. The fast paths, inlined into the hooks.
 * Enters: the hook's frame and what the real call returned. Leaves: one record. Any thread, also in signal handlers; no
 * lock, no system call and no allocation in steady state; errno is kept. */
#ifndef EMIT_H
#define EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "stack.h"
#include "thread.h"

/* The hook's own frame: saved frame pointer of its caller, return address, and above them the caller's stack. Use it in
 * the exported function itself. */
#define HOOK_FRAME ((const uintptr_t *)__builtin_frame_address(0))

/* The value of a call that is given HOOK_FRAME. Something must happen after it: a call in tail position would become a
 * jump out of the hook, and its saved frame pointer would be overwritten before anybody read it. */
#define KEEP_FRAME(call)                                                                                               \
	({                                                                                                             \
		__typeof__(call) kept_ = (call);                                                                       \
		__asm__ volatile("" : "+r"(kept_));                                                                    \
		kept_;                                                                                                 \
	})

INLINE uintptr_t frame_sp(const uintptr_t *frame)
{
	return (uintptr_t)(frame + 2);
}

INLINE uint32_t frame_stack(struct stack_state *stack, const uintptr_t *frame)
{
	if (unlikely(!stack)) {
		atomic_fetch_add_explicit(&proc_self->lost_stacks, 1, memory_order_relaxed);
		return 0;
	}
	return stack_capture(stack, frame[1], frame_sp(frame), frame[0]);
}

/* Set by real.c: the allocator is none of those whose path from taking a block to returning is known to be long enough.
 */
extern HIDDEN bool emit_fence_allocations;

void emit_alloc_slow(const uintptr_t *frame, const void *block, size_t size_bytes, enum tidemark_api_id api);
void emit_free_slow(const uintptr_t *frame, const void *block, enum tidemark_api_id api);

/* Was `block` recorded as born, and not as ended, on this thread's ring since its cursor stood at `since`? */
bool emit_knows(struct thread *t, uint64_t since, const void *block);

/* Put an allocation on an entered state and leave it. op: ALLOC or REALLOC */
INLINE void emit_birth(struct thread *t, uintptr_t sp, enum tidemark_op op, const void *block, size_t size_bytes,
    uint32_t node, enum tidemark_api_id api)
{
	uint64_t where = ((uint64_t)(uintptr_t)block & TIDEMARK_ADDRESS_MASK) | (uint64_t)api << 56;
	if (unlikely(emit_fence_allocations))
		clock_fence();
	for (;;) {
		uint64_t stamp = thread_stamp(t);
		bool done;
		if (likely(size_bytes <= UINT32_MAX))
			done = thread_put(
			    t, 3, tidemark_record_head(stamp, op), where, size_bytes | (uint64_t)node << 32, 0);
		else
			done = thread_put(t, 4, tidemark_record_head(stamp, op + 1), where, node, size_bytes);
		if (likely(done))
			break;
		t = thread_enter_slow(
		    sp); /* in a child that a signal handler forked: a RETIRE stayed with its parent */
		op = TIDEMARK_OP_ALLOC;
		if (!t)
			return;
	}
	thread_leave(t);
}

/* Where the ring stands, before the real call: see emit_alloc. */
INLINE uint64_t emit_position(void)
{
	return thread_self()->cursor;
}

/* After the real call: a block was born, unless a hook that the real call went through recorded it already.
 * since: emit_position() before the real call */
INLINE void emit_alloc(
    const uintptr_t *frame, uint64_t since, const void *block, size_t size_bytes, enum tidemark_api_id api)
{
	struct thread *t = thread_self();
	struct stack_state *stack;
	if (unlikely(t->cursor != since) && emit_knows(t, since, block))
		return;
	if (unlikely(!thread_enter(t, frame_sp(frame), &stack))) {
		emit_alloc_slow(frame, block, size_bytes, api);
		return;
	}
	uint32_t node = frame_stack(stack, frame);
	emit_birth(t, frame_sp(frame), TIDEMARK_OP_ALLOC, block, size_bytes, node, api);
}

/* Before the real call: a block ends. api: TIDEMARK_API_POOL for a pool's block, else MALLOC */
INLINE void emit_free(const uintptr_t *frame, const void *block, enum tidemark_api_id api)
{
	struct thread *t = thread_self();
	struct stack_state *stack;
	if (unlikely((uintptr_t)block == t->ending) || unlikely(!thread_enter(t, frame_sp(frame), &stack))) {
		emit_free_slow(frame, block, api);
		return;
	}
	clock_fence();
	uint64_t where = ((uint64_t)(uintptr_t)block & TIDEMARK_ADDRESS_MASK) | (uint64_t)api << 56;
	bool done = thread_put(t, 2, tidemark_record_head(thread_stamp(t), TIDEMARK_OP_FREE), where, 0, 0);
	thread_leave(t);
	if (unlikely(!done))
		emit_free_slow(frame, block, api);
}

/* A block ends by a call that may go through another hook with the same block (operator delete through free). Between
 * begin and end that inner call is not recorded a second time. */
struct emit_ending {
	uintptr_t ending, ending_sp; /* of the outer one, if any */
};
void emit_ending_begin(struct emit_ending *e, const uintptr_t *frame, const void *block);
void emit_ending_end(const struct emit_ending *e);

/* A realloc: begin retires the old block before the real call; then exactly one of the three others. */
struct emit_move {
	struct thread *t; /* NULL: not recorded */
	uint64_t since;
	struct emit_ending outer;
};
void emit_move_begin(struct emit_move *m, const uintptr_t *frame, const void *block);
void emit_move_done(
    struct emit_move *m, const uintptr_t *frame, const void *block, size_t size_bytes, enum tidemark_api_id api);
void emit_move_failed(struct emit_move *m, const uintptr_t *frame);
void emit_move_freed(struct emit_move *m, const uintptr_t *frame);

/* Any other record, without a stack: words as in ring.h. */
void emit_other(const uintptr_t *frame, enum tidemark_op op, uint32_t n_words, uint64_t w1, uint64_t w2);

/* A region was mapped by the hook's caller. */
void emit_map(const uintptr_t *frame, const void *address, size_t length_bytes);

/* Before the constructor a few events are kept; when recording begins they get a stack that says so. */
void emit_flush_early(void);

#endif
