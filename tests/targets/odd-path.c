/* The program lies in a folder whose name has blanks, quotes, semicolons, a newline and letters beyond ASCII, and takes such
 * arguments: every report stays well-formed and finds its lines.
 *
 * case: odd
 * copy: "odd 'na\"me; x\nüß\t&<b>%p/prog;ram é"
 * args: ["a;b", "c'd\"", "e\nf", ""]
 * expect: leaf odd_leak allocations 1 leaked_blocks 1 leaked_bytes 55
 * expect: folded-lines
 * expect: total lost_events 0 broken_stacks 0
 *
 * case: not-utf-8
 * copy: "\udcff\udc80/\udcfe"
 * expect: leaf odd_leak allocations 1 leaked_blocks 1 leaked_bytes 55
 * expect: folded-lines
 */
#include "testing.h"

static NOINLINE void odd_leak(void)
{
	check(keep(malloc(55)));
}

int main(int argc, char **argv)
{
	odd_leak();
	for (int i = 1; i < argc; i++)
		say("[%s]\n", argv[i]);
	return 0;
}
