/* The benchmark of docs/ci.md: clean, or with -DLEAK one that keeps 200 bytes of each operation. */
#include <stdlib.h>
#include <tidemark.h>

static void *volatile kept;

static void answer(void)
{
	kept = malloc(200);
#ifndef LEAK
	free(kept);
#endif
}

int main(void)
{
	for (int i = 0; i < 4000; i++) {
		tidemark_op_begin("checkout");
		answer();
		tidemark_op_end();
	}
	return 0;
}
