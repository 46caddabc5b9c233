/* Time counted in completed operations, over all files of a session: one axis for the total and one for each operation
 * name. Enters: completions and marks with their times, from an outline reading of every file. Leaves: how many there are,
 * how they are cut into batches, and where on each axis an instant of one file lies. Called by operations.c and op_replay.c.
 * threads: one.
 *
 * Times are ticks since the start of the session's first file. Inside a file the position is exact; what other files
 * completed by then is known to 1/8192 of the session's length or better, and taken to be even in between. */
#ifndef OP_AXES_H
#define OP_AXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/estimate.h"
#include "core/idtable.h"

#define OP_AXES_MAX 65536u /* names beyond it count for the total only */
#define OP_CLOCK_BINS 8192u
#define OP_MAX_OPS (UINT32_MAX - 1ull) /* positions are 32 bits wide; later operations are not counted */

struct op_axis {
	char *name;          /* NULL: the total */
	uint64_t api_ops;    /* completed by the program's own calls */
	uint64_t marked_ops; /* told by marks; > 0: they alone count on this axis */
	uint64_t n_ops;      /* what counts */
	uint64_t end_time;   /* of the last completion that counts */
	uint64_t *own;       /* api_ops by file */
	uint32_t **clocks;   /* by file: api_ops in each bin; NULL where there are none */
	uint64_t *starts; /* of marked batches and the end of the last, n_starts = batches + 1; NULL: all are equal */
	size_t n_starts;
	struct estimate_plan plan;
};

struct op_mark {
	uint64_t time, ops;
	uint64_t order; /* as they were read */
	uint32_t axis, file;
};

struct op_axes {
	struct op_axis *items; /* 0: the total */
	size_t n_items, capacity;
	struct idtable names;
	struct op_mark *marks; /* by time, once settled */
	size_t n_marks, marks_capacity;
	size_t n_files;
	size_t in_flight;     /* operations open at once, at most */
	unsigned clock_shift; /* a bin of the clocks is 2^clock_shift ticks */
};

/* errors of all: -1 when memory is short */
int op_axes_init(struct op_axes *axes, size_t n_files);
void op_axes_release(struct op_axes *axes);

/* Forget counts, clocks and marks, keep the names. */
void op_axes_reset(struct op_axes *axes);

/* returns: the axis of a name, made when it is new; 0 when there are too many; UINT32_MAX when memory is short */
uint32_t op_axes_find(struct op_axes *axes, const char *name);

/* An operation was completed by the program. */
int op_axes_complete(struct op_axes *axes, uint32_t axis, uint32_t file, uint64_t time);

/* A mark said that `ops` were done. */
int op_axes_mark(struct op_axes *axes, const struct op_mark *mark);

/* All files are read: decide what counts, and cut it into batches. */
int op_axes_settle(struct op_axes *axes);

/* Where a position lies when all batches of the axis are made equally long, and what a byte born there weighs then. */
double op_axis_birth(const struct op_axis *axis, uint32_t position, double *weight);

/* One file's walk along all axes. */
struct op_cursor {
	const struct op_axes *axes;
	uint32_t file;
	uint64_t now;
	uint64_t *counts;  /* by axis: own completions, or marked operations passed */
	uint32_t **others; /* by axis: what other files completed before each bin; NULL: nothing */
	uint32_t **own;    /* the same of this file; NULL where others is */
	size_t next_mark;  /* into axes->marks: the first not passed */
	uint64_t own_marks, own_passed;
};

int op_cursor_init(struct op_cursor *cursor, const struct op_axes *axes, uint32_t file);
void op_cursor_release(struct op_cursor *cursor);

void op_cursor_complete(struct op_cursor *cursor, uint32_t axis);
void op_cursor_mark(struct op_cursor *cursor); /* a mark of this file with operations */
void op_cursor_time(struct op_cursor *cursor, uint64_t time);

/* Operations completed on the axis by now. */
uint32_t op_cursor_position(const struct op_cursor *cursor, uint32_t axis);

/* Whether the axis' last operation is over for this file: what is freed from now on counts as left. A process that
 * completes operations of its own ends with the last of them, another one with the last of all. */
bool op_cursor_ended(const struct op_cursor *cursor, uint32_t axis);

/* Whether this process completes the last 64th of its operations: threads that find no more to do wind up, while others are
 * still busy. Never so where marks tell the operations. */
bool op_cursor_closing(const struct op_cursor *cursor);

/* Whether the blocks of this process end with it: it completed no operation itself, so its end is no service's end. */
bool op_cursor_is_helper(const struct op_cursor *cursor);

/* The axis that the next mark with operations names; 0 when none comes. */
uint32_t op_cursor_upcoming(const struct op_cursor *cursor);

#endif
