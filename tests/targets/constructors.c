/* Constructors and destructors, of the program and of a library it links, and exit handlers: all of them are seen, with
 * their stacks, before main and after it.
 *
 * expect: leaf early_constructor allocations 2 leaked_blocks 1 leaked_bytes 11
 * expect: leaf late_constructor allocations 1 leaked_blocks 0
 * expect: leaf library_constructor allocations 2 leaked_blocks 1 leaked_bytes 55
 * expect: leaf library_destructor allocations 1 leaked_blocks 1 leaked_bytes 66
 * expect: leaf main allocations 1 leaked_blocks 0
 * expect: leaf at_exit allocations 1 leaked_blocks 1 leaked_bytes 33
 * expect: leaf destructor allocations 1 leaked_blocks 1 leaked_bytes 44
 * expect: total leaked_bytes 11+33+44+55+66 lost_events 0 unknown_frees 0 early_events 0
 */
#include "testing.h"

static void *from_constructor;

__attribute__((constructor(101))) static void early_constructor(void)
{
	from_constructor = keep(malloc(10));
	check(keep(malloc(11)));
}

__attribute__((constructor)) static void late_constructor(void)
{
	free(keep(malloc(12)));
}

static void at_exit(void)
{
	check(keep(malloc(33)));
}

__attribute__((destructor)) static void destructor(void)
{
	free(from_constructor);
	check(keep(malloc(44)));
}

int library_touch(void);

int main(void)
{
	check(atexit(at_exit) == 0);
	free(keep(malloc(22)));
	say("done %d\n", library_touch());
	return 0;
}
