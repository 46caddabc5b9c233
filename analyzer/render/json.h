/* JSON output: where it goes, texts that are always valid UTF-8, frames, and lists too long to be held in memory.
 * docs/json.md tells what every command prints. threads: one. */
#ifndef RENDER_JSON_H
#define RENDER_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "base/err.h"
#include "core/cost.h"
#include "core/profile.h"
#include "core/stacks.h"

struct json_out {
	FILE *file;
	const char *path; /* "" : standard output */
	bool first;       /* no element of the open list was written yet */
};

/* Open --json's destination: "" is standard output. errors: SYSTEM */
int json_open(struct json_out *out, const char *path, struct err *err);

/* Write a whole document; takes `document` (NULL: memory was short). */
void json_write(struct json_out *out, json_t *document);

/* Or in parts: the keys of `head`, then a list under `name`, its elements, its end, and so on; json_end last. Takes
 * what it is given. json_head may come again, between lists. */
void json_begin(struct json_out *out);
void json_head(struct json_out *out, json_t *head);
void json_list(struct json_out *out, const char *name);
void json_element(struct json_out *out, json_t *element);
void json_list_end(struct json_out *out);
void json_end(struct json_out *out);

/* Close the destination. errors: SYSTEM when not everything could be written */
int json_close(struct json_out *out, struct err *err);

/* A JSON string of bytes that may be no UTF-8: what is none becomes U+FFFD. */
json_t *json_text(const char *text);

/* Bytes and counts; JSON's readers take integers beyond 2^53 with care, so nothing else is printed that large. */
json_t *json_count(uint64_t count);

/* Add counts under their keys: json_add(object, {"bytes", bytes}, {"blocks", blocks}). */
struct json_figure {
	const char *key;
	uint64_t count;
};
void json_add_figures(json_t *object, const struct json_figure *figures, size_t n);
#define json_add(object, ...)                                                                                          \
	json_add_figures(object, (const struct json_figure[]){__VA_ARGS__},                                            \
	    sizeof((const struct json_figure[]){__VA_ARGS__}) / sizeof(struct json_figure))

/* What a stack or group cost: value (of `cost`), allocations, allocated_bytes, leaked_*, peak_*,
 * temporary_allocations. */
void json_add_costs(json_t *object, const struct profile_row *sums, enum cost cost);

/* A mark: {name, time, operations, event, heap_bytes, heap_blocks}. */
json_t *json_mark(const struct profile *profile, const struct profile_mark *mark);

/* Seconds from ticks. */
json_t *json_seconds(uint64_t ticks);

/* [{function, file, line, module, inlined, offset}...], innermost first. */
json_t *json_frames(const struct frame_view *const *frames, size_t n_frames);

#endif
