/* Blocks beyond 4 GiB, never touched: sizes are exact beyond 32 bits.
 *
 * expect: leaf huge_kept allocations 1 bytes 5*(1<<30)+1 leaked_blocks 1 leaked_bytes 5*(1<<30)+1
 * expect: leaf huge_freed allocations 3 bytes 6*(1<<30)+(6*(1<<30)+4096)+(9*(1<<30)) leaked_blocks 0
 * expect: total peak_heap_bytes 5*(1<<30)+1+9*(1<<30) leaked_bytes 5*(1<<30)+1 lost_events 0
 */
#include "testing.h"

#define GIB ((size_t)1 << 30)

static NOINLINE int huge_kept(void)
{
	return keep(malloc(5 * GIB + 1)) != NULL;
}

static NOINLINE int huge_freed(void)
{
	char *p = keep(calloc(6, GIB));
	if (!p)
		return 0;
	p = keep(realloc(p, 6 * GIB + 4096));
	free(p);
	void *q = NULL;
	if (posix_memalign(&q, 1 << 21, 9 * GIB))
		return 0;
	free(keep(q));
	return p != NULL;
}

int main(void)
{
	if (!huge_kept() || !huge_freed())
		return SKIPPED; /* overcommit is off */
	say("done\n");
	return 0;
}
