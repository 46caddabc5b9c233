/* /tmp/perf-PID.map: names that a just-in-time compiler left for its code. threads: the owner's. */
#ifndef PERF_MAP_H
#define PERF_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "symbols/strpool.h"

struct perf_map_entry;

struct perf_map {
	struct perf_map_entry *entries; /* by start, then by line */
	size_t n_entries, capacity;
	uint64_t read_bytes; /* how much of the file was seen */
};

void perf_map_init(struct perf_map *map);
void perf_map_release(struct perf_map *map);

/* Read what was added to the file since the last call. Lines are "START SIZE NAME", numbers in hex; others are skipped.
 * Only a regular file of this user or root is believed: /tmp is everybody's.
 * returns: 1 when there was something new, 0 when not, -1 when there is no such file */
int perf_map_read(struct perf_map *map, const char *path, struct strpool *pool);

/* The name of the code at pc; of overlapping pieces the one written last. returns: NULL when there is none */
const char *perf_map_find(const struct perf_map *map, uint64_t pc);

#endif
