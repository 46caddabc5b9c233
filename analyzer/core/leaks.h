/* What is alive at the end, sorted into the program's leaks, the runtime's own blocks and what the user suppressed:
 * each block is in exactly one of the three. Enters: stacks of one profile. threads: the owner's. */
#ifndef LEAKS_H
#define LEAKS_H

#include "core/runtime.h"
#include "core/stacks.h"
#include "core/suppress.h"

enum leak_kind {
	LEAK_PROGRAM,
	LEAK_RUNTIME, /* wins over a suppression */
	LEAK_SUPPRESSED,
	LEAK_KINDS,
};

struct leak {
	const struct stack_row *row;
	enum leak_kind kind;
	int suppression; /* index, when kind says so */
};

struct leak_sum {
	uint64_t stacks, blocks, bytes;
};

struct leaks {
	struct leak *items; /* as the rows were ordered */
	size_t n_items, capacity;
	struct leak_sum sums[LEAK_KINDS];
};

/* Judge every row of `stacks` that has live blocks in any source; sums are those of source 0, and so is what each
 * suppression is said to have hidden.
 * errors: MEMORY; cost: one look at each distinct frame for each suppression */
int leaks_collect(struct leaks *leaks, const struct stacks *stacks, struct suppressions *suppressions,
    runtime_callee *callee, void *callee_arg, struct err *err);
void leaks_release(struct leaks *leaks);

#endif
