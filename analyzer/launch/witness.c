/* Was a signal sent to our whole process group? See witness.h. Called by run.c. */
#include "launch/witness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GROUP_DELAY_NS 2000000

static pid_t start(void)
{
	pid_t parent = getpid(), pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	syscall(SYS_close_range, 0u, ~0u, 0u);
	while (getppid() == parent)
		pause();
	_exit(0);
}

static void stop(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

void witness_init(struct witness *witness)
{
	*witness = (struct witness){.pid = start()};
}

void witness_release(struct witness *witness)
{
	stop(witness->pid);
	witness->pid = 0;
}

/* Bit N - 1: signal N is pending in the process. */
static uint64_t pending_in(pid_t pid)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *shared = strstr(text, "\nShdPnd:");
	return shared ? strtoull(shared + 8, NULL, 16) : 0;
}

/* What is pending cannot be taken away from outside: note all of it, and go on with a new witness that has nothing. */
static void look(struct witness *witness)
{
	uint64_t pending = pending_in(witness->pid);
	if (!pending)
		return;
	witness->seen |= pending;
	stop(witness->pid);
	witness->pid = start();
}

bool witness_saw(struct witness *witness, int number)
{
	const struct timespec delay = {.tv_nsec = GROUP_DELAY_NS};
	uint64_t bit = 1ull << (number - 1);
	if (witness->pid <= 0)
		return false;
	look(witness);
	if (!(witness->seen & bit)) {
		nanosleep(&delay, NULL);
		look(witness);
	}
	bool saw = witness->seen & bit;
	witness->seen &= ~bit;
	return saw;
}
