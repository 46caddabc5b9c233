/* A spike that lasts a moment between long quiet stretches: the peak is exact, whatever the sampling.
 *
 * expect: total peak_heap_bytes 50*1000+1048576+7 allocations 51+1+20000 leaked_blocks 50
 * expect: peak spike bytes 1048576 blocks 1
 * expect: peak base bytes 50000 blocks 50
 * expect: peak quiet bytes 0
 * expect: peak just_before bytes 7
 */
#include "testing.h"

static NOINLINE void base(void)
{
	for (int i = 0; i < 50; i++)
		check(keep(malloc(1000)));
}

static NOINLINE void quiet(void)
{
	for (int i = 0; i < 10000; i++)
		free(keep(malloc(5000)));
}

static NOINLINE void spike(void)
{
	free(keep(malloc(1 << 20)));
}

static NOINLINE void *just_before(void)
{
	return keep(malloc(7));
}

int main(void)
{
	base();
	quiet();
	void *p = just_before();
	spike();
	free(p);
	quiet();
	say("done\n");
	return 0;
}
