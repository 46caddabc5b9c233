/* Suppressions in LeakSanitizer's syntax: which leaks a user does not want to hear about. Enters: text with lines
 * "leak:PATTERN". Leaves: for a frame, the suppression that matches it. threads: one per struct suppressions. */
#ifndef SUPPRESS_H
#define SUPPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "core/stacks.h"

#define SUPPRESS_NONE (-1)

struct suppression {
	char *pattern;
	const char *source;             /* a file's name, "program" or "built-in" */
	unsigned line;                  /* in it */
	char *owner;                    /* NULL: none */
	char until[11];                 /* its last day, "YYYY-MM-DD"; "": for ever */
	uint64_t stacks, blocks, bytes; /* what it suppressed; counted by the caller */
};

struct suppressions {
	struct suppression *items;
	size_t n_items, capacity;
};

/* Add the suppressions of a text: one "leak:PATTERN" a line; blank lines and lines that begin with # do not count, but
 * for "# tidemark: owner=NAME until=YYYY-MM-DD" (either may be missing), which says so of the next suppression. It is a
 * comment line because LeakSanitizer takes all that follows "leak:" for the pattern.
 * text, length: need not end in NUL; source: must outlive it
 * errors: USAGE for a line that is nothing of this; what stood before it is kept; MEMORY */
int suppressions_add_text(
    struct suppressions *list, const char *text, size_t length, const char *source, struct err *err);

/* As suppressions_add_text, from a file. errors: SYSTEM too */
int suppressions_add_file(struct suppressions *list, const char *path, struct err *err);

/* The short list that Tidemark brings with it, as text. */
extern const char suppressions_built_in[];

/* The first suppression whose pattern matches the frame's function, file or module path.
 * returns: its index, SUPPRESS_NONE when there is none */
int suppressions_match(const struct suppressions *list, const struct frame_view *view);

/* Whether its last day is over, by the universal time `now`. */
bool suppression_expired(const struct suppression *suppression, time_t now);

void suppressions_release(struct suppressions *list);

/* Whether a pattern matches a text: somewhere in it, '*' stands for any characters, '^' at its start and '$' at its end
 * hold it to the text's start and end. The empty text matches nothing.
 * cost: the product of the lengths at worst */
bool suppress_matches(const char *pattern, const char *text);

#endif
