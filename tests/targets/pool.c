/* A pool allocator that reports its blocks: they count beside the slab that malloc gave, also when the first block has the
 * slab's own address.
 *
 * expect: api pool allocations 100 bytes 100*64
 * expect: leaf slab allocations 1 leaked_blocks 1 leaked_bytes 6400
 * expect: site pool_take allocations 100 leaked_blocks 10 leaked_bytes 10*64
 * expect: total allocations 101 frees 90 leaked_bytes 6400+640 lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include "tidemark.h"

static char *room;
static int used;

static NOINLINE void slab(void)
{
	room = keep(malloc(6400));
}

static NOINLINE void *pool_take(void)
{
	void *p = room + 64 * used++;
	tidemark_pool_alloc(p, 64);
	return p;
}

static NOINLINE void pool_give(void *p)
{
	tidemark_pool_free(p);
}

int main(void)
{
	slab();
	for (int i = 0; i < 100; i++) {
		void *p = pool_take();
		if (i % 10)
			pool_give(p);
	}
	say("done\n");
	return 0;
}
