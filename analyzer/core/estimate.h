/* The leak rate: bytes that operations leave behind for good, per 100 operations, with a 99 % one-sided bound each way.
 * Definition, formulas and limits: docs/metrics.md, "Leak rate". Enters: what survived to the end of the last operation and how
 * often blocks of each stack died late. Leaves: estimate, bounds and a class per stack. Pure; threads: any. */
#ifndef ESTIMATE_H
#define ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESTIMATE_AGEINGS 4   /* ages N/16, N/8, N/4, N/2 */
#define ESTIMATE_ELDEST 5    /* births in the first N/2, N/4, N/8, N/16, N/32 */
#define ESTIMATE_INSTANTS 32 /* of which a stack's level is known: those from n_ops / 4 to 3 / 8, and from 3 / 4 on */
#define ESTIMATE_EARLY 5
#define ESTIMATE_LATE 9
#define ESTIMATE_MIN_OPS 1000.0  /* below: nothing is said */
#define ESTIMATE_MIN_BATCHES 4   /* that count: with fewer, which only coarse marks can cause, nothing is said */
#define ESTIMATE_MIN_PASS 3000.0 /* below: the upper bound is infinite */

enum rate_class {      /* by rising claim on the reader's attention */
	RATE_NONE,     /* nothing survives */
	RATE_ONCE,     /* survivors in fewer than three batches */
	RATE_TURNOVER, /* blocks of this stack still die at every age seen */
	RATE_FILLING,  /* survives, but less and less: a cache that fills */
	RATE_SPARSE,   /* steady, in at most half of the batches */
	RATE_STEADY,
};

/* How time, counted in completed operations, is cut into batches and ages. */
struct estimate_plan {
	double n_ops, batch_ops;
	double in_flight; /* operations that were open at once, at most; 0 where that is not known */
	size_t n_batches;
	bool coarse;                  /* births and deaths are known to a batch, because marks tell the operations */
	size_t warm;                  /* batches before it are warm-up: the first quarter */
	size_t end[ESTIMATE_AGEINGS]; /* first batch too young for the ageing */
};

/* batch_ops: between marks; 0 where operations are known one by one, for the usual: 100; n_ops / 20 below 2000 operations; so many hundreds that there are at most 400 batches */
void estimate_plan(struct estimate_plan *plan, double n_ops, double batch_ops);
double estimate_usual_batch(double n_ops);

/* A block alive at the end of the last operation. Sorted by stack, then by birth. */
struct estimate_block {
	double birth; /* operations completed at its birth, 0 <= birth < n_ops */
	double size_bytes;
	uint32_t stack;   /* 0..n_stacks-1 */
	bool freed_later; /* after the last operation */
};

/* What became of one stack's blocks: of those freed before the end of the last operation, at an age above n_ops / 32, how many;
 * and the bytes of all of them that were alive at instants. */
struct estimate_deaths {
	uint64_t all;
	uint64_t late[ESTIMATE_AGEINGS];  /* see estimate_count_death */
	uint64_t eldest[ESTIMATE_ELDEST]; /* at an age above n_ops / 2, by how early they were born */
	double level_early[ESTIMATE_EARLY], level_late[ESTIMATE_LATE]; /* bytes; see estimate_count_level */
};

/* Count a death if it matters: call it for every block freed before the end of the last operation.
 * birth: operations completed at its birth; age: completed between birth and death */
void estimate_count_death(const struct estimate_plan *plan, struct estimate_deaths *deaths, double birth, double age);

/* Which instant was the last? A block counts in the level if it is alive at one, so if this differs between birth and death. */
static inline uint32_t estimate_instant(const struct estimate_plan *plan, double position)
{
	return (uint32_t)(position * ESTIMATE_INSTANTS / plan->n_ops);
}

/* Add a block to the levels: call it for every block. death: operations completed at its death; n_ops if it is alive */
void estimate_count_level(
    const struct estimate_plan *plan, struct estimate_deaths *deaths, double birth, double death, double size_bytes);

struct estimate_input {
	const struct estimate_plan *plan;
	uint32_t n_stacks;
	const struct estimate_block *blocks;
	size_t n_blocks;
	const struct estimate_deaths *deaths; /* n_stacks */
	const bool *suppressed;               /* n_stacks; NULL: none */
	bool of_suppressed;                   /* take the suppressed stacks alone instead of the others */
	const bool *runtime; /* n_stacks: the C runtime's own, of which one block or two mean nothing; NULL: none */
};

struct estimate_stack { /* means over the batches that count, per 100 operations */
	enum rate_class rate_class;
	double bytes, blocks;
	double grown; /* bytes beyond these by which it grew: its blocks are freed, but larger ones take their places */
	bool freed_later; /* most of the bytes that count */
	double first_op, last_op,
	    end_op; /* births of the first and the last block that counts, and of what is too young */
};

struct estimate {
	double rate, low, high;     /* bytes per 100 operations; high is INFINITY when nothing bounds it */
	double strict_high;         /* the same, but also where there are too few operations for a bound to pass by */
	double grown;               /* part of high: the sum of the stacks' */
	double recent;              /* lower bound of what the youngest blocks suggest; can only stop a PASS */
	double blocks;              /* per 100 operations */
	enum rate_class rate_class; /* of what leaves most */
	bool freed_later;           /* most of the bytes that count */
	struct estimate_stack
	    *stacks; /* n_stacks; the caller's memory or NULL; those of `in` that are taken are filled */
};

/* The estimate over all stacks of `in` that are taken.
 * returns: 0, or TIDEMARK_ERR_MEMORY; cost: O(blocks + stacks x batches) */
int estimate_run(const struct estimate_input *in, struct estimate *out);

/* "none", "once", "turnover", "filling", "sparse", "steady" */
const char *rate_class_name(enum rate_class rate_class);

#endif
