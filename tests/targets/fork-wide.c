/* Sixty-four children at once, all allocating.
 *
 * expect: files 65
 * expect[each-child]: leaf in_child allocations 2000 leaked_blocks 20 leaked_bytes 20*51
 * expect[each-child]: total lost_events 0 unknown_frees 0
 * expect: total allocations 0 lost_events 0 end exit:0
 */
#include "testing.h"

#include <sys/wait.h>

static NOINLINE void in_child(void)
{
	for (int i = 0; i < 2000; i++) {
		void *p = keep(malloc(51));
		if (i % 100)
			free(p);
	}
}

int main(void)
{
	pid_t children[64];
	for (int i = 0; i < 64; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			in_child();
			_exit(0);
		}
		check(children[i] > 0);
	}
	for (int i = 0; i < 64; i++)
		check(waitpid(children[i], NULL, 0) == children[i]);
	say("done\n");
	return 0;
}
