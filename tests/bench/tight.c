/* Nothing but malloc and free, two calls deep. usage: tight PAIRS */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static void *take(size_t size)
{
	void *p = malloc(size);
	*(volatile char *)p = 1;
	return p;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return fprintf(stderr, "usage: tight PAIRS\n"), 2;
	long pairs = atol(argv[1]);
	for (long i = 0; i < pairs; i++)
		free(take(64));
	return 0;
}
