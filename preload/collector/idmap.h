/* A small hash map from 32-bit keys to 32-bit values other than 0. One owner at a time. */
#ifndef IDMAP_H
#define IDMAP_H

#include <stdint.h>
#include <stdlib.h>

#include "hashing.h"

struct idmap_entry {
	uint32_t key;
	uint32_t value; /* 0: empty */
};

struct idmap {
	struct idmap_entry *entries;
	uint32_t capacity; /* a power of two, or 0 */
	uint32_t n;
};

/* returns: the value of key, 0 when it has none */
static inline uint32_t idmap_get(const struct idmap *map, uint32_t key)
{
	if (!map->n)
		return 0;
	uint32_t mask = map->capacity - 1;
	for (uint32_t i = (uint32_t)hash_pair(key, 0) & mask; map->entries[i].value; i = (i + 1) & mask)
		if (map->entries[i].key == key)
			return map->entries[i].value;
	return 0;
}

static inline void idmap_place(struct idmap *map, uint32_t key, uint32_t value)
{
	uint32_t mask = map->capacity - 1, i = (uint32_t)hash_pair(key, 0) & mask;
	while (map->entries[i].value)
		i = (i + 1) & mask;
	map->entries[i] = (struct idmap_entry){key, value};
	map->n++;
}

/* Enter a key that is not there yet. returns: 0, -1 without memory */
static inline int idmap_put(struct idmap *map, uint32_t key, uint32_t value)
{
	if (map->n * 3 >= map->capacity * 2) {
		struct idmap grown = {.capacity = map->capacity ? 2 * map->capacity : 64};
		grown.entries = calloc(grown.capacity, sizeof(*grown.entries));
		if (!grown.entries)
			return -1;
		for (uint32_t i = 0; i < map->capacity; i++)
			if (map->entries[i].value)
				idmap_place(&grown, map->entries[i].key, map->entries[i].value);
		free(map->entries);
		*map = grown;
	}
	idmap_place(map, key, value);
	return 0;
}

static inline void idmap_release(struct idmap *map)
{
	free(map->entries);
	*map = (struct idmap){0};
}

#endif
