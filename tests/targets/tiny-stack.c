/* Threads with the smallest stack that libc allows, which use half of it themselves: the hooks fit into the rest.
 *
 * expect: leaf on_tiny_stack allocations 20*5 leaked_blocks 20 leaked_bytes 20*31
 * expect: total lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>

static NOINLINE void on_tiny_stack(void)
{
	void *a = keep(malloc(30)), *b = keep(calloc(1, 31)), *c = NULL;
	a = keep(realloc(a, 3000));
	check(posix_memalign(&c, 64, 100) == 0);
	free(a);
	free(c);
	free(keep(malloc(32)));
	check(b);
}

static void *thread_main(void *arg)
{
	volatile char used[4096];
	memset((char *)used, 1, sizeof(used));
	on_tiny_stack();
	check(used[0] == 1 && used[sizeof(used) - 1] == 1);
	return arg;
}

int main(void)
{
	pthread_attr_t attr;
	check(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		check(pthread_create(&thread, &attr, thread_main, NULL) == 0);
		check(pthread_join(thread, NULL) == 0);
	}
	say("done\n");
	return 0;
}
