/* Leaks that the program itself declares to be none, as LeakSanitizer's programs do.
 *
 * expect: jq summary '.suppressed_bytes == 500 and .leaked_bytes == 540'
 * expect: jq leaks '[.stacks[] | select(any(.frames[]; .function == "wanted_cache"))] | length == 0'
 * expect: jq leaks '[.stacks[] | select(any(.frames[]; .function == "real_leak"))] | map(.bytes) == [40]'
 * expect: leaf wanted_cache allocations 5 leaked_blocks 5
 */
#include "testing.h"

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:wanted_cache\n";
}

static NOINLINE void wanted_cache(void)
{
	for (int i = 0; i < 5; i++)
		check(keep(malloc(100)));
}

static NOINLINE void real_leak(void)
{
	check(keep(malloc(40)));
}

int main(void)
{
	wanted_cache();
	real_leak();
	say("done\n");
	return 0;
}
