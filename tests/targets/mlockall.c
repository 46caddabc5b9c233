/* mlockall before and after: no gigabyte of sparse mappings becomes resident, and the recording goes on.
 *
 * expect: leaf after allocations 1000 leaked_blocks 10
 * expect: total lost_events 0 peak_rss_bytes 1..200000000
 */
#include "testing.h"

#include <sys/mman.h>

static NOINLINE void after(void)
{
	for (int i = 0; i < 1000; i++) {
		void *p = keep(malloc(40));
		if (i % 100)
			free(p);
	}
}

int main(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		return SKIPPED;
	usleep(100000); /* several samples of RSS see what is locked */
	after();
	usleep(100000);
	say("done\n");
	return 0;
}
