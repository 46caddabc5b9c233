/* Ten thousand threads that come and go, at most fifty at a time; each leaves one block and frees its predecessor's.
 *
 * expect: leaf thread_work allocations 30000 bytes 10000*(16+24+32) leaked_blocks 1 leaked_bytes 32
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <stdatomic.h>

static _Atomic(void *) last;

static NOINLINE void thread_work(void)
{
	void *a = keep(malloc(16)), *b = keep(malloc(24)), *c = keep(malloc(32));
	free(b);
	free(a);
	free(atomic_exchange(&last, c));
}

static void *thread_main(void *arg)
{
	thread_work();
	return arg;
}

int main(void)
{
	for (int round = 0; round < 200; round++)
		run_in_threads(50, thread_main);
	say("done\n");
	return 0;
}
