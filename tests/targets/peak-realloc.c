/* A realloc moves a block in one instant: old and new size never count together.
 *
 * expect: total peak_heap_bytes 2000 allocations 10 frees 10
 * expect: total leaked_bytes 0
 */
#include "testing.h"

int main(void)
{
	void *p = keep(malloc(200));
	for (size_t n = 400; n <= 2000; n += 200)
		p = keep(realloc(p, n));
	free(p);
	say("done\n");
	return 0;
}
