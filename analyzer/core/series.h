/* The timeline: a span of ticks cut into n equal points, filled while a replay passes. threads: one. */
#ifndef SERIES_H
#define SERIES_H

#include "core/profile.h"

struct series {
	struct profile_point *points; /* NULL when no timeline is wanted */
	uint32_t n_points;
	uint32_t current; /* the point that time stands in */
	uint64_t start_tick, span_ticks;
	uint64_t next_tick; /* time enters the next point there; UINT64_MAX in the last one */
	uint64_t max_bytes; /* largest heap inside the current point; the replay raises it */
	uint64_t mapped_bytes;
	uint64_t allocations, frees; /* counts when the current point began */
	bool *sampled;               /* points with an RSS sample */
	uint64_t before[3];          /* the last sample before the span */
};

/* What a replay counts, seen at the end of a point. */
struct series_now {
	uint64_t heap_bytes, allocations, frees;
};

/* n_points: 0 for no timeline. errors: MEMORY */
int series_init(struct series *series, uint32_t n_points, uint64_t start_tick, uint64_t end_tick, struct err *err);
void series_release(struct series *series);

/* Begin at the span's start. */
void series_start(struct series *series, const struct series_now *now);

/* Time moves on to tick, not below next_tick: close the points before. */
void series_advance(struct series *series, uint64_t tick, const struct series_now *now);

/* An RSS sample: rss, shared, tidemark bytes. After the span it is ignored, before it is carried in. */
void series_sample(struct series *series, uint64_t tick, const uint64_t *values);

/* Close the remaining points and carry samples on. */
void series_finish(struct series *series, const struct series_now *now);

#endif
