/* A child that reallocs and frees what it inherited: births are its own, the old blocks are inherited, nothing is unknown.
 *
 * expect: files 2
 * expect[child]: leaf in_child allocations 10 bytes 10*100 leaked_blocks 5
 * expect[child]: total inherited_frees 10 unknown_frees 0 implicit_frees 0 leaked_bytes 500
 */
#include "testing.h"

#include <sys/wait.h>

static void *blocks[10];

static NOINLINE void in_child(void)
{
	for (int i = 0; i < 10; i++)
		blocks[i] = keep(realloc(blocks[i], 100));
	for (int i = 0; i < 5; i++)
		free(blocks[i]);
}

int main(void)
{
	for (int i = 0; i < 10; i++)
		blocks[i] = keep(malloc(10));
	pid_t child = fork();
	if (child == 0) {
		in_child();
		_exit(0);
	}
	check(waitpid(child, NULL, 0) == child);
	say("done\n");
	return 0;
}
