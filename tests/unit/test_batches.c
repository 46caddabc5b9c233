/* analyzer/core/batches.c: bounds against tables of exact values, and series whose answer is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/batches.h"

static void assert_close(double got, double wanted, double tolerance)
{
	if (!(fabs(got - wanted) <= tolerance))
		fail_msg("%.9g, wanted %.9g", got, wanted);
}

/* The mean at which n or more (lower), n or fewer (upper) are seen in 1 % of all cases; computed to 60 digits. */
static void poisson_bounds_are_exact(void **state)
{
	(void)state;
	static const struct {
		uint64_t n;
		double lower, upper;
	} exact[] = {{0, 0, 4.6051702}, {1, 0.0100503, 6.6383521}, {2, 0.1485547, 8.4059469},
	    {3, 0.4360452, 10.0451175}, {5, 1.2791061, 13.1084837}, {10, 4.1301992, 20.1446802},
	    {20, 11.0821306, 33.1031181}, {50, 35.0324475, 69.0672356}, {100, 78.2159831, 125.8386529},
	    {200, 168.5776567, 235.4444167}};
	for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++) {
		assert_close(poisson_bound99(exact[i].n, false), exact[i].lower, 1e-6);
		assert_close(poisson_bound99(exact[i].n, true), exact[i].upper, 1e-6);
	}
}

static void large_counts_are_nearly_exact(void **state)
{
	(void)state;
	static const struct {
		uint64_t n;
		double lower, upper;
	} exact[] = {
	    {201, 169.4954959, 236.5263800}, {300, 261.1825632, 342.8249068}, {1000, 927.9081598, 1076.0696074}};
	for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++) {
		assert_close(poisson_bound99(exact[i].n, false), exact[i].lower, 0.004 * exact[i].lower);
		assert_close(poisson_bound99(exact[i].n, true), exact[i].upper, 0.004 * exact[i].upper);
	}
}

/* The published 99 % quantiles. The series is poor below 4 degrees, where bounds are infinite or nearly so. */
static void student_quantiles(void **state)
{
	(void)state;
	static const double exact[][3] = {{4, 3.74695, 0.008}, {5, 3.36493, 0.004}, {8, 2.89646, 0.001},
	    {10, 2.76377, 5e-4}, {15, 2.60248, 1e-4}, {20, 2.52798, 1e-4}, {30, 2.45726, 1e-4}, {60, 2.39012, 1e-4},
	    {120, 2.35782, 1e-4}, {1e9, 2.32635, 1e-4}};
	for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++)
		assert_close(student_t99(exact[i][0]), exact[i][1], exact[i][1] * exact[i][2]);
}

static void a_constant_series_bounds_itself(void **state)
{
	(void)state;
	double y[40];
	for (int i = 0; i < 40; i++)
		y[i] = 700;
	struct bounds b = batches_bounds((struct batches){y, 40});
	assert_close(b.low, 700, 1e-9);
	assert_close(b.high, 700, 1e-9);
}

static void nothing_and_next_to_nothing(void **state)
{
	(void)state;
	double y[40] = {0};
	struct bounds b = batches_bounds((struct batches){y, 40});
	assert_true(b.low == 0 && b.high == 0);
	y[7] = 100;
	b = batches_bounds((struct batches){y, 40});
	assert_true(b.low == 0); /* without the largest batch nothing is left */
	assert_true(b.high >= 6.6383521 / 40 * 100);
	b = batches_bounds((struct batches){y, 3});
	assert_true(b.low == 0 && b.high == 0);
	b = batches_bounds((struct batches){y + 7, 3});
	assert_true(b.low == 0 && isinf(b.high));
}

/* Neighbours that agree say little: a slow wave must widen the bounds. */
static void correlated_neighbours_widen(void **state)
{
	(void)state;
	double wave[40], mixed[40];
	for (int i = 0; i < 40; i++) {
		wave[i] = 100 + 50 * (i / 10 % 2 ? 1 : -1);
		mixed[i] = 100 + 50 * (i % 2 ? 1 : -1);
	}
	struct bounds slow = batches_bounds((struct batches){wave, 40}),
	              fast = batches_bounds((struct batches){mixed, 40});
	assert_true(slow.low < fast.low - 10);
	assert_true(slow.high > fast.high + 10);
}

static void declines_and_differences(void **state)
{
	(void)state;
	double y[] = {10, 12, 11, 10, 1, 2, 1, 2}, error;
	struct batches all = {y, 8};
	assert_true(batches_decline(all, 2, 0.005));
	assert_false(batches_decline(all, 17, 0.005)); /* it is 16.6 standard errors */
	assert_false(batches_decline(batches_first_half(all), 2, 0.005));
	static const double slight[] = {1005, 1005, 1005, 1000, 1000, 1000},
	                    less[] = {1006, 1006, 1006, 1000, 1000, 1000};
	assert_false(batches_decline((struct batches){slight, 6}, 3, 0.005));
	assert_true(batches_decline((struct batches){less, 6}, 3, 0.005));
	assert_close(batches_difference(batches_first_half(all), batches_second_half(all), &error), 10.75 - 1.5, 1e-12);
	assert_close(error, sqrt(0.916666666666667 / 4 + 0.333333333333333 / 4), 1e-9);
	assert_close(batches_difference(batches_slice(all, 0, 1), all, &error), 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(poisson_bounds_are_exact),
	    cmocka_unit_test(large_counts_are_nearly_exact),
	    cmocka_unit_test(student_quantiles),
	    cmocka_unit_test(a_constant_series_bounds_itself),
	    cmocka_unit_test(nothing_and_next_to_nothing),
	    cmocka_unit_test(correlated_neighbours_widen),
	    cmocka_unit_test(declines_and_differences),
	};
	return cmocka_run_group_tests_name("batches", tests, NULL, NULL);
}
