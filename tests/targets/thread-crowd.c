/* Thousands of threads that all allocate at once, more than the collector can serve while they share its processors: they
 * wait for it, and nothing is lost.
 *
 * expect: leaf made_and_freed allocations 2500*2000 leaked_blocks 0
 * expect: leaf kept allocations 2500 leaked_blocks 2500 leaked_bytes 2500*24
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0 end exit:0
 */
#include "testing.h"

#include <limits.h>
#include <pthread.h>

#define N_THREADS 2500

static pthread_barrier_t together;

static NOINLINE void made_and_freed(int n)
{
	for (int i = 0; i < n; i++)
		free(keep(malloc(10)));
}

static NOINLINE void kept(void)
{
	check(keep(malloc(24)));
}

static void *thread_main(void *arg)
{
	pthread_barrier_wait(&together);
	made_and_freed(2000);
	kept();
	pthread_barrier_wait(&together);
	return arg;
}

int main(void)
{
	static pthread_t threads[N_THREADS];
	pthread_attr_t attr;
	check(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
	check(pthread_barrier_init(&together, NULL, N_THREADS) == 0);
	for (int i = 0; i < N_THREADS; i++)
		check(pthread_create(&threads[i], &attr, thread_main, NULL) == 0);
	for (int i = 0; i < N_THREADS; i++)
		check(pthread_join(threads[i], NULL) == 0);
	return 0;
}
