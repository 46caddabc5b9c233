/* Plays the events of a trace into aggregates: the live set, one row per stack, the peak, the timeline. Enters: decoded
 * blocks from reader.c. Leaves: what profile.c hands out. threads: one per replay, no locks.
 *
 * cost: 5 to 10 ns an event; memory: 8 bytes a live block, 64 a node */
#ifndef REPLAY_H
#define REPLAY_H

#include "core/block.h"
#include "core/live.h"
#include "core/mapping.h"
#include "core/profile.h"
#include "core/series.h"
#include "core/window.h"

struct replay {
	struct live live;
	struct profile_row *rows; /* by node; aligned to cache lines */
	size_t rows_capacity;
	uint64_t *latest; /* by thread: the number of its latest allocation, UINT64_MAX before */
	size_t n_latest, latest_capacity;
	uint64_t heap_bytes;
	uint64_t ended; /* blocks, so that live blocks = live.next - ended */
	uint64_t tick;
	/* A row keeps its value at the peak: whoever changes a row whose epoch is old copies its live figures first. So
	 * a new peak costs one addition, not a walk over all rows. */
	uint64_t epoch;
	bool inside, past; /* the window */
	bool whole_live;
	bool wide; /* the working set is larger than the caches */
	struct window window;
	uint64_t first_event, first_number, first_ended; /* where the window began */
	uint64_t events;                                 /* played so far */
	struct series series;
	struct mapping mapping;
	struct profile_totals totals;
	struct profile_mark *marks;
	size_t n_marks, marks_capacity;
	struct profile_smaps *smaps;
	size_t n_smaps, smaps_capacity;
};

/* window: events and ticks; the ticks are needed for the timeline only. errors: MEMORY */
int replay_init(
    struct replay *replay, const struct window *window, uint32_t n_points, bool whole_live, struct err *err);
void replay_release(struct replay *replay);

/* Play the next block.
 * errors: MEMORY; CORRUPT when an event ends a block that is not alive: the aggregates are of no use then, because part
 * of the block is in them */
int replay_block(struct replay *replay, const struct trace *trace, const struct trace_block *block, struct err *err);

/* Close the window at the trace's end, if it is still open, and make the totals. errors: MEMORY */
int replay_finish(struct replay *replay, const struct trace *trace, struct err *err);

#endif
