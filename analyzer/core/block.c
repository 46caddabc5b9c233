/* Decodes the events of one block: bitmaps, byte planes, run lengths, rare events. Enters: unpacked columns, hostile.
 * Leaves: struct trace_block. Called by reader.c; the walk at the end by cmd_dump.c. */
#include "core/block.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/state.h"

/* gcc -O2 does not vectorise these loops; they are a fifth of a replay then. */
#if defined(__GNUC__) && !defined(__clang__)
#define VECTORISED __attribute__((noinline, optimize("O3")))
#else
#define VECTORISED __attribute__((noinline))
#endif

static int wrong_length(struct err *err, const char *what)
{
	return err_set(err, TIDEMARK_ERR_CORRUPT, "%s does not fit the number of events", what);
}

/* A bitmap column over n bits; absent means zeros. Stray bits past the end are corrupt, for they would be counted.
 * *bitmap: NULL when absent */
static int take_bitmap(
    struct trace_private *state, unsigned id, uint32_t n, const uint64_t **bitmap, uint32_t *n_set, struct err *err)
{
	const uint8_t *data;
	uint32_t bytes;
	if (columns_get(&state->columns, id, &data, &bytes, err) < 0)
		return err->code;
	*bitmap = (const uint64_t *)(const void *)data; /* malloc's alignment */
	*n_set = 0;
	if (!data)
		return 0;
	if (bytes != (n + 7) / 8 || (n % 8 && data[bytes - 1] >> n % 8))
		return wrong_length(err, "a bitmap");
	for (uint32_t i = 0; i < (bytes + 7) / 8; i++)
		*n_set += (uint32_t)__builtin_popcountll((*bitmap)[i]);
	return 0;
}

/* Words for an absent bitmap, or one whose last word ends beyond the column's slack, are never needed: columns_get
 * pads with eight zero bytes. An absent OPS column means frees only. */
static int take_ops(struct trace_private *state, uint32_t n_events, struct err *err)
{
	static const uint64_t zeros[TIDEMARK_MAX_BLOCK_EVENTS / 64 + 1];
	struct trace_block *b = &state->block;
	if (take_bitmap(state, TIDEMARK_COLUMN_OPS, n_events, &b->ops, &b->n_allocs, err) < 0)
		return err->code;
	if (!b->ops)
		b->ops = zeros;
	if (take_bitmap(state, TIDEMARK_COLUMN_MOVES, b->n_allocs, &b->moves, &b->n_moves, err) < 0)
		return err->code;
	if (!b->n_moves)
		b->moves = NULL;
	b->n_refs = n_events - b->n_allocs + b->n_moves;
	return 0;
}

/* returns: plane i of the column, NULL when absent, through *plane */
static int take_plane(struct trace_private *state, unsigned id, uint32_t n, const uint8_t **plane, struct err *err)
{
	uint32_t bytes;
	if (columns_have(&state->columns, id) && state->columns.by_id[id].raw_bytes != n)
		return wrong_length(err, "a byte plane");
	return columns_get(&state->columns, id, plane, &bytes, err);
}

VECTORISED static void first_plane32(uint32_t *restrict out, const uint8_t *restrict plane, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = plane[i];
}

VECTORISED static void add_plane32(uint32_t *restrict out, const uint8_t *restrict plane, uint32_t n, unsigned shift)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] |= (uint32_t)plane[i] << shift;
}

VECTORISED static void first_plane64(uint64_t *restrict out, const uint8_t *restrict plane, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = plane[i];
}

VECTORISED static void add_plane64(uint64_t *restrict out, const uint8_t *restrict plane, uint32_t n, unsigned shift)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] |= (uint64_t)plane[i] << shift;
}

VECTORISED static uint32_t largest(const uint32_t *values, uint32_t n)
{
	uint32_t max = 0;
	for (uint32_t i = 0; i < n; i++)
		max = values[i] > max ? values[i] : max;
	return max;
}

static int take_sites(struct trace_private *state, struct err *err)
{
	struct trace_block *b = &state->block;
	uint32_t n = b->n_allocs;
	if (ARRAY_RESERVE(state->block_sites, state->block_sites_capacity, n) < 0)
		return err_memory(err);
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *plane;
		if (take_plane(state, TIDEMARK_COLUMN_SITE0 + i, n, &plane, err) < 0)
			return err->code;
		if (plane && i == 0)
			first_plane32(state->block_sites, plane, n);
		else if (plane)
			add_plane32(state->block_sites, plane, n, 8 * i);
		else if (i == 0 && n)
			memset(state->block_sites, 0, n * sizeof(uint32_t));
	}
	if (n && largest(state->block_sites, n) >= state->n_sites)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "an allocation names a site that was never defined");
	b->sites = state->block_sites;
	b->site_table = state->sites;
	b->n_sites = state->n_sites;
	return 0;
}

/* Ages to numbers, in place. next: the number of the block's first allocation. Branch-free: which events refer is often
 * as good as random. */
static void resolve_ages(const struct trace_block *b, uint64_t *old)
{
	uint64_t next = b->first_alloc;
	uint32_t ref = 0;
	for (uint32_t i = 0; i < b->n_events; i++) {
		uint64_t born = block_bit(b->ops, i), stored = old[ref];
		old[ref] = born ? stored : next - 1 - stored;
		ref += (uint32_t)(born ^ 1);
		next += born;
	}
}

static void resolve_ages_with_moves(const struct trace_block *b, uint64_t *old)
{
	uint32_t alloc = 0, ref = 0;
	for (uint32_t i = 0; i < b->n_events; i++) {
		bool born = block_bit(b->ops, i);
		if (!born || block_bit(b->moves, alloc)) {
			old[ref] = b->first_alloc + alloc - 1 - old[ref];
			ref++;
		}
		alloc += born;
	}
}

static void resolve_deltas(const struct trace_block *b, uint64_t *old)
{
	uint64_t previous = b->first_alloc;
	for (uint32_t i = 0; i < b->n_refs; i++)
		old[i] = previous += (uint64_t)unzigzag(old[i]);
}

static void resolve(const struct trace_block *b, uint64_t *old)
{
	if (b->ref_mode == TIDEMARK_REF_DELTA)
		resolve_deltas(b, old);
	else if (b->moves)
		resolve_ages_with_moves(b, old);
	else
		resolve_ages(b, old);
}

static int take_refs(struct trace_private *state, struct err *err)
{
	struct trace_block *b = &state->block;
	uint32_t n = b->n_refs;
	if (ARRAY_RESERVE(state->old, state->old_capacity, (size_t)n + BLOCK_OLD_PAD) < 0)
		return err_memory(err);
	const struct column *first = &state->columns.by_id[TIDEMARK_COLUMN_REF0];
	b->ref_mode = TIDEMARK_REF_AGE;
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *plane;
		if (take_plane(state, TIDEMARK_COLUMN_REF0 + i, n, &plane, err) < 0)
			return err->code;
		if (plane) {
			if (first[i].mode > TIDEMARK_REF_DELTA)
				return err_set(err, TIDEMARK_ERR_CORRUPT, "references of an unknown kind");
			b->ref_mode = first[i].mode;
		}
		if (plane && i == 0)
			first_plane64(state->old, plane, n);
		else if (plane)
			add_plane64(state->old, plane, n, 8 * i);
		else if (i == 0)
			memset(state->old, 0, n * sizeof(uint64_t));
	}
	memset(state->old + n, 0, BLOCK_OLD_PAD * sizeof(uint64_t));
	resolve(b, state->old);
	b->old = state->old;
	return 0;
}

static int add_step(struct trace_private *state, uint32_t position, uint64_t tick, struct err *err)
{
	struct trace_block *b = &state->block;
	if (ARRAY_RESERVE(state->steps, state->steps_capacity, b->n_steps + 1u) < 0)
		return err_memory(err);
	/* Time never runs backwards for those who use it. */
	if (tick > state->last_tick)
		state->last_tick = tick;
	state->steps[b->n_steps++] = (struct trace_step){.tick = state->last_tick, .position = position};
	return 0;
}

static int take_steps(struct trace_private *state, uint64_t tick, struct err *err)
{
	struct trace_block *b = &state->block;
	struct cursor c;
	uint32_t position = 0;
	if (add_step(state, 0, tick, err) < 0 || columns_walk(&state->columns, TIDEMARK_COLUMN_TICKS, &c, err) < 0)
		return err->code;
	for (bool first = true; c.at < c.end; first = false) {
		uint64_t events, ticks;
		if (!cursor_number(&c, &events) || events > b->n_events - position || (!events && !first) ||
		    !cursor_number(&c, &ticks) || ticks > TIDEMARK_MAX_TICK - tick)
			return corrupt(err, "the ticks");
		position += (uint32_t)events;
		tick += ticks;
		if (add_step(state, position, tick, err) < 0)
			return err->code;
	}
	b->steps = state->steps;
	b->end_tick = state->last_tick;
	return 0;
}

static int take_runs(const struct trace *trace, struct trace_private *state, struct err *err)
{
	struct trace_block *b = &state->block;
	struct cursor c;
	uint32_t covered = 0;
	if (columns_walk(&state->columns, TIDEMARK_COLUMN_RUNS, &c, err) < 0)
		return err->code;
	while (c.at < c.end) {
		struct trace_run run;
		if (!cursor_below(&c, trace->n_threads, &run.thread) || !run.thread ||
		    !cursor_below(&c, (uint64_t)b->n_events - covered + 1, &run.n_events) || !run.n_events)
			return corrupt(err, "the thread runs");
		covered += run.n_events;
		if (ARRAY_RESERVE(state->runs, state->runs_capacity, b->n_runs + 1u) < 0)
			return err_memory(err);
		state->runs[b->n_runs++] = run;
	}
	b->runs = state->runs;
	return covered == b->n_events ? 0 : wrong_length(err, "the thread runs");
}

/* What the numbers of each kind are: thread, string, module, node, or just a number. */
static const char *const rare_values[] = {
    [TIDEMARK_RARE_MARK] = "tsn",
    [TIDEMARK_RARE_OP_BEGIN] = "ts",
    [TIDEMARK_RARE_OP_END] = "t",
    [TIDEMARK_RARE_OP_START] = "tsn",
    [TIDEMARK_RARE_OP_FINISH] = "tn",
    [TIDEMARK_RARE_RSS] = "nnn",
    [TIDEMARK_RARE_SMAPS] = "nnnnnn",
    [TIDEMARK_RARE_MODULE_UNLOAD] = "m",
    [TIDEMARK_RARE_THREAD_NAME] = "ts",
    [TIDEMARK_RARE_THREAD_END] = "t",
    [TIDEMARK_RARE_UNKNOWN_FREE] = "tn",
    [TIDEMARK_RARE_INHERITED_FREE] = "tn",
    [TIDEMARK_RARE_IMPLICIT_FREE] = "n",
    [TIDEMARK_RARE_LOSS] = "tn",
    [TIDEMARK_RARE_MAP] = "tdnn",
    [TIDEMARK_RARE_UNMAP] = "tnn",
    [TIDEMARK_RARE_FORK] = "n",
};

static bool rare_value_is_good(const struct trace *trace, char what, uint64_t value)
{
	switch (what) {
	case 't':
		return value < trace->n_threads;
	case 's':
		return value < trace->n_strings;
	case 'm':
		return value < trace->n_modules;
	case 'd':
		return value < trace->n_nodes;
	default:
		return true;
	}
}

static bool take_rare_values(const struct trace *trace, struct trace_rare *rare, struct cursor payload)
{
	const char *what = rare->kind < sizeof(rare_values) / sizeof(rare_values[0]) ? rare_values[rare->kind] : NULL;
	if (!what)
		return true;
	for (; what[rare->n_values]; rare->n_values++) {
		uint64_t *value = &rare->values[rare->n_values];
		if (!cursor_number(&payload, value) || !rare_value_is_good(trace, what[rare->n_values], *value))
			return false;
	}
	return true;
}

static bool take_rare(
    const struct trace *trace, struct cursor *c, uint64_t start_tick, uint32_t *position, struct trace_rare *rare)
{
	uint64_t step, tick, length;
	const uint8_t *kind, *payload;
	if (!cursor_number(c, &step) || step > trace->private_state->block.n_events - *position ||
	    !cursor_bytes(c, 1, &kind) || !cursor_number(c, &tick) || !cursor_number(c, &length) ||
	    !cursor_bytes(c, length, &payload))
		return false;
	*position += (uint32_t)step;
	tick = start_tick + (uint64_t)unzigzag(tick);
	*rare = (struct trace_rare){.tick = tick, .position = *position, .kind = *kind};
	return tick <= TIDEMARK_MAX_TICK && take_rare_values(trace, rare, (struct cursor){payload, payload + length});
}

static int take_rares(struct trace *trace, uint64_t start_tick, struct err *err)
{
	struct trace_private *state = trace->private_state;
	struct trace_block *b = &state->block;
	struct cursor c;
	uint32_t position = 0;
	if (columns_walk(&state->columns, TIDEMARK_COLUMN_RARE, &c, err) < 0)
		return err->code;
	while (c.at < c.end) {
		struct trace_rare rare;
		if (b->n_rares >= TIDEMARK_MAX_BLOCK_RARES || !take_rare(trace, &c, start_tick, &position, &rare))
			return corrupt(err, "the rare events");
		if (rare.kind == TIDEMARK_RARE_THREAD_NAME)
			trace->threads[rare.values[0]].name = (uint32_t)rare.values[1];
		if (ARRAY_RESERVE(state->rares, state->rares_capacity, b->n_rares + 1u) < 0)
			return err_memory(err);
		if (rare.tick > state->seen_tick)
			state->seen_tick = rare.tick;
		state->rares[b->n_rares++] = rare;
	}
	b->rares = state->rares;
	return 0;
}

int block_decode(struct trace *trace, const struct tidemark_block_header *header, struct err *err)
{
	struct trace_private *state = trace->private_state;
	struct trace_block *b = &state->block;
	if (header->n_events > TIDEMARK_MAX_BLOCK_EVENTS || header->start_tick > TIDEMARK_MAX_TICK)
		return corrupt(err, "the block's header");
	if (header->first_alloc != state->n_allocs)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "allocations before the block are missing");
	*b = (struct trace_block){.offset = state->offset,
	    .index = state->n_blocks,
	    .first_event = state->n_events,
	    .first_alloc = header->first_alloc,
	    .n_events = header->n_events};
	if (take_ops(state, header->n_events, err) < 0 || take_steps(state, header->start_tick, err) < 0 ||
	    take_runs(trace, state, err) < 0 || take_rares(trace, header->start_tick, err) < 0)
		return err->code;
	if (!state->outline && (take_sites(state, err) < 0 || take_refs(state, err) < 0))
		return err->code;
	state->n_events += b->n_events;
	state->n_allocs += b->n_allocs;
	return 0;
}

void block_free_arrays(struct trace_private *state)
{
	free(state->block_sites);
	free(state->old);
	free(state->runs);
	free(state->steps);
	free(state->rares);
}

void block_walk_init(struct block_walk *walk, const struct trace_block *block)
{
	*walk = (struct block_walk){.block = block};
}

bool block_walk_next(struct block_walk *walk, struct block_event *event)
{
	const struct trace_block *b = walk->block;
	if (walk->i == b->n_events)
		return false;
	while (walk->step + 1 < b->n_steps && b->steps[walk->step + 1].position <= walk->i)
		walk->step++;
	if (walk->run_used == b->runs[walk->run].n_events) {
		walk->run++;
		walk->run_used = 0;
	}
	walk->run_used++;
	*event = (struct block_event){.tick = b->steps[walk->step].tick, .thread = b->runs[walk->run].thread};
	event->born = block_bit(b->ops, walk->i++);
	if (!event->born) {
		event->number = b->old[walk->ref++];
		return true;
	}
	event->number = b->first_alloc + walk->alloc;
	event->site = b->sites[walk->alloc];
	event->moved = b->moves && block_bit(b->moves, walk->alloc);
	if (event->moved)
		event->old = b->old[walk->ref++];
	walk->alloc++;
	return true;
}
