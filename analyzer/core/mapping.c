/* Recorded mappings: see mapping.h. A sorted array: neighbours merge, so even large programs have few ranges. */
#include "core/mapping.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define MAX_RANGES (1u << 17) /* twice the kernel's default vm.max_map_count: a hostile trace must not take hours */

void mapping_release(struct mapping *mapping)
{
	free(mapping->ranges);
	*mapping = (struct mapping){0};
}

/* returns: the index of the first range that ends at `address` or later */
static size_t find(const struct mapping *mapping, uint64_t address)
{
	return ARRAY_LEADING(mapping->n_ranges, i, mapping->ranges[i].end < address);
}

/* Put `n` ranges in the place of those from `first` up to `last`. */
static int replace(struct mapping *mapping, size_t first, size_t last, const struct mapping_range *with, size_t n)
{
	size_t after = mapping->n_ranges - last, n_ranges = first + n + after;
	if (n_ranges > MAX_RANGES || ARRAY_RESERVE(mapping->ranges, mapping->capacity, n_ranges) < 0)
		return -1;
	if (n_ranges == 0) {
		mapping->n_ranges = 0;
		mapping->total_bytes = 0;
		return 0;
	}
	for (size_t i = first; i < last; i++)
		mapping->total_bytes -= mapping->ranges[i].end - mapping->ranges[i].start;
	memmove(mapping->ranges + first + n, mapping->ranges + last, after * sizeof(*with));
	for (size_t i = 0; i < n; i++) {
		mapping->ranges[first + i] = with[i];
		mapping->total_bytes += with[i].end - with[i].start;
	}
	mapping->n_ranges = n_ranges;
	return 0;
}

static uint64_t end_of(uint64_t start, uint64_t length_bytes)
{
	uint64_t end;
	return __builtin_add_overflow(start, length_bytes, &end) ? UINT64_MAX : end;
}

int mapping_add(struct mapping *mapping, uint64_t start, uint64_t length_bytes)
{
	struct mapping_range joined = {start, end_of(start, length_bytes)};
	if (joined.end == start)
		return 0;
	size_t first = find(mapping, start), last = first;
	for (; last < mapping->n_ranges && mapping->ranges[last].start <= joined.end; last++) {
		if (mapping->ranges[last].start < joined.start)
			joined.start = mapping->ranges[last].start;
		if (mapping->ranges[last].end > joined.end)
			joined.end = mapping->ranges[last].end;
	}
	return replace(mapping, first, last, &joined, 1);
}

int mapping_remove(struct mapping *mapping, uint64_t start, uint64_t length_bytes)
{
	uint64_t end = end_of(start, length_bytes);
	if (end == start)
		return 0;
	struct mapping_range rest[2];
	size_t n = 0, first = find(mapping, start), last = first;
	for (; last < mapping->n_ranges && mapping->ranges[last].start < end; last++) {
		if (mapping->ranges[last].start < start)
			rest[n++] = (struct mapping_range){mapping->ranges[last].start, start};
		if (mapping->ranges[last].end > end)
			rest[n++] = (struct mapping_range){end, mapping->ranges[last].end};
	}
	return last == first ? 0 : replace(mapping, first, last, rest, n);
}
