/* Text for people: what the terminal can show, names made safe to print, stacks. threads: one. */
#ifndef TERM_H
#define TERM_H

#include <stdbool.h>
#include <stdio.h>

#include "base/utf8.h"
#include "core/stacks.h"

struct term {
	FILE *out;
	bool utf8;      /* block characters may be used */
	bool terminal;  /* lines are cut to width; else nothing is cut */
	unsigned width; /* columns, 40..200; 80 when out is no terminal */
};

/* Look at the locale and at `out`. */
void term_init(struct term *term, FILE *out);

/* Print a text whose bytes came from the recorded program: control characters and broken UTF-8 become '?', at most
 * max_columns are printed, the last three of them "..." when something was cut. returns: columns printed */
unsigned term_text(const struct term *term, const char *text, unsigned max_columns);

/* Print a stack, innermost first, one frame a line: function, file:line, [module].
 * indent: columns before each line; max_frames: then "... N more"; 0: all */
void term_stack(const struct term *term, const struct frame_view *const *frames, size_t n_frames, unsigned indent,
    size_t max_frames);

#endif
