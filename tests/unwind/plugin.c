/* A library that is loaded and unloaded in turn with its twin (-DTWIN): the same layout, other frames. */
#include <stdlib.h>

#include "generated.h"

#ifdef TWIN
#define ROOM 24
#else
#define ROOM 40
#endif

__attribute__((noinline)) static long inner(unsigned depth, unsigned seed)
{
	volatile char room[ROOM]; /* code of equal length, return addresses at equal places, but another frame */
	room[0] = 1;
	void *p = malloc(seed % 20 + 1);
	long sum = depth ? inner(depth - 1, seed + 1) : 0;
	free(p);
	return sum + room[0];
}

__attribute__((visibility("default"))) long enter(unsigned depth, unsigned seed);
long enter(unsigned depth, unsigned seed)
{
	return inner(depth, seed) + 1;
}
