/* Change points: planted steps are found where they are, noise of many kinds is not taken for steps, counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>

#include "core/change_points.h"

#define MAX 120

/* --- a random generator of our own: the same figures everywhere --- */

static uint64_t seed;

static double uniform(void)
{
	seed += 0x9e3779b97f4a7c15u;
	uint64_t x = seed;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return ((double)((x ^ x >> 31) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
	double radius = sqrt(-2 * log(uniform()));
	return radius * cos(2 * M_PI * uniform());
}

static double laplace(void)
{
	double at = uniform() - 0.5;
	return -copysign(log(1 - 2 * fabs(at)), at);
}

static double student3(void)
{
	double a = normal(), b = normal(), c = normal();
	return normal() / sqrt((a * a + b * b + c * c) / 3);
}

enum noise { NORMAL, UNIFORM, LAPLACE, LOGNORMAL, STUDENT, ABOUT_ZERO, COIN, RARE_LEVEL, SPIKES, THREE_LEVELS, NOISES };

static double draw(enum noise kind)
{
	switch (kind) {
	case NORMAL:
		return 100 + normal();
	case UNIFORM:
		return 100 + 20 * uniform();
	case LAPLACE:
		return 100 + 5 * laplace();
	case LOGNORMAL:
		return 100 * exp(0.5 * normal());
	case STUDENT:
		return 100 + 3 * student3();
	case ABOUT_ZERO:
		return normal();
	case COIN:
		return uniform() < 0.5 ? 100 : 150;
	case RARE_LEVEL:
		return uniform() < 0.1 ? 150 : 100;
	case SPIKES:
		return uniform() < 0.05 ? 1000 : 100 + normal();
	default:
		return 100 + 4 * floor(3 * uniform());
	}
}

/* --- helpers --- */

static size_t find(const double *values, size_t n, unsigned runs, struct change_points *found)
{
	struct change_value all[MAX];
	for (size_t i = 0; i < n; i++)
		all[i] = (struct change_value){values[i], 0, runs};
	assert_int_equal(change_points_find(all, n, found), 0);
	return found->n_items;
}

/* Where changes are expected, SIZE_MAX at the end. */
static void expect(const double *values, size_t n, const size_t *places)
{
	struct change_points found;
	find(values, n, 1, &found);
	size_t i = 0;
	for (; places[i] != SIZE_MAX; i++) {
		assert_true(i < found.n_items);
		assert_int_equal(found.items[i].at, places[i]);
	}
	assert_int_equal(found.n_items, i);
	change_points_release(&found);
}

#define EXPECT(values, ...) expect(values, sizeof(values) / sizeof(*(values)), (const size_t[]){__VA_ARGS__, SIZE_MAX})
#define EXPECT_NONE(values) EXPECT(values, SIZE_MAX)

/* --- tests --- */

/* Two-sided tails of tables of Student's t: 5 %, 1 % and 0.1 %. */
static void student_is_as_in_tables(void **state)
{
	static const struct {
		unsigned freedom;
		double t[3];
	} table[] = {{1, {12.7062, 63.6567, 636.6192}}, {2, {4.30265, 9.92484, 31.5991}},
	    {3, {3.18245, 5.84091, 12.9240}}, {4, {2.77645, 4.60409, 8.61030}}, {5, {2.57058, 4.03214, 6.86883}},
	    {10, {2.22814, 3.16927, 4.58689}}, {17, {2.10982, 2.89823, 3.96513}}, {30, {2.04227, 2.75000, 3.64596}},
	    {120, {1.97993, 2.61742, 3.37345}}};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_true(fabs(change_points_student(table[i].t[0], table[i].freedom) - 0.05) < 1e-6);
		assert_true(fabs(change_points_student(-table[i].t[1], table[i].freedom) - 0.01) < 1e-6);
		assert_true(fabs(change_points_student(table[i].t[2], table[i].freedom) - 0.001) < 1e-6);
	}
	assert_true(change_points_student(0, 7) == 1);
}

static void steps_without_noise_are_found_where_they_are(void **state)
{
	(void)state;
	static const double six[] = {100, 100, 100, 150, 150, 150};
	static const double late[] = {100, 100, 100, 100, 100, 100, 100, 100, 120, 120};
	static const double down[] = {5, 5, 5, 5, 1, 1, 1, 1};
	static const double from_zero[] = {0, 0, 0, 0, 0, 16, 16, 16};
	static const double stairs[] = {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 7, 7, 7, 7};
	static const double came_and_went[] = {
	    10, 10, 10, 10, 10, 10, 10, 15, 15, 15, 15, 15, 10, 10, 10, 10, 10, 10, 10, 10};
	static const double negative[] = {-50, -50, -50, -50, 50, 50, 50, 50};
	EXPECT(six, 3);
	EXPECT(late, 8);
	EXPECT(down, 4);
	EXPECT(from_zero, 5);
	EXPECT(stairs, 4, 8, 12);
	EXPECT(came_and_went, 7, 12);
	EXPECT(negative, 4);
}

static void what_is_no_step(void **state)
{
	(void)state;
	static const double constant[] = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
	static const double zero[] = {0, 0, 0, 0, 0, 0, 0, 0};
	static const double tiny[] = {1000, 1000, 1000, 1000, 1000, 1005, 1005, 1005, 1005, 1005};
	static const double spike[] = {100, 101, 99, 100, 400, 100, 101, 100, 99, 100, 100, 101};
	static const double drift[] = {100, 103, 106, 109, 112, 115, 118, 121, 124, 127, 130, 133, 136, 139, 142, 145};
	static const double few[] = {100, 100, 150, 150};
	static const double one[] = {5};
	static const double endless[] = {1e308, -1e308, 1e308, -1e308, 1e308, -1e308, 0, 0};
	EXPECT_NONE(constant);
	EXPECT_NONE(zero);
	EXPECT_NONE(tiny);
	EXPECT_NONE(spike);
	EXPECT_NONE(drift);
	EXPECT_NONE(few);
	EXPECT_NONE(one);
	EXPECT_NONE(endless);
	expect(one, 0, (const size_t[]){SIZE_MAX});
}

/* A spike beside a true step hides it from the means, not from the ranks. */
static void an_outlier_hides_no_step(void **state)
{
	(void)state;
	double values[40];
	for (size_t i = 0; i < 40; i++)
		values[i] = (i < 20 ? 100 : 110) + 0.1 * (double)(i * 7 % 5);
	values[6] = 300;
	EXPECT(values, 20);
}

static void several_runs_are_more_evidence(void **state)
{
	(void)state;
	static const double values[] = {100, 100, 150, 150};
	struct change_points found;
	assert_int_equal(find(values, 4, 1, &found), 0);
	assert_true(found.too_short);
	change_points_release(&found);
	assert_int_equal(find(values, 4, 5, &found), 1);
	assert_false(found.too_short);
	assert_int_equal(found.items[0].at, 2);
	assert_true(found.items[0].before == 100 && found.items[0].after == 150 && found.level == 150);
	change_points_release(&found);
}

/* Medians agree by accident, but the runs tell how much they vary. */
static void the_spread_of_runs_counts(void **state)
{
	(void)state;
	struct change_value values[8];
	struct change_points found;
	for (size_t i = 0; i < 8; i++)
		values[i] = (struct change_value){i < 4 ? 100 : 130, 0, 3};
	assert_int_equal(change_points_find(values, 8, &found), 0);
	assert_int_equal(found.n_items, 1);
	change_points_release(&found);
	for (size_t i = 0; i < 8; i++)
		values[i].run_variance = 50 * 50;
	assert_int_equal(change_points_find(values, 8, &found), 0);
	assert_int_equal(found.n_items, 0);
	change_points_release(&found);
}

static void the_last_one_alone_is_told_apart(void **state)
{
	(void)state;
	static const double values[] = {100, 101, 99, 100, 100, 101, 99, 150};
	static const double steady[] = {100, 101, 99, 100, 100, 101, 99, 101};
	struct change_points found;
	assert_int_equal(find(values, 8, 1, &found), 0);
	assert_true(found.last_stands_out);
	assert_true(found.level == 100);
	change_points_release(&found);
	assert_int_equal(find(steady, 8, 1, &found), 0);
	assert_false(found.last_stands_out);
	change_points_release(&found);
}

static void only_the_latest_of_very_many_count(void **state)
{
	(void)state;
	static struct change_value values[CHANGE_POINTS_MAX_VALUES + 100];
	size_t n = sizeof(values) / sizeof(values[0]);
	struct change_points found;
	for (size_t i = 0; i < n; i++)
		values[i] = (struct change_value){i < 50 ? 1 : i < 400 ? 2 : 3, 0, 1};
	assert_int_equal(change_points_find(values, n, &found), 0);
	assert_int_equal(found.n_items, 1);
	assert_int_equal(found.items[0].at, 400);
	change_points_release(&found);
}

/* A drift is told from noise and from steps, and its size is right. */
static void a_drift_is_no_step(void **state)
{
	(void)state;
	double values[40];
	struct change_points found;
	seed = 3;
	for (size_t i = 0; i < 40; i++)
		values[i] = 1000 + 5 * (double)i + 10 * normal();
	assert_int_equal(find(values, 40, 1, &found), 0);
	assert_true(found.drift > 4 && found.drift < 6);
	change_points_release(&found);
	for (size_t i = 0; i < 40; i++)
		values[i] = i < 20 ? 3000 : 1000 - 5 * (double)i;
	assert_int_equal(find(values, 40, 1, &found), 1);
	assert_int_equal(found.last_level, 20);
	assert_true(found.drift == -5);
	change_points_release(&found);
	for (size_t i = 0; i < 40; i++)
		values[i] = i < 20 ? 1000 : 1500;
	assert_int_equal(find(values, 40, 1, &found), 1);
	assert_true(found.drift == 0);
	change_points_release(&found);
}

/* How many of `rounds` histories of pure noise show a change; drifts: a drift. */
static unsigned false_positives(enum noise kind, size_t n, unsigned rounds, unsigned *drifts)
{
	double values[MAX];
	unsigned wrong = 0;
	for (unsigned round = 0; round < rounds; round++) {
		struct change_points found;
		for (size_t i = 0; i < n; i++)
			values[i] = draw(kind);
		wrong += find(values, n, 1, &found) > 0;
		*drifts += found.drift != 0;
		change_points_release(&found);
	}
	return wrong;
}

/* docs/metrics.md states these rates: noise with a spread 0.7 % at most, noise that jumps between a few values 3.5 %
 * (here with room for chance). */
static void noise_is_no_change(void **state)
{
	static const size_t lengths[] = {5, 6, 8, 12, 20, 40};
	(void)state;
	seed = 1;
	for (enum noise kind = 0; kind < NOISES; kind++) {
		unsigned wrong = 0, worst = 0, drifts = 0;
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			unsigned here = false_positives(kind, lengths[i], 500, &drifts);
			wrong += here;
			worst = here > worst ? here : worst;
		}
		print_message(
		    "# noise %d: %u of 3000, at worst %u of 500; %u drifts\n", (int)kind, wrong, worst, drifts);
		assert_in_range(drifts, 0, 15);
		if (kind < COIN)
			assert_in_range(wrong, 0, 15);
		assert_in_range(worst, 0, 25);
	}
}

/* Steps of five standard deviations in normal noise: found, at the right place or beside it, and nothing else. */
static void steps_in_noise_are_found(void **state)
{
	(void)state;
	unsigned found_any = 0, exact = 0, too_many = 0;
	double values[30];
	seed = 2;
	for (unsigned round = 0; round < 500; round++) {
		struct change_points found;
		for (size_t i = 0; i < 30; i++)
			values[i] = (i < 20 ? 100 : 105) + normal();
		find(values, 30, 1, &found);
		found_any += found.n_items > 0;
		too_many += found.n_items > 1;
		for (size_t i = 0; i < found.n_items; i++)
			exact += found.items[i].at == 20;
		change_points_release(&found);
	}
	print_message("# steps: %u found, %u exactly, %u with too many, of 500\n", found_any, exact, too_many);
	assert_in_range(found_any, 495, 500);
	assert_in_range(exact, 475, 500);
	assert_in_range(too_many, 0, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(student_is_as_in_tables),
	    cmocka_unit_test(steps_without_noise_are_found_where_they_are),
	    cmocka_unit_test(what_is_no_step),
	    cmocka_unit_test(an_outlier_hides_no_step),
	    cmocka_unit_test(several_runs_are_more_evidence),
	    cmocka_unit_test(the_spread_of_runs_counts),
	    cmocka_unit_test(the_last_one_alone_is_told_apart),
	    cmocka_unit_test(only_the_latest_of_very_many_count),
	    cmocka_unit_test(a_drift_is_no_step),
	    cmocka_unit_test(noise_is_no_change),
	    cmocka_unit_test(steps_in_noise_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
