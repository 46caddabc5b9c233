/* A thread with a pending cancellation allocates: no hook is a cancellation point. Then it is cancelled where it asks for it,
 * and its clean-up handler allocates and frees.
 *
 * expect: leaf pending allocations 100000 leaked_blocks 0
 * expect: leaf clean_up allocations 1 leaked_blocks 0
 * expect: total lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_int cancelled, finished;

static NOINLINE void pending(void)
{
	for (int i = 0; i < 100000; i++)
		free(keep(malloc(33)));
	atomic_store(&finished, 1);
}

static NOINLINE void clean_up(void *arg)
{
	free(arg);
	free(keep(malloc(34)));
}

static void *thread_main(void *arg)
{
	pthread_cleanup_push(clean_up, keep(malloc(35)));
	while (!atomic_load(&cancelled))
		;
	pending();
	pthread_testcancel();
	check(0);
	pthread_cleanup_pop(1);
	return arg;
}

int main(void)
{
	pthread_t thread;
	void *result;
	check(pthread_create(&thread, NULL, thread_main, NULL) == 0);
	check(pthread_cancel(thread) == 0);
	atomic_store(&cancelled, 1);
	check(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
	say("finished %d\n", atomic_load(&finished));
	return 0;
}
