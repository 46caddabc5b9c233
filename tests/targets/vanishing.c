/* Children that are dead before anybody can look at them, made past libc, so that the kernel marks no ring of theirs:
 * each still has its file, and the session ends with the root.
 *
 * case: exit exit
 * expect: files 31
 * expect: leaf in_root allocations 3 leaked_blocks 3
 * expect: total peak_rss_bytes >=65536
 * expect[each-child]: leaf in_child allocations 4 leaked_blocks 2 leaked_bytes 2*31
 * expect[each-child]: total lost_events 0 unknown_frees 0
 *
 * case: kill kill
 * expect: files 31
 * expect[each-child]: leaf in_child allocations 4 leaked_blocks 2
 *
 * case: orphans orphans
 * expect: files 31
 * expect[each-child]: leaf in_child allocations 4 leaked_blocks 2
 */
#include "testing.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static NOINLINE void in_root(void)
{
	for (int i = 0; i < 3; i++)
		check(keep(malloc(30)));
}

static NOINLINE void in_child(void)
{
	for (int i = 0; i < 4; i++) {
		void *p = keep(malloc(31));
		if (i % 2)
			free(p);
	}
}

static void child(const char *how)
{
	in_child();
	if (strcmp(how, "kill") == 0)
		kill((pid_t)syscall(SYS_getpid), SIGKILL);
	_exit(0);
}

int main(int argc, char **argv)
{
	check(argc == 2);
	int reaps = strcmp(argv[1], "orphans") != 0;
	in_root();
	for (int i = 0; i < 30; i++) {
		long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		check(pid >= 0);
		if (pid == 0)
			child(argv[1]);
		if (reaps)
			check(waitpid((pid_t)pid, NULL, 0) == pid);
	}
	say("done\n");
	return 0;
}
