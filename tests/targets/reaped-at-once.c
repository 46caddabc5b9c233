/* Children that leave by _exit and are reaped in the same instant, before anybody could look: how they ended is known, and
 * every event is there.
 *
 * expect: files 101
 * expect: total end exit:0 lost_events 0
 * expect[each-child]: leaf in_child allocations 3 leaked_blocks 1 leaked_bytes 9
 * expect[each-child]: total end exit:17 lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <sys/wait.h>

static NOINLINE void in_child(void)
{
	void *a = keep(malloc(7)), *b = keep(malloc(8)), *c = keep(malloc(9));
	free(a);
	free(b);
	check(c);
}

int main(void)
{
	for (int i = 0; i < 100; i++) {
		int status;
		pid_t child = fork();
		if (child == 0) {
			in_child();
			if (i % 2)
				_exit(17);
			_Exit(17);
		}
		check(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 17);
	}
	say("done\n");
	return 0;
}
