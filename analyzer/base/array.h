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

/* How many of n elements meet a condition that holds for the first of them, sorted as they are, and for none behind.
 * at:        the name that the condition gives to the index of an element
 * condition: an expression; called for O(log n) elements
 * returns:   0 to n: the index of the first element that does not meet it */
#define ARRAY_LEADING(n, at, condition)                                                                                \
	__extension__({                                                                                                \
		size_t low_ = 0, high_ = (n);                                                                          \
		while (low_ < high_) {                                                                                 \
			size_t at = low_ + (high_ - low_) / 2;                                                         \
			if (condition)                                                                                 \
				low_ = at + 1;                                                                         \
			else                                                                                           \
				high_ = at;                                                                            \
		}                                                                                                      \
		low_;                                                                                                  \
	})

#endif
