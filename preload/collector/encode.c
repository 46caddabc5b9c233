#include "encode.h"

#include <string.h>

#define PREFETCH 12u
#define TRIAL_REFS 65536u
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
	uint32_t n = chunk->n_allocs;
	uint32_t *to = (uint32_t *)bytes_room(&b->sites, n * sizeof(*to));
	if (!to)
		return;
	for (uint32_t i = 0; i < n && i < PREFETCH; i++)
		defs_prefetch_site(d, chunk->size_api[i], chunk->node[i]);
	for (uint32_t i = 0; i < n; i++) {
		if (i + PREFETCH < n)
			defs_prefetch_site(d, chunk->size_api[i + PREFETCH], chunk->node[i + PREFETCH]);
		to[i] = defs_site(d, image, chunk->size_api[i], chunk->node[i]);
	}
	b->sites.n += n * sizeof(*to);
}

void encode_add(struct tracefile_block *b, struct defs *d, const struct image *image, const struct chunk *chunk)
{
	if (!b->n_events && !b->n_rares) {
		b->first_alloc = chunk->first_alloc;
		b->start_tick = b->tick = chunk->start_tick;
	}
	for (uint32_t i = 0; i < chunk->n_rares; i++)
		add_rare(b, d, image, &chunk->rares[i]);
	add_steps(b, chunk);
	add_runs(b, chunk);
	add_bits(&b->ops, b->n_events, chunk->ops, chunk->n_events);
	add_bits(&b->moves, b->n_allocs, chunk->moves, chunk->n_allocs);
	add_sites(b, d, image, chunk);
	bytes_add(&b->refs, chunk->ref, chunk->n_refs * sizeof(*chunk->ref));
	b->n_events += chunk->n_events;
	b->n_allocs += chunk->n_allocs;
	b->n_refs += chunk->n_refs;
}

/* ---- a block ---- */

/* Writer-wide work space. */
static struct bytes ages, deltas, planes, site_planes;

static inline bool bit(const uint64_t *bitmap, uint32_t i)
{
	return bitmap[i >> 6] >> (i & 63) & 1;
}

/* Ages in a block that holds moves. */
static void fill_ages_of_moves(const struct tracefile_block *b, uint64_t *to)
{
	const uint64_t *ops = (const uint64_t *)b->ops.data, *moves = (const uint64_t *)b->moves.data;
	const uint64_t *refs = (const uint64_t *)b->refs.data;
	uint64_t next = b->first_alloc;
	uint32_t r = 0, a = 0;
	for (uint32_t i = 0; i < b->n_events && r < b->n_refs; i++) {
		bool is_alloc = bit(ops, i);
		if (!is_alloc || bit(moves, a)) {
			to[r] = next - 1 - refs[r];
			r++;
		}
		a += is_alloc;
		next += is_alloc;
	}
}

/* The frees of a word's events are its zeros: without a branch for each event, which random order would mispredict. */
static void fill_ages(const struct tracefile_block *b, uint64_t *to)
{
	const uint64_t *ops = (const uint64_t *)b->ops.data, *refs = (const uint64_t *)b->refs.data;
	uint32_t r = 0;
	for (uint32_t i = 0; i < b->n_events; i += 64) {
		uint64_t before = b->first_alloc + i - r - 1, frees = ~ops[i / 64];
		for (uint32_t k = 0; frees && r < b->n_refs; k++, frees &= frees - 1) {
			to[r] = before + (uint32_t)__builtin_ctzll(frees) - k - refs[r];
			r++;
		}
	}
}

static void fill_deltas(const struct tracefile_block *b, uint64_t *to)
{
	const uint64_t *refs = (const uint64_t *)b->refs.data;
	uint64_t last = b->first_alloc;
	for (uint32_t i = 0; i < b->n_refs; i++) {
		to[i] = zigzag((int64_t)(refs[i] - last));
		last = refs[i];
	}
}

/* Split values into byte planes of n bytes each. returns: how many are not all zeros at the top */
static unsigned split_planes(const uint64_t *values, uint32_t n, uint8_t *to)
{
	uint64_t any = 0;
	unsigned n_planes = 0;
	for (uint32_t i = 0; i < n; i++)
		any |= values[i];
	for (; any; any >>= 8, n_planes++)
		for (uint32_t i = 0; i < n; i++)
			to[(size_t)n_planes * n + i] = (uint8_t)(values[i] >> (8 * n_planes));
	return n_planes;
}

/* What so few are worth is seen without packing them. */
static size_t count_bytes(const uint64_t *values, uint32_t n)
{
	size_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += (71u - (unsigned)__builtin_clzll(values[i] | 1)) / 8;
	return sum;
}

static size_t trial_bytes(const uint64_t *values, uint32_t n, uint8_t *work)
{
	if (n < TRIAL_LEAST)
		return count_bytes(values, n);
	uint32_t first = n > TRIAL_REFS ? (n - TRIAL_REFS) / 2 : 0, some = n > TRIAL_REFS ? TRIAL_REFS : n;
	unsigned n_planes = split_planes(values + first, some, work);
	size_t sum = 0;
	for (unsigned k = 0; k < n_planes; k++)
		sum += blockout_try(work + (size_t)k * some, some);
	return sum;
}

static int add_refs(const struct tracefile_block *b, struct blockout *out)
{
	uint32_t n = b->n_refs;
	ages.n = deltas.n = planes.n = 0;
	uint64_t *age = (uint64_t *)bytes_room(&ages, n * sizeof(*age) + 1);
	uint64_t *delta = (uint64_t *)bytes_room(&deltas, n * sizeof(*delta) + 1);
	uint8_t *to = bytes_room(&planes, 8ull * n + 1);
	if (!age || !delta || !to)
		return -1;
	if (b->n_events - b->n_allocs == n)
		fill_ages(b, age);
	else
		fill_ages_of_moves(b, age);
	fill_deltas(b, delta);
	memset(to, 0, n);
	bool by_age = trial_bytes(age, n, to) <= trial_bytes(delta, n, to);
	unsigned n_planes = split_planes(by_age ? age : delta, n, to);
	if (n_planes == 0 && !by_age) {
		memset(to, 0, n); /* without a column to say DELTA, zeros would be ages */
		n_planes = 1;
	}
	for (unsigned k = 0; k < n_planes; k++)
		blockout_add(out, TIDEMARK_COLUMN_REF0 + k, by_age ? TIDEMARK_REF_AGE : TIDEMARK_REF_DELTA,
		    to + (size_t)k * n, n);
	return 0;
}

static int add_site_planes(const struct tracefile_block *b, struct blockout *out)
{
	const uint32_t *sites = (const uint32_t *)b->sites.data;
	uint32_t n = b->n_allocs, any = 0;
	site_planes.n = 0;
	uint8_t *to = bytes_room(&site_planes, 4ull * n + 1);
	if (!to)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		any |= sites[i];
	for (unsigned k = 0; any; any >>= 8, k++) {
		uint8_t *plane = to + (size_t)k * n;
		for (uint32_t i = 0; i < n; i++)
			plane[i] = (uint8_t)(sites[i] >> (8 * k));
		blockout_add(out, TIDEMARK_COLUMN_SITE0 + k, 0, plane, n);
	}
	return 0;
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
	return b->ops.bad || b->moves.bad || b->sites.bad || b->refs.bad || b->steps.bad || b->runs.bad || b->rares.bad;
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
	if (add_site_planes(b, out) < 0 || add_refs(b, out) < 0)
		return -1;
	blockout_add(out, TIDEMARK_COLUMN_TICKS, 0, b->steps.data, b->steps.n);
	blockout_add(out, TIDEMARK_COLUMN_RUNS, 0, b->runs.data, b->runs.n);
	blockout_add(out, TIDEMARK_COLUMN_RARE, 0, b->rares.data, b->rares.n);
	return 0;
}

void encode_clear(struct tracefile_block *b)
{
	b->n_events = b->n_allocs = b->n_refs = b->n_rares = 0;
	b->ops.n = b->moves.n = b->sites.n = b->refs.n = b->steps.n = b->runs.n = b->rares.n = 0;
	b->step_ticks = 0;
	b->step_events = b->events_since_step = b->run_events = b->rare_position = 0;
	b->begun_ns = 0;
	b->resets_sites = false;
}

void encode_release(struct tracefile_block *b)
{
	struct bytes *all[] = {&b->ops, &b->moves, &b->sites, &b->refs, &b->steps, &b->runs, &b->rares};
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		bytes_release(all[i]);
}
