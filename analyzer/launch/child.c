/* A child process of `tidemark drive`: see child.h. Called by server.c, load.c and ready.c. */
#include "launch/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/proc_stat.h"

/* Above 2: our caller may have closed some of 0..2, and the child's are set from these. */
static int high_fd(int fd)
{
	if (fd < 0 || fd > 2)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return high;
}

int child_pipe(int ends[2], struct err *err)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, "cannot create a pipe");
	ends[0] = high_fd(ends[0]);
	ends[1] = high_fd(ends[1]);
	return ends[0] < 0 || ends[1] < 0 ? err_errno(err, "cannot create a pipe") : 0;
}

static int set_stream(int fd, int stream)
{
	int null = fd < 0 ? high_fd(open("/dev/null", O_RDWR | O_CLOEXEC)) : -1;
	int source = fd < 0 ? null : fd;
	if (source != stream)
		return dup2(source, stream) < 0 ? -1 : 0;
	return fcntl(fd, F_SETFD, 0); /* it is in its place already; let it survive the exec */
}

static int become(const struct child_options *options, pid_t parent)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return -1;
	if (set_stream(options->in, 0) < 0 || set_stream(options->out, 1) < 0 || set_stream(options->err, 2) < 0)
		return -1;
	if (options->sigchld)
		sigaction(SIGCHLD, options->sigchld, NULL);
	sigprocmask(SIG_SETMASK, options->mask, NULL);
	return options->prepare ? options->prepare(options->arg, getpid()) : 0;
}

pid_t child_start(const struct child_options *options, struct err *err)
{
	int result[2], error = 0;
	int failed = child_pipe(result, err);
	if (failed < 0)
		return failed;
	pid_t parent = getpid();
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (become(options, parent) == 0)
			execv(options->path, options->argv);
		error = errno;
		while (write(result[1], &error, sizeof(error)) < 0 && errno == EINTR)
			;
		_exit(127);
	}
	close(result[1]);
	if (pid < 0) {
		close(result[0]);
		return err_errno(err, "cannot fork");
	}
	setpgid(pid, pid); /* whoever comes first */
	ssize_t n;
	do
		n = read(result[0], &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	close(result[0]);
	if (n != sizeof(error))
		return pid;
	waitpid(pid, NULL, 0);
	errno = error;
	return err_errno(err, "cannot run '%s'", options->argv[0]);
}

pid_t child_start_shell(const char *command, unsigned long first, unsigned long second,
    const struct child_options *options, struct err *err)
{
	char numbers[2][24];
	snprintf(numbers[0], sizeof(numbers[0]), "%lu", first);
	snprintf(numbers[1], sizeof(numbers[1]), "%lu", second);
	const char *argv[] = {"sh", "-c", command, "sh", numbers[0], numbers[1], NULL};
	struct child_options shell = *options;
	shell.path = "/bin/sh";
	shell.argv = (char *const *)argv;
	return child_start(&shell, err);
}

void child_kill(pid_t pid, int number)
{
	if (pid <= 0)
		return;
	kill(-pid, number);
	if (getpgid(pid) != pid)
		kill(pid, number);
}

const char *child_fate(char text[CHILD_FATE_BYTES], int status)
{
	if (WIFSIGNALED(status))
		snprintf(text, CHILD_FATE_BYTES, "was killed by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(text, CHILD_FATE_BYTES, "ended with status %d", WEXITSTATUS(status));
	return text;
}

size_t child_adopted(pid_t *pids, size_t n, const pid_t *known, size_t n_known)
{
	size_t found = 0;
	DIR *proc = opendir("/proc");
	if (!proc)
		return 0;
	for (struct dirent *entry; found < n && (entry = readdir(proc));) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		struct proc_stat stat;
		if (pid <= 0 || !proc_stat_read(pid, &stat) || stat.parent != getpid())
			continue;
		bool is_known = false;
		for (size_t i = 0; i < n_known; i++)
			is_known |= known[i] == pid;
		if (!is_known)
			pids[found++] = pid;
	}
	closedir(proc);
	return found;
}
