/* A pool shared by two threads that reuses its slots at once: no block is seen twice, none is missed.
 *
 * expect: api pool allocations 40000 bytes 40000*32
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 * expect: site take leaked_blocks 0
 */
#include "testing.h"

#include <stdatomic.h>

#include "tidemark.h"

static char slots[4][32];
static atomic_flag taken[4];

static NOINLINE int take(void)
{
	for (int i = 0;; i = (i + 1) % 4) {
		if (!atomic_flag_test_and_set(&taken[i])) {
			tidemark_pool_alloc(slots[i], 32);
			return i;
		}
	}
}

static NOINLINE void give(int i)
{
	tidemark_pool_free(slots[i]);
	atomic_flag_clear(&taken[i]);
}

static void *thread_main(void *arg)
{
	for (int i = 0; i < 20000; i++)
		give(take());
	return arg;
}

int main(void)
{
	run_in_threads(2, thread_main);
	say("done\n");
	return 0;
}
