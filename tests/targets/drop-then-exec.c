/* The entry point of a container: root becomes somebody else and execs the server, which starts others. All are recorded,
 * though the recording belongs to root.
 *
 * expect: files 3
 * expect[exec0]: leaf keep_one allocations 1
 * expect[exec0]: total end exec
 * expect: leaf keep_one allocations 1 leaked_blocks 1
 * expect: total lost_events 0 end exit:4
 * expect[child]: leaf keep_one allocations 1 leaked_blocks 1
 * expect[child]: total lost_events 0 end exit:3
 */
#include "testing.h"

#include <grp.h>
#include <sys/wait.h>

static NOINLINE void keep_one(void)
{
	check(keep(malloc(47)));
}

static void serve(const char *self)
{
	pid_t child = fork();
	if (child == 0) {
		execl(self, self, "child", NULL);
		_exit(99);
	}
	int status;
	check(waitpid(child, &status, 0) == child);
	say("child %d\n", WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	keep_one();
	if (argc == 2 && strcmp(argv[1], "child") == 0)
		return 3;
	if (argc == 2) {
		serve(argv[0]);
		return 4;
	}
	if (getuid() != 0 || setgroups(0, NULL) || setgid(65534) || setuid(65534) || access(argv[0], X_OK) != 0)
		return SKIPPED;
	execl(argv[0], argv[0], "server", NULL);
	return 98;
}
