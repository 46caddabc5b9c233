/* The target's heap is its own: the same blocks at the same distances, the same statistics, the same program break as bare.
 * Nothing of the recorder lives in it.
 *
 * expect: total lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <malloc.h>

int main(void)
{
	char *blocks[200], *first = keep(malloc(1));
	struct mallinfo2 before = mallinfo2();
	say("start %zu %zu %zu\n", before.arena, before.uordblks, before.hblkhd);
	for (int i = 0; i < 200; i++) {
		blocks[i] = keep(malloc((size_t)i * 7));
		say("%td %zu\n", blocks[i] - first, malloc_usable_size(blocks[i]));
	}
	for (int i = 0; i < 200; i += 3)
		free(blocks[i]);
	for (int i = 0; i < 200; i += 3) {
		blocks[i] = keep(calloc(1, (size_t)i * 5));
		say("%td\n", blocks[i] - first);
	}
	struct mallinfo2 after = mallinfo2();
	say("end %zu %zu %zu %zu break %td\n", after.arena, after.uordblks, after.fordblks, after.hblkhd, (char *)sbrk(0) - first);
	say("trim %d\n", malloc_trim(0));
	return 0;
}
