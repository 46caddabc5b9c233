/* analyzer/core/replay.c on hand-made blocks: the peak with ties and per stack, temporaries, realloc, windows, hostile
 * references; and the table of live blocks and the set of mappings beneath it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/replay.h"

#define MAX_EVENTS 64
#define N_NODES 4

/* A script of events, made into one block. Site i is node 1 + i % 3 with sizes[i] bytes. */
struct script {
	uint64_t ops[2], moves[2], old[MAX_EVENTS + BLOCK_OLD_PAD];
	uint32_t sites[MAX_EVENTS];
	struct trace_site table[MAX_EVENTS];
	struct trace_run runs[MAX_EVENTS];
	struct trace_step steps[MAX_EVENTS];
	struct trace_rare rares[8];
	struct trace_block block;
	struct trace trace;
};

static void script_init(struct script *s)
{
	memset(s, 0, sizeof(*s));
	s->trace = (struct trace){.n_nodes = N_NODES, .n_threads = 4};
	s->block = (struct trace_block){.ops = s->ops,
	    .sites = s->sites,
	    .site_table = s->table,
	    .old = s->old,
	    .runs = s->runs,
	    .steps = s->steps,
	    .rares = s->rares};
}

/* Each event lasts a tick. */
static void add_event(struct script *s, uint32_t thread)
{
	struct trace_block *b = &s->block;
	s->runs[b->n_runs++] = (struct trace_run){thread, 1};
	s->steps[b->n_steps++] = (struct trace_step){.tick = b->n_events, .position = b->n_events};
	b->end_tick = s->trace.end_tick = b->n_events++;
}

static void add_alloc(struct script *s, uint32_t thread, uint32_t node, uint64_t size_bytes)
{
	struct trace_block *b = &s->block;
	s->ops[b->n_events / 64] |= 1ull << b->n_events % 64;
	s->table[b->n_sites] = (struct trace_site){.size_bytes = size_bytes, .node = node};
	s->sites[b->n_allocs++] = b->n_sites++;
	add_event(s, thread);
}

static void add_free(struct script *s, uint32_t thread, uint64_t number)
{
	s->old[s->block.n_refs++] = number;
	add_event(s, thread);
}

static void add_realloc(struct script *s, uint32_t thread, uint32_t node, uint64_t size_bytes, uint64_t number)
{
	struct trace_block *b = &s->block;
	s->moves[b->n_allocs / 64] |= 1ull << b->n_allocs % 64;
	b->moves = s->moves;
	b->n_moves++;
	s->old[b->n_refs++] = number;
	add_alloc(s, thread, node, size_bytes);
}

static void play_window(struct replay *r, struct script *s, struct window window)
{
	struct err err;
	assert_int_equal(replay_init(r, &window, 0, false, &err), 0);
	assert_int_equal(replay_block(r, &s->trace, &s->block, &err), 0);
	assert_int_equal(replay_finish(r, &s->trace, &err), 0);
}

static void play(struct replay *r, struct script *s)
{
	play_window(r, s, WINDOW_ALL);
}

static void peak_is_the_first_of_equals(void **state)
{
	(void)state;
	struct script s;
	struct replay r;
	script_init(&s);
	add_alloc(&s, 1, 1, 100); /* 0: peak at tick 0, all in node 1 */
	add_free(&s, 1, 0);
	add_alloc(&s, 1, 2, 100); /* 1: as high, later */
	add_alloc(&s, 1, 3, 0);   /* 2: no bytes */
	play(&r, &s);
	assert_int_equal(r.totals.peak_heap_bytes, 100);
	assert_int_equal(r.totals.peak_heap_blocks, 1);
	assert_int_equal(r.totals.peak_tick, 0);
	assert_int_equal(r.rows[1].peak_bytes, 100);
	assert_int_equal(r.rows[2].peak_bytes, 0);
	assert_int_equal(r.rows[2].live_bytes, 100);
	assert_int_equal(r.totals.leaked_blocks, 2);
	replay_release(&r);
}

static void rows_keep_their_share_of_the_peak(void **state)
{
	(void)state;
	struct script s;
	struct replay r;
	script_init(&s);
	add_alloc(&s, 1, 1, 10);
	add_alloc(&s, 1, 2, 20);
	add_alloc(&s, 1, 1, 30); /* 60 */
	add_free(&s, 1, 1);      /* 40 */
	add_alloc(&s, 1, 3, 25); /* 65: the peak; node 1 was not touched since */
	add_free(&s, 1, 0);
	add_free(&s, 1, 2);
	add_alloc(&s, 1, 2, 1);
	play(&r, &s);
	assert_int_equal(r.totals.peak_heap_bytes, 65);
	assert_int_equal(r.totals.peak_tick, 4);
	assert_int_equal(r.rows[1].peak_bytes, 40);
	assert_int_equal(r.rows[1].peak_blocks, 2);
	assert_int_equal(r.rows[2].peak_bytes, 0);
	assert_int_equal(r.rows[3].peak_bytes, 25);
	assert_int_equal(r.totals.last_heap_bytes, 26);
	replay_release(&r);
}

static void realloc_is_one_event(void **state)
{
	(void)state;
	struct script s;
	struct replay r;
	script_init(&s);
	add_alloc(&s, 1, 1, 100);
	add_realloc(&s, 1, 2, 150, 0); /* never 250 */
	add_realloc(&s, 1, 2, 50, 1);
	play(&r, &s);
	assert_int_equal(r.totals.peak_heap_bytes, 150);
	assert_int_equal(r.totals.allocations, 3);
	assert_int_equal(r.totals.frees, 2);
	assert_int_equal(r.totals.reallocations, 2);
	assert_int_equal(r.totals.allocated_bytes, 300);
	assert_int_equal(r.totals.leaked_bytes, 50);
	assert_int_equal(r.totals.temporary, 0);
	assert_int_equal(r.rows[1].live_blocks, 0);
	replay_release(&r);
}

static void temporary_is_freed_by_its_thread_before_its_next(void **state)
{
	(void)state;
	struct script s;
	struct replay r;
	script_init(&s);
	add_alloc(&s, 1, 1, 1); /* 0 */
	add_alloc(&s, 2, 1, 1); /* 1: another thread's allocation does not matter */
	add_free(&s, 1, 0);     /* temporary */
	add_alloc(&s, 1, 2, 1); /* 2 */
	add_free(&s, 2, 2);     /* another thread: not temporary */
	add_free(&s, 2, 1);     /* temporary: thread 2 allocated nothing since */
	add_alloc(&s, 1, 3, 1); /* 3 */
	add_alloc(&s, 1, 3, 1); /* 4 */
	add_free(&s, 1, 3);     /* not its latest */
	add_free(&s, 1, 4);     /* temporary */
	play(&r, &s);
	assert_int_equal(r.totals.temporary, 3);
	assert_int_equal(r.rows[1].temporary, 2);
	assert_int_equal(r.rows[2].temporary, 0);
	assert_int_equal(r.rows[3].temporary, 1);
	replay_release(&r);
}

static void windows_count_what_happens_inside(void **state)
{
	(void)state;
	struct script s;
	struct replay r;
	script_init(&s);
	add_alloc(&s, 1, 1, 1000); /* 0: before */
	add_alloc(&s, 1, 1, 10);   /* 1 */
	add_free(&s, 1, 0);
	add_alloc(&s, 1, 2, 20); /* 2 */
	add_free(&s, 1, 1);
	add_alloc(&s, 1, 2, 5000); /* 3: after */
	play_window(&r, &s, (struct window){.from_event = 1, .to_event = 5, .from_tick = 1, .to_tick = 5});
	assert_int_equal(r.totals.events, 4);
	assert_int_equal(r.totals.allocations, 2);
	assert_int_equal(r.totals.frees, 2);
	assert_int_equal(r.totals.first_heap_bytes, 1000);
	assert_int_equal(r.totals.peak_heap_bytes, 1010);
	assert_int_equal(r.totals.leaked_bytes, 20);
	assert_int_equal(r.totals.last_heap_bytes, 20);
	assert_int_equal(r.rows[1].allocations, 1);
	assert_int_equal(r.rows[1].peak_bytes, 1010);
	replay_release(&r);
}

static void expect_corrupt(struct script *s)
{
	struct replay r;
	struct err err;
	struct window all = WINDOW_ALL;
	assert_int_equal(replay_init(&r, &all, 0, false, &err), 0);
	assert_int_equal(replay_block(&r, &s->trace, &s->block, &err), TIDEMARK_ERR_CORRUPT);
	replay_release(&r);
}

static void hostile_references_are_refused(void **state)
{
	(void)state;
	const uint64_t bad[] = {1, 2, 4096, UINT64_MAX, UINT64_MAX - 1, 1ull << 32};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct script s;
		script_init(&s);
		add_alloc(&s, 1, 1, 1);
		add_free(&s, 1, bad[i]);
		expect_corrupt(&s);
		script_init(&s);
		add_alloc(&s, 1, 1, 1);
		add_realloc(&s, 1, 1, 1, bad[i]);
		expect_corrupt(&s);
	}
	struct script s;
	script_init(&s);
	add_alloc(&s, 1, 1, 1);
	add_free(&s, 1, 0);
	add_free(&s, 1, 0);
	expect_corrupt(&s);
}

static void sum_block(void *sum, const struct live_block *block)
{
	*(uint64_t *)sum += block->size_bytes + block->node;
}

static void live_blocks_survive_packing(void **state)
{
	(void)state;
	struct live live = {0};
	struct live_block block;
	uint64_t n = 10 * LIVE_CHUNK, expected = 0, sum = 0;
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(live_add(&live, (uint32_t)(i % 1000), i % 50 ? i : i << 33), 0);
	for (uint64_t i = 0; i < n; i++) {
		if (i % 97 == 0) {
			expected += (i % 50 ? i : i << 33) + i % 1000;
			continue;
		}
		assert_true(live_take(&live, i, &block));
		assert_int_equal(block.size_bytes, i % 50 ? i : i << 33);
		assert_int_equal(block.node, i % 1000);
	}
	live_each(&live, 0, sum_block, &sum);
	assert_int_equal(sum, expected);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(live_take(&live, i, &block), i % 97 == 0);
		assert_false(live_take(&live, i, &block));
	}
	assert_false(live_take(&live, n, &block));
	sum = 0;
	live_each(&live, 0, sum_block, &sum);
	assert_int_equal(sum, 0);
	live_release(&live);
}

static void mappings_are_a_set_of_addresses(void **state)
{
	(void)state;
	struct mapping m = {0};
	mapping_add(&m, 100, 50);
	mapping_add(&m, 150, 50); /* touches */
	assert_int_equal(m.total_bytes, 100);
	assert_int_equal(m.n_ranges, 1);
	mapping_add(&m, 120, 20); /* again */
	assert_int_equal(m.total_bytes, 100);
	mapping_remove(&m, 110, 10); /* splits */
	assert_int_equal(m.total_bytes, 90);
	assert_int_equal(m.n_ranges, 2);
	mapping_remove(&m, 300, 10);
	mapping_remove(&m, 130, 0);
	assert_int_equal(m.total_bytes, 90);
	mapping_add(&m, UINT64_MAX - 10, 100); /* beyond the end of addresses */
	assert_int_equal(m.total_bytes, 100);
	mapping_remove(&m, 0, UINT64_MAX);
	assert_int_equal(m.total_bytes, 0);
	assert_int_equal(m.n_ranges, 0);
	mapping_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(peak_is_the_first_of_equals),
	    cmocka_unit_test(rows_keep_their_share_of_the_peak),
	    cmocka_unit_test(realloc_is_one_event),
	    cmocka_unit_test(temporary_is_freed_by_its_thread_before_its_next),
	    cmocka_unit_test(windows_count_what_happens_inside),
	    cmocka_unit_test(hostile_references_are_refused),
	    cmocka_unit_test(live_blocks_survive_packing),
	    cmocka_unit_test(mappings_are_a_set_of_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
