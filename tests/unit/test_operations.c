/* analyzer/core/op_track.c, op_axes.c, pieces.c, op_verdict.c: what is open and what is nested, where instants lie on axes, piles of
 * pieces, and the rules of the verdict. tests/leakrate compares the whole with its definition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/op_axes.h"
#include "core/op_track.h"
#include "core/op_verdict.h"
#include "core/pieces.h"

/* --- what is open --- */

static struct op_done tell(struct op_track *t, uint8_t kind, uint64_t a, uint64_t b, uint64_t c)
{
	struct op_done done;
	struct trace_rare rare = {.kind = kind, .values = {a, b, c}};
	assert_int_equal(op_track_take(t, &rare, &done), 0);
	return done;
}

#define BEGIN(thread, name) tell(&t, TIDEMARK_RARE_OP_BEGIN, thread, name, 0)
#define END(thread) tell(&t, TIDEMARK_RARE_OP_END, thread, 0, 0)
#define START(thread, name, id) tell(&t, TIDEMARK_RARE_OP_START, thread, name, id)
#define FINISH(thread, id) tell(&t, TIDEMARK_RARE_OP_FINISH, thread, id, 0)

static void assert_done(struct op_done done, uint32_t name, bool outermost)
{
	assert_true(done.completed);
	assert_int_equal(done.name, name);
	assert_int_equal(done.outermost, outermost);
}

static void assert_current(const struct op_track *t, uint32_t thread, uint32_t name)
{
	uint32_t token;
	assert_int_equal(op_track_current(t, thread, &token), name);
	assert_int_equal(token != OP_NONE, name != 0);
	assert_int_equal(op_track_is_open(t, token), name != 0);
}

static void nesting(void **state)
{
	(void)state;
	struct op_track t;
	op_track_init(&t, NULL, 0);
	assert_current(&t, 1, 0);
	BEGIN(1, 10);
	BEGIN(1, 11);
	assert_current(&t, 1, 11);
	assert_current(&t, 2, 0);
	assert_false(END(2).completed);
	assert_done(END(1), 11, false);
	assert_current(&t, 1, 10);
	assert_done(END(1), 10, true);
	assert_false(END(1).completed);
	assert_int_equal(t.stray_ends, 2);
	assert_int_equal(op_track_finish(&t), 0);
	assert_false(t.misjudged);
	op_track_release(&t);
}

static void tokens_know_when_their_operation_is_over(void **state)
{
	(void)state;
	struct op_track t;
	uint32_t first, second;
	op_track_init(&t, NULL, 0);
	BEGIN(1, 10);
	op_track_current(&t, 1, &first);
	END(1);
	assert_false(op_track_is_open(&t, first));
	BEGIN(1, 10);
	op_track_current(&t, 1, &second);
	assert_true(op_track_is_open(&t, second));
	assert_false(op_track_is_open(&t, first));
	op_track_release(&t);
}

static void started_ones_end_in_any_order_on_any_thread(void **state)
{
	(void)state;
	struct op_track t;
	op_track_init(&t, NULL, 0);
	for (uint64_t id = 1; id <= 500; id++)
		START(1, 10 + id % 2, id);
	assert_current(&t, 1, 10);
	for (uint64_t id = 1; id <= 500; id += 2)
		assert_done(FINISH(2, id), 11, true);
	assert_false(FINISH(2, 1).completed);
	for (uint64_t id = 500; id >= 2; id -= 2)
		assert_done(FINISH(3, id), 10, true);
	assert_current(&t, 1, 0);
	assert_int_equal(t.stray_ends, 1);
	op_track_release(&t);
}

/* A started operation lies in the begun one that is open before it starts and still when it finishes. */
static void started_ones_inside_begun_ones(void **state)
{
	(void)state;
	struct op_track t;
	op_track_init(&t, NULL, 0);
	BEGIN(1, 10);
	START(1, 20, 7);
	assert_done(FINISH(2, 7), 20, false);
	BEGIN(1, 11);
	START(1, 20, 8);
	assert_done(END(1), 11, false);
	assert_current(&t, 1, 20);
	assert_done(FINISH(1, 8), 20, false);
	START(1, 20, 9);
	assert_done(END(1), 10, true);
	assert_done(FINISH(1, 9), 20, true);
	START(1, 20, 10);
	BEGIN(1, 10);
	assert_done(FINISH(1, 10), 20, true);
	assert_done(END(1), 10, true);
	op_track_release(&t);
}

/* The first reading takes what lies in a session for nested; the second knows that the session never ends. */
static void what_never_ends_hides_nothing(void **state)
{
	(void)state;
	struct op_track t, again;
	op_track_init(&t, NULL, 0);
	BEGIN(1, 9);
	END(1);
	BEGIN(1, 10);
	BEGIN(1, 11);
	BEGIN(1, 12);
	assert_done(END(1), 12, false);
	assert_done(END(1), 11, false);
	tell(&t, TIDEMARK_RARE_THREAD_END, 1, 0, 0);
	assert_current(&t, 1, 0);
	assert_int_equal(op_track_finish(&t), 0);
	assert_true(t.misjudged);
	assert_int_equal(t.unfinished, 1);
	assert_int_equal(t.n_found, 1);
	assert_int_equal(t.found_endless[0], 1);
	op_track_init(&again, t.found_endless, t.n_found);
	tell(&again, TIDEMARK_RARE_OP_BEGIN, 1, 9, 0);
	tell(&again, TIDEMARK_RARE_OP_END, 1, 0, 0);
	tell(&again, TIDEMARK_RARE_OP_BEGIN, 1, 10, 0);
	tell(&again, TIDEMARK_RARE_OP_BEGIN, 1, 11, 0);
	tell(&again, TIDEMARK_RARE_OP_BEGIN, 1, 12, 0);
	assert_done(tell(&again, TIDEMARK_RARE_OP_END, 1, 0, 0), 12, false);
	assert_done(tell(&again, TIDEMARK_RARE_OP_END, 1, 0, 0), 11, true);
	assert_int_equal(op_track_finish(&again), 0);
	assert_false(again.misjudged);
	op_track_release(&again);
	op_track_release(&t);
}

/* --- axes --- */

static void marked_batches_close_at_the_mark_that_fills_them(void **state)
{
	(void)state;
	struct op_axes axes;
	assert_int_equal(op_axes_init(&axes, 1), 0);
	uint32_t load = op_axes_find(&axes, "load");
	assert_int_equal(op_axes_find(&axes, "load"), load);
	for (uint64_t i = 0; i < 90; i++) {
		struct op_mark mark = {.time = i, .ops = i % 3 ? 30 : 60, .axis = load};
		assert_int_equal(op_axes_mark(&axes, &mark), 0);
	}
	assert_int_equal(op_axes_complete(&axes, 0, 0, 5), 0); /* the program's own do not count beside marks */
	assert_int_equal(op_axes_settle(&axes), 0);
	const struct op_axis *total = &axes.items[0];
	assert_int_equal(total->n_ops, 3600);
	assert_int_equal(total->plan.n_batches, 30);
	assert_true(total->plan.batch_ops == 120); /* 60 + 30 + 30: the third fills it */
	double weight;
	assert_true(fabs(op_axis_birth(total, 60, &weight) - 60) < 1e-6 && weight == 1);
	op_axes_release(&axes);
}

static void long_batches_weigh_less(void **state)
{
	(void)state;
	struct op_axes axes;
	assert_int_equal(op_axes_init(&axes, 1), 0);
	uint32_t load = op_axes_find(&axes, "load");
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(
		    op_axes_mark(&axes, &(struct op_mark){.time = i, .ops = i % 2 ? 300 : 100, .axis = load}), 0);
	assert_int_equal(op_axes_settle(&axes), 0);
	double weight;
	assert_true(axes.items[load].plan.batch_ops == 200);
	assert_true(fabs(op_axis_birth(&axes.items[load], 250, &weight) - 300) < 1e-6); /* half of the second */
	assert_true(fabs(weight - 200. / 300) < 1e-12);
	assert_true(fabs(op_axis_birth(&axes.items[load], 50, &weight) - 100) < 1e-6);
	assert_true(weight == 2);
	op_axes_release(&axes);
}

/* Two files at once: one does an operation a tick from 0, the other one each from 1000 on. */
static void files_share_an_axis(void **state)
{
	(void)state;
	struct op_axes axes;
	struct op_cursor cursor;
	assert_int_equal(op_axes_init(&axes, 2), 0);
	for (uint64_t time = 0; time < 100000; time++) {
		assert_int_equal(op_axes_complete(&axes, 0, 0, time), 0);
		if (time >= 1000)
			assert_int_equal(op_axes_complete(&axes, 0, 1, time), 0);
	}
	assert_int_equal(op_axes_settle(&axes), 0);
	assert_int_equal(op_cursor_init(&cursor, &axes, 1), 0);
	op_cursor_time(&cursor, 50000);
	assert_true(labs((long)op_cursor_position(&cursor, 0) - 50000) <= 16); /* a bin */
	op_cursor_complete(&cursor, 0);
	assert_true(labs((long)op_cursor_position(&cursor, 0) - 50001) <= 16);
	assert_false(op_cursor_ended(&cursor, 0));
	assert_false(op_cursor_is_helper(&cursor));
	op_cursor_time(&cursor, 100001);
	assert_int_equal(op_cursor_position(&cursor, 0), 199000);
	op_cursor_release(&cursor);
	op_axes_release(&axes);
}

/* --- pieces --- */

static struct piece piece(uint64_t total, uint32_t node, uint32_t birth)
{
	return (struct piece){.total = total, .node = node, .birth = birth};
}

static void a_block_grows_and_shrinks_by_pieces(void **state)
{
	(void)state;
	struct pieces p = {0};
	uint64_t size;
	assert_int_equal(pieces_add(&p, piece(10, 1, 0)), 0);
	assert_int_equal(pieces_move(&p, pieces_take(&p, 0), piece(50, 2, 1)), 0);
	assert_int_equal(pieces_move(&p, pieces_take(&p, 1), piece(60, 2, 1)), 0); /* the same place: one piece */
	assert_int_equal(pieces_move(&p, pieces_take(&p, 2), piece(100, 2, 3)), 0);
	uint32_t newest = pieces_take(&p, 3);
	assert_int_equal(pieces_take(&p, 3), PIECE_NONE);
	assert_true(pieces_shrink(&p, &newest, 55, &size)); /* 40 go whole, then 5 of 50 */
	assert_int_equal(size, 40);
	assert_false(pieces_shrink(&p, &newest, 55, &size));
	assert_int_equal(size, 5);
	assert_int_equal(p.items[newest].birth, 1);
	newest = pieces_drop(&p, newest, &size);
	assert_int_equal(size, 45);
	assert_int_equal(p.items[newest].node, 1);
	assert_int_equal(pieces_drop(&p, newest, &size), PIECE_NONE);
	assert_int_equal(size, 10);
	pieces_release(&p);
}

/* --- verdicts --- */

static const struct operations whole = {.complete = true};

static struct op_entry entry(uint64_t count, double low, double estimate, double high)
{
	return (struct op_entry){.count = count,
	    .low = low,
	    .estimate = estimate,
	    .high = count < 3000 ? INFINITY : high,
	    .strict_high = high,
	    .detectable = 500,
	    .plain = estimate};
}

static enum op_verdict verdict(const struct op_entry *e, double budget)
{
	return operations_verdict(&whole, e, budget, false, false).verdict;
}

static void verdicts_by_bounds(void **state)
{
	(void)state;
	struct op_entry e = entry(5000, 900, 1000, 1100);
	assert_int_equal(verdict(&e, 800), OP_FAIL);
	assert_int_equal(verdict(&e, 899), OP_INCONCLUSIVE); /* a byte of tolerance */
	assert_int_equal(verdict(&e, 1000), OP_INCONCLUSIVE);
	assert_int_equal(verdict(&e, 1099), OP_PASS);
	e.recent = 2000;
	assert_int_equal(verdict(&e, 1500), OP_INCONCLUSIVE);
	assert_int_equal(verdict(&e, 800), OP_FAIL);
}

static void a_budget_of_nothing(void **state)
{
	(void)state;
	struct op_entry e = entry(5000, 0, 0, 0);
	assert_int_equal(verdict(&e, 0), OP_PASS);
	e = entry(5000, 0, 0.3, 0.8);
	assert_int_equal(verdict(&e, 0), OP_INCONCLUSIVE);
	assert_int_equal(verdict(&e, 1), OP_PASS);
}

static void few_operations_pass_by_what_could_be_seen(void **state)
{
	(void)state;
	struct op_entry e = entry(1500, 0, 0, 0);
	assert_int_equal(verdict(&e, 400), OP_INCONCLUSIVE);
	assert_int_equal(operations_verdict(&whole, &e, 400, false, false).needed_ops, 3000);
	assert_int_equal(verdict(&e, 500), OP_PASS);
	e = entry(5000, 0, 0, 0);
	assert_int_equal(operations_verdict(&whole, &e, 100, true, false).verdict, OP_INCONCLUSIVE);
	assert_int_equal(operations_verdict(&whole, &e, 100, true, false).needed_ops, 25000);
	e = entry(999, 5000, 5000, 5000);
	assert_int_equal(verdict(&e, 100), OP_INCONCLUSIVE);
	e = entry(1000, 5000, 5000, 5000);
	assert_int_equal(verdict(&e, 100), OP_FAIL);
}

static void operations_needed(void **state)
{
	(void)state;
	struct op_entry e = entry(4000, 0, 1000, 3000);
	assert_int_equal(operations_verdict(&whole, &e, 1500, false, false).needed_ops, 36000); /* 4000 x 3^2 */
	assert_int_equal(operations_verdict(&whole, &e, 2900, false, false).needed_ops, 6000);
	assert_int_equal(operations_verdict(&whole, &e, 1000, false, false).needed_ops, 8000);
}

static void what_forbids_verdicts(void **state)
{
	(void)state;
	struct op_entry leak = entry(5000, 900, 1000, 1100), clean = entry(5000, 0, 0, 0);
	struct operations lossy = {.complete = true, .lost_events = 1}, torn = {.complete = false},
	                  live = {.live = true};
	assert_int_equal(operations_verdict(&lossy, &leak, 0, false, false).verdict, OP_INCOMPLETE);
	assert_int_equal(operations_verdict(&lossy, &clean, 0, false, true).verdict, OP_INCOMPLETE);
	assert_int_equal(operations_verdict(&torn, &leak, 0, false, false).verdict, OP_FAIL);
	assert_int_equal(operations_verdict(&torn, &clean, 0, false, false).verdict, OP_INCOMPLETE);
	assert_int_equal(operations_verdict(&live, &clean, 0, false, false).verdict, OP_PASS);
}

static void plain_growth(void **state)
{
	(void)state;
	struct op_entry e = entry(200, 0, 1000, 1e9);
	assert_int_equal(operations_verdict(&whole, &e, 998, false, true).verdict, OP_FAIL);
	assert_int_equal(operations_verdict(&whole, &e, 999, false, true).verdict, OP_PASS);
	e.count = 0;
	assert_int_equal(operations_verdict(&whole, &e, 999, false, true).verdict, OP_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nesting),
	    cmocka_unit_test(tokens_know_when_their_operation_is_over),
	    cmocka_unit_test(started_ones_end_in_any_order_on_any_thread),
	    cmocka_unit_test(started_ones_inside_begun_ones),
	    cmocka_unit_test(what_never_ends_hides_nothing),
	    cmocka_unit_test(marked_batches_close_at_the_mark_that_fills_them),
	    cmocka_unit_test(long_batches_weigh_less),
	    cmocka_unit_test(files_share_an_axis),
	    cmocka_unit_test(a_block_grows_and_shrinks_by_pieces),
	    cmocka_unit_test(verdicts_by_bounds),
	    cmocka_unit_test(a_budget_of_nothing),
	    cmocka_unit_test(few_operations_pass_by_what_could_be_seen),
	    cmocka_unit_test(operations_needed),
	    cmocka_unit_test(what_forbids_verdicts),
	    cmocka_unit_test(plain_growth),
	};
	return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
