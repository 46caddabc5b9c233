/* A function that is never called and discarded by the linker, larger than what stands before the first real function.
 *
 * EXPECT kept: kept @kept
 * EXPECT main: main @main
 */
#include "probe.h"

#define TEN(x) x x x x x x x x x x

NEVER_INLINE void kept(void)
{
	probe("kept"); /* @kept */
	STAY;
}

int discarded(volatile int *p);
int discarded(volatile int *p)
{
	TEN(TEN(TEN(p[1] += p[2] * 3;)))
	return *p;
}

int main(void)
{
	kept();
	probe("main"); /* @main */
	STAY;
	return 0;
}
