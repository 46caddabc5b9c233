/* A forked child: its own events in its own file, frees of inherited blocks counted apart, the parent's file untouched.
 *
 * case: recorded
 * expect: files 2
 * expect: leaf before_fork allocations 20 leaked_blocks 20 leaked_bytes 20*10
 * expect: leaf in_parent allocations 5 leaked_blocks 5 leaked_bytes 5*20
 * expect: site in_child allocations 0
 * expect: total allocations 25 frees 0 inherited_frees 0 unknown_frees 0 lost_events 0 end exit:3
 * expect[child]: leaf in_child allocations 30 leaked_blocks 10 leaked_bytes 10*30
 * expect[child]: total allocations 30 frees 20 inherited_frees 15 unknown_frees 0 lost_events 0 end exit:5
 * expect[child]: site before_fork allocations 0
 * expect[child]: parent root
 *
 * case: children-off
 * env: TIDEMARK_CHILDREN=0
 * expect: files 1
 * expect: leaf before_fork allocations 20 leaked_blocks 20
 * expect: leaf in_parent allocations 5
 * expect: site in_child allocations 0
 * expect: total frees 0 unknown_frees 0 lost_events 0 end exit:3
 */
#include "testing.h"

#include <sys/wait.h>

static void *blocks[20];

static NOINLINE void before_fork(void)
{
	for (int i = 0; i < 20; i++)
		blocks[i] = keep(malloc(10));
}

static NOINLINE void in_child(void)
{
	for (int i = 0; i < 30; i++) {
		void *p = keep(malloc(30));
		if (i % 3)
			free(p);
	}
	for (int i = 0; i < 15; i++)
		free(blocks[i]);
}

static NOINLINE void in_parent(void)
{
	for (int i = 0; i < 5; i++)
		check(keep(malloc(20)));
}

int main(void)
{
	int status;
	before_fork();
	pid_t child = fork();
	if (child == 0) {
		in_child();
		exit(5);
	}
	in_parent();
	check(waitpid(child, &status, 0) == child);
	say("child %d\n", WEXITSTATUS(status));
	return 3;
}
