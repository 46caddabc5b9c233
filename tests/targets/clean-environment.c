/* A child that is started with an empty environment is not recorded, and runs as if bare; the parent's recording ends well.
 *
 * expect: files 1
 * expect: leaf work allocations 3 leaked_blocks 3
 * expect: total lost_events 0 end exit:0
 */
#include "testing.h"

#include <sys/wait.h>

static NOINLINE void work(void)
{
	for (int i = 0; i < 3; i++)
		check(keep(malloc(38)));
}

int main(int argc, char **argv)
{
	if (argc == 2) {
		check(getenv("LD_PRELOAD") == NULL);
		work();
		say("child\n");
		return 0;
	}
	pid_t child = vfork();
	if (child == 0) {
		char *nothing[] = {NULL}, *args[] = {argv[0], (char *)"child", NULL};
		execve("/proc/self/exe", args, nothing);
		_exit(99);
	}
	int status;
	check(waitpid(child, &status, 0) == child);
	work();
	say("child %d\n", WEXITSTATUS(status));
	return 0;
}
