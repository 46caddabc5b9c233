/* A library whose constructor and destructor allocate; constructors.c links it, constructor-threads.c opens it. */
#include "testing.h"

static void *kept;

__attribute__((constructor)) static void library_constructor(void)
{
	kept = keep(malloc(54));
	check(keep(malloc(55)));
}

__attribute__((destructor)) static void library_destructor(void)
{
	free(kept);
	check(keep(malloc(66)));
}

int library_touch(void);
int library_touch(void)
{
	return kept != NULL;
}
