/* Folded stacks, the input of flamegraph.pl, inferno and speedscope: "root;...;leaf value", one stack a line.
 * threads: one. */
#ifndef FOLDED_H
#define FOLDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/stacks.h"

struct folded {
	FILE *out;
	bool offsets;                /* functions without a name as module+0xoffset; else [module] */
	const struct stacks *stacks; /* whose frames come again and again: their names are kept; may be NULL */
	/* private */
	char *line;
	size_t length, capacity;
	char **names; /* by view of stacks */
};

/* Append a frame's name as it stands between semicolons to folded->line. What would break a line or a frame is
 * replaced:
 * ';' by ':', ", " by ",", other blanks by '_', control characters and broken UTF-8 by '?'.
 * returns: 0, -1 when memory is short */
int folded_name(struct folded *folded, const struct frame_view *view);

/* Write one line. frames: innermost first. returns: 0, -1 when memory is short */
int folded_line(struct folded *folded, const struct frame_view *const *frames, size_t n_frames, uint64_t value);

void folded_release(struct folded *folded);

#endif
