#include "testing.h"

int deep_init(void);
char *deep_copy(const char *text);
void deep_drop(void *block);
void *deep_make(size_t n);

static char *first;

/* libc's strdup allocates for this library; from then on it is known. */
int deep_init(void)
{
	first = strdup("seen");
	free(first);
	return first != NULL;
}

NOINLINE char *deep_copy(const char *text)
{
	char *a = keep(realloc(NULL, 10)), *b = keep(calloc(2, 20));
	a = keep(realloc(a, 100));
	free(a);
	free(b);
	return keep(strdup(text));
}

NOINLINE void deep_drop(void *block)
{
	free(block);
}

NOINLINE void *deep_make(size_t n)
{
	return keep(malloc(n));
}
