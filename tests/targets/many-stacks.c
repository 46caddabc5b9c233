/* 65,536 distinct stacks from two functions that call each other in every order: each keeps its own block.
 *
 * expect: leaf leaf_of_tree allocations 65536 leaked_blocks 65536 leaked_bytes sum(range(65536))
 * expect: distinct leaf_of_tree 65536
 * expect: total lost_events 0 lost_stacks 0
 */
#include "testing.h"

static NOINLINE void leaf_of_tree(unsigned path)
{
	check(keep(malloc(path)));
}

static void branch_a(int depth, unsigned path);

static NOINLINE void branch_b(int depth, unsigned path)
{
	if (depth == 0) {
		leaf_of_tree(path);
		return;
	}
	branch_a(depth - 1, path << 1);
	branch_b(depth - 1, path << 1 | 1);
}

static NOINLINE void branch_a(int depth, unsigned path)
{
	if (depth == 0) {
		leaf_of_tree(path);
		return;
	}
	branch_a(depth - 1, path << 1);
	branch_b(depth - 1, path << 1 | 1);
}

int main(void)
{
	branch_a(16, 0);
	say("done\n");
	return 0;
}
