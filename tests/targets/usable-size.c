/* A program that writes as far as malloc_usable_size allows, and shrinks and grows in place.
 *
 * expect: leaf use allocations 300*2 leaked_blocks 0
 * expect: total lost_events 0
 */
#include "testing.h"

#include <malloc.h>

static NOINLINE void use(size_t size)
{
	char *p = keep(malloc(size));
	size_t usable = malloc_usable_size(p);
	check(usable >= size);
	memset(p, 'u', usable);
	p = keep(realloc(p, usable));
	for (size_t i = 0; i < usable; i++)
		check(p[i] == 'u');
	free(p);
}

int main(void)
{
	for (size_t i = 0; i < 300; i++)
		use(i * i % 7919);
	check(malloc_usable_size(NULL) == 0);
	say("done\n");
	return 0;
}
