/* A process that makes itself unreadable for others, as after a change of user: its memory map cannot be read from outside,
 * its stacks have names all the same.
 *
 * expect: leaf after allocations 10 leaked_blocks 10
 * expect: total lost_events 0 broken_stacks 0
 */
#include "testing.h"

#include <sys/prctl.h>

static NOINLINE void after(void)
{
	for (int i = 0; i < 10; i++)
		check(keep(malloc(36)));
}

int main(void)
{
	check(prctl(PR_SET_DUMPABLE, 0) == 0);
	after();
	say("done\n");
	return 0;
}
