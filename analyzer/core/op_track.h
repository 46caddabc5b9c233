/* The operations of one file: which are open on each thread, which one an allocation counts for, and whether a completed
 * one was an outermost. Enters: rare events in order. Called by operations.c and op_replay.c. threads: one.
 *
 * An operation begun inside another begun one is nested; it counts for the total only if the outer one never ends. That
 * is known after a first reading only: op_track_finish tells which operations never ended, and the next reading is given
 * that list. */
#ifndef OP_TRACK_H
#define OP_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/block.h"

#define OP_NONE 0u
#define OP_SETUP 0x10000u /* a token of no slot: before the first operation of a process that is one of several */

struct op_open {     /* slot 0 is nobody */
	uint64_t id; /* of a started one; 0: begun */
	uint32_t name, thread;
	uint32_t older, newer; /* open on the same thread, by when they opened; slots */
	uint32_t outer;        /* of a begun one: the begun one that was innermost then; a slot */
	uint32_t use;          /* how often the slot was given out; even when it is free */
	uint32_t next;         /* in its bucket, or the next free slot */
	uint64_t order;        /* by opening, of all */
	uint64_t number;       /* of a begun one: how many were begun before it in the file */
	bool endless;          /* known never to end */
	bool holds;            /* others were completed inside it */
};

struct op_thread {
	uint32_t innermost, begun; /* slots: the latest of all, the latest begun */
};

struct op_track {
	struct op_open *slots;
	size_t n_slots, slots_capacity;
	uint32_t free_slot;
	uint32_t *buckets; /* of started ones by id */
	size_t n_buckets, n_started;
	struct op_thread *threads;
	size_t threads_capacity;
	uint64_t n_opened, n_begun;
	const uint64_t *endless; /* numbers of begun operations that never end, ascending; not owned */
	size_t n_endless;
	uint64_t *found_endless; /* those of this reading */
	size_t n_found, found_capacity;
	uint64_t unfinished, stray_ends;
	bool misjudged; /* some operation was taken for nested in one that never ended: read again with the list */
};

/* endless: from the reading before, sorted; NULL in the first */
void op_track_init(struct op_track *track, const uint64_t *endless, size_t n_endless);
void op_track_release(struct op_track *track);

struct op_done {
	bool completed, outermost;
	uint32_t name; /* string id of the file */
};

/* Take in a rare event; kinds that are none of operations' are ignored.
 * errors: returns -1 when memory is short */
int op_track_take(struct op_track *track, const struct trace_rare *rare, struct op_done *done);

/* The file is over: what is still open never ends. errors: -1 when memory is short */
int op_track_finish(struct op_track *track);

/* The innermost open operation of a thread: its string id, valid when *token is not OP_NONE. token: to ask later whether
 * it is still open; OP_NONE when none is. */
uint32_t op_track_current(const struct op_track *track, uint32_t thread, uint32_t *token);

/* How many were open at once, at most: slots are used again. */
static inline size_t op_track_most_open(const struct op_track *track)
{
	return track->n_slots ? track->n_slots - 1 : 0;
}

/* Tokens of slots beyond 65535, and after 65536 uses of a slot, may be mistaken: for statistics of sizes only. */
static inline bool op_track_is_open(const struct op_track *track, uint32_t token)
{
	uint32_t slot = token & 0xffff;
	return slot && slot < track->n_slots && (track->slots[slot].use & 0xffff) == token >> 16;
}

#endif
