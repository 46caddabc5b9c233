/* analyzer/core/window.c: how instants are written. Finding them in traces is tests/reader/differential.py's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/window.h"

static void ticks(void **state)
{
	(void)state;
	const struct {
		const char *text;
		uint64_t tick;
	} good[] = {{"0", 0}, {"0s", 0}, {"1", 10000}, {"1.5", 15000}, {"1.5s", 15000}, {"0.0001s", 1}, {"0.00005", 1},
	    {"0.00004", 0}, {"20ms", 200}, {"0.1ms", 1}, {"1.", 10000}, {"99999999999999999999999", TIDEMARK_MAX_TICK}};
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct instant instant = instant_parse(good[i].text);
		if (instant.kind != INSTANT_TICK || instant.tick != good[i].tick)
			fail_msg("'%s' is kind %d, tick %llu", good[i].text, (int)instant.kind,
			    (unsigned long long)instant.tick);
	}
}

static void percents_and_words(void **state)
{
	(void)state;
	assert_int_equal(instant_parse("start").kind, INSTANT_START);
	assert_int_equal(instant_parse("end").kind, INSTANT_END);
	assert_int_equal(instant_parse("50%").kind, INSTANT_PERCENT);
	assert_true(instant_parse("50%").percent == 50);
	assert_true(instant_parse("100%").percent == 100);
	const char *const names[] = {
	    "", "started", "101%", "-1", "1x", "1 s", "s", "%", "1.5.5", ".5", "phase#2", "1e3", "inf", "nan"};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (instant_parse(names[i]).kind != INSTANT_NAME)
			fail_msg("'%s' is no name", names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ticks),
	    cmocka_unit_test(percents_and_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
