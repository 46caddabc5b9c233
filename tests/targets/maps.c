/* Anonymous mappings, recorded on request: mmap, mremap and munmap with their sizes; blocks of malloc's own are no maps.
 *
 * env: TIDEMARK_MMAP=1
 * expect: maps map_some 3 3*65536
 * expect: unmaps 2
 * expect: total allocations 1 lost_events 0
 */
#include "testing.h"

#include <sys/mman.h>

static NOINLINE void *map_some(void)
{
	void *p = MAP_FAILED;
	for (int i = 0; i < 3; i++) {
		p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(p != MAP_FAILED);
		if (i)
			check(munmap(p, 65536) == 0);
	}
	return p;
}

int main(void)
{
	void *p = keep(malloc(10 << 20)); /* mmap inside libc: not through the hook */
	map_some();
	free(p);
	say("done\n");
	return 0;
}
