/* base/array.h: arrays grow with what they hold, and a sorted one is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/array.h"

static void test_room_is_zeroed_and_keeps_what_was_there(void **state)
{
	(void)state;
	uint32_t *items = NULL;
	size_t capacity = 0;
	assert_int_equal(ARRAY_RESERVE(items, capacity, 3), 0);
	items[0] = 7;
	items[2] = 9;
	size_t before = capacity;
	assert_int_equal(ARRAY_RESERVE(items, capacity, before + 1), 0);
	assert_true(capacity >= 2 * before);
	assert_int_equal(items[0], 7);
	assert_int_equal(items[1], 0);
	assert_int_equal(items[2], 9);
	for (size_t i = 3; i < capacity; i++)
		assert_int_equal(items[i], 0);
	free(items);
}

static void test_too_much_leaves_the_array_alone(void **state)
{
	(void)state;
	uint32_t *items = NULL;
	size_t capacity = 0;
	assert_int_equal(ARRAY_RESERVE(items, capacity, SIZE_MAX / sizeof(*items) + 1), -1);
	assert_null(items);
	assert_int_equal(capacity, 0);
}

/* Arrays of 0 to 9 elements, each value twice: as many are below and up to a value as counting finds. */
static void test_leading_is_what_counting_finds(void **state)
{
	(void)state;
	for (size_t n = 0; n < 10; n++) {
		for (size_t value = 0; value < 7; value++) {
			size_t below = 2 * value < n ? 2 * value : n, upto = 2 * value + 2 < n ? 2 * value + 2 : n;
			assert_int_equal(ARRAY_LEADING(n, i, i / 2 < value), below);
			assert_int_equal(ARRAY_LEADING(n, i, i / 2 <= value), upto);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_room_is_zeroed_and_keeps_what_was_there),
	    cmocka_unit_test(test_too_much_leaves_the_array_alone),
	    cmocka_unit_test(test_leading_is_what_counting_finds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
