/* A thousand calls of which ten leave a block: the report says ten blocks of a thousand allocations, not a thousand.
 *
 * expect: leaf mostly_freed allocations 1000 bytes 1000*30 leaked_blocks 10 leaked_bytes 300
 * expect: leaf all_freed allocations 500 leaked_blocks 0
 * expect: jq leaks '[.stacks[] | select(any(.frames[]; .function == "mostly_freed"))] | length == 1'
 * expect: jq leaks '.stacks[] | select(any(.frames[]; .function == "mostly_freed")) | .blocks == 10 and .bytes == 300 and .allocations == 1000'
 * expect: jq leaks '[.stacks[] | select(any(.frames[]; .function == "all_freed"))] | length == 0'
 * expect: jq summary '.leaked_blocks == 10 and .leaked_bytes == 300 and .runtime_bytes == 0 and .allocations == 1500 and .frees == 1490'
 */
#include "testing.h"

static NOINLINE void mostly_freed(void)
{
	void *p[1000];
	for (int i = 0; i < 1000; i++)
		p[i] = keep(malloc(30));
	for (int i = 0; i < 1000; i++) {
		if (i % 100)
			free(p[i]);
	}
}

static NOINLINE void all_freed(void)
{
	for (int i = 0; i < 500; i++)
		free(keep(malloc(30)));
}

int main(void)
{
	mostly_freed();
	all_freed();
	say("done\n");
	return 0;
}
