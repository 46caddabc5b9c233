/* The earliest code that a program can run, before any constructor: its blocks are counted.
 *
 * expect: leaf earliest allocations 3 leaked_blocks 2 leaked_bytes 90
 * expect: total allocations 4 frees 1 leaked_bytes 90+46 lost_events 0 unknown_frees 0
 */
#include "testing.h"

static void earliest(int argc, char **argv, char **environment)
{
	(void)argc;
	(void)argv;
	(void)environment;
	free(keep(malloc(44)));
	check(keep(malloc(45)) && keep(calloc(5, 9)));
}

__attribute__((section(".preinit_array"), used)) static void (*const hook)(int, char **, char **) = earliest;

int main(void)
{
	check(keep(malloc(46)));
	say("done\n");
	return 0;
}
