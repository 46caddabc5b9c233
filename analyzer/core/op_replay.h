/* The second reading of a session's files: what was left on each axis of operations, by stack. Enters: one file after the
 * other, and the axes as the first reading settled them. Leaves: cells (an axis and a stack) with deaths that matter, and
 * the blocks alive at the end of each axis. Called by operations.c. threads: one.
 *
 * cost: about 20 ns an event; memory: 40 bytes a live block, 24 for each block left on each axis */
#ifndef OP_REPLAY_H
#define OP_REPLAY_H

#include "base/err.h"
#include "core/op_axes.h"
#include "core/op_stacks.h"
#include "core/operations.h"

struct op_cell {
	uint32_t axis, stack; /* stack: common id, see op_stacks.h */
	uint32_t file, node;  /* where it was seen first */
	struct estimate_deaths deaths;
	uint64_t outlived_blocks, outlived_bytes; /* of those born in operations: what outlived its own */
	uint64_t left_blocks, left_bytes;         /* alive at the axis' end */
	uint64_t warm_bytes;                      /* born in the warm-up and alive at its end */
	bool frees;                               /* of those that outlived their operation, some were freed */
};

struct op_sums {
	struct op_axes *axes;
	struct op_stacks stacks;
	struct op_cell *cells;
	size_t n_cells, cells_capacity;
	struct idtable cell_ids;
	struct estimate_block *left; /* stack: the cell's index */
	size_t n_left, left_capacity;
	struct estimate_block *undecided; /* the same, of workers that ended early: see op_sums_decide */
	size_t n_undecided, undecided_capacity;
	bool by_thread;          /* fill shares; about twice the time */
	struct op_share *shares; /* one for each cell and thread that left something there */
	size_t n_shares, shares_capacity;
	struct idtable share_ids;
};

void op_sums_init(struct op_sums *sums, struct op_axes *axes);
void op_sums_release(struct op_sums *sums);

/* Once all files were played. What a process allocated in the last sixteenth of its time, and had when it ended before the
 * others, is left if no block of the stack was ever freed by a later operation; else it would have been, too.
 * errors: -1 when memory is short */
int op_sums_decide(struct op_sums *sums);

/* Once all files were played: put the shares in the order of their cells, then give a stack those of its cell. */
void op_sums_sort_shares(struct op_sums *sums);
void op_sums_take_shares(const struct op_sums *sums, uint32_t cell, struct op_stack *stack);

struct op_file { /* what the first reading found out */
	struct trace *trace;
	uint64_t start;    /* ticks from the session's start to the file's */
	uint64_t *endless; /* see op_track.h */
	size_t n_endless;
};

/* Play a file that was rewound.
 * index:  which of the session's it is
 * block_read: called after each block; may be NULL
 * bad:    set to the block that a CORRUPT result is about: an event ended a block that is not alive
 * errors: MEMORY, CORRUPT */
int op_replay_file(struct op_sums *sums, uint32_t index, const struct op_file *file, void (*block_read)(void *arg),
    void *arg, uint64_t *bad, struct err *err);

#endif
