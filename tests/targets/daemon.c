/* A daemon by the book: double fork, setsid, every descriptor closed, standard ones reopened on /dev/null. It works on
 * after the program that started it is gone, and its file tells all of it.
 *
 * expect: files 3
 * expect: leaf starter allocations 3 leaked_blocks 3
 * expect: total end exit:0
 * expect[last]: leaf serve allocations 2000 leaked_blocks 1000 leaked_bytes 1000*18
 * expect[last]: total lost_events 0 unknown_frees 0 end exit:2
 */
#include "testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static NOINLINE void starter(void)
{
	for (int i = 0; i < 3; i++)
		check(keep(malloc(17)));
}

static NOINLINE void serve(void)
{
	for (int i = 0; i < 1000; i++) {
		check(keep(malloc(18)));
		free(keep(malloc(19)));
		if (i % 100 == 0)
			usleep(20000);
	}
}

int main(void)
{
	starter();
	pid_t child = fork();
	if (child == 0) {
		check(setsid() > 0);
		free(keep(malloc(16)));
		if (fork() > 0)
			_exit(0);
		check(chdir("/") == 0);
		umask(0);
		for (int fd = 0; fd < 4096; fd++)
			close(fd);
		check(open("/dev/null", O_RDWR) == 0 && dup(0) == 1 && dup(0) == 2);
		serve();
		exit(2);
	}
	check(waitpid(child, NULL, 0) == child);
	say("started\n");
	return 0;
}
