/* One walk of a stack, from registers to frames. The seam between stack.c, which decides when to walk and what to keep,
 * and the engines: own rules (unwind_x86_64.c) or libunwind (unwind_libunwind.c). Called on every thread and in signal
 * handlers. */
#ifndef UNWIND_WALK_H
#define UNWIND_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "cfi.h"
#include "sys.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#define UNWIND_OWN_RULES 1
#else
#define UNWIND_OWN_RULES 0
#endif

struct unwind_frame {
	uint64_t word; /* address and flags, see intern.h */
	uint64_t sp;   /* in this frame, after the call returned: the CFA of the frame that it called */
	uint64_t bp;
	uint64_t rule; /* of this frame (unwind_rules.h); 0 when another way than a packed rule led on */
};

/* An outer frame as it was seen at the end of an earlier deep walk. */
struct unwind_outer {
	uint64_t word;
	uint64_t sp;
};

/* A frame of a remembered walk whose way to the root is known: see stack_recall.h. */
struct unwind_known {
	uint64_t word;
	uint64_t sp;
	uint64_t bp;
	uint64_t hash;     /* of the stack from the root to this frame */
	uint16_t n_checks; /* slots of memory, in the order of the remembered list, that the way from here to the root
	                      read */
	uint16_t bp_live;  /* 1: the way depends on bp */
	uint32_t node;     /* of the stack from the root to this frame; 0: not looked up */
};

struct unwind_walk {
	/* Given. */
	uint64_t low; /* the thread's own stack, readable from any live stack pointer up to high; 0, 0: not known */
	uint64_t high;
	struct unwind_frame *frames; /* innermost first; room for capacity */
	uint32_t capacity;           /* more than 2 * half */
	uint32_t half;               /* frames kept at either end of a stack that is cut */
	struct cfi_work *work;
	struct unwind_outer *outer; /* room for half, outermost first; what the last deep walk found */
	uint32_t n_outer;
	const struct unwind_known *known; /* root first; up to the given join their slots hold what they held */
	int32_t
	    join; /* given: the innermost usable entry of known, -1: none. Found: where the walk met it, -1: nowhere */
	void **addresses; /* libunwind only: room for n_addresses */
	uint32_t n_addresses;

	/* Found. When n > capacity, frames[0..half) are the innermost and the last ones went round in
	 * frames[half..capacity). */
	uint64_t n;
	bool broken;     /* ended before the outermost frame */
	bool outer_used; /* the walk stopped after capacity frames: outer[] is verified to be its root */
	bool pure;       /* every step was a packed rule applied to the thread's own stack */
	uint64_t
	    end_sp; /* of a pure walk that ended because the word below this address is no return address; else 0 */
};

/* Where the i-th frame is kept. */
static inline struct unwind_frame *unwind_frame_at(const struct unwind_walk *w, uint64_t i)
{
	return &w->frames[i < w->capacity ? i : w->half + (i - w->half) % (w->capacity - w->half)];
}

/* Stack pointer of the process's first code, 16-byte aligned: frames at or above it are nobody's caller. Set by
 * stack_init. */
extern HIDDEN uint64_t unwind_entry_sp;

/* Walk from the frame in which pc is a return address, with its sp and bp. */
void unwind_own(struct unwind_walk *w, uint64_t pc, uint64_t sp, uint64_t bp);

/* Load libunwind; when main begins, not earlier. returns: false when it is not there */
bool unwind_libunwind_init(void);
void unwind_libunwind(struct unwind_walk *w, uint64_t pc, uint64_t sp, uint64_t bp);

#endif
