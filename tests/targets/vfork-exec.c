/* vfork shares the heap: what the child allocates before its exec belongs to the parent; the exec'd image has its own file.
 *
 * expect: files 51
 * expect: leaf before allocations 50 leaked_blocks 50
 * expect: leaf in_vfork_child allocations 50 leaked_blocks 50 leaked_bytes 50*21
 * expect: leaf after allocations 50 leaked_blocks 0
 * expect: total lost_events 0 unknown_frees 0 inherited_frees 0 end exit:0
 * expect[each-child]: leaf second_image allocations 2 leaked_blocks 1 leaked_bytes 5
 * expect[each-child]: total end exit:8
 */
#include "testing.h"

#include <sys/wait.h>

static void *volatile from_child;

static NOINLINE void before(void)
{
	check(keep(malloc(20)));
}

static NOINLINE void in_vfork_child(void)
{
	from_child = keep(malloc(21));
}

static NOINLINE void after(void)
{
	check(from_child);
	free(keep(malloc(22)));
}

static NOINLINE void second_image(void)
{
	free(keep(malloc(4)));
	check(keep(malloc(5)));
}

int main(int argc, char **argv)
{
	if (argc == 2) {
		second_image();
		return 8;
	}
	for (volatile int i = 0; i < 50; i++) {
		before();
		pid_t child = vfork();
		if (child == 0) {
			in_vfork_child();
			execl("/proc/self/exe", argv[0], "second", (char *)NULL);
			_exit(99);
		}
		int status;
		check(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 8);
		after();
	}
	say("done\n");
	return 0;
}
