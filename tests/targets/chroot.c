/* A daemon that drops into an empty root directory, and opens nothing there.
 *
 * expect: leaf after allocations 10 leaked_blocks 10
 * expect: total lost_events 0 broken_stacks 0 end exit:0
 */
#include "testing.h"

#include <sys/stat.h>

static NOINLINE void after(void)
{
	for (int i = 0; i < 10; i++)
		check(keep(malloc(37)));
}

int main(void)
{
	if (mkdir("empty", 0700) && errno != EEXIST)
		return SKIPPED;
	if (chroot("empty") || chdir("/"))
		return SKIPPED; /* needs root */
	after();
	say("done\n");
	return 0;
}
