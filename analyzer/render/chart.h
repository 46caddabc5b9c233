/* Charts drawn in the terminal with block characters, or with ASCII where the locale has no more. threads: one. */
#ifndef CHART_H
#define CHART_H

#include <stdint.h>

#include "render/term.h"

struct chart {
	const uint64_t *values; /* bytes, one a column */
	size_t n_values;
	unsigned height;            /* rows, 1..32 */
	uint64_t end_ticks;         /* what the right edge stands for; the left edge is the start */
	const uint64_t *mark_ticks; /* drawn as ticks below the axis, numbered from 1 */
	size_t n_marks;
};

/* How many columns fit beside the labels. */
size_t chart_columns(const struct term *term);

/* Draw it, with labels of size to the left and of time below. */
void chart_draw(const struct term *term, const struct chart *chart);

#endif
