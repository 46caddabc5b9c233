/* What the behaviours of planted.c stand on: chance, and blocks that are counted while they live and buried when their
 * operation has come. Included by planted.c only. */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <math.h>
#include <stdbool.h>

#include "testing.h"

#define MAX_OPERATIONS 200000u

static uint32_t n_operations;
static _Atomic uint64_t live_blocks, live_bytes; /* planted blocks, not yet freed */

/* ---- chance: splitmix64, per thread */
static __thread uint64_t chance_state;

static uint64_t chance_bits(void)
{
	uint64_t z = chance_state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* in (0, 1) */
static double chance(void)
{
	return ((double)(chance_bits() >> 11) + .5) / 9007199254740992.;
}

static bool happens(double probability)
{
	return chance() < probability;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(chance() * n);
}

static double normal(void)
{
	return sqrt(-2 * log(chance())) * cos(2 * M_PI * chance());
}

static double pareto(double alpha)
{
	return pow(chance(), -1 / alpha);
}

/* ---- blocks */
static void *count_in(void *block, size_t size)
{
	check(block);
	live_blocks++;
	live_bytes += size;
	return block;
}

/* A macro, so that the innermost frame is the behaviour's. */
#define take(size) \
	__extension__({ \
		size_t size_ = (size); \
		count_in(keep(malloc(size_)), size_); \
	})

static void give(void *block, size_t size)
{
	free(block);
	live_blocks--;
	live_bytes -= size;
}

/* Blocks that die at a later operation: chains by the operation. One a behaviour and operation at most. */
static struct mortal {
	void *block;
	uint32_t size, next; /* next: index + 1 */
} mortals[MAX_OPERATIONS];
static uint32_t n_mortals, dying[MAX_OPERATIONS];

static void dies_at(void *block, size_t size, double when)
{
	if (when >= n_operations)
		return;
	check(n_mortals < MAX_OPERATIONS);
	mortals[n_mortals] = (struct mortal){block, (uint32_t)size, dying[(uint32_t)when]};
	dying[(uint32_t)when] = ++n_mortals;
}

static void bury(uint32_t i)
{
	for (uint32_t m = dying[i]; m; m = mortals[m - 1].next)
		give(mortals[m - 1].block, mortals[m - 1].size);
}

#endif
