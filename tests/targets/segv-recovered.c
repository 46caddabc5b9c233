/* Faults that the program handles itself, as runtimes with guard pages do: recording goes on.
 *
 * expect: leaf after allocations 200 leaked_blocks 100 leaked_bytes 100*9
 * expect: total allocations 200 lost_events 0
 */
#include "testing.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf home;

static void handler(int signal)
{
	(void)signal;
	siglongjmp(home, 1);
}

static NOINLINE void after(void)
{
	check(keep(malloc(9)));
	free(keep(malloc(10)));
}

int main(void)
{
	struct sigaction action = {.sa_handler = handler};
	volatile char *guard = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(guard != MAP_FAILED && sigaction(SIGSEGV, &action, NULL) == 0);
	for (volatile int i = 0; i < 100; i++) {
		if (sigsetjmp(home, 1) == 0) {
			*guard = 1;
			check(0);
		}
		after();
	}
	say("done\n");
	return 0;
}
