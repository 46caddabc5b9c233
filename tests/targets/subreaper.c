/* A launcher that reaps orphans (as init of a container does) and waits until it has no child left: the recorder hangs
 * nothing on it that never ends.
 *
 * expect: files 2
 * expect: site orphan_work allocations 0
 * expect: leaf work allocations 5 leaked_blocks 5
 * expect[last]: leaf orphan_work allocations 4 leaked_blocks 4
 * expect: total lost_events 0 end exit:0
 */
#include "testing.h"

#include <sys/prctl.h>
#include <sys/wait.h>

static NOINLINE void work(void)
{
	for (int i = 0; i < 5; i++)
		check(keep(malloc(41)));
}

static NOINLINE void orphan_work(void)
{
	for (int i = 0; i < 4; i++)
		check(keep(malloc(42)));
}

int main(void)
{
	int reaped = 0, status;
	check(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	work();
	if (fork() == 0) {
		if (fork() == 0) {
			usleep(100000);
			orphan_work();
			_exit(3);
		}
		_exit(2);
	}
	while (waitpid(-1, &status, 0) > 0)
		reaped++;
	say("reaped %d\n", reaped);
	return 0;
}
