/* Key destructors run after the thread's last statement, in several rounds, and allocate and free there.
 *
 * expect: leaf thread_main allocations 100 leaked_blocks 0
 * expect: leaf first_destructor allocations 100*3 bytes 100*3*24 leaked_blocks 100 leaked_bytes 100*24
 * expect: leaf last_destructor allocations 100 leaked_blocks 0
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <pthread.h>

static pthread_key_t first_key, last_key;
static __thread int rounds;

static NOINLINE void first_destructor(void *value)
{
	free(value);
	void *next = keep(malloc(24));
	if (++rounds < 3)
		check(pthread_setspecific(first_key, next) == 0); /* comes back in the next round; the third is left behind */
}

static NOINLINE void last_destructor(void *value)
{
	check(value);
	free(keep(malloc(100)));
}

static NOINLINE void *thread_main(void *arg)
{
	check(pthread_setspecific(first_key, keep(malloc(16))) == 0);
	check(pthread_setspecific(last_key, arg) == 0);
	return NULL;
}

int main(void)
{
	check(pthread_key_create(&first_key, first_destructor) == 0);
	check(pthread_key_create(&last_key, last_destructor) == 0);
	for (int i = 0; i < 100; i++) {
		pthread_t thread;
		check(pthread_create(&thread, NULL, thread_main, &rounds) == 0);
		check(pthread_join(thread, NULL) == 0);
	}
	say("done\n");
	return 0;
}
