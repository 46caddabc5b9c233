/* More forks than there are places for processes at one time: places are used again, and each child has its file.
 *
 * timeout: 300
 * expect: files 4501
 * expect: leaf in_parent allocations 4500 leaked_blocks 0
 * expect: total lost_events 0 unknown_frees 0 end exit:0
 * expect[last]: leaf in_child allocations 2 leaked_blocks 1
 * expect[image=1]: leaf in_child allocations 2 leaked_blocks 1
 * expect[image=4200]: leaf in_child allocations 2 leaked_blocks 1
 */
#include "testing.h"

#include <sys/wait.h>

static NOINLINE void in_parent(void)
{
	free(keep(malloc(48)));
}

static NOINLINE void in_child(void)
{
	free(keep(malloc(49)));
	check(keep(malloc(50)));
}

int main(void)
{
	for (int i = 0; i < 4500; i++) {
		in_parent();
		pid_t child = fork();
		if (child == 0) {
			in_child();
			_exit(0);
		}
		check(child > 0 && waitpid(child, NULL, 0) == child);
	}
	say("done\n");
	return 0;
}
