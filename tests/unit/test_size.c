/* analyzer/base/size.c: sizes, counts and times in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/size.h"

static void reads_sizes(void **state)
{
	(void)state;
	const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"0", 0}, {"1500", 1500}, {"1500B", 1500}, {"64k", 65536}, {"64K", 65536}, {"1M", 1048576},
	    {"1G", 1ull << 30}, {"10MB", 10000000}, {"10 MB", 10000000}, {"10mb", 10000000}, {"1kB", 1000},
	    {"2GB", 2000000000}, {"1KiB", 1024}, {"10MiB", 10485760}, {"1TiB", 1ull << 40}, {"1.5MB", 1500000},
	    {"0.5k", 512}, {".5k", 512}, {"1.", 1}, {"9223372036854775807", INT64_MAX},
	    {"9007199254740993", 9007199254740993}};
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t bytes = 1;
		if (!size_parse(good[i].text, &bytes) || bytes != good[i].bytes)
			fail_msg("'%s' reads as %llu", good[i].text, (unsigned long long)bytes);
		double exact = -1;
		assert_true(size_parse_exact(good[i].text, &exact));
		assert_true(exact == (double)good[i].bytes);
	}
	double exact;
	uint64_t rounded;
	assert_true(size_parse_exact("5.5", &exact) && exact == 5.5);
	assert_true(size_parse_exact("0.25k", &exact) && exact == 256);
	assert_true(size_parse("5.5", &rounded) && rounded == 6);
	assert_true(size_parse("0.4", &rounded) && rounded == 0);
}

static void refuses_what_is_no_size(void **state)
{
	(void)state;
	const char *const bad[] = {"", " ", "k", ".", "MB", "-1", "+1", "1x", "1kk", "1KiBB", "1 MBs", "0x10", "1e3",
	    "1,5MB", "inf", "9223372036854775808", "99999999999999999999", "9000000T", "8388608TiB", "1  k", "1iB"};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t bytes;
		if (size_parse(bad[i], &bytes))
			fail_msg("'%s' reads as %llu", bad[i], (unsigned long long)bytes);
		double exact;
		assert_false(size_parse_exact(bad[i], &exact));
	}
}

static void writes_sizes(void **state)
{
	(void)state;
	char text[SIZE_TEXT_BYTES];
	assert_string_equal(size_text(text, 0), "0 B");
	assert_string_equal(size_text(text, 999), "999 B");
	assert_string_equal(size_text(text, 1000), "1.00 kB");
	assert_string_equal(size_text(text, 1234567), "1.23 MB");
	assert_string_equal(size_text(text, 9994), "9.99 kB");
	assert_string_equal(size_text(text, 9996), "10.0 kB");
	assert_string_equal(size_text(text, 99949), "99.9 kB");
	assert_string_equal(size_text(text, 99951), "100 kB");
	assert_string_equal(size_text(text, 999499), "999 kB");
	assert_string_equal(size_text(text, 999500), "1.00 MB");
	assert_string_equal(size_text(text, UINT64_MAX), "18.4 EB");
	assert_string_equal(size_delta_text(text, 0), "0 B");
	assert_string_equal(size_delta_text(text, 1234), "+1.23 kB");
	assert_string_equal(size_delta_text(text, -1234567), "-1.23 MB");
	assert_string_equal(size_delta_text(text, INT64_MIN), "-9.22 EB");
}

static void counts_and_times(void **state)
{
	(void)state;
	char text[SIZE_TEXT_BYTES];
	uint64_t count;
	assert_string_equal(count_text(text, 0), "0");
	assert_string_equal(count_text(text, 999), "999");
	assert_string_equal(count_text(text, 1234567), "1,234,567");
	assert_string_equal(count_text(text, UINT64_MAX), "18,446,744,073,709,551,615");
	assert_string_equal(amount_text(text, 1234567, false), "1,234,567");
	assert_string_equal(amount_text(text, 1234567, true), "1.23 MB");
	assert_string_equal(amount_delta_text(text, 0, false), "0");
	assert_string_equal(amount_delta_text(text, 1234, false), "+1,234");
	assert_string_equal(amount_delta_text(text, INT64_MIN, false), "-9,223,372,036,854,775,808");
	assert_string_equal(amount_delta_text(text, -1234567, true), "-1.23 MB");
	assert_true(count_parse("10", 10, &count) && count == 10);
	assert_false(count_parse("11", 10, &count));
	assert_false(count_parse("-1", 10, &count));
	assert_false(count_parse("", 10, &count));
	assert_false(count_parse("1 ", 10, &count));
	assert_false(count_parse("99999999999999999999", UINT64_MAX, &count));
	assert_string_equal(time_text(text, 0), "0.0 ms");
	assert_string_equal(time_text(text, 12300000), "12.3 ms");
	assert_string_equal(time_text(text, 999600000), "1.00 s");
	assert_string_equal(time_text(text, 1234000000), "1.23 s");
	assert_string_equal(time_text(text, 125000000000), "2 min 05 s");
	assert_string_equal(time_text(text, 10920000000000), "3 h 02 min");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_sizes),
	    cmocka_unit_test(refuses_what_is_no_size),
	    cmocka_unit_test(writes_sizes),
	    cmocka_unit_test(counts_and_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
