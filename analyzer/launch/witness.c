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

void witness_init(struct witness *witness)
{
	pid_t parent = getpid();
	witness->pid = fork();
	if (witness->pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	syscall(SYS_close_range, 0u, ~0u, 0u);
	while (getppid() == parent)
		pause();
	_exit(0);
}

void witness_release(struct witness *witness)
{
	if (witness->pid <= 0)
		return;
	kill(witness->pid, SIGKILL);
	waitpid(witness->pid, NULL, 0);
	witness->pid = 0;
}

void witness_renew(struct witness *witness)
{
	witness_release(witness);
	witness_init(witness);
}

static bool is_pending(pid_t pid, int number)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *shared = strstr(text, "\nShdPnd:");
	return shared && (strtoull(shared + 8, NULL, 16) >> (number - 1) & 1);
}

bool witness_saw(struct witness *witness, int number)
{
	const struct timespec delay = {.tv_nsec = GROUP_DELAY_NS};
	if (witness->pid <= 0)
		return false;
	bool saw = is_pending(witness->pid, number);
	if (!saw) {
		nanosleep(&delay, NULL);
		saw = is_pending(witness->pid, number);
	}
	if (saw)
		witness_renew(witness);
	return saw;
}
