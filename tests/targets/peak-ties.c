/* The same peak twice: the first instant counts, so the peak belongs to those who held blocks then.
 *
 * expect: total peak_heap_bytes 3000 leaked_bytes 100 allocated_bytes 100+2900+2900
 * expect: peak first_wave bytes 2900 blocks 29
 * expect: peak second_wave bytes 0
 * expect: peak all_the_time bytes 100 blocks 1
 */
#include "testing.h"

static void *blocks[29];

static NOINLINE void all_the_time(void)
{
	check(keep(malloc(100)));
}

static NOINLINE void first_wave(void)
{
	for (int i = 0; i < 29; i++)
		blocks[i] = keep(malloc(100));
}

static NOINLINE void second_wave(void)
{
	for (int i = 0; i < 29; i++)
		blocks[i] = keep(malloc(100));
}

static NOINLINE void ebb(void)
{
	for (int i = 28; i >= 0; i--)
		free(blocks[i]);
}

int main(void)
{
	all_the_time();
	first_wave();
	ebb();
	second_wave();
	ebb();
	say("done\n");
	return 0;
}
