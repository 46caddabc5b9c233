/* One hash function for the collector's tables. No state, any thread. */
#ifndef HASHING_H
#define HASHING_H

#include <stddef.h>
#include <stdint.h>

/* Mix all bits of two words (multiply-fold; the constants are the fractions of e and pi). cost: about 1 ns */
static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)(a ^ 0xb7e151628aed2a6bull) * (b ^ 0x243f6a8885a308d3ull);
	uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
	return folded * 0x9e3779b97f4a7c15ull;
}

static inline uint64_t hash_bytes(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t h = n;
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return hash_pair(h, n);
}

#endif
