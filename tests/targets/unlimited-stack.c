/* A main stack without a limit, and on it an array of 200 MB: the frames below are still known to be on it, so that they are
 * walked to the root, however many there are.
 *
 * run: sh -c "ulimit -s unlimited 2>/dev/null; exec {}"
 * expect: leaf allocate allocations 3 bytes 300
 * expect: site main allocations 3
 * expect: total lost_events 0 broken_stacks 0
 */
#include "testing.h"

#include <alloca.h>
#include <sys/resource.h>

NOINLINE void allocate(void)
{
	free(keep(malloc(100)));
}

NOINLINE void descend(int n)
{
	if (n == 0)
		allocate();
	else
		descend(n - 1);
	keep(n);
}

NOINLINE void below(size_t bytes)
{
	keep(alloca(bytes));
	for (int i = 1; i <= 3; i++)
		descend(5000 * i);
}

int main(void)
{
	struct rlimit limit;
	check(getrlimit(RLIMIT_STACK, &limit) == 0);
	if (limit.rlim_cur != RLIM_INFINITY)
		return SKIPPED;
	below(200000000);
	say("done\n");
	return 0;
}
