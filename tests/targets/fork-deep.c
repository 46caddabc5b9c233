/* A chain of five forks: each process has its file, and knows its parent.
 *
 * expect: files 6
 * expect: leaf at_level allocations 1 leaked_bytes 100
 * expect[image=1]: leaf at_level allocations 2 leaked_bytes 101+101
 * expect[image=5]: leaf at_level allocations 6 leaked_blocks 6 leaked_bytes 6*105
 * expect[image=5]: total inherited_frees 1 unknown_frees 0
 * expect[image=5]: parent image=4
 * expect[image=1]: parent root
 */
#include "testing.h"

#include <sys/wait.h>

static void *last;

static NOINLINE void at_level(int level)
{
	free(last); /* the parent's */
	for (int i = 0; i <= level; i++)
		last = keep(malloc(100 + (size_t)level));
}

int main(void)
{
	int level = 0;
	at_level(0);
	while (level < 5) {
		pid_t pid = fork();
		check(pid >= 0);
		if (pid > 0) {
			int status;
			check(waitpid(pid, &status, 0) == pid);
			if (level == 0)
				say("status %d\n", WEXITSTATUS(status));
			return WEXITSTATUS(status) + 1;
		}
		at_level(++level);
		free(keep(malloc(0)));
	}
	return 10;
}
