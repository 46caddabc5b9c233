/* What a program can see of itself is as if bare: descriptors, children, threads, signals, limits, directory, environment,
 * timers, name. Not whether it leads its process group: under `record` that is record, whose group it shares so that job
 * control works.
 *
 * expect: total lost_events 0
 */
#include "testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

extern char **environ;

static void show_descriptors(void)
{
	for (int fd = 0; fd < 4096; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			say("descriptor %d flags %d\n", fd, fcntl(fd, F_GETFD));
	}
	say("next descriptor %d\n", open("/dev/null", O_RDONLY));
}

static int count_tasks(void)
{
	char room[4096];
	int n = 0, fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY);
	for (long got; (got = syscall(SYS_getdents64, fd, room, sizeof(room))) > 0;) {
		for (long at = 0; at < got;) {
			const unsigned char *entry = (unsigned char *)room + at;
			n += entry[19] != '.';
			at += entry[16] | entry[17] << 8;
		}
	}
	close(fd);
	return n;
}

static void show_signals(void)
{
	sigset_t mask, pending;
	check(sigprocmask(SIG_SETMASK, NULL, &mask) == 0 && sigpending(&pending) == 0);
	for (int i = 1; i < 65; i++) {
		struct sigaction action;
		if (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			say("signal %d handled\n", i);
		if (sigismember(&mask, i) == 1)
			say("signal %d blocked\n", i);
		if (sigismember(&pending, i) == 1)
			say("signal %d pending\n", i);
	}
	stack_t stack;
	check(sigaltstack(NULL, &stack) == 0);
	say("alternate stack %d\n", stack.ss_flags);
}

static void show_limits(void)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;
		if (getrlimit(i, &limit) == 0)
			say("limit %d %llu %llu\n", i, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
	}
}

static void show_rest(void)
{
	char name[17] = "", directory[4096];
	struct itimerval timer;
	prctl(PR_GET_NAME, name);
	check(getcwd(directory, sizeof(directory)));
	say("name %s\ndirectory %s\n", name, directory);
	mode_t mask = umask(0);
	say("umask %o\n", (unsigned)mask);
	for (int i = 0; i < 3; i++) {
		check(getitimer(i, &timer) == 0);
		say("timer %d %ld %ld\n", i, (long)timer.it_value.tv_sec, (long)timer.it_value.tv_usec);
	}
	say("subreaper %d dumpable %d deathsig %d\n", prctl(PR_GET_CHILD_SUBREAPER, name), prctl(PR_GET_DUMPABLE), 0);
	say("nice %d\n", getpriority(PRIO_PROCESS, 0));
	for (char **e = environ; *e; e++) {
		if (strncmp(*e, "LD_PRELOAD=", 11) && strncmp(*e, "TIDEMARK_", 9))
			say("environment %s\n", *e);
	}
}

int main(void)
{
	int status;
	show_descriptors();
	say("tasks %d\n", count_tasks());
	say("wait %d", (int)waitpid(-1, &status, __WALL));
	say(" %d\n", errno);
	show_signals();
	show_limits();
	show_rest();
	return 0;
}
