/* Five hundred threads alive at once, detached, that end by themselves while the program runs on.
 *
 * expect: leaf detached_work allocations 1000 leaked_blocks 500 leaked_bytes 500*40
 * expect: total lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <pthread.h>
#include <stdatomic.h>

static _Atomic int arrived, done;

static NOINLINE void detached_work(void)
{
	void *p = keep(malloc(400));
	check(keep(malloc(40)));
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < 500)
		usleep(1000);
	free(p);
	atomic_fetch_add(&done, 1);
}

static void *thread_main(void *arg)
{
	detached_work();
	return arg;
}

int main(void)
{
	pthread_attr_t attr;
	check(pthread_attr_init(&attr) == 0);
	check(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0);
	check(pthread_attr_setstacksize(&attr, 64 << 10) == 0);
	for (int i = 0; i < 500; i++) {
		pthread_t thread;
		check(pthread_create(&thread, &attr, thread_main, NULL) == 0);
	}
	while (atomic_load(&done) < 500)
		usleep(1000);
	say("done\n");
	return 0;
}
