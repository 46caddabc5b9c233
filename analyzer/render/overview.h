/* What summary prints, and the same as JSON: one struct filled by the command, two renderers. threads: one. */
#ifndef OVERVIEW_H
#define OVERVIEW_H

#include <jansson.h>

#include "core/leaks.h"
#include "core/profile.h"
#include "render/term.h"

struct overview {
	const struct profile *profile;
	const struct leaks *leaks;
	const struct stacks *stacks;
	const struct leak *const *top_leaks; /* of the program, largest first */
	size_t n_top_leaks;
	const struct stack_row *const *top_peaks;
	size_t n_top_peaks;
	uint64_t lost_events;
};

/* How the recording ended: "exited with status 0", "was killed by signal 9 (Killed)". returns: text */
const char *end_text(const struct trace *trace, char *text, size_t n);

/* From the totals to Tidemark's own footprint. */
void overview_print(const struct term *term, const struct overview *overview);

/* Add the keys to `head`. */
void overview_json(json_t *head, const struct overview *overview);

#endif
