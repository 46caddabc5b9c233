/* Growable arrays of plain elements: a pointer and a capacity kept by the owner. threads: the owner's. */
#ifndef ARRAY_H
#define ARRAY_H

#include <stddef.h>

/* Make room for at least `need` elements; new elements are zeroed, old ones move along.
 * items:    address of the array's pointer (T **); the array is freed with free()
 * capacity: in elements; 0 with a NULL array at first
 * returns:  0, or -1 when memory is short or the size overflows; the array is unchanged then
 * cost:     amortised O(1) an element: the capacity at least doubles */
int array_reserve(void *items, size_t *capacity, size_t need, size_t element_bytes);

/* As array_reserve, for the array `items`. */
#define ARRAY_RESERVE(items, capacity, need) array_reserve(&(items), &(capacity), (need), sizeof(*(items)))

#endif
