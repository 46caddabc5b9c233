/* A hash map from 64-bit keys to 64-bit values that only grows. threads: the owner's. */
#ifndef KEYMAP_H
#define KEYMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keymap_slot;

struct keymap {
	struct keymap_slot *slots;
	size_t n_slots, n_used;
};

void keymap_init(struct keymap *map);
void keymap_release(struct keymap *map);

/* returns: whether key is there; *value is set then */
bool keymap_get(const struct keymap *map, uint64_t key, uint64_t *value);

/* Set a key's value. returns: 0, -1 when memory is short */
int keymap_put(struct keymap *map, uint64_t key, uint64_t value);

#endif
