/* The hot loop of every report: see replay.h. A block is cut into spans in which thread, time and window stay the same;
 * run_span() plays one with everything it needs in registers. */
#include "core/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "tidemark/ring.h"

#define NOBODY UINT64_MAX

/* Measured: with everything in the caches looking ahead costs a quarter, beyond them it halves the time. Distances are
 * in frees or allocations. */
#define WIDE_BLOCKS 16384
#define WIDE_NODES 8192
#define AHEAD 8
#define FAR_AHEAD 32
static_assert(FAR_AHEAD < BLOCK_OLD_PAD, "old may be read that far past its end");

static_assert(sizeof(struct profile_row) == 64, "a row is one cache line");

/* Where a replay stands in its block. */
struct place {
	uint32_t event, alloc, ref;
	uint32_t run, step, rare;
	uint32_t run_end; /* event at which the current run ends */
};

static int not_alive(const struct trace_block *block, uint32_t event, uint64_t number, struct err *err)
{
	return err_set(err, TIDEMARK_ERR_CORRUPT,
	    "block %llu at offset %llu: event %llu ends allocation %llu, which is not alive",
	    (unsigned long long)block->index, (unsigned long long)block->offset,
	    (unsigned long long)(block->first_event + event), (unsigned long long)number);
}

/* The row of a node, ready to be changed: its value at the peak is safe. */
static inline struct profile_row *touch(struct profile_row *rows, uint32_t node, uint64_t epoch)
{
	struct profile_row *row = &rows[node];
	if (row->epoch != epoch) {
		row->peak_bytes = row->live_bytes;
		row->peak_blocks = row->live_blocks;
		row->epoch = epoch;
	}
	return row;
}

/* A heap larger than ever in this window. */
static inline void new_peak(struct replay *r)
{
	r->totals.peak_heap_bytes = r->heap_bytes;
	r->totals.peak_heap_blocks = r->live.next - r->ended;
	r->totals.peak_tick = r->tick;
	r->epoch++;
}

/* Block `number` ends. returns: its row, NULL when it is not alive */
static inline struct profile_row *end_block(struct replay *r, uint64_t number)
{
	struct live_block old;
	if (__builtin_expect(!live_take(&r->live, number, &old), 0))
		return NULL;
	struct profile_row *row = touch(r->rows, old.node, r->epoch);
	row->live_bytes -= old.size_bytes;
	row->live_blocks--;
	r->heap_bytes -= old.size_bytes;
	r->ended++;
	return row;
}

static inline void count_birth(struct replay *r, const struct trace_site *site)
{
	struct profile_row *row = touch(r->rows, site->node, r->epoch);
	row->allocations++;
	row->allocated_bytes += site->size_bytes;
	row->live_blocks++;
	row->live_bytes += site->size_bytes;
	r->totals.by_api[site->api][0]++;
	r->totals.by_api[site->api][1] += site->size_bytes;
	r->heap_bytes += site->size_bytes;
	if (r->heap_bytes > r->series.max_bytes) {
		r->series.max_bytes = r->heap_bytes;
		if (r->heap_bytes > r->totals.peak_heap_bytes)
			new_peak(r);
	}
}

/* Bring near what later frees will touch: their entries, and sooner the rows that the entries name. A dead or big entry
 * names no row; prefetching any address is harmless. */
static inline void look_ahead(const struct replay *r, const struct trace_block *b, const struct place *at)
{
	__builtin_prefetch(live_near(&r->live, b->old[at->ref + FAR_AHEAD]), 1);
	uint64_t entry = *live_near(&r->live, b->old[at->ref + AHEAD]);
	__builtin_prefetch((const char *)((uintptr_t)r->rows + (entry >> 32) * sizeof(struct profile_row)), 1);
}

/* Play events up to `end`, all of one thread. moves and wide are constants in each copy that the compiler makes.
 * wide: rows and live blocks do not fit the processor's caches, so looking ahead pays. */
static inline __attribute__((always_inline)) int run_span(struct replay *r, const struct trace_block *b,
    struct place *at, uint32_t end, uint64_t *latest, bool moves, bool wide, struct err *err)
{
	for (uint32_t i = at->event; i < end; i++) {
		if (!block_bit(b->ops, i)) {
			if (wide)
				look_ahead(r, b, at);
			uint64_t number = b->old[at->ref++];
			struct profile_row *row = end_block(r, number);
			if (__builtin_expect(!row, 0))
				return not_alive(b, i, number, err);
			row->temporary += number == *latest;
			continue;
		}
		if (moves && block_bit(b->moves, at->alloc)) {
			uint64_t number = b->old[at->ref++];
			if (__builtin_expect(!end_block(r, number), 0))
				return not_alive(b, i, number, err);
			r->totals.reallocations++;
		}
		if (wide && at->alloc + AHEAD < b->n_allocs)
			__builtin_prefetch(&r->rows[b->site_table[b->sites[at->alloc + AHEAD]].node], 1);
		const struct trace_site *site = &b->site_table[b->sites[at->alloc++]];
		*latest = r->live.next;
		if (live_add(&r->live, site->node, site->size_bytes) < 0)
			return err_memory(err);
		count_birth(r, site);
	}
	at->event = end;
	return 0;
}

static int play_span(
    struct replay *r, const struct trace_block *b, struct place *at, uint32_t end, uint64_t *latest, struct err *err)
{
	if (r->wide)
		return b->moves ? run_span(r, b, at, end, latest, true, true, err)
		                : run_span(r, b, at, end, latest, false, true, err);
	return b->moves ? run_span(r, b, at, end, latest, true, false, err)
	                : run_span(r, b, at, end, latest, false, false, err);
}

static struct series_now now(const struct replay *r)
{
	return (struct series_now){.heap_bytes = r->heap_bytes, .allocations = r->live.next, .frees = r->ended};
}

static void begin_window(struct replay *r)
{
	for (size_t i = 0; i < r->rows_capacity; i++) {
		struct profile_row *row = &r->rows[i];
		row->allocations = row->allocated_bytes = row->temporary = 0;
	}
	r->inside = true;
	r->first_event = r->events;
	r->first_number = r->live.next;
	r->first_ended = r->ended;
	uint64_t lost = r->totals.lost_events;
	r->totals = (struct profile_totals){.lost_events = lost, .start_tick = r->window.from_tick};
	r->totals.first_heap_bytes = r->heap_bytes;
	if (r->tick < r->window.from_tick)
		r->tick = r->window.from_tick;
	new_peak(r);
	struct series_now at = now(r);
	series_start(&r->series, &at);
}

static void count_live(void *replay, const struct live_block *block)
{
	struct profile_row *row = &((struct replay *)replay)->rows[block->node];
	row->live_blocks++;
	row->live_bytes += block->size_bytes;
}

static void end_window(struct replay *r)
{
	struct series_now at = now(r);
	series_finish(&r->series, &at);
	bool born_inside = r->first_number > 0 && !r->whole_live;
	for (size_t i = 0; i < r->rows_capacity; i++) {
		struct profile_row *row = touch(r->rows, (uint32_t)i, r->epoch);
		if (born_inside)
			row->live_blocks = row->live_bytes = 0;
	}
	if (born_inside)
		live_each(&r->live, r->first_number, count_live, r);
	struct profile_totals *t = &r->totals;
	t->events = r->events - r->first_event;
	t->allocations = r->live.next - r->first_number;
	t->frees = r->ended - r->first_ended;
	t->last_heap_bytes = r->heap_bytes;
	for (size_t i = 0; i < r->rows_capacity; i++) {
		const struct profile_row *row = &r->rows[i];
		t->allocated_bytes += row->allocated_bytes;
		t->leaked_bytes += row->live_bytes;
		t->leaked_blocks += row->live_blocks;
		t->temporary += row->temporary;
	}
	r->inside = false;
	r->past = true;
}

/* A mapped range changes in the middle of a point: only the value at its end is kept. */
static int play_mapping(struct replay *r, const struct trace_rare *rare, struct err *err)
{
	int result = rare->kind == TIDEMARK_RARE_MAP ? mapping_add(&r->mapping, rare->values[2], rare->values[3])
	                                             : mapping_remove(&r->mapping, rare->values[1], rare->values[2]);
	r->series.mapped_bytes = r->mapping.total_bytes;
	return result < 0 ? err_memory(err) : 0;
}

static int play_mark(struct replay *r, const struct trace_rare *rare, struct err *err)
{
	if (ARRAY_RESERVE(r->marks, r->marks_capacity, r->n_marks + 1) < 0)
		return err_memory(err);
	r->marks[r->n_marks++] = (struct profile_mark){.tick = rare->tick,
	    .thread = (uint32_t)rare->values[0],
	    .name = (uint32_t)rare->values[1],
	    .ops = rare->values[2],
	    .event = r->events,
	    .heap_bytes = r->heap_bytes,
	    .live_blocks = r->live.next - r->ended};
	return 0;
}

static int play_smaps(struct replay *r, const struct trace_rare *rare, struct err *err)
{
	if (ARRAY_RESERVE(r->smaps, r->smaps_capacity, r->n_smaps + 1) < 0)
		return err_memory(err);
	const uint64_t *v = rare->values;
	r->smaps[r->n_smaps++] = (struct profile_smaps){rare->tick, v[0], v[1], v[2], v[3], v[4], v[5]};
	return 0;
}

static void play_rss(struct replay *r, const struct trace_rare *rare)
{
	series_sample(&r->series, rare->tick, rare->values);
	if (rare->tick < r->window.from_tick || rare->tick > r->window.to_tick)
		return;
	if (rare->values[0] > r->totals.peak_rss_sample_bytes) {
		r->totals.peak_rss_sample_bytes = rare->values[0];
		r->totals.peak_rss_tick = rare->tick;
	}
}

static int play_implicit_free(
    struct replay *r, const struct trace_block *b, const struct trace_rare *rare, struct err *err)
{
	uint64_t number = r->live.next - 1 - rare->values[0];
	r->totals.implicit_frees++;
	return end_block(r, number) ? 0 : not_alive(b, rare->position, number, err);
}

static int play_rare(struct replay *r, const struct trace_block *b, const struct trace_rare *rare, struct err *err)
{
	switch (rare->kind) {
	case TIDEMARK_RARE_IMPLICIT_FREE:
		return play_implicit_free(r, b, rare, err);
	case TIDEMARK_RARE_MAP:
	case TIDEMARK_RARE_UNMAP:
		return play_mapping(r, rare, err);
	case TIDEMARK_RARE_MARK:
		return r->inside ? play_mark(r, rare, err) : 0;
	case TIDEMARK_RARE_SMAPS:
		return r->inside ? play_smaps(r, rare, err) : 0;
	case TIDEMARK_RARE_RSS:
		play_rss(r, rare);
		return 0;
	case TIDEMARK_RARE_UNKNOWN_FREE:
		r->totals.unknown_frees += rare->values[1];
		return 0;
	case TIDEMARK_RARE_INHERITED_FREE:
		r->totals.inherited_frees += rare->values[1];
		return 0;
	case TIDEMARK_RARE_LOSS:
		r->totals.lost_events += rare->values[1];
		return 0;
	default:
		return 0;
	}
}

/* Everything that stands before the event at `at`: window, rare events, time, thread. */
static int play_between(struct replay *r, const struct trace_block *b, struct place *at, struct err *err)
{
	r->events = b->first_event + at->event;
	if (!r->inside && !r->past && r->events == r->window.from_event)
		begin_window(r);
	for (; at->rare < b->n_rares && b->rares[at->rare].position == at->event; at->rare++) {
		int result = play_rare(r, b, &b->rares[at->rare], err);
		if (result < 0)
			return result;
	}
	if (r->inside && r->events == r->window.to_event) {
		end_window(r);
		return 0;
	}
	for (; at->step < b->n_steps && b->steps[at->step].position == at->event; at->step++) {
		r->tick = b->steps[at->step].tick;
		if (r->tick >= r->series.next_tick) {
			struct series_now state = now(r);
			series_advance(&r->series, r->tick, &state);
		}
	}
	while (at->run < b->n_runs && at->run_end <= at->event)
		at->run_end += b->runs[at->run++].n_events;
	return 0;
}

static inline uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The event at which something changes next. */
static uint32_t span_end(const struct replay *r, const struct trace_block *b, const struct place *at)
{
	uint32_t end = at->run_end;
	if (at->rare < b->n_rares)
		end = least(end, b->rares[at->rare].position);
	if (at->step < b->n_steps)
		end = least(end, b->steps[at->step].position);
	uint64_t border = r->inside ? r->window.to_event : r->window.from_event;
	if (border > r->events && border - b->first_event < end)
		end = (uint32_t)(border - b->first_event);
	return end;
}

/* Rows for all nodes, latest allocations for all threads that the trace knows by now. */
static int make_room(struct replay *r, const struct trace *trace, struct err *err)
{
	if (ARRAY_RESERVE(r->latest, r->latest_capacity, trace->n_threads) < 0)
		return err_memory(err);
	for (; r->n_latest < trace->n_threads; r->n_latest++)
		r->latest[r->n_latest] = NOBODY;
	if (trace->n_nodes <= r->rows_capacity)
		return 0;
	size_t grown = trace->n_nodes + trace->n_nodes / 2;
	struct profile_row *rows = aligned_alloc(sizeof(*rows), grown * sizeof(*rows));
	if (!rows)
		return err_memory(err);
	if (r->rows)
		memcpy(rows, r->rows, r->rows_capacity * sizeof(*rows));
	memset(rows + r->rows_capacity, 0, (grown - r->rows_capacity) * sizeof(*rows));
	free(r->rows);
	r->rows = rows;
	r->rows_capacity = grown;
	return 0;
}

int replay_block(struct replay *r, const struct trace *trace, const struct trace_block *b, struct err *err)
{
	struct place at = {0};
	if (make_room(r, trace, err) < 0)
		return TIDEMARK_ERR_MEMORY;
	r->wide = r->live.next > 0 && (r->live.next - r->ended > WIDE_BLOCKS || trace->n_nodes > WIDE_NODES);
	while (!r->past) {
		int result = play_between(r, b, &at, err);
		if (result < 0)
			return result;
		if (r->past || at.event == b->n_events)
			break;
		uint64_t *latest = &r->latest[b->runs[at.run - 1].thread];
		uint32_t end = span_end(r, b, &at);
		result = play_span(r, b, &at, end, latest, err);
		if (result < 0)
			return result;
	}
	return 0;
}

int replay_finish(struct replay *r, const struct trace *trace, struct err *err)
{
	if (make_room(r, trace, err) < 0)
		return TIDEMARK_ERR_MEMORY;
	if (!r->past && !r->inside)
		begin_window(r);
	if (!r->past)
		end_window(r);
	struct profile_totals *t = &r->totals;
	t->end_tick = r->window.to_tick < trace->end_tick ? r->window.to_tick : trace->end_tick;
	t->peak_rss_bytes = t->peak_rss_sample_bytes;
	if (r->window.to_event == UINT64_MAX && r->first_event == 0 &&
	    trace->counters[TIDEMARK_COUNTER_PEAK_RSS] > t->peak_rss_bytes)
		t->peak_rss_bytes = trace->counters[TIDEMARK_COUNTER_PEAK_RSS];
	if (trace->counters[TIDEMARK_COUNTER_LOST_EVENTS] > t->lost_events)
		t->lost_events = trace->counters[TIDEMARK_COUNTER_LOST_EVENTS];
	return 0;
}

int replay_init(struct replay *r, const struct window *window, uint32_t n_points, bool whole_live, struct err *err)
{
	*r = (struct replay){.window = *window, .whole_live = whole_live};
	return series_init(&r->series, n_points, window->from_tick, window->to_tick, err);
}

void replay_release(struct replay *r)
{
	live_release(&r->live);
	series_release(&r->series);
	mapping_release(&r->mapping);
	free(r->rows);
	free(r->latest);
	free(r->marks);
	free(r->smaps);
	*r = (struct replay){0};
}
