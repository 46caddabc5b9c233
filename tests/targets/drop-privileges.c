/* A daemon started by root that becomes somebody else, then forks: both are recorded to the end although neither could write
 * the files itself.
 *
 * expect: files 2
 * expect: leaf after allocations 10 leaked_blocks 10
 * expect: total lost_events 0 broken_stacks 0 end exit:0
 * expect[child]: leaf after allocations 10 leaked_blocks 10
 * expect[child]: total lost_events 0 end exit:3
 */
#include "testing.h"

#include <grp.h>
#include <sys/wait.h>

static NOINLINE void after(void)
{
	for (int i = 0; i < 10; i++)
		check(keep(malloc(47)));
}

int main(void)
{
	if (getuid() != 0 || setgroups(0, NULL) || setgid(65534) || setuid(65534))
		return SKIPPED;
	after();
	pid_t child = fork();
	if (child == 0) {
		after();
		_exit(3);
	}
	int status;
	check(waitpid(child, &status, 0) == child);
	say("child %d\n", WEXITSTATUS(status));
	return 0;
}
