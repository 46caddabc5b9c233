/* A handler that leaves by siglongjmp, mostly out of the middle of a hook: the thread goes on recording afterwards.
 *
 * expect: leaf after allocations 1000 leaked_blocks 500 leaked_bytes 500*17
 * expect: leaf in_handler allocations >=1000
 * expect: leaf interrupted allocations >=1000
 */
#include "testing.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

static sigjmp_buf home;

static NOINLINE void in_handler(void)
{
	free(keep(malloc(3)));
}

static void handler(int signal)
{
	(void)signal;
	in_handler();
	siglongjmp(home, 1);
}

static NOINLINE void interrupted(void)
{
	for (;;)
		free(keep(malloc(24)));
}

static NOINLINE void after(void)
{
	for (int i = 0; i < 1000; i++) {
		void *p = keep(malloc(17));
		if (i % 2)
			free(p);
	}
}

int main(void)
{
	struct sigaction action = {.sa_handler = handler};
	check(sigaction(SIGALRM, &action, NULL) == 0);
	for (volatile int i = 0; i < 1000; i++) {
		if (sigsetjmp(home, 1) == 0) {
			struct itimerval soon = {.it_value = {.tv_usec = 100 + i % 7}};
			check(setitimer(ITIMER_REAL, &soon, NULL) == 0);
			interrupted();
		}
	}
	after();
	say("done\n");
	return 0;
}
