#include "encode.h"

#include <string.h>

#define PREFETCH 12u
#define TRIAL_REFS 32768u
#define TRIAL_LEAST 4096u

/* ---- bits, steps, runs ---- */

/* Append n bits, that stand in words from bit 0 on, to a bitmap that holds n_old. */
static void add_bits(struct bytes *bitmap, uint32_t n_old, const uint64_t *words, uint32_t n)
{
	uint32_t n_words = (n_old + n + 63) / 64, shift = n_old & 63;
	size_t n_more = n_words * sizeof(uint64_t) - bitmap->n;
	uint8_t *room = bytes_room(bitmap, n_more + sizeof(uint64_t));
	if (!room)
		return;
	memset(room, 0, n_more + sizeof(uint64_t));
	uint64_t *to = (uint64_t *)bitmap->data + n_old / 64;
	for (uint32_t i = 0; i < (n + 63) / 64; i++) {
		to[i] |= words[i] << shift;
		if (shift)
			to[i + 1] |= words[i] >> (64 - shift);
	}
	bitmap->n = n_words * sizeof(uint64_t);
}

/* Time moves on by `ticks` before the next event. */
static void add_step(struct tracefile_block *b, uint64_t ticks)
{
	b->tick += ticks;
	if (b->step_ticks && !b->events_since_step) {
		b->step_ticks += ticks;
		return;
	}
	if (b->step_ticks) {
		bytes_add_varint(&b->steps, b->step_events);
		bytes_add_varint(&b->steps, b->step_ticks);
	}
	b->step_events = b->events_since_step;
	b->step_ticks = ticks;
	b->events_since_step = 0;
}

static void add_steps(struct tracefile_block *b, const struct chunk *chunk)
{
	uint32_t done = 0;
	if (chunk->start_tick > b->tick)
		add_step(b, chunk->start_tick - b->tick);
	for (uint32_t i = 0; i < chunk->n_steps; i++) {
		b->events_since_step += chunk->steps[i].position - done;
		done = chunk->steps[i].position;
		add_step(b, chunk->steps[i].ticks);
	}
	b->events_since_step += chunk->n_events - done;
}

static void end_run(struct tracefile_block *b)
{
	if (!b->run_events)
		return;
	bytes_add_varint(&b->runs, b->run_thread);
	bytes_add_varint(&b->runs, b->run_events);
	b->run_events = 0;
}

static void add_runs(struct tracefile_block *b, const struct chunk *chunk)
{
	for (uint32_t i = 0; i < chunk->n_runs; i++) {
		if (chunk->runs[i].thread != b->run_thread)
			end_run(b);
		b->run_thread = chunk->runs[i].thread;
		b->run_events += chunk->runs[i].n_events;
	}
}

/* ---- byte planes ---- */

/* Append values: byte k of each to plane k. A plane begins with the first value that needs it; what came before it there
 * are zeros. */
static void planes_add(struct planes *p, const uint64_t *values, uint32_t n)
{
	uint64_t any = 0;
	for (uint32_t i = 0; i < n; i++)
		any |= values[i];
	while (p->n_planes < PLANES && any >> (8 * p->n_planes))
		p->n_planes++;
	for (unsigned k = 0; k < p->n_planes; k++) {
		struct bytes *plane = &p->plane[k];
		size_t missing = p->n_values - plane->n;
		uint8_t *to = bytes_room(plane, missing + n);
		if (!to)
			return;
		memset(to, 0, missing);
		to += missing;
		for (uint32_t i = 0; i < n; i++)
			to[i] = (uint8_t)(values[i] >> (8 * k));
		plane->n += missing + n;
	}
	p->n_values += n;
}

static void planes_clear(struct planes *p)
{
	for (unsigned k = 0; k < p->n_planes; k++)
		p->plane[k].n = 0;
	p->n_planes = 0;
	p->n_values = 0;
}

static bool planes_bad(const struct planes *p)
{
	bool bad = false;
	for (unsigned k = 0; k < PLANES; k++)
		bad |= p->plane[k].bad;
	return bad;
}

static void planes_release(struct planes *p)
{
	for (unsigned k = 0; k < PLANES; k++)
		bytes_release(&p->plane[k]);
}

/* What values first to first + n would take: of few, the bytes that are not zero; of more, as they pack. */
static size_t planes_try(const struct planes *p, uint32_t first, uint32_t n)
{
	size_t sum = 0;
	for (unsigned k = 0; k < p->n_planes; k++) {
		const uint8_t *plane = p->plane[k].data + first;
		if (n >= TRIAL_LEAST) {
			sum += blockout_try(plane, n);
			continue;
		}
		for (uint32_t i = 0; i < n; i++)
			sum += plane[i] != 0;
	}
	return sum;
}

static void planes_put(const struct planes *p, unsigned first_column, unsigned mode, struct blockout *out)
{
	for (unsigned k = 0; k < p->n_planes; k++)
		blockout_add(out, first_column + k, mode, p->plane[k].data, p->n_values);
}

/* ---- rare events ---- */

static uint32_t rare_name(struct defs *d, const struct image *image, const struct rare *rare, uint64_t offset)
{
	char text[TIDEMARK_NAME_BYTES];
	if (rare->text)
		return defs_string(d, rare->text, strlen(rare->text));
	size_t n = offset < UINT32_MAX ? image_string(image, (uint32_t)offset, text, sizeof(text)) : 0;
	return defs_string(d, text, n);
}

/* How many values of its v a kind has. */
static unsigned rare_values(uint32_t kind)
{
	static const uint8_t values[] = {
	    [TIDEMARK_RARE_MARK] = 3,
	    [TIDEMARK_RARE_OP_BEGIN] = 2,
	    [TIDEMARK_RARE_OP_END] = 1,
	    [TIDEMARK_RARE_OP_START] = 3,
	    [TIDEMARK_RARE_OP_FINISH] = 2,
	    [TIDEMARK_RARE_RSS] = 3,
	    [TIDEMARK_RARE_SMAPS] = 6,
	    [TIDEMARK_RARE_MODULE_UNLOAD] = 1,
	    [TIDEMARK_RARE_THREAD_NAME] = 2,
	    [TIDEMARK_RARE_THREAD_END] = 1,
	    [TIDEMARK_RARE_UNKNOWN_FREE] = 2,
	    [TIDEMARK_RARE_INHERITED_FREE] = 2,
	    [TIDEMARK_RARE_IMPLICIT_FREE] = 1,
	    [TIDEMARK_RARE_LOSS] = 2,
	    [TIDEMARK_RARE_MAP] = 4,
	    [TIDEMARK_RARE_UNMAP] = 3,
	    [TIDEMARK_RARE_FORK] = 1,
	};
	return kind < sizeof(values) ? values[kind] : 0;
}

/* Put what the file calls things in place of what the shared memory calls them. returns: false: leave the item out */
static bool translate(struct defs *d, const struct image *image, const struct rare *rare, uint64_t *v)
{
	memcpy(v, rare->v, sizeof(rare->v));
	switch (rare->kind) {
	case RARE_DEFINE_THREAD:
		defs_thread(d, (uint32_t)v[1]);
		return false;
	case TIDEMARK_RARE_MARK:
	case TIDEMARK_RARE_OP_BEGIN:
	case TIDEMARK_RARE_OP_START:
	case TIDEMARK_RARE_THREAD_NAME:
		v[1] = rare_name(d, image, rare, v[1]);
		return true;
	case TIDEMARK_RARE_MODULE_UNLOAD:
		v[0] = defs_module_at(d, image, v[0]);
		return v[0] != 0;
	case TIDEMARK_RARE_MAP:
		v[1] = defs_node(d, image, (uint32_t)v[1]);
		return true;
	default:
		return true;
	}
}

static void add_rare(struct tracefile_block *b, struct defs *d, const struct image *image, const struct rare *rare)
{
	uint64_t v[6];
	uint8_t payload[6 * TIDEMARK_VARINT_MAX_BYTES], *end = payload;
	if (!translate(d, image, rare, v))
		return;
	for (unsigned i = 0; i < rare_values(rare->kind); i++)
		end = put_varint(end, v[i]);
	uint32_t position = b->n_events + rare->position;
	bytes_add_varint(&b->rares, position - b->rare_position);
	bytes_add_byte(&b->rares, (uint8_t)rare->kind);
	bytes_add_zigzag(&b->rares, (int64_t)(rare->tick - b->start_tick));
	bytes_add_varint(&b->rares, (uint64_t)(end - payload));
	bytes_add(&b->rares, payload, (size_t)(end - payload));
	b->rare_position = position;
	b->n_rares++;
}

/* ---- a chunk ---- */

static void add_sites(struct tracefile_block *b, struct defs *d, const struct image *image, const struct chunk *chunk)
{
	static uint64_t ids[CHUNK_EVENTS];
	uint32_t n = chunk->n_allocs;
	for (uint32_t i = 0; i < n && i < PREFETCH; i++)
		defs_prefetch_site(d, chunk->size_api[i], chunk->node[i]);
	for (uint32_t i = 0; i < n; i++) {
		if (i + PREFETCH < n)
			defs_prefetch_site(d, chunk->size_api[i + PREFETCH], chunk->node[i + PREFETCH]);
		ids[i] = defs_site(d, image, chunk->size_api[i], chunk->node[i]);
	}
	planes_add(&b->sites, ids, n);
}

static void add_refs(struct tracefile_block *b, const struct chunk *chunk)
{
	static uint64_t deltas[CHUNK_EVENTS];
	for (uint32_t i = 0; i < chunk->n_refs; i++) {
		deltas[i] = zigzag((int64_t)(chunk->number[i] - b->last_number));
		b->last_number = chunk->number[i];
	}
	planes_add(&b->ages, chunk->age, chunk->n_refs);
	planes_add(&b->deltas, deltas, chunk->n_refs);
}

void encode_add(struct tracefile_block *b, struct defs *d, const struct image *image, const struct chunk *chunk)
{
	if (!b->n_events && !b->n_rares) {
		b->first_alloc = b->last_number = chunk->first_alloc;
		b->deltas.n_planes = 1; /* zeros, too: without a column to say DELTA they would be ages */
		b->start_tick = b->tick = chunk->start_tick;
	}
	for (uint32_t i = 0; i < chunk->n_rares; i++)
		add_rare(b, d, image, &chunk->rares[i]);
	add_steps(b, chunk);
	add_runs(b, chunk);
	add_bits(&b->ops, b->n_events, chunk->ops, chunk->n_events);
	add_bits(&b->moves, b->n_allocs, chunk->moves, chunk->n_allocs);
	add_sites(b, d, image, chunk);
	add_refs(b, chunk);
	b->n_events += chunk->n_events;
	b->n_allocs += chunk->n_allocs;
}

/* ---- a block ---- */

/* Ages or differences: whichever take less in the middle of the block. */
static void put_refs(const struct tracefile_block *b, struct blockout *out)
{
	uint32_t n = b->ages.n_values, some = n < TRIAL_REFS ? n : TRIAL_REFS, first = (n - some) / 2;
	if (planes_try(&b->ages, first, some) <= planes_try(&b->deltas, first, some))
		planes_put(&b->ages, TIDEMARK_COLUMN_REF0, TIDEMARK_REF_AGE, out);
	else
		planes_put(&b->deltas, TIDEMARK_COLUMN_REF0, TIDEMARK_REF_DELTA, out);
}

static void add_definitions(const struct defs *d, struct blockout *out)
{
	blockout_add(out, TIDEMARK_COLUMN_STRINGS, 0, d->strings.data, d->strings.n);
	blockout_add(out, TIDEMARK_COLUMN_MODULES, 0, d->modules.data, d->modules.n);
	blockout_add(out, TIDEMARK_COLUMN_THREADS, 0, d->threads.data, d->threads.n);
	blockout_add(out, TIDEMARK_COLUMN_FRAMES, 0, d->frames.data, d->frames.n);
	blockout_add(out, TIDEMARK_COLUMN_NODE_PARENT, 0, d->node_parents.data, d->node_parents.n);
	blockout_add(out, TIDEMARK_COLUMN_NODE_FRAME, 0, d->node_frames.data, d->node_frames.n);
	blockout_add(out, TIDEMARK_COLUMN_SITE_NODE, 0, d->site_nodes.data, d->site_nodes.n);
	blockout_add(out, TIDEMARK_COLUMN_SITE_SIZE, 0, d->site_sizes.data, d->site_sizes.n);
	blockout_add(out, TIDEMARK_COLUMN_SITE_API, 0, d->site_apis.data, d->site_apis.n);
}

/* A bitmap as bytes; all zeros are the default. */
static void add_bitmap(struct blockout *out, unsigned id, const struct bytes *bitmap, uint32_t n_bits)
{
	size_t n = (n_bits + 7) / 8;
	for (size_t i = 0; i < n; i++)
		if (bitmap->data[i]) {
			blockout_add(out, id, 0, bitmap->data, n);
			return;
		}
}

static bool is_bad(const struct tracefile_block *b)
{
	return b->ops.bad || b->moves.bad || b->steps.bad || b->runs.bad || b->rares.bad || planes_bad(&b->sites) ||
	       planes_bad(&b->ages) || planes_bad(&b->deltas);
}

int encode_block(struct tracefile_block *b, const struct defs *d, struct blockout *out)
{
	out->header = (struct tidemark_block_header){
	    .type = TIDEMARK_BLOCK_EVENTS,
	    .flags = b->resets_sites ? TIDEMARK_BLOCK_RESET_SITES : 0,
	    .n_events = b->n_events,
	    .first_alloc = b->first_alloc,
	    .start_tick = b->start_tick,
	};
	end_run(b);
	if (b->step_ticks && b->events_since_step) {
		bytes_add_varint(&b->steps, b->step_events);
		bytes_add_varint(&b->steps, b->step_ticks);
	}
	if (is_bad(b))
		return -1;
	add_definitions(d, out);
	add_bitmap(out, TIDEMARK_COLUMN_OPS, &b->ops, b->n_events);
	add_bitmap(out, TIDEMARK_COLUMN_MOVES, &b->moves, b->n_allocs);
	planes_put(&b->sites, TIDEMARK_COLUMN_SITE0, 0, out);
	put_refs(b, out);
	blockout_add(out, TIDEMARK_COLUMN_TICKS, 0, b->steps.data, b->steps.n);
	blockout_add(out, TIDEMARK_COLUMN_RUNS, 0, b->runs.data, b->runs.n);
	blockout_add(out, TIDEMARK_COLUMN_RARE, 0, b->rares.data, b->rares.n);
	return 0;
}

void encode_clear(struct tracefile_block *b)
{
	b->n_events = b->n_allocs = b->n_rares = 0;
	b->ops.n = b->moves.n = b->steps.n = b->runs.n = b->rares.n = 0;
	planes_clear(&b->sites);
	planes_clear(&b->ages);
	planes_clear(&b->deltas);
	b->step_ticks = 0;
	b->step_events = b->events_since_step = b->run_events = b->rare_position = 0;
	b->begun_ns = 0;
	b->resets_sites = false;
}

void encode_release(struct tracefile_block *b)
{
	struct bytes *all[] = {&b->ops, &b->moves, &b->steps, &b->runs, &b->rares};
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		bytes_release(all[i]);
	planes_release(&b->sites);
	planes_release(&b->ages);
	planes_release(&b->deltas);
}
