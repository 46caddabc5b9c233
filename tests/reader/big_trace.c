/* Writes a large synthetic trace for measuring readers: `big_trace FILE EVENTS LIVE SITES CHURN [LEAK]`.
 * LIVE blocks are alive all the time, filled at the start; then blocks come and go in pairs. CHURN percent of the frees
 * hit a random live block, the others the youngest. Every LEAK-th allocation is never freed. Deterministic. Test
 * program. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "tidemark/trace.h"
#include "tidemark/varint.h"

#define BLOCK_EVENTS 131072u
#define EVENTS_PER_TICK 700u
#define EVENTS_PER_RUN 900u
#define N_THREADS 4u

static FILE *out;
static uint8_t body[1u << 24], raw[1u << 22];
static struct tidemark_column directory[40];
static uint32_t n_columns, body_bytes;

static uint64_t random_below(uint64_t limit)
{
	static uint64_t state = 88172645463325252ull;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % limit;
}

static void add_column(uint8_t id, uint8_t mode, const uint8_t *bytes, size_t n)
{
	if (n == 0)
		return;
	size_t stored = ZSTD_compress(body + body_bytes, sizeof(body) - body_bytes, bytes, n, 1);
	if (ZSTD_isError(stored))
		exit(1);
	directory[n_columns++] = (struct tidemark_column){.id = id,
	    .encoding = TIDEMARK_ENCODING_ZSTD,
	    .mode = mode,
	    .raw_bytes = (uint32_t)n,
	    .stored_bytes = (uint32_t)stored};
	body_bytes += (uint32_t)stored;
}

static void add_planes(uint8_t id, const uint64_t *values, uint32_t n)
{
	uint64_t all = 0;
	for (uint32_t i = 0; i < n; i++)
		all |= values[i];
	for (unsigned plane = 0; plane < 8 && all >> (8 * plane); plane++) {
		for (uint32_t i = 0; i < n; i++)
			raw[i] = (uint8_t)(values[i] >> (8 * plane));
		add_column((uint8_t)(id + plane), TIDEMARK_REF_AGE, raw, n);
	}
}

static void write_block(uint8_t type, uint32_t n_events, uint64_t first_alloc, uint64_t start_tick)
{
	struct tidemark_block_header h = {.magic = TIDEMARK_BLOCK_MAGIC,
	    .type = type,
	    .n_columns = (uint16_t)n_columns,
	    .n_events = n_events,
	    .first_alloc = first_alloc,
	    .start_tick = start_tick};
	uint32_t directory_bytes = n_columns * (uint32_t)sizeof(directory[0]);
	h.body_bytes = directory_bytes + body_bytes;
	const uint8_t *bytes = (const uint8_t *)&h;
	uLong sum = crc32(crc32(0, bytes, 12), bytes + 16, sizeof(h) - 16);
	sum = crc32(sum, (const uint8_t *)directory, directory_bytes);
	h.crc32 = (uint32_t)crc32(sum, body, body_bytes);
	if (fwrite(&h, sizeof(h), 1, out) != 1 || fwrite(directory, 1, directory_bytes, out) != directory_bytes ||
	    fwrite(body, 1, body_bytes, out) != body_bytes)
		exit(1);
	n_columns = body_bytes = 0;
}

static void add_definitions(uint32_t n_sites)
{
	uint8_t *p = raw;
	for (unsigned i = 0; i < N_THREADS; i++)
		p = put_varint(put_varint(p, 1000 + i), 0);
	add_column(TIDEMARK_COLUMN_THREADS, 0, raw, (size_t)(p - raw));
	for (p = raw; p < raw + 3 * n_sites; p += 3)
		memcpy(p, "\0\x20\0", 3);
	add_column(TIDEMARK_COLUMN_FRAMES, 0, raw, (size_t)(p - raw));
	/* A chain now and then, so that stacks have a depth of some 20. */
	p = raw;
	for (uint32_t id = 1; id <= n_sites; id++)
		p = put_varint(p, id % 20 ? 1 : id);
	add_column(TIDEMARK_COLUMN_NODE_PARENT, 0, raw, (size_t)(p - raw));
	p = raw;
	for (uint32_t id = 1; id <= n_sites; id++)
		p = put_varint(p, id);
	add_column(TIDEMARK_COLUMN_NODE_FRAME, 0, raw, (size_t)(p - raw));
	add_column(TIDEMARK_COLUMN_SITE_NODE, 0, raw, (size_t)(p - raw));
	p = raw;
	for (uint32_t id = 0; id < n_sites; id++)
		p = put_varint(p, 16 + id % 1000);
	add_column(TIDEMARK_COLUMN_SITE_SIZE, 0, raw, (size_t)(p - raw));
	memset(raw, 0, n_sites);
	add_column(TIDEMARK_COLUMN_SITE_API, 0, raw, n_sites);
}

static void add_times(uint32_t n)
{
	uint8_t *p = raw;
	for (uint32_t done = EVENTS_PER_TICK; done <= n; done += EVENTS_PER_TICK)
		p = put_varint(put_varint(p, EVENTS_PER_TICK), 1);
	add_column(TIDEMARK_COLUMN_TICKS, 0, raw, (size_t)(p - raw));
	p = raw;
	for (uint32_t done = 0, run = 0; done < n; done += EVENTS_PER_RUN, run++)
		p = put_varint(
		    put_varint(p, 1 + run % N_THREADS), n - done < EVENTS_PER_RUN ? n - done : EVENTS_PER_RUN);
	add_column(TIDEMARK_COLUMN_RUNS, 0, raw, (size_t)(p - raw));
}

struct plan {
	uint64_t *live; /* numbers */
	uint64_t n_live, wanted_live, next;
	uint32_t n_sites;
	unsigned churn_percent;
	uint64_t leak_every; /* 0: never */
};

static uint32_t add_events(struct plan *plan, uint32_t n)
{
	static uint64_t sites[BLOCK_EVENTS], refs[BLOCK_EVENTS];
	static uint8_t ops[BLOCK_EVENTS / 8 + 1];
	uint32_t n_allocs = 0, n_refs = 0;
	memset(ops, 0, sizeof(ops));
	for (uint32_t i = 0; i < n; i++) {
		if (plan->n_live <= plan->wanted_live) {
			ops[i / 8] |= (uint8_t)(1u << i % 8);
			sites[n_allocs++] = random_below(plan->n_sites);
			if (plan->leak_every == 0 || plan->next % plan->leak_every)
				plan->live[plan->n_live++] = plan->next;
			plan->next++;
			continue;
		}
		uint64_t at = random_below(100) < plan->churn_percent ? random_below(plan->n_live) : plan->n_live - 1;
		refs[n_refs++] = plan->next - 1 - plan->live[at];
		plan->live[at] = plan->live[--plan->n_live];
	}
	add_column(TIDEMARK_COLUMN_OPS, 0, ops, (n + 7) / 8);
	add_planes(TIDEMARK_COLUMN_SITE0, sites, n_allocs);
	add_planes(TIDEMARK_COLUMN_REF0, refs, n_refs);
	add_times(n);
	return n_allocs;
}

static void write_file_header(void)
{
	struct tidemark_file_header h = {.version = TIDEMARK_TRACE_VERSION, .header_bytes = sizeof(h), .pid = 1};
	memcpy(h.magic, TIDEMARK_TRACE_MAGIC, sizeof(h.magic));
	h.crc32 = (uint32_t)crc32(0, (const uint8_t *)&h, offsetof(struct tidemark_file_header, crc32));
	if (fwrite(&h, sizeof(h), 1, out) != 1)
		exit(1);
	write_block(TIDEMARK_BLOCK_META, 0, 0, 0);
}

int main(int argc, char **argv)
{
	if (argc < 6 || !(out = fopen(argv[1], "wb"))) {
		fprintf(stderr, "usage: big_trace FILE EVENTS LIVE SITES CHURN_PERCENT [LEAK_EVERY]\n");
		return 2;
	}
	uint64_t n_events = strtoull(argv[2], NULL, 10), done = 0, tick = 0;
	struct plan plan = {.wanted_live = strtoull(argv[3], NULL, 10),
	    .n_sites = (uint32_t)strtoul(argv[4], NULL, 10),
	    .churn_percent = (unsigned)strtoul(argv[5], NULL, 10)};
	plan.leak_every = argc > 6 ? strtoull(argv[6], NULL, 10) : 0;
	plan.live = malloc((plan.wanted_live + 2) * sizeof(*plan.live));
	if (!plan.live || plan.n_sites < 1 || plan.n_sites > 100000)
		return 2;
	write_file_header();
	while (done < n_events) {
		uint32_t n = n_events - done < BLOCK_EVENTS ? (uint32_t)(n_events - done) : BLOCK_EVENTS;
		uint64_t first = plan.next;
		if (done == 0)
			add_definitions(plan.n_sites);
		add_events(&plan, n);
		write_block(TIDEMARK_BLOCK_EVENTS, n, first, tick);
		done += n;
		tick += n / EVENTS_PER_TICK;
	}
	uint8_t *p = put_varint(put_varint(raw, TIDEMARK_COUNTER_EVENTS), done);
	p = put_varint(put_varint(p, TIDEMARK_COUNTER_ALLOCATIONS), plan.next);
	p = put_varint(put_varint(p, TIDEMARK_COUNTER_END_TICK), tick);
	p = put_varint(put_varint(p, TIDEMARK_COUNTER_END_REASON), TIDEMARK_END_EXIT);
	add_column(TIDEMARK_COLUMN_COUNTERS, 0, raw, (size_t)(p - raw));
	write_block(TIDEMARK_BLOCK_FOOTER, 0, plan.next, tick);
	return fclose(out) ? 1 : 0;
}
