/* Threads that end by the system call alone, without a destructor or a goodbye to libc.
 *
 * expect: leaf in_thread allocations 300*2 leaked_blocks 300 leaked_bytes 300*62
 * expect: total lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <pthread.h>
#include <sys/syscall.h>

static NOINLINE void in_thread(void)
{
	free(keep(malloc(61)));
	check(keep(malloc(62)));
}

static void *thread_main(void *arg)
{
	in_thread();
	syscall(SYS_exit, 0);
	return arg;
}

int main(void)
{
	for (int i = 0; i < 300; i++) {
		pthread_t thread;
		check(pthread_create(&thread, NULL, thread_main, NULL) == 0);
		check(pthread_join(thread, NULL) == 0);
	}
	say("done\n");
	return 0;
}
