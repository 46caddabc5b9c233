/* Allocate and free in random order below changing call chains: the worst case for shortcuts of a stack walk.
 * usage: churn THREADS DEPTH PAIRS     PAIRS malloc+free pairs in each thread, below DEPTH calls
 * Every operation comes through one of 256 chains of two functions, so successive stacks share about half of their frames. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 4096 };

struct worker {
	pthread_t thread;
	uint64_t state;
	long pairs;
	int depth;
	void *slots[SLOTS];
};

static uint64_t next(struct worker *w)
{
	w->state ^= w->state << 13;
	w->state ^= w->state >> 7;
	w->state ^= w->state << 17;
	return w->state;
}

static void operate(struct worker *w)
{
	uint64_t r = next(w);
	void **slot = &w->slots[r % SLOTS];
	free(*slot);
	*slot = malloc(16 + (r >> 32) % 16 * 16);
	*(volatile char *)*slot = 1;
}

static int even(struct worker *w, uint64_t chain, int depth);
static int odd(struct worker *w, uint64_t chain, int depth);

__attribute__((noinline)) static int even(struct worker *w, uint64_t chain, int depth)
{
	if (depth <= 0)
		operate(w);
	else if (chain & 1)
		odd(w, chain >> 1, depth - 1);
	else
		even(w, chain >> 1, depth - 1);
	return *(volatile int *)&w->depth;
}

__attribute__((noinline)) static int odd(struct worker *w, uint64_t chain, int depth)
{
	if (depth <= 0)
		operate(w);
	else if (chain & 1)
		odd(w, chain >> 1, depth - 1);
	else
		even(w, chain >> 1, depth - 1);
	return *(volatile int *)&w->depth + 1;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	for (long i = 0; i < w->pairs; i++) {
		uint64_t chain = (next(w) & 255) * 0x9e3779b97f4a7c15ull;
		even(w, chain, w->depth - 3); /* thread start, work and the innermost call are the other three */
	}
	for (int i = 0; i < SLOTS; i++)
		free(w->slots[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return fprintf(stderr, "usage: churn THREADS DEPTH PAIRS\n"), 2;
	int n = atoi(argv[1]);
	struct worker *workers = calloc((size_t)n, sizeof(*workers));
	for (int i = 0; i < n; i++) {
		workers[i].state = 88172645463325252ull + (uint64_t)i;
		workers[i].depth = atoi(argv[2]);
		workers[i].pairs = atol(argv[3]);
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (int i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
	return 0;
}
