/* Blocks at every alignment from 8 bytes to 1 MiB, at sizes that fit nowhere well: none is confused with its neighbour.
 *
 * expect: api posix_memalign allocations 18*20 bytes 20*sum(3*(1<<k)//2+1 for k in range(3,21))
 * expect: api memalign allocations 21 bytes 21*7
 * expect: total leaked_blocks 18 lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <malloc.h>

static NOINLINE void aligned(int power)
{
	void *p[20];
	size_t align = (size_t)1 << power;
	for (int i = 0; i < 20; i++) {
		check(posix_memalign(&p[i], align, 3 * align / 2 + 1) == 0 && (uintptr_t)p[i] % align == 0);
		memset(p[i], i, 1);
	}
	for (int i = 1; i < 20; i++)
		free(p[i]);
}

int main(void)
{
	for (int power = 3; power <= 20; power++)
		aligned(power);
	for (size_t align = 0; align < 21; align++) /* memalign rounds odd ones up */
		free(keep(memalign(align, 7)));
	say("done\n");
	return 0;
}
