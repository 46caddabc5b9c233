/* Inlined functions appear in call order: the innermost is the leaf, the outermost stands next to its real caller.
 *
 * expect: leaf inner allocations 1 leaked_blocks 1 leaked_bytes 123
 * expect: order inner middle outer real_caller main
 * expect: folded leaked main;real_caller;outer;middle;inner 123
 * expect: jq leaks '.stacks[0].frames[0:5] | map(.function) == ["inner","middle","outer","real_caller","main"]'
 * expect: jq leaks '.stacks[0].frames[0:5] | map(.inlined) == [true,true,true,false,false]'
 * expect: jq leaks '.stacks[0].frames[0:5] | map(.line) == [19,24,29,34,40]'
 * expect: jq leaks '.stacks[0].frames[0:5] | all(.file | endswith("inlined-frames.c"))'
 */
#include "testing.h"

#define INLINED static inline __attribute__((always_inline))

static char *volatile kept;

INLINED void inner(void)
{
	kept = malloc(123);
}

INLINED void middle(void)
{
	inner();
}

INLINED void outer(void)
{
	middle();
}

static NOINLINE void real_caller(void)
{
	outer();
	kept[0] = 1;
}

int main(void)
{
	real_caller();
	say("done\n");
	return 0;
}
