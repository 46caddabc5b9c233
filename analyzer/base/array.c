/* Growable arrays: see array.h. */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 16

int array_reserve(void *items, size_t *capacity, size_t need, size_t element_bytes)
{
	if (need <= *capacity)
		return 0;
	size_t grown = *capacity < FIRST_CAPACITY / 2 ? FIRST_CAPACITY : *capacity * 2;
	if (grown < need)
		grown = need;
	if (grown > PTRDIFF_MAX / element_bytes)
		return -1;
	/* The pointer's type is the caller's: it is carried over bytewise. */
	void *old;
	memcpy(&old, items, sizeof(old));
	char *fresh = realloc(old, grown * element_bytes);
	if (!fresh)
		return -1;
	memset(fresh + *capacity * element_bytes, 0, (grown - *capacity) * element_bytes);
	memcpy(items, &fresh, sizeof(fresh));
	*capacity = grown;
	return 0;
}
