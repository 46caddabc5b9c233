/* The recorded mappings that stand: disjoint address ranges, as mmap replaces and munmap splits them. threads: one. */
#ifndef MAPPING_H
#define MAPPING_H

#include <stddef.h>
#include <stdint.h>

struct mapping_range {
	uint64_t start, end;
};

/* All zero bytes are an empty set. */
struct mapping {
	struct mapping_range *ranges; /* ascending, not touching */
	size_t n_ranges, capacity;
	uint64_t total_bytes;
};

void mapping_release(struct mapping *mapping);

/* [start, start + length) is mapped now, whatever stood there. returns: 0; -1 when memory is short or there are more
 * ranges than any kernel allows. cost: O(ranges) */
int mapping_add(struct mapping *mapping, uint64_t start, uint64_t length_bytes);

/* [start, start + length) is unmapped; parts that were not mapped do not matter. returns: as mapping_add */
int mapping_remove(struct mapping *mapping, uint64_t start, uint64_t length_bytes);

#endif
