/* Blocks of no bytes are blocks: counted, freed, leaked, without adding a byte.
 *
 * expect: leaf zero_malloc allocations 10 bytes 0 leaked_blocks 4 leaked_bytes 0
 * expect: leaf zero_calloc allocations 2 bytes 0 leaked_blocks 2 leaked_bytes 0
 * expect: leaf zero_realloc allocations 3 bytes 8 leaked_blocks 1 leaked_bytes 0
 * expect: leaf zero_memalign allocations 1 bytes 0 leaked_blocks 1
 * expect: total allocations 16 frees 8 leaked_blocks 8 leaked_bytes 0 allocated_bytes 8 peak_heap_bytes 8
 */
#include "testing.h"

static NOINLINE void zero_malloc(void)
{
	void *p[10];
	for (int i = 0; i < 10; i++) {
		p[i] = keep(malloc(0));
		check(p[i] && (i == 0 || p[i] != p[i - 1]));
	}
	for (int i = 0; i < 6; i++)
		free(p[i]);
}

static NOINLINE void zero_calloc(void)
{
	check(keep(calloc(0, 8)) && keep(calloc(8, 0)));
}

static NOINLINE void zero_realloc(void)
{
	void *p = keep(malloc(8));
	check(realloc(p, 0) == NULL);
	void *q = keep(realloc(NULL, 0)), *r = keep(malloc(0));
	check(q && r);
	free(r);
}

static NOINLINE void zero_memalign(void)
{
	void *p = NULL;
	check(posix_memalign(&p, 64, 0) == 0 && p);
}

int main(void)
{
	zero_malloc();
	zero_calloc();
	zero_realloc();
	zero_memalign();
	say("done\n");
	return 0;
}
