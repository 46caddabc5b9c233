/* A signal handler that allocates and frees while its thread allocates and frees all the time, so that most signals arrive
 * inside a hook. The allocator is one that allows it. Every event of both is recorded, each with its own stack.
 *
 * expect: leaf in_main allocations 600000 bytes 600000*24 leaked_blocks 0
 * expect: leaf in_handler allocations 30000 bytes 15000*(40+8) leaked_blocks 15000 leaked_bytes 15000*8
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define SIGNALS 15000

static atomic_int handled, sent;
static pthread_t main_thread;

static NOINLINE void in_handler(void)
{
	void *p = keep(malloc(40));
	check(keep(malloc(8)));
	free(p);
}

static void handler(int signal)
{
	int before = errno;
	(void)signal;
	in_handler();
	atomic_fetch_add(&handled, 1);
	errno = before;
}

static void *sender(void *arg)
{
	for (int i = 0; i < SIGNALS; i++) {
		check(pthread_kill(main_thread, SIGUSR1) == 0);
		atomic_fetch_add(&sent, 1);
		while (atomic_load(&handled) <= i) /* signals of one number do not queue */
			;
	}
	return arg;
}

static NOINLINE void in_main(void)
{
	for (int i = 0; i < 600000; i++)
		free(keep(malloc(24)));
}

int main(void)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	pthread_t thread;
	check(sigaction(SIGUSR1, &action, NULL) == 0);
	main_thread = pthread_self();
	check(pthread_create(&thread, NULL, sender, NULL) == 0);
	in_main();
	check(pthread_join(thread, NULL) == 0);
	say("handled %d\n", atomic_load(&handled));
	return 0;
}
