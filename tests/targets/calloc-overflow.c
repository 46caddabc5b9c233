/* calloc whose product does not fit: it fails, no block is born, and no huge size gets into the totals.
 *
 * expect: total allocations 1 frees 1 allocated_bytes 60 peak_heap_bytes 60 leaked_bytes 0
 */
#include "testing.h"

int main(void)
{
	const size_t half = keep(SIZE_MAX / 2 + 1);
	void *p = keep(calloc(3, 20));
	for (size_t n = 2; n < 100; n++) {
		errno = 0;
		check(keep(calloc(half, n)) == NULL && errno == ENOMEM);
		check(keep(calloc(n, half)) == NULL);
	}
	check(keep(calloc(keep(SIZE_MAX), keep(SIZE_MAX))) == NULL);
	check(keep(reallocarray(NULL, keep(SIZE_MAX), 16)) == NULL);
	free(p);
	say("done\n");
	return 0;
}
