/* The timeline's points: see series.h. */
#include "core/series.h"

#include <stdlib.h>
#include <string.h>

/* Where point i ends; n_points is below 2^32 and a span below 2^47, so this needs more than 64 bits. */
static uint64_t point_end(const struct series *series, uint32_t i)
{
	return series->start_tick + (uint64_t)((unsigned __int128)series->span_ticks * (i + 1u) / series->n_points);
}

static uint64_t next_border(const struct series *series)
{
	return series->current + 1 < series->n_points ? point_end(series, series->current) : UINT64_MAX;
}

int series_init(struct series *series, uint32_t n_points, uint64_t start_tick, uint64_t end_tick, struct err *err)
{
	*series = (struct series){.start_tick = start_tick, .next_tick = UINT64_MAX};
	if (n_points == 0)
		return 0;
	series->points = calloc(n_points, sizeof(*series->points));
	series->sampled = calloc(n_points, sizeof(*series->sampled));
	if (!series->points || !series->sampled)
		return err_memory(err);
	series->n_points = n_points;
	series->span_ticks = end_tick > start_tick ? end_tick - start_tick : 1;
	for (uint32_t i = 0; i < n_points; i++)
		series->points[i].tick = point_end(series, i);
	return 0;
}

void series_release(struct series *series)
{
	free(series->points);
	free(series->sampled);
	*series = (struct series){0};
}

void series_start(struct series *series, const struct series_now *now)
{
	series->max_bytes = now->heap_bytes;
	series->allocations = now->allocations;
	series->frees = now->frees;
	series->current = 0;
	series->next_tick = series->points ? next_border(series) : UINT64_MAX;
}

static void close_point(struct series *series, const struct series_now *now)
{
	struct profile_point *point = &series->points[series->current];
	point->heap_bytes = now->heap_bytes;
	point->heap_max_bytes = series->max_bytes;
	point->mapped_bytes = series->mapped_bytes;
	point->allocations = now->allocations - series->allocations;
	point->frees = now->frees - series->frees;
	series->max_bytes = now->heap_bytes;
	series->allocations = now->allocations;
	series->frees = now->frees;
}

void series_advance(struct series *series, uint64_t tick, const struct series_now *now)
{
	while (tick >= series->next_tick) {
		close_point(series, now);
		series->current++;
		series->next_tick = next_border(series);
	}
}

void series_sample(struct series *series, uint64_t tick, const uint64_t *values)
{
	if (tick < series->start_tick)
		memcpy(series->before, values, sizeof(series->before));
	if (!series->points || tick < series->start_tick || tick > series->start_tick + series->span_ticks)
		return;
	uint64_t index =
	    (uint64_t)((unsigned __int128)(tick - series->start_tick) * series->n_points / series->span_ticks);
	if (index >= series->n_points)
		index = series->n_points - 1;
	/* Both roundings go down: the tick where a point begins may still compute as the point before. */
	while (index + 1 < series->n_points && tick >= series->points[index].tick)
		index++;
	struct profile_point *point = &series->points[index];
	series->sampled[index] = true;
	point->rss_bytes = values[0];
	point->shared_bytes = values[1];
	point->tidemark_bytes = values[2];
	if (values[0] > point->rss_max_bytes)
		point->rss_max_bytes = values[0];
}

void series_finish(struct series *series, const struct series_now *now)
{
	if (!series->points)
		return;
	for (; series->current < series->n_points; series->current++)
		close_point(series, now);
	uint64_t rss = series->before[0], shared = series->before[1], own = series->before[2];
	for (uint32_t i = 0; i < series->n_points; i++) {
		struct profile_point *point = &series->points[i];
		if (series->sampled[i]) {
			rss = point->rss_bytes;
			shared = point->shared_bytes;
			own = point->tidemark_bytes;
			continue;
		}
		point->rss_bytes = point->rss_max_bytes = rss;
		point->shared_bytes = shared;
		point->tidemark_bytes = own;
	}
}
