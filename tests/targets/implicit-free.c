/* Blocks that end behind the recorder's back, by libc's internal names: a block born where another still seems to live ends
 * that one; a free of a block that was never seen is counted. The totals never drift.
 *
 * case: hidden-free free
 * expect: leaf work allocations 50 leaked_blocks 1 leaked_bytes 100
 * expect: total allocations 50 frees 49 implicit_frees 49 unknown_frees 0 lost_events 0 peak_heap_bytes 100
 *
 * case: hidden-malloc malloc
 * expect: total allocations 0 frees 0 implicit_frees 0 unknown_frees 50 leaked_blocks 0 lost_events 0
 */
#include "testing.h"

void *__libc_malloc(size_t size);
void __libc_free(void *p);

static NOINLINE void work(int hidden_free)
{
	void *last = NULL;
	for (int i = 0; i < 50; i++) {
		void *p = keep(hidden_free ? malloc(100) : __libc_malloc(100));
		check(!last || p == last); /* the cache of the thread gives the same block again */
		last = p;
		if (!hidden_free)
			free(p);
		else if (i < 49)
			__libc_free(p);
	}
}

int main(int argc, char **argv)
{
	check(argc == 2);
	work(strcmp(argv[1], "free") == 0);
	say("done\n");
	return 0;
}
