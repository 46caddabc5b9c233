/* The part of a recording that a report is about, and how users name instants. threads: one at a time. */
#ifndef WINDOW_H
#define WINDOW_H

#include "core/reader.h"

struct window {
	uint64_t from_event, to_event; /* events [from, to); to_event UINT64_MAX: all the rest */
	uint64_t from_tick, to_tick;
};

#define WINDOW_ALL ((struct window){.to_event = UINT64_MAX, .to_tick = TIDEMARK_MAX_TICK})

/* How an instant can be written apart from a mark's name. */
enum instant_kind { INSTANT_NAME, INSTANT_START, INSTANT_END, INSTANT_TICK, INSTANT_PERCENT };

struct instant {
	enum instant_kind kind;
	uint64_t tick;  /* TICK */
	double percent; /* PERCENT, 0..100 */
};

/* "start", "end", "50%", "1.5s", "1.5", "20ms"; all else is INSTANT_NAME. */
struct instant instant_parse(const char *text);

/* Find a window by an outline reading of the whole trace, which is rewound before; rewind it again after. Marks come
 * first: a mark named "start" or "5" is meant rather than the start or the fifth second. NAME#2 is its second
 * occurrence, NAME its first.
 * from, to: NULL for the start and the end
 * errors: NOT_FOUND, USAGE, those of trace_rewind; cost: a few ns an event */
int window_find(struct trace *trace, const char *from, const char *to, struct window *window, struct err *err);

#endif
