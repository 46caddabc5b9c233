/* A tiny program of known leak: see known_leak.h. Called by cmd_selftest in a process of its own. */
#include "launch/known_leak.h"

#include <stdlib.h>
#include <string.h>

#include "tidemark.h"

#define N_BUFFERS 8
#define N_CACHED 64

/* What is kept must be seen to be kept, or the compiler may leave the allocation out. */
static void *volatile kept;

static __attribute__((noinline)) int leave_behind(uint64_t bytes)
{
	void *block = malloc(bytes);
	kept = block;
	return block ? 0 : -1;
}

static __attribute__((noinline)) int use_buffers(unsigned i)
{
	void *volatile buffers[N_BUFFERS];
	int result = 0;
	for (unsigned j = 0; j < N_BUFFERS; j++) {
		buffers[j] = malloc(16 + (i * 37 + j * 101) % 2000);
		result |= buffers[j] ? 0 : -1;
	}
	for (unsigned j = 0; j < N_BUFFERS; j++)
		free(buffers[j]);
	return result;
}

static __attribute__((noinline)) int use_cache(void *volatile *cache, unsigned i)
{
	unsigned place = i * 29 % N_CACHED;
	free(cache[place]);
	cache[place] = malloc(100 + i % 400);
	return cache[place] ? 0 : -1;
}

int known_leak_run(uint64_t leak_bytes)
{
	static void *volatile cache[N_CACHED];
	int result = 0;
	for (unsigned i = 0; i < KNOWN_LEAK_OPS; i++) {
		tidemark_op_begin(KNOWN_LEAK_OPERATION);
		result |= use_buffers(i) | use_cache(cache, i);
		if (leak_bytes)
			result |= leave_behind(leak_bytes);
		tidemark_op_end();
	}
	for (unsigned i = 0; i < N_CACHED; i++)
		free(cache[i]);
	return result ? 1 : 0;
}
