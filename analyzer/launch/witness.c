/* Was a signal sent to our whole process group? See witness.h. Called by run.c. */
#include "launch/witness.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GROUP_DELAY_NS 2000000
#define ANSWER_MS 1000

static uint64_t take_pending(void)
{
	const struct timespec at_once = {0, 0};
	uint64_t taken = 0;
	sigset_t all;
	sigfillset(&all);
	for (int number; (number = sigtimedwait(&all, NULL, &at_once)) > 0;)
		taken |= 1ull << (number - 1);
	return taken;
}

/* Signals stay pending until we are asked, however long that takes: none is missed in between. */
static _Noreturn void be_witness(int socket)
{
	char ask;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(socket, 0);
	syscall(SYS_close_range, 1u, ~0u, 0u);
	while (recv(0, &ask, 1, 0) == 1) {
		uint64_t taken = take_pending();
		if (send(0, &taken, sizeof(taken), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

void witness_init(struct witness *witness)
{
	int sockets[2];
	*witness = (struct witness){.socket = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return;
	witness->pid = fork();
	if (witness->pid == 0)
		be_witness(sockets[1]);
	close(sockets[1]);
	witness->socket = sockets[0];
}

void witness_release(struct witness *witness)
{
	if (witness->socket >= 0)
		close(witness->socket);
	witness->socket = -1;
	if (witness->pid <= 0)
		return;
	kill(witness->pid, SIGKILL);
	waitpid(witness->pid, NULL, 0);
	witness->pid = 0;
}

/* Somebody may have killed or stopped it: then it saw nothing. */
static void ask(struct witness *witness)
{
	uint64_t taken;
	struct pollfd answer = {.fd = witness->socket, .events = POLLIN};
	if (send(witness->socket, "", 1, MSG_NOSIGNAL) == 1 && poll(&answer, 1, ANSWER_MS) == 1 &&
	    recv(witness->socket, &taken, sizeof(taken), 0) == sizeof(taken))
		witness->seen |= taken;
	else
		witness_release(witness);
}

bool witness_saw(struct witness *witness, int number)
{
	const struct timespec delay = {.tv_nsec = GROUP_DELAY_NS};
	uint64_t bit = 1ull << (number - 1);
	if (witness->socket < 0)
		return false;
	if (!(witness->seen & bit))
		ask(witness);
	if (!(witness->seen & bit)) {
		nanosleep(&delay, NULL);
		ask(witness);
	}
	bool saw = witness->seen & bit;
	witness->seen &= ~bit;
	return saw;
}
