/* A thread's way into its ring. Every record is written between thread_enter and thread_leave, by the owner alone.
 *
 * The state lives in memory that the kernel zeroes in a forked child (MADV_WIPEONFORK), so that the child's first event
 * fails thread_enter's one compare just as an unattached thread, a full quarter of the ring, an event in a signal
 * handler that interrupted another, or a recording that has ended. thread_enter_slow tells these apart.
 *
 * A thread has two levels. Level 0 is closed (limit 0) only while a hook captures and appends, never across the real
 * allocator's call. A signal handler that arrives just then finds it closed and uses level 1, a ring of its own. */
#ifndef THREAD_H
#define THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm.h"
#include "stack.h"
#include "sys.h"

/* Room that a hook needs before it starts: the two records of a realloc. */
#define THREAD_ROOM_WORDS (2 * TIDEMARK_RECORD_MAX_WORDS)

struct thread {                        /* one level of one thread; owner only */
	_Alignas(128) uint64_t cursor; /* words appended */
	uint64_t
	    limit; /* what cursor may reach without a look at the ring; 0 while closed, unattached, not recording */
	uint64_t open_limit; /* limit's value while no hook is at work; 0: wiped by fork, or the recording ended */
	uint64_t last_stamp;
	uint64_t *data;
	uint64_t mask;              /* words - 1 */
	struct tidemark_ring *ring; /* NULL: not attached */
	struct stack_state *stack;
	/* second cache line */
	uintptr_t sp;     /* while closed: stack pointer of the caller of the hook at work */
	uintptr_t ending; /* block whose end is recorded while the real call that ends it is still under way */
	uintptr_t ending_sp;
	struct thread *nested; /* the other level, NULL until needed */
	uint64_t first_cursor; /* where this owner began */
	uint32_t number;       /* as ring->thread */
	uint32_t lost;         /* events not recorded and not yet told by a LOSS record */
	uint32_t retry;        /* only on level 0: events to let go before another try for the nested ring */
	uint16_t retiring;     /* 1: a RETIRE on this ring waits for its REALLOC, UNDO or END */
	uint16_t raw;          /* 1: came from a raw clone; the kernel knows no robust list for it */
};
static_assert(sizeof(struct thread) == 128, "two cache lines");

/* What unattached threads use: all zero, never written. */
extern HIDDEN struct thread thread_idle;

/* From thread_idle to the thread's state. An offset, so that TLS that is still zero is right too. */
extern HIDDEN _Thread_local intptr_t thread_offset __attribute__((tls_model("initial-exec")));

enum recording {             /* of this image and its forked children */
	RECORDING_EARLY = 0, /* the constructor has not run: events are kept for it */
	RECORDING_OFF = 1,
	RECORDING_ON = 2,
};
extern HIDDEN enum recording recording; /* written by the constructor only */

/* Constructor, after shm stands and the process slot is claimed: set up the states' memory. returns: false without
 * memory */
bool threads_init(void);

/* Where a fork is seen when the kernel cannot wipe memory; called in the forked child by its only thread. */
void threads_forked(void);

/* Is proc_self this process's slot? Not in a forked child without an event. */
bool threads_are_own(void);

/* Everything that thread_enter's compare does not let through.
 * sp: as in thread_enter. returns: the state, entered; NULL when the event cannot be recorded (counted if it is a loss)
 * cost: some 10 ns at a quarter of the ring, microseconds to attach, up to seconds when the ring is full; keeps errno
 */
struct thread *thread_enter_slow(uintptr_t sp);

/* Enter the nested level of t, though t itself may be free. returns: NULL when there is none or it is at work */
struct thread *thread_enter_nested(struct thread *t, uintptr_t sp);

/* Was a hook whose caller had stack pointer `then` left by siglongjmp, as seen from one whose caller has `now`? When in
 * doubt it was not. */
bool thread_was_abandoned(uintptr_t then, uintptr_t now);

/* Count an event that could not be recorded. */
void thread_lose(struct thread *t);

INLINE struct thread *thread_self(void)
{
	return (struct thread *)((char *)&thread_idle + thread_offset);
}

/* Only the compiler must keep the order: the other party is a signal handler on this thread. */
#define signal_fence() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* Whenever the state is closed, sp must say by whom, or what siglongjmp left could never be told from what is at work.
 * So sp comes first; and once more, because a signal handler's hook may have come in between. */
INLINE void thread_close(struct thread *t, uintptr_t sp)
{
	t->sp = sp;
	signal_fence();
	t->limit = 0;
	signal_fence();
	t->sp = sp;
	signal_fence();
}

/* Close the state for others and make sure that there is room. sp: stack pointer of the hook's caller.
 * stack: set to the state's stack_state, read before anything is decided: if a signal handler forks in between, the
 * child goes on with a pointer that is still good. returns: false when thread_enter_slow must decide */
INLINE bool thread_enter(struct thread *t, uintptr_t sp, struct stack_state **stack)
{
	*stack = t->stack;
	signal_fence();
	if (unlikely(t->cursor + THREAD_ROOM_WORDS > t->limit))
		return false;
	thread_close(t, sp);
	return true;
}

INLINE void thread_leave(struct thread *t)
{
	signal_fence();
	t->limit = t->open_limit;
}

/* Append one record of n words to an entered state; n is a constant. The stamp must have been taken after there was
 * room. returns: false when the room is gone: a signal handler forked meanwhile and this is the child, whose own state
 * thread_enter_slow gives */
INLINE bool thread_put(struct thread *t, uint32_t n, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
	uint64_t *data = t->data, mask = t->mask, at = t->cursor;
	struct tidemark_ring *ring = t->ring;
	signal_fence(); /* for the same reason as in thread_enter */
	if (unlikely(at + n > t->open_limit))
		return false;
	data[at & mask] = w0;
	if (n > 1)
		data[(at + 1) & mask] = w1;
	if (n > 2)
		data[(at + 2) & mask] = w2;
	if (n > 3)
		data[(at + 3) & mask] = w3;
	t->cursor = at + n;
	atomic_store_explicit(&ring->head, at + n, memory_order_release);
	return true;
}

/* A stamp for the next record of this state; never lower than its last. */
#define thread_stamp(t) thread_stamp_of((t), clock_stamp())
INLINE uint64_t thread_stamp_of(struct thread *t, uint64_t stamp)
{
	if (unlikely(stamp < t->last_stamp))
		stamp = t->last_stamp;
	t->last_stamp = stamp;
	return stamp;
}

#endif
