/* Handlers on small alternate stacks that allocate at points where that is allowed; their stacks reach down to main.
 *
 * expect: leaf in_handler allocations 2000 leaked_blocks 1000 leaked_bytes 1000*6
 * expect: site raise_here allocations 2000
 * expect: leaf between allocations 1000 leaked_blocks 0
 * expect: total lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <signal.h>

static NOINLINE void in_handler(void)
{
	void *p = keep(malloc(100));
	check(keep(malloc(6)));
	free(p);
}

static void handler(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
	in_handler();
}

static NOINLINE void raise_here(void)
{
	check(raise(SIGUSR2) == 0);
}

static NOINLINE void between(void)
{
	free(keep(malloc(70)));
}

int main(void)
{
	static char room[8192];
	stack_t stack = {.ss_sp = room, .ss_size = sizeof(room)}, now;
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_ONSTACK | SA_SIGINFO};
	check(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
	for (int i = 0; i < 1000; i++) {
		raise_here();
		between();
	}
	check(sigaltstack(NULL, &now) == 0 && now.ss_sp == room && now.ss_size == sizeof(room));
	say("done\n");
	return 0;
}
