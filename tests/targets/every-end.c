/* Every way to end: each event before the end is in the file, and the file says how it ended.
 *
 * case: return return
 * expect: leaf work allocations 12345 leaked_blocks 2469 leaked_bytes 2469*11
 * expect: total end exit:0 lost_events 0
 * case: exit exit
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: total end exit:41 lost_events 0
 * case: underscore-exit _exit
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: total end exit:42 lost_events 0
 * case: quick-exit quick_exit
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: total end exit:43 lost_events 0
 * case: abort abort
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: total end signal:6 lost_events 0
 * case: sigkill sigkill
 * expect: leaf work allocations 12345 leaked_blocks 2469 leaked_bytes 2469*11
 * expect: total end signal:9 lost_events 0
 * case: sigterm sigterm
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: total end signal:15 lost_events 0
 * case: sigsegv sigsegv
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: total end signal:11 lost_events 0
 * case: exit-group exit_group
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: total end exit:44 lost_events 0
 * case: thread-exits thread_exit
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: leaf thread_work allocations 10 leaked_blocks 10
 * expect: total end exit:45 lost_events 0
 * case: main-leaves-first main_leaves
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: leaf thread_work allocations 10 leaked_blocks 10
 * expect: total end exit:0 lost_events 0
 * case: kill-while-busy kill_busy
 * expect: leaf work allocations 12345 leaked_blocks 2469
 * expect: total end signal:9
 */
#include "testing.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

static NOINLINE void work(void)
{
	for (int i = 0; i < 12345; i++) {
		void *p = keep(malloc(11));
		if (i % 5)
			free(p);
	}
}

static NOINLINE void thread_work(void)
{
	for (int i = 0; i < 10; i++)
		check(keep(malloc(12)));
}

static void *exiting_thread(void *arg)
{
	thread_work();
	exit(45);
	return arg;
}

static void *last_thread(void *arg)
{
	usleep(50000); /* main is gone by now */
	thread_work();
	return arg;
}

static void *busy_thread(void *arg)
{
	for (;;)
		free(keep(malloc(64)));
	return arg;
}

static void start(void *(*function)(void *), void *arg)
{
	pthread_t thread;
	check(pthread_create(&thread, NULL, function, arg) == 0);
}

static NOINLINE void end(const char *how)
{
	if (strcmp(how, "exit") == 0)
		exit(41);
	if (strcmp(how, "_exit") == 0)
		_exit(42);
	if (strcmp(how, "quick_exit") == 0)
		quick_exit(43);
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "sigkill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(how, "sigterm") == 0)
		raise(SIGTERM);
	if (strcmp(how, "sigsegv") == 0)
		*keep((volatile int *)8) = 1;
	if (strcmp(how, "exit_group") == 0)
		syscall(SYS_exit_group, 44);
	if (strcmp(how, "thread_exit") == 0) {
		start(exiting_thread, NULL);
		for (;;)
			pause();
	}
	if (strcmp(how, "main_leaves") == 0) {
		start(last_thread, NULL);
		pthread_exit(NULL);
	}
	if (strcmp(how, "kill_busy") == 0) {
		for (int i = 0; i < 3; i++)
			start(busy_thread, NULL);
		usleep(100000);
		kill(getpid(), SIGKILL);
	}
	check(strcmp(how, "return") == 0);
}

int main(int argc, char **argv)
{
	check(argc == 2);
	work();
	say("end %s\n", argv[1]);
	end(argv[1]);
	return 0;
}
