/* fork, exec in the child, and exec in the root itself: every image has its file, with session, process and parent.
 *
 * case: child-execs fork
 * expect: files 3
 * expect: leaf before allocations 4 leaked_blocks 4
 * expect: total end exit:0
 * expect[image=2]: leaf second_image allocations 6 leaked_blocks 3 leaked_bytes 3*64
 * expect[image=2]: total allocations 6 inherited_frees 0 unknown_frees 0 end exit:9
 * expect[image=1]: leaf between_fork_and_exec allocations 2
 * expect[image=1]: total end exec
 *
 * case: root-execs exec
 * expect: files 2
 * expect[exec0]: leaf before allocations 4 leaked_blocks 4
 * expect[exec0]: total end exec
 * expect: leaf second_image allocations 6 leaked_blocks 3 leaked_bytes 3*64
 * expect: total allocations 6 end exit:9
 *
 * case: failing-exec fail
 * expect: files 1
 * expect: leaf before allocations 4 leaked_blocks 4
 * expect: leaf after_failure allocations 3 leaked_blocks 3
 * expect: total end exit:0 lost_events 0
 */
#include "testing.h"

#include <sys/wait.h>

static NOINLINE void before(void)
{
	for (int i = 0; i < 4; i++)
		check(keep(malloc(40)));
}

static NOINLINE void between_fork_and_exec(void)
{
	check(keep(malloc(50)) && keep(malloc(50)));
}

static NOINLINE void second_image(void)
{
	for (int i = 0; i < 6; i++) {
		void *p = keep(malloc(64));
		if (i % 2)
			free(p);
	}
}

static NOINLINE void after_failure(void)
{
	for (int i = 0; i < 3; i++)
		check(keep(malloc(7)));
}

int main(int argc, char **argv)
{
	check(argc == 2);
	if (strcmp(argv[1], "second") == 0) {
		second_image();
		return 9;
	}
	before();
	if (strcmp(argv[1], "fail") == 0) {
		check(execl("./no/such/program", "program", (char *)NULL) == -1 && errno == ENOENT);
		after_failure();
		say("done\n");
		return 0;
	}
	pid_t child = strcmp(argv[1], "fork") == 0 ? fork() : 0;
	if (child == 0) {
		if (strcmp(argv[1], "fork") == 0)
			between_fork_and_exec();
		execl("/proc/self/exe", argv[0], "second", (char *)NULL);
		_exit(99);
	}
	int status;
	check(waitpid(child, &status, 0) == child);
	say("child %d\n", WEXITSTATUS(status));
	return 0;
}
