/* Run a program as if nobody stood between it and its caller: see run.h. Called by cmd_record.
 *
 * All signals are blocked and read from a signalfd: no handler is ever installed, so the child inherits every
 * disposition as we got it. */
#include "launch/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "launch/proc_stat.h"

static int high_fd(int fd)
{
	if (fd < 0 || fd > 2)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* 0..2 may be closed in our caller, and shall be so in the child */
	close(fd);
	return high;
}

static int open_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	ends[0] = high_fd(ends[0]);
	ends[1] = high_fd(ends[1]);
	return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

int run_prepare(struct run *run, struct err *err)
{
	sigset_t all;
	sigfillset(&all);
	memset(run, 0, sizeof(*run));
	run->signals = run->gate = run->exec_result = -1;
	if (sigprocmask(SIG_BLOCK, &all, &run->old_mask) < 0)
		return err_errno(err, "cannot block signals");
	/* An inherited SIG_IGN would let the kernel throw the child's status away. */
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigaction(SIGCHLD, &standard, &run->old_sigchld);
	run->signals = high_fd(signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
	return run->signals < 0 ? err_errno(err, "cannot create a signalfd") : 0;
}

/* What has a NUL byte near its start is no script, bash judges the same way. */
static bool is_text(const char *path)
{
	char start[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, start, sizeof(start));
	if (fd >= 0)
		close(fd);
	return n >= 0 && !memchr(start, '\0', (size_t)n);
}

static void exec_now(const char *path, char *const *argv)
{
	execv(path, argv);
	if (errno != ENOEXEC)
		return;
	bool text = is_text(path);
	errno = ENOEXEC;
	if (!text)
		return;
	/* A script without #!, as execvp(3) treats it. */
	size_t n = 0;
	while (argv[n])
		n++;
	char **arguments = calloc(n + 2, sizeof(*arguments));
	if (!arguments)
		return;
	static char shell[] = "/bin/sh";
	arguments[0] = shell;
	arguments[1] = strdup(path);
	for (size_t i = 1; i < n; i++)
		arguments[i + 1] = argv[i];
	execv(shell, arguments);
}

/* What a service manager says to one process, it says by its pid: sockets that it hands over, deadlines. It means the
 * program. */
static void be_addressed(pid_t parent)
{
	static const char *const names[] = {"LISTEN_PID", "WATCHDOG_PID"};
	char was[16], is[16];
	snprintf(was, sizeof(was), "%d", (int)parent);
	snprintf(is, sizeof(is), "%d", (int)getpid());
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);
		if (value && strcmp(value, was) == 0)
			setenv(names[i], is, 1);
	}
}

static _Noreturn void be_child(struct run *run, int gate, int result, pid_t parent, const char *path, char *const *argv)
{
	char go;
	while (read(gate, &go, 1) < 0 && errno == EINTR)
		;
	/* Whoever kills what he started with SIGKILL means the program; every other signal we can pass on. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(125);
	sigaction(SIGCHLD, &run->old_sigchld, NULL);
	sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
	be_addressed(parent);
	exec_now(path, argv);
	int error = errno;
	while (write(result, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

int run_fork(struct run *run, const char *path, char *const *argv, struct err *err)
{
	int gate[2], result[2];
	if (open_pipe(gate) < 0 || open_pipe(result) < 0)
		return err_errno(err, "cannot create a pipe");
	pid_t parent = getpid();
	fflush(NULL);
	run->pid = fork();
	if (run->pid < 0)
		return err_errno(err, "cannot fork");
	if (run->pid == 0) {
		close(gate[1]);
		be_child(run, gate[0], result[1], parent, path, argv);
	}
	witness_init(&run->witness);
	close(gate[0]);
	close(result[1]);
	run->gate = gate[1];
	run->exec_result = result[0];
	return 0;
}

int run_go(struct run *run)
{
	int error = 0;
	ssize_t n;
	close(run->gate); /* end of file is go as well, and cannot fail */
	run->gate = -1;
	do
		n = read(run->exec_result, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	close(run->exec_result);
	if (n != sizeof(error))
		return 0;
	waitpid(run->pid, NULL, 0);
	witness_release(&run->witness);
	return error ? error : ENOEXEC;
}

/* Is pid the child, or does it descend from it? */
static bool in_childs_tree(const struct run *run, pid_t pid)
{
	struct proc_stat stat;
	for (int level = 0; pid > 1 && level < 64; level++, pid = stat.parent) {
		if (pid == run->pid)
			return true;
		if (!proc_stat_read(pid, &stat))
			return false;
	}
	return false;
}

/* What the terminal sends, it sends to the whole foreground group: the child has it already. */
static bool from_terminal(const struct signalfd_siginfo *info)
{
	switch (info->ssi_signo) {
	case SIGINT:
	case SIGQUIT:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGHUP:
	case SIGCONT:
	case SIGWINCH:
		return info->ssi_code == SI_KERNEL;
	default:
		return false;
	}
}

/* Did the child get this signal already, because it went to the group that we share? A child that left the group gets
 * everything from us: run bare, it would have been the group. */
static bool child_has_it(struct run *run, const struct signalfd_siginfo *info)
{
	if (getpgid(run->pid) != getpgrp())
		return false;
	if (!from_terminal(info) && info->ssi_code != SI_USER)
		return false;
	return witness_saw(&run->witness, (int)info->ssi_signo) || from_terminal(info);
}

static void pass_on(struct run *run, const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;
	bool from_waker = number == SIGCONT && (pid_t)info->ssi_pid == run->waker; /* the child runs already */
	if (number == SIGPIPE || from_waker || child_has_it(run, info))
		return;
	/* Meant for our place as its parent, not for itself. */
	if ((info->ssi_code == SI_USER || info->ssi_code == SI_TKILL) && in_childs_tree(run, (pid_t)info->ssi_pid))
		return;
	if (info->ssi_code == SI_QUEUE) {
		union sigval value = {.sival_ptr = (void *)(uintptr_t)info->ssi_ptr};
		sigqueue(run->pid, number, value);
	} else {
		kill(run->pid, number);
	}
}

/* While we are stopped only the child may be continued (by `kill -CONT` with its pid, by cpulimit), or killed: then
 * this process of its own session wakes us. It repeats, because it may come before we have stopped. */
static pid_t start_waker(const struct run *run)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	pid_t sleeper = getpid(), waker = fork();
	if (waker != 0)
		return waker;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	while (getppid() == sleeper) {
		struct proc_stat stat;
		nanosleep(&pause, NULL);
		if (!proc_stat_read(run->pid, &stat) || stat.state != 'T')
			kill(sleeper, SIGCONT);
	}
	_exit(0);
}

/* Stop as the child did, so that the shell sees its job stop; returns when somebody continued us. */
static void stop_too(struct run *run, int number)
{
	struct sigaction standard = {.sa_handler = SIG_DFL}, old;
	sigset_t one, blocked;
	sigemptyset(&one);
	sigaddset(&one, number);
	pid_t waker = run->waker = start_waker(run);
	if (waker < 0)
		return;
	if (number != SIGSTOP)
		sigaction(number, &standard, &old);
	kill(getpid(), number);
	sigprocmask(SIG_UNBLOCK, &one, &blocked);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	if (number != SIGSTOP)
		sigaction(number, &old, NULL);
	kill(waker, SIGKILL);
	waitpid(waker, NULL, 0);
}

/* returns: true when the child has ended */
static bool reap(struct run *run, int *status)
{
	for (;;) {
		pid_t pid = waitpid(run->pid, status, WNOHANG | WUNTRACED);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0) {
			*status = 125 << 8; /* somebody took the status away; cannot happen by our own doing */
			return true;
		}
		if (pid == 0)
			return false;
		if (!WIFSTOPPED(*status))
			return true;
		stop_too(run, WSTOPSIG(*status));
	}
}

/* Signals that came before the child's end were meant for it. */
static void forget_signals(struct run *run)
{
	struct signalfd_siginfo info;
	while (read(run->signals, &info, sizeof(info)) == sizeof(info))
		;
}

static bool next_signal(struct run *run, struct signalfd_siginfo *info)
{
	struct pollfd readable = {.fd = run->signals, .events = POLLIN};
	poll(&readable, 1, -1);
	return read(run->signals, info, sizeof(*info)) == sizeof(*info);
}

int run_wait(struct run *run)
{
	int status;
	while (!reap(run, &status)) {
		struct signalfd_siginfo info;
		if (next_signal(run, &info) && info.ssi_signo != SIGCHLD)
			pass_on(run, &info);
	}
	forget_signals(run);
	witness_release(&run->witness);
	return status;
}

bool run_interrupted(struct run *run)
{
	struct signalfd_siginfo info;
	bool interrupted = false;
	while (read(run->signals, &info, sizeof(info)) == sizeof(info)) {
		uint32_t n = info.ssi_signo;
		interrupted |= n == SIGINT || n == SIGTERM || n == SIGHUP || n == SIGQUIT;
	}
	return interrupted;
}

void run_end_as(int status)
{
	if (!WIFSIGNALED(status))
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 125);
	int number = WTERMSIG(status);
	struct rlimit no_core = {0, 0};
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t one;
	fflush(NULL);
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0); /* a core_pattern with a pipe ignores the limit, core(5) */
	sigaction(number, &standard, NULL);
	sigemptyset(&one);
	sigaddset(&one, number);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	kill(getpid(), number);
	exit(128 + number); /* PID 1 of a container cannot be killed by its own signals */
}
