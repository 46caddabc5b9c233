/* preload/collector/drain.c: records of several rings into one order of events, each case written out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../../preload/collector/addrmap.c"
#include "../../preload/collector/chunk.c"
#include "../../preload/collector/drain.c"
#include "../../preload/collector/image.c"
#include "../../preload/collector/procfs.c"
#include "../../preload/collector/recorded.c"
#include "../../preload/collector/timebase.c"

#define WORDS 1024u
#define RINGS 3u

struct tracefile *tracefile_new(const struct tracefile_origin *origin)
{
	(void)origin;
	static struct tracefile file;
	return &file;
}

void writer_file_opened(bool is_root)
{
	(void)is_root;
}

/* A process with three rings, threads 1 to 3, and what it did, in letters. */
static struct bench {
	struct tidemark_shm *shm;
	struct image image;
	struct process *process;
	struct tidemark_ring *shared;
	uint64_t *data[RINGS];
	struct ring *rings[RINGS];
} bench;

static void set_up(bool forked)
{
	size_t bytes = 1 << 20;
	memset(&bench, 0, sizeof(bench));
	bench.shm = aligned_alloc(4096, bytes);
	memset(bench.shm, 0, bytes);
	bench.image = (struct image){.shm = bench.shm, .mapped_bytes = bytes, .memfd = -1, .clock = TIDEMARK_CLOCK_TSC};
	bench.image.procs = (struct tidemark_area){65536, 2 * sizeof(struct tidemark_proc)};
	bench.image.slots = 2;
	timebase_init(&drain_state.time);
	bench.image.start_stamp = clock_cycles() - 1000000000;
	drain_state.now_ns = mono_ns();
	bench.image.start_mono_ns = drain_state.now_ns;
	bench.process = process_new(&bench.image, forked, 0, -1, 0);
	bench.process->rings = calloc(RINGS, sizeof(struct ring *));
	bench.process->heap = calloc(RINGS, sizeof(struct ring *));
	bench.process->n_rings = bench.process->rings_capacity = RINGS;
	bench.shared = aligned_alloc(64, RINGS * sizeof(*bench.shared));
	memset(bench.shared, 0, RINGS * sizeof(*bench.shared));
	for (uint32_t i = 0; i < RINGS; i++) {
		struct ring *r = bench.process->rings[i] = bench.rings[i] = calloc(1, sizeof(*r));
		bench.data[i] = calloc(WORDS, sizeof(uint64_t));
		*r = (struct ring){.image = &bench.image,
		    .process = bench.process,
		    .shared = &bench.shared[i],
		    .data = bench.data[i],
		    .mask = WORDS - 1,
		    .thread = i + 1,
		    .index = i};
	}
}

static void tear_down(void)
{
	chunk_free(bench.process->chunk);
	process_free(bench.process);
	for (uint32_t i = 0; i < RINGS; i++)
		free(bench.data[i]);
	free(bench.shared);
	free(bench.shm);
}

static void put(uint32_t ring, uint64_t stamp, enum tidemark_op op, uint64_t a, uint64_t b)
{
	uint64_t words[3] = {tidemark_record_head(stamp, op), a, b};
	for (uint32_t i = 0; i < tidemark_record_words(op); i++)
		bench.data[ring][bench.shared[ring].head++ % WORDS] = words[i];
}

static void put_alloc(uint32_t ring, uint64_t stamp, uint64_t address, uint32_t size)
{
	put(ring, stamp, TIDEMARK_OP_ALLOC, address, size);
}

/* The chunk in letters: A size, F number, M size<number; /thread at each change; rare kinds in brackets before. */
static const char *story(void)
{
	static char text[4096];
	struct process *p = bench.process;
	const struct chunk *c = p->chunk;
	size_t n = 0;
	uint32_t rare = 0, alloc = 0, ref = 0, run = 0, left = 0;
	process_end_run(p);
	text[0] = '\0';
	for (uint32_t i = 0; i <= c->n_events; i++) {
		for (; rare < c->n_rares && c->rares[rare].position == i; rare++)
			n += (size_t)sprintf(
			    text + n, "[%u:%llu] ", c->rares[rare].kind, (unsigned long long)c->rares[rare].v[1]);
		if (i == c->n_events)
			break;
		if (!left) {
			left = c->runs[run].n_events;
			n += (size_t)sprintf(text + n, "/%u ", c->runs[run++].thread);
		}
		left--;
		bool is_alloc = c->ops[i >> 6] >> (i & 63) & 1,
		     moves = is_alloc && (c->moves[alloc >> 6] >> (alloc & 63) & 1);
		if (is_alloc)
			n += (size_t)sprintf(
			    text + n, "%c%llu", moves ? 'M' : 'A', (unsigned long long)c->size_api[alloc++] >> 4);
		if (!is_alloc || moves) {
			assert_int_equal(c->age[ref], c->first_alloc + alloc - moves - 1 - c->number[ref]);
			n += (size_t)sprintf(
			    text + n, "%c%llu", moves ? '<' : 'F', (unsigned long long)c->number[ref++]);
		}
		n += (size_t)sprintf(text + n, " ");
	}
	return text;
}

static void expect(const char *what)
{
	drain_process(bench.process, DRAIN_ALL);
	assert_string_equal(story(), what);
	for (uint32_t i = 0; i < RINGS; i++)
		assert_int_equal(bench.shared[i].tail, bench.shared[i].head);
	tear_down();
}

static void merges_by_stamp(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	put_alloc(0, 40, 0x2000, 4);
	put_alloc(1, 20, 0x3000, 2);
	put(1, 50, TIDEMARK_OP_FREE, 0x2000, 0);
	put_alloc(2, 30, 0x4000, 3);
	put(2, 60, TIDEMARK_OP_FREE, 0x1000, 0);
	expect("/1 A1 /2 A2 /3 A3 /1 A4 /2 F3 /3 F0 ");
}

static void leaves_what_is_too_new(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	put_alloc(0, 40, 0x2000, 4);
	put_alloc(1, 20, 0x3000, 2);
	drain_process(bench.process, 30);
	assert_string_equal(story(), "/1 A1 /2 A2 ");
	assert_int_equal(bench.shared[0].tail, 3);
	expect("/1 A1 /2 A2 /1 A4 ");
}

static void finds_a_free_with_a_late_stamp(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	put(1, 31, TIDEMARK_OP_FREE, 0x1000, 0);
	put_alloc(2, 30, 0x1000, 2);
	put(0, 40, TIDEMARK_OP_FREE, 0x1000, 0);
	drain_process(bench.process, DRAIN_ALL);
	assert_int_equal(bench.process->n_reordered, 1);
	assert_int_equal(bench.process->n_implicit_frees, 0);
	expect("/1 A1 /2 F0 /3 A2 /1 F1 ");
}

static void ends_an_overlapped_block(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	put_alloc(2, 30, 0x1000, 2);
	put(1, 1ull << 40, TIDEMARK_OP_FREE, 0x1000, 0); /* much too late: it is of the second block */
	drain_process(bench.process, DRAIN_ALL);
	assert_int_equal(bench.process->n_implicit_frees, 1);
	expect("/1 A1 [13:0] /3 A2 /2 F1 ");
}

static void reallocates(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	put(0, 20, TIDEMARK_OP_RETIRE, 0x1000, 0);
	put_alloc(1, 25, 0x1000, 2); /* the old place is given away before realloc returns */
	put(0, 30, TIDEMARK_OP_REALLOC, 0x2000, 3);
	put(1, 40, TIDEMARK_OP_FREE, 0x1000, 0);
	put(1, 50, TIDEMARK_OP_FREE, 0x2000, 0);
	expect("/1 A1 /2 A2 /1 M3<0 /2 F1 F2 ");
}

static void undoes_a_failed_realloc(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	put(0, 20, TIDEMARK_OP_RETIRE, 0x1000, 0);
	put(0, 30, TIDEMARK_OP_UNDO, 0, 0);
	put(0, 40, TIDEMARK_OP_FREE, 0x1000, 0);
	expect("/1 A1 F0 ");
}

static void ends_a_realloc_to_nothing(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	put(0, 20, TIDEMARK_OP_RETIRE, 0x1000, 0);
	put(0, 30, TIDEMARK_OP_END, 0, 0);
	put(0, 40, TIDEMARK_OP_FREE, 0x1000, 0);
	expect("/1 A1 F0 [11:1] ");
}

static void finds_a_retirement_with_a_late_stamp(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	put(1, 31, TIDEMARK_OP_RETIRE, 0x1000, 0);
	put_alloc(2, 30, 0x1000, 2);
	put(1, 40, TIDEMARK_OP_REALLOC, 0x2000, 3);
	put(0, 50, TIDEMARK_OP_FREE, 0x1000, 0);
	expect("/1 A1 /3 A2 /2 M3<0 /1 F1 ");
}

static void tells_unknown_from_inherited(void **state)
{
	(void)state;
	set_up(false);
	put(0, 10, TIDEMARK_OP_FREE, 0x1000, 0);
	put(0, 11, TIDEMARK_OP_FREE, 0x2000, 0);
	expect("[11:2] ");
	set_up(true);
	put(0, 10, TIDEMARK_OP_FREE, 0x1000, 0);
	put(0, 20, TIDEMARK_OP_FREE, 0x1000, 0);
	put(0, 30, TIDEMARK_OP_RETIRE, 0x3000, 0);
	put(0, 40, TIDEMARK_OP_REALLOC, 0x4000, 9);
	expect("[12:1] [11:1] [12:1] /1 A9 ");
}

static void keeps_pools_apart(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	put(0, 20, TIDEMARK_OP_ALLOC, 0x1000 | (uint64_t)TIDEMARK_API_POOL << 56, 2);
	put(0, 30, TIDEMARK_OP_FREE, 0x1000, 0);
	put(0, 40, TIDEMARK_OP_FREE, 0x1000 | (uint64_t)TIDEMARK_API_POOL << 56, 0);
	expect("/1 A1 A2 F0 F1 ");
}

static void gives_up_nonsense(void **state)
{
	(void)state;
	set_up(false);
	put_alloc(0, 10, 0x1000, 1);
	bench.data[1][0] = 20 << 8 | 99;
	bench.shared[1].head = 700;
	bench.shared[2].head = WORDS + 1;
	drain_process(bench.process, DRAIN_ALL);
	assert_int_equal(bench.process->n_lost, 2);
	expect("/1 A1 ");
}

/* What happened after the pass began has its own time: else a block that came and went meanwhile would not have been there
 * together with those of other processes. */
static void tells_the_time_in_a_long_pass(void **state)
{
	(void)state;
	set_up(false);
	uint64_t second = timebase_cycles(&drain_state.time, drain_state.now_ns) -
	                  timebase_cycles(&drain_state.time, drain_state.now_ns - 1000000000u);
	uint64_t now = timebase_cycles(&drain_state.time, drain_state.now_ns) - bench.image.start_stamp;
	bench.process->start_ns = drain_state.now_ns - 200000000u;
	drain_state.now_ns -= 100000000u;
	put_alloc(0, now - second / 20, 0x1000, 1);
	drain_process(bench.process, DRAIN_ALL);
	assert_in_range(bench.process->tick, 1499, 1500);
	put_alloc(0, now + 1000 * second, 0x2000, 1);
	uint64_t before = mono_ns();
	drain_process(bench.process, DRAIN_ALL);
	uint64_t after = mono_ns();
	assert_in_range(bench.process->tick, process_tick(bench.process, before), process_tick(bench.process, after));
	expect("/1 A1 A1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(merges_by_stamp),
	    cmocka_unit_test(leaves_what_is_too_new),
	    cmocka_unit_test(finds_a_free_with_a_late_stamp),
	    cmocka_unit_test(ends_an_overlapped_block),
	    cmocka_unit_test(reallocates),
	    cmocka_unit_test(undoes_a_failed_realloc),
	    cmocka_unit_test(ends_a_realloc_to_nothing),
	    cmocka_unit_test(finds_a_retirement_with_a_late_stamp),
	    cmocka_unit_test(tells_unknown_from_inherited),
	    cmocka_unit_test(keeps_pools_apart),
	    cmocka_unit_test(gives_up_nonsense),
	    cmocka_unit_test(tells_the_time_in_a_long_pass),
	};
	queue_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
