/* Double fork without setsid: the middle process ends at once (it has an event: a child
 * that never touches the heap has no file), the grandchild outlives the root.
 *
 * expect: files 3
 * expect: leaf in_root allocations 1 leaked_blocks 1
 * expect: total end exit:0 lost_events 0
 * expect[image=1]: total end exit:0
 * expect[image=2]: leaf in_grandchild allocations 500 leaked_blocks 250 leaked_bytes 250*27
 * expect[image=2]: total end exit:3 lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <sys/wait.h>

static NOINLINE void in_root(void)
{
	check(keep(malloc(26)));
}

static NOINLINE void in_grandchild(void)
{
	usleep(300000);
	for (int i = 0; i < 500; i++) {
		void *p = keep(malloc(27));
		if (i % 2)
			free(p);
	}
}

int main(void)
{
	in_root();
	pid_t child = fork();
	if (child == 0) {
		free(keep(malloc(25)));
		if (fork() == 0) {
			in_grandchild();
			exit(3);
		}
		_exit(0);
	}
	check(waitpid(child, NULL, 0) == child);
	say("done\n");
	return 0;
}
