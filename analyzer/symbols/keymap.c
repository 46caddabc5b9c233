/* Open addressing with linear probing, at most half full. */
#include "symbols/keymap.h"

#include <stdlib.h>
#include <string.h>

struct keymap_slot {
	uint64_t key, value;
	bool used;
};

void keymap_init(struct keymap *map)
{
	memset(map, 0, sizeof(*map));
}

void keymap_release(struct keymap *map)
{
	free(map->slots);
	keymap_init(map);
}

static struct keymap_slot *slot_of(const struct keymap *map, uint64_t key)
{
	size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (map->n_slots - 1);

	while (map->slots[at].used && map->slots[at].key != key)
		at = (at + 1) & (map->n_slots - 1);
	return &map->slots[at];
}

bool keymap_get(const struct keymap *map, uint64_t key, uint64_t *value)
{
	const struct keymap_slot *slot = map->n_slots ? slot_of(map, key) : NULL;

	if (!slot || !slot->used)
		return false;
	*value = slot->value;
	return true;
}

static int map_grow(struct keymap *map)
{
	struct keymap grown = {NULL, map->n_slots ? map->n_slots * 2 : 256, map->n_used};

	grown.slots = calloc(grown.n_slots, sizeof(*grown.slots));
	if (!grown.slots)
		return -1;
	for (size_t i = 0; i < map->n_slots; i++)
		if (map->slots[i].used)
			*slot_of(&grown, map->slots[i].key) = map->slots[i];
	free(map->slots);
	*map = grown;
	return 0;
}

int keymap_put(struct keymap *map, uint64_t key, uint64_t value)
{
	struct keymap_slot *slot;

	if (map->n_used * 2 >= map->n_slots && map_grow(map))
		return -1;
	slot = slot_of(map, key);
	map->n_used += !slot->used;
	slot->used = true;
	slot->key = key;
	slot->value = value;
	return 0;
}
