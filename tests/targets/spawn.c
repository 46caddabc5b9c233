/* posix_spawn, system() and popen(): the children's images are recorded, the parent's exit status and waits are its own.
 *
 * case: posix-spawn spawn
 * expect: files 11
 * expect: leaf parent_work allocations 10 leaked_blocks 10
 * expect: total lost_events 0 unknown_frees 0
 * expect[each-child]: leaf second_image allocations 3 leaked_blocks 2
 * expect[each-child]: total end exit:6
 *
 * case: system system
 * expect: files 3
 * expect: leaf parent_work allocations 1 leaked_blocks 1
 * expect[last]: leaf second_image allocations 3 leaked_blocks 2
 *
 * case: popen popen
 * expect: files 3
 * expect: leaf parent_work allocations 1
 * expect[last]: leaf second_image allocations 3 leaked_blocks 2
 */
#include "testing.h"

#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static NOINLINE void parent_work(void)
{
	check(keep(malloc(9)));
}

static NOINLINE void second_image(void)
{
	free(keep(malloc(4)));
	check(keep(malloc(5)) && keep(malloc(6)));
}

static char command[] = "\"$SELF\" second; exit $?";

int main(int argc, char **argv)
{
	check(argc == 2);
	if (strcmp(argv[1], "second") == 0) {
		second_image();
		say("second\n");
		return 6;
	}
	check(setenv("SELF", argv[0], 1) == 0);
	if (strcmp(argv[1], "system") == 0) {
		int status = system(command);
		say("system %d\n", WEXITSTATUS(status));
		parent_work();
	} else if (strcmp(argv[1], "popen") == 0) {
		char line[100];
		FILE *pipe = popen(command, "r");
		check(pipe && fgets(line, sizeof(line), pipe));
		int status = pclose(pipe);
		say("popen %s %d\n", line, WEXITSTATUS(status));
		parent_work();
	} else {
		for (int i = 0; i < 10; i++) {
			char *args[] = {argv[0], (char *)"second", NULL};
			pid_t child;
			int status;
			check(posix_spawn(&child, "/proc/self/exe", NULL, NULL, args, environ) == 0);
			check(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 6);
			parent_work();
		}
	}
	check(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
	return 0;
}
