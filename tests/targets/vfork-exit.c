/* Children whose own vfork child leaves by _exit, on their memory, and who are killed and reaped right after: its status
 * must not pass for theirs. Nobody may be able to say that they were killed.
 *
 * expect: files 51
 * expect: total end exit:0 lost_events 0
 * expect[each-child]: leaf in_child allocations 2 leaked_blocks 1 leaked_bytes 9
 * expect[each-child]: total end signal:9|unknown lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <signal.h>
#include <sys/wait.h>

static NOINLINE void in_child(void)
{
	free(keep(malloc(7)));
	check(keep(malloc(9)));
}

static void vfork_and_exit(void)
{
	int status;
	pid_t child = vfork();
	if (child == 0)
		_exit(7);
	check(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
}

int main(void)
{
	for (volatile int i = 0; i < 50; i++) {
		int status;
		pid_t child = fork();
		if (child == 0) {
			in_child();
			vfork_and_exit();
			raise(SIGKILL);
		}
		check(child > 0 && waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
	}
	say("done\n");
	return 0;
}
