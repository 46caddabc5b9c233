/* One of the twins of dlopen-reuse.c: same code, other name and sizes. */
#include "testing.h"

void plug_a_allocate(void);
NOINLINE void plug_a_allocate(void)
{
	for (int i = 0; i < 10; i++) {
		void *p = keep(malloc(100));
		if (i)
			free(p);
	}
}
