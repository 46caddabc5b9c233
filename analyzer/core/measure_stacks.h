/* The stacks of a measure, one for each fingerprint, with their part of every session's figures. Called by
 * measure_read.c and measure_session.c only. threads: one at a time. */
#ifndef MEASURE_STACKS_H
#define MEASURE_STACKS_H

#include "core/idtable.h"
#include "core/measure.h"

#define CELL_RATE METRIC_FIXED
#define CELLS (METRIC_FIXED + 1)

struct measure_private {
	struct idtable by_fingerprint, by_frame;
	size_t stacks_capacity, cells_capacity, frames_capacity;
	double *cells;    /* [stack][session][CELLS] */
	char *added_text; /* the program's suppressions that were added last */
};

/* Find or make the stack of these frames, innermost first. returns: 0, -1 when memory is short */
int measure_stack_find(
    struct measure *measure, const struct frame_view *const *frames, size_t n_frames, uint32_t *index);

/* Keep the frames to show them, if they are not kept yet. returns: 0, -1 when memory is short */
int measure_stack_keep(
    struct measure *measure, uint32_t index, const struct frame_view *const *frames, size_t n_frames);

/* The CELLS figures of a stack in a session; valid until the next stack is made. */
double *measure_cell(const struct measure *measure, uint32_t index, size_t session);

/* All sessions are in: set the values of every stack, and the culprits of the fixed metrics. errors: -1, memory */
int measure_stacks_finish(struct measure *measure);

void measure_stacks_release(struct measure *measure);

#endif
