/* include/tidemark/varint.h: round trips, cut and overlong numbers, zigzag. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tidemark/varint.h"

static const uint64_t samples[] = {
    0, 1, 127, 128, 129, 16383, 16384, 0xffffffff, 1ull << 32, (1ull << 63) - 1, 1ull << 63, UINT64_MAX};

static void round_trip(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		uint8_t bytes[TIDEMARK_VARINT_MAX_BYTES];
		uint8_t *end = put_varint(bytes, samples[i]);
		const uint8_t *at = bytes;
		uint64_t value;
		assert_true(get_varint(&at, end, &value));
		assert_ptr_equal(at, end);
		assert_int_equal(value, samples[i]);
		for (at = bytes; end > bytes; at = bytes)
			assert_false(get_varint(&at, --end, &value));
	}
}

static void refuses_more_than_64_bits(void **state)
{
	(void)state;
	const uint8_t overflow[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
	const uint8_t endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
	const uint8_t *at = overflow;
	uint64_t value;
	assert_false(get_varint(&at, overflow + sizeof(overflow), &value));
	at = endless;
	assert_false(get_varint(&at, endless + sizeof(endless), &value));
}

static void zigzag_keeps_small_numbers_small(void **state)
{
	(void)state;
	assert_int_equal(zigzag(0), 0);
	assert_int_equal(zigzag(-1), 1);
	assert_int_equal(zigzag(1), 2);
	assert_int_equal(zigzag(INT64_MIN), UINT64_MAX);
	for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		assert_int_equal(unzigzag(zigzag((int64_t)samples[i])), (int64_t)samples[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(refuses_more_than_64_bits),
	    cmocka_unit_test(zigzag_keeps_small_numbers_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
