/* Deep stacks: 200 frames are kept whole; of 100,000 the leaf and the root are kept and the cut is marked.
 *
 * case: whole 200
 * expect: leaf bottom allocations 3 leaked_blocks 1 leaked_bytes 21
 * expect: stack bottom frames 205 count:descend 200 leaf bottom contains main cut 0
 * expect: total lost_events 0 broken_stacks 0 cut_stacks 0
 *
 * case: cut 100000
 * expect: leaf bottom allocations 3 leaked_blocks 1 leaked_bytes 21
 * expect: stack bottom frames 257 count:descend 251 leaf bottom contains main cut 1
 * expect: total lost_events 0 broken_stacks 0 cut_stacks 3
 *
 * case: shallow-limit 200
 * env: TIDEMARK_DEPTH=16
 * expect: stack bottom frames 17 leaf bottom contains main cut 1
 * expect: leaf bottom allocations 3 leaked_blocks 1
 *
 * case: deep-limit 1000
 * env: TIDEMARK_DEPTH=4096
 * expect: stack bottom frames 1005 count:descend 1000 leaf bottom contains main cut 0
 */
#include "testing.h"

#include <sys/resource.h>

static NOINLINE int bottom(void)
{
	void *a = keep(malloc(19)), *b = keep(malloc(20)), *c = keep(malloc(21));
	free(a);
	free(b);
	return c != NULL;
}

static NOINLINE int descend(int depth)
{
	return (depth > 1 ? descend(depth - 1) : bottom()) + 1;
}

int main(int argc, char **argv)
{
	check(argc == 2);
	say("depth %d\n", descend(atoi(argv[1])) - 1);
	return 0;
}
