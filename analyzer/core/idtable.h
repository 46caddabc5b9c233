/* A hash table from keys that the caller keeps to their ids: it stores hashes and ids only. threads: the owner's. */
#ifndef IDTABLE_H
#define IDTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idtable_slot {
	uint32_t hash;
	uint32_t id_plus_1; /* 0: empty */
};

struct idtable {
	struct idtable_slot *slots;
	size_t n_slots; /* a power of two, or 0 */
	size_t n_used;
};

#define IDTABLE_NONE UINT32_MAX

/* Find the id of a key.
 * same:    whether the key that the caller knows under `id` is the one looked for (arg says which)
 * returns: its id, IDTABLE_NONE when it is not there */
uint32_t idtable_find(
    const struct idtable *table, uint64_t hash, bool (*same)(const void *arg, uint32_t id), const void *arg);

/* Add a key that is not there. returns: 0, -1 when memory is short */
int idtable_add(struct idtable *table, uint64_t hash, uint32_t id);

void idtable_release(struct idtable *table);

/* Hashes to chain: start with 0. */
uint64_t idtable_hash_text(uint64_t hash, const char *text);
uint64_t idtable_hash_number(uint64_t hash, uint64_t number);

#endif
