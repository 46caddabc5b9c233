/* A thread that is not the first calls exec while others are busy: they vanish in the middle of their work.
 *
 * expect: files 2
 * expect[exec0]: leaf in_thread allocations 20 leaked_blocks 20
 * expect[exec0]: total end exec
 * expect: leaf second_image allocations 2 leaked_blocks 1
 * expect: total lost_events 0 unknown_frees 0 end exit:12
 */
#include "testing.h"

#include <pthread.h>

static NOINLINE void busy(void)
{
	for (;;)
		free(keep(malloc(52)));
}

static void *busy_thread(void *arg)
{
	busy();
	return arg;
}

static NOINLINE void in_thread(void)
{
	for (int i = 0; i < 20; i++)
		check(keep(malloc(53)));
}

static void *exec_thread(void *arg)
{
	in_thread();
	usleep(50000);
	execl("/proc/self/exe", (char *)arg, "second", (char *)NULL);
	_exit(99);
}

static NOINLINE void second_image(void)
{
	free(keep(malloc(54)));
	check(keep(malloc(55)));
}

int main(int argc, char **argv)
{
	pthread_t thread;
	if (argc == 2) {
		second_image();
		say("second\n");
		return 12;
	}
	for (int i = 0; i < 2; i++)
		check(pthread_create(&thread, NULL, busy_thread, NULL) == 0);
	check(pthread_create(&thread, NULL, exec_thread, argv[0]) == 0);
	pthread_join(thread, NULL);
	return 99;
}
