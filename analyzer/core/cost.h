/* What a report ranks stacks by: one figure of a profile_row. threads: any. */
#ifndef COST_H
#define COST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/profile.h"

enum cost {
	COST_LEAKED,      /* bytes alive at the end of the window */
	COST_PEAK,        /* bytes alive when the heap was largest */
	COST_ALLOCATED,   /* bytes of all allocations */
	COST_ALLOCATIONS, /* how many */
	COST_TEMPORARY,   /* how many were freed by their thread before its next allocation */
	COST_COUNT,
};

#define COST_NAMES "leaked, peak, allocated, allocations, temporary" /* for help and messages */

/* Find a cost by its name on the command line. returns: false when there is none of that name */
bool cost_parse(const char *name, enum cost *cost);

/* Its name on the command line and in JSON. */
const char *cost_name(enum cost cost);

/* Whether it counts bytes; else allocations. */
bool cost_is_bytes(enum cost cost);

uint64_t cost_value(const struct profile_row *row, enum cost cost);

#endif
