/* Round numbers for axes. Ticks of a recording are 100 us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "render/axis.h"

static void steps_are_round(void **state)
{
	(void)state;
	assert_int_equal(axis_step(0, 5), 1);
	assert_int_equal(axis_step(5, 5), 1);
	assert_int_equal(axis_step(6, 5), 2);
	assert_int_equal(axis_step(100, 5), 20);
	assert_int_equal(axis_step(101, 5), 20);
	assert_int_equal(axis_step(1000, 4), 500);
	assert_int_equal(axis_step(17000000, 6), 5000000);
	assert_int_equal(axis_step(UINT64_MAX, 4), UINT64_MAX);
}

static void tops_hold_all_values(void **state)
{
	(void)state;
	assert_int_equal(axis_top(0, 1), 1);
	assert_int_equal(axis_top(100, 20), 100);
	assert_int_equal(axis_top(101, 20), 120);
	/* Near the end of 64 bits: a product that wrapped would be below the value. */
	for (uint64_t largest = UINT64_MAX; largest; largest /= 3)
		for (unsigned n = 1; n < 8; n++)
			assert_true(axis_top(largest, axis_step(largest, n)) >= largest);
}

static void sizes_share_a_unit(void **state)
{
	(void)state;
	char text[AXIS_TEXT_BYTES];
	assert_string_equal(axis_size(text, 0, 5000), "0");
	assert_string_equal(axis_size(text, 500, 5000), "0.5 kB");
	assert_string_equal(axis_size(text, 5000, 5000), "5 kB");
	assert_string_equal(axis_size(text, 999, 999), "999 B");
	assert_string_equal(axis_size(text, 2500000, 10000000), "2.5 MB");
}

static void times_suit_people(void **state)
{
	(void)state;
	char text[AXIS_TEXT_BYTES];
	assert_int_equal(axis_time_step(10000, 10), 1000);       /* 1 s: every 0.1 s */
	assert_int_equal(axis_time_step(120000, 10), 20000);     /* 12 s: every 2 s */
	assert_int_equal(axis_time_step(2400000, 10), 300000);   /* 4 min: every 30 s */
	assert_int_equal(axis_time_step(36000000, 10), 6000000); /* 1 h: every 10 min */
	assert_string_equal(axis_time(text, 200, 900), "20 ms");
	assert_string_equal(axis_time(text, 15000, 100000), "1.5 s");
	assert_string_equal(axis_time(text, 6000000, 36000000), "10 min");
	assert_string_equal(axis_time(text, 72000000, 144000000), "2 h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(steps_are_round),
	    cmocka_unit_test(tops_hold_all_values),
	    cmocka_unit_test(sizes_share_a_unit),
	    cmocka_unit_test(times_suit_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
