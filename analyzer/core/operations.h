/* Operations and the leak rate: what the operations of a service leave behind for good, per 100 of them. docs/metrics.md,
 * "Leak rate", tells the definition to users.
 * Enters: the recordings of one session (the processes of one service). Leaves: the total over all operations and one
 * entry for each name, with estimate, bounds, class and the stacks behind them, and verdicts against a budget.
 * Called by op_report.c and measure_session.c. threads: one at a time.
 *
 * What counts as an operation:
 *  - op_begin to op_end on one thread; op_start to op_finish by id, on any threads; only what was completed counts.
 *  - A mark from outside with --ops N: N operations of the mark's name, done since the mark before.
 *  - Nested operations count under their own names; the total counts the outermost alone (but one that never ends hides
 *    nothing). Where there are marks with operations, they are the outermost: the total counts these alone.
 *  - A block belongs to the innermost operation open on its thread when it was born (a started one is open on the thread
 *    that started it until it is finished); else to the next mark with operations; else to the total only. All blocks
 *    belong to the total. */
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/estimate.h"
#include "core/reader.h"

/* What the blocks of one thread are of what a stack left. */
struct op_share {
	uint32_t cell;         /* private */
	uint32_t file, thread; /* into operations.traces, and of that file's threads */
	uint64_t bytes, blocks;
};

/* One stack of an entry with something alive at the end of the entry's last operation. A stack that several files have
 * is one; file and node name one example. */
struct op_stack {
	uint32_t file; /* into operations.traces */
	uint32_t node; /* of that file's trie; stacks_add or trace->nodes lead to its frames */
	enum rate_class rate_class;
	bool freed_at_exit; /* most of these bytes were freed after the last operation */
	bool suppressed;    /* not in the entry's figures but in its suppressed_* */
	double bytes_per_100, blocks_per_100;
	double grown_per_100;          /* bytes beyond these that it may leave: what is freed is replaced by more */
	double plain;                  /* its part of the entry's */
	uint64_t bytes, blocks;        /* alive at the end of the last operation, whatever their age */
	uint64_t first_op, last_op;    /* of the operations that left something: how many were completed before */
	uint64_t end_op;               /* what was born after that many is too young to count */
	const struct op_share *shares; /* by_thread: whose sums are bytes and blocks; else none */
	size_t n_shares;
};

struct op_entry {
	const char *name;     /* NULL: the total */
	uint64_t count;       /* operations completed: N */
	bool told_by_program; /* by its own calls; else by marks from outside */
	uint32_t n_batches;
	double batch_ops;           /* operations in a batch */
	double estimate, low, high; /* bytes per 100 operations, 99 % one-sided each; high may be INFINITY */
	double strict_high;         /* the upper bound also where high is INFINITY for want of operations */
	double grown;               /* part of high: of the stacks whose freed blocks are replaced by more */
	double recent;              /* lower bound of what the youngest blocks suggest; can only stop a PASS */
	double detectable;          /* the smallest leak that the run could have seen, bytes per 100 */
	double plain;               /* growth from the end of the warm-up to the end, bytes per 100; may be negative */
	double blocks_per_100;
	double suppressed_per_100;  /* estimate of what the suppressed stacks leave, bytes; not in the other figures */
	enum rate_class rate_class; /* of what leaves most */
	bool freed_at_exit;         /* most of what is counted as left was freed after the last operation */
	struct op_stack *stacks;    /* largest bytes_per_100 first, then bytes */
	size_t n_stacks;
};

struct operations {
	struct trace **traces; /* the files, read to their end: definitions, counters, complete, damage */
	size_t n_traces;
	struct op_entry total;
	struct op_entry *names; /* most completions first */
	size_t n_names;
	bool complete;        /* all files have their end */
	uint64_t lost_events; /* of all files; > 0 forbids PASS and FAIL */
	uint64_t unfinished;  /* operations begun and never ended */
	uint64_t stray_ends;  /* ends without a beginning, those inherited over a fork left out */
	uint64_t marked_ops;  /* operations told by marks; > 0: they alone make the total */
	bool live;            /* see operations_options */
	struct operations_private *private_state;
};

enum op_whose { OP_OF_PROGRAM, OP_OF_RUNTIME, OP_SUPPRESSED };

struct operations_options {
	bool
	    live; /* the files are being written: do not wait for the writer, what is there so far counts, and missing ends
	            * forbid no verdict */
	bool by_thread; /* tell the shares of threads; about twice the time */
	/* Whose a stack is. Asked once for each stack with something alive at the end, after all files were read.
	 * NULL: all are the program's */
	enum op_whose (*whose)(void *arg, const struct operations *operations, uint32_t file, uint32_t node);
	void *whose_arg;
	void (*waiting)(const char *path); /* see trace_open */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *progress_arg;
};

/* Read the files of one session. A recording without operations is no error: total.count is 0 then.
 * errors: those of trace_open; USAGE when the files are of several sessions; MEMORY
 * cost:   two passes, the first an outline; about 20 ns an event; memory: live blocks, definitions, and 32 KiB for each
 *         operation name and file where there are several files */
int operations_read(struct operations **out, const char *const *paths, size_t n_paths,
    const struct operations_options *options, struct err *err);
void operations_free(struct operations *operations);

/* The entry of an operation name; NULL name: the total. returns: NULL when there is none */
const struct op_entry *operations_find(const struct operations *operations, const char *name);

/* What the total leaves for certain although no operation of any name does, bytes per 100: it comes from threads that work
 * for an operation which another thread began, or from between operations. 0: nothing is certain, or next to nothing. */
double operations_outside(const struct operations *operations);

enum op_verdict { OP_PASS, OP_FAIL, OP_INCONCLUSIVE, OP_INCOMPLETE /* neither may be said: lost events, or cut off */ };

struct op_judgement {
	enum op_verdict verdict;
	uint64_t needed_ops; /* INCONCLUSIVE: operations that would decide, about; 0: nobody can tell */
	char reason[256];    /* one sentence for people, lower case, no full stop */
};

/* Judge an entry against a budget in bytes per 100 operations.
 * strict: PASS asks that the run could have seen a leak of that size; always so below 3000 operations
 * plain:  judge entry->plain alone: two verdicts, no statistics */
struct op_judgement operations_verdict(
    const struct operations *operations, const struct op_entry *entry, double budget, bool strict, bool plain);

#endif
