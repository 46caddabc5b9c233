/* Four threads that realloc in loops and hand blocks to each other. Everything is freed: a tool that sees a moved block's
 * birth before the free of whoever had that address reports false leaks here.
 *
 * expect: leaf grow_own allocations 4*2000*21 leaked_blocks 0
 * expect: leaf grow_shared leaked_blocks 0
 * expect: jq summary '.program_blocks == 0'
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <stdatomic.h>

static _Atomic(void *) shared[16];

static NOINLINE void grow_own(void)
{
	char *p = keep(malloc(16));
	for (size_t n = 32; n <= 16 * 21; n += 16)
		p = keep(realloc(p, n));
	free(p);
}

static NOINLINE void grow_shared(int i)
{
	void *p = atomic_exchange(&shared[i % 16], NULL);
	p = keep(realloc(p, (size_t)(i % 37) * 24 + 8));
	free(atomic_exchange(&shared[(i + 5) % 16], p));
}

static void *thread_main(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		grow_own();
		for (int k = 0; k < 10; k++)
			grow_shared(i * 7 + k);
	}
	return arg;
}

int main(void)
{
	run_in_threads(4, thread_main);
	for (int i = 0; i < 16; i++)
		free(atomic_exchange(&shared[i], NULL));
	say("done\n");
	return 0;
}
