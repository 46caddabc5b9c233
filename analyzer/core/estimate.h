/* The leak rate: bytes that operations leave behind for good, per 100 operations, with a 99 % one-sided bound each way.
 * Definition, formulas and limits: docs/metrics.md, "Leak rate". Enters: what survived to the end of the last operation and how
 * often blocks of each stack died late. Leaves: estimate, bounds and a class per stack. No I/O; threads: any, no state. */
#ifndef ESTIMATE_H
#define ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESTIMATE_AGEINGS 4       /* ages N/16, N/8, N/4, N/2 */
#define ESTIMATE_MIN_OPS 1000.0  /* below: nothing is said */
#define ESTIMATE_MIN_PASS 3000.0 /* below: the upper bound is infinite */

enum rate_class {      /* by rising claim on the reader's attention */
	RATE_NONE,     /* nothing survives */
	RATE_ONCE,     /* survivors in fewer than three batches */
	RATE_TURNOVER, /* blocks of this stack still die at every age seen */
	RATE_FILLING,  /* survives, but less and less: a cache that fills */
	RATE_SPARSE,   /* steady, in at most half of the batches */
	RATE_STEADY,
};

/* A block alive at the end of the last operation. Sorted by stack, then by birth. */
struct estimate_block {
	uint32_t stack; /* 0..n_stacks-1 */
	double birth;   /* operations completed at its birth, 0 <= birth < n_ops */
	double size_bytes;
};

/* The blocks of one stack that were freed before the end of the last operation, at an age above n_ops / 32. */
struct estimate_deaths {
	uint64_t all;
	uint64_t late[ESTIMATE_AGEINGS]; /* see estimate_count_death */
};

struct estimate_input {
	double n_ops;
	uint32_t n_stacks;
	const struct estimate_block *blocks;
	size_t n_blocks;
	const struct estimate_deaths *deaths; /* n_stacks */
	double batch_ops;                     /* 0: the usual */
};

struct estimate_stack {
	enum rate_class rate_class;
	double rate; /* bytes per 100 operations, mean over the batches that count */
};

struct estimate {
	double rate, low, high; /* bytes per 100 operations; high is INFINITY when nothing bounds it */
	double recent;          /* lower bound of what the youngest blocks suggest; can only stop a PASS */
	double batch_ops;
	uint32_t n_batches;
	struct estimate_stack *stacks; /* n_stacks; the caller's memory or NULL */
};

/* Count a death in `deaths` if it matters: call it for every block freed before the end of the last operation.
 * birth, death: operations completed at these instants. */
void estimate_count_death(struct estimate_deaths *deaths, double n_ops, double birth, double death);

/* The estimate over all stacks of `in`. out->stacks is filled when not NULL.
 * returns: 0, or TIDEMARK_ERR_MEMORY; cost: O(blocks + stacks x batches) */
int estimate_run(const struct estimate_input *in, struct estimate *out);

#endif
