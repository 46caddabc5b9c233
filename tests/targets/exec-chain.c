/* Wrappers: a shell that execs env that execs the program: several images of one pid, the last one is the root's.
 *
 * case: shell-env
 * run: sh -c 'exec env MARK=1 "$0"' {}
 * expect: files 3
 * expect: leaf work allocations 7 leaked_blocks 7 leaked_bytes 7*77
 * expect[exec0]: total end exec
 * expect[exec1]: total end exec
 * expect: total end exit:11 allocations 7
 *
 * case: taskset
 * run: taskset 3 nice -n 1 {}
 * expect: files 3
 * expect: leaf work allocations 7 leaked_blocks 7
 * expect: total end exit:11
 */
#include "testing.h"

static NOINLINE void work(void)
{
	for (int i = 0; i < 7; i++)
		check(keep(malloc(77)));
}

int main(void)
{
	work();
	say("done\n");
	return 11;
}
