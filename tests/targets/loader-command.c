/* A program that is started by the loader as a command, as wrappers of build systems do: the kernel takes the loader for the
 * program, but stacks, leaks and the name of the recording are the program's own.
 *
 * run: /lib64/ld-linux-x86-64.so.2 {}
 * expect: leaf keep_some allocations 3 leaked_blocks 3 leaked_bytes 3*21
 * expect: module loader-command leaked_blocks 3
 * expect: total lost_events 0 program_blocks 3 program_bytes 3*21
 * expect: jq summary '.recording.program | endswith("/loader-command")'
 */
#include "testing.h"

static NOINLINE void keep_some(void)
{
	for (int i = 0; i < 3; i++)
		check(keep(malloc(21)));
}

int main(void)
{
	keep_some();
	say("done\n");
	return 0;
}
