/* Millions of events from two busy threads: rings wrap many times, the collector keeps up or the threads wait for it; not
 * one event is lost.
 *
 * expect: leaf churn_small allocations 4000000 bytes 4000000*16 leaked_blocks 0
 * expect: leaf churn_window allocations 1000000 leaked_blocks 2*64
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 * expect: jq summary '.program_blocks == 128'
 */
#include "testing.h"

static NOINLINE void churn_small(void)
{
	for (int i = 0; i < 2000000; i++)
		free(keep(malloc(16)));
}

static NOINLINE void churn_window(void)
{
	void *window[64] = {0};
	for (int i = 0; i < 500000; i++) {
		free(window[i % 64]);
		window[i % 64] = keep(malloc((size_t)(i % 100)));
	}
}

static void *thread_main(void *arg)
{
	churn_small();
	churn_window();
	return arg;
}

int main(void)
{
	run_in_threads(2, thread_main);
	say("done\n");
	return 0;
}
