/* Wrappers. A shell that execs env that execs the program: several images of one pid, the last one is the root's. And the
 * loader as a command, as build systems use it: the kernel takes the loader for the program, but stacks, leaks and the name
 * of the recording are the program's own.
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
 *
 * case: loader
 * run: /lib64/ld-linux-x86-64.so.2 {}
 * expect: leaf work allocations 7 leaked_blocks 7 leaked_bytes 7*77
 * expect: module by-wrapper leaked_blocks 7
 * expect: total lost_events 0 program_blocks 7 program_bytes 7*77
 * expect: jq summary '.recording.program | endswith("/by-wrapper")'
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
