/* A program with a wrapper around malloc: a calloc or realloc that the wrapper makes of malloc and free is one allocation and
 * one free, not two, whichever hooks it passes.
 *
 * expect: site by_malloc allocations 100 leaked_blocks 10 leaked_bytes 10*60
 * expect: site by_calloc allocations 100 bytes 100*70 leaked_blocks 10 leaked_bytes 10*70
 * expect: site by_realloc allocations 100*3 bytes 100*(16+80+300) leaked_blocks 10 leaked_bytes 10*300
 * expect: site to_nothing allocations 10 leaked_blocks 0
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

static NOINLINE void by_malloc(void)
{
	for (int i = 0; i < 100; i++) {
		void *p = keep(malloc(60));
		if (i % 10)
			free(p);
	}
}

static NOINLINE void by_calloc(void)
{
	for (int i = 0; i < 100; i++) {
		char *p = keep(calloc(7, 10));
		check(p[69] == 0);
		if (i % 10)
			free(p);
	}
}

static NOINLINE void by_realloc(void)
{
	for (int i = 0; i < 100; i++) {
		char *p = keep(realloc(NULL, 16));
		p[15] = 'w';
		p = keep(realloc(p, 80));
		p = keep(realloc(p, 300));
		check(p[15] == 'w');
		if (i % 10)
			free(p);
	}
}

static NOINLINE void to_nothing(void)
{
	for (int i = 0; i < 10; i++)
		check(realloc(keep(malloc(20)), 0) == NULL);
}

int main(void)
{
	by_malloc();
	by_calloc();
	by_realloc();
	to_nothing();
	say("done\n");
	return 0;
}
