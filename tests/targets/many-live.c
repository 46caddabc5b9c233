/* Three million blocks alive at once: the peak, the rest, and each stack's share are exact.
 *
 * expect: leaf fill allocations 3000000 bytes sum(i%100 for i in range(3000000)) leaked_blocks 1000000
 * expect: total peak_heap_bytes sum(i%100 for i in range(3000000)) leaked_bytes sum(i%100 for i in range(0,3000000,3)) lost_events 0
 * expect: total implicit_frees 0 unknown_frees 0
 */
#include "testing.h"

#define BLOCKS 3000000

static void *blocks[BLOCKS];

static NOINLINE void fill(void)
{
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = malloc((size_t)(i % 100));
}

int main(void)
{
	fill();
	for (int i = 0; i < BLOCKS; i++) {
		if (i % 3)
			free(blocks[i]);
	}
	say("done\n");
	return 0;
}
