/* Hash table of ids: see idtable.h. Open addressing, linear probing, at most half full. */
#include "core/idtable.h"

#include <stdlib.h>

#define FIRST_SLOTS 1024

uint32_t idtable_find(
    const struct idtable *table, uint64_t hash, bool (*same)(const void *arg, uint32_t id), const void *arg)
{
	if (!table->n_slots)
		return IDTABLE_NONE;
	size_t mask = table->n_slots - 1;
	for (size_t i = hash & mask; table->slots[i].id_plus_1; i = (i + 1) & mask) {
		const struct idtable_slot *slot = &table->slots[i];
		if (slot->hash == (uint32_t)hash && same(arg, slot->id_plus_1 - 1))
			return slot->id_plus_1 - 1;
	}
	return IDTABLE_NONE;
}

static void put(struct idtable_slot *slots, size_t mask, struct idtable_slot new)
{
	size_t i = new.hash &mask;
	while (slots[i].id_plus_1)
		i = (i + 1) & mask;
	slots[i] = new;
}

/* Slots are found by the low 32 bits of the hash, which they keep: a table never has more than 2^32 of them. */
static int grow(struct idtable *table)
{
	size_t n_slots = table->n_slots ? table->n_slots * 2 : FIRST_SLOTS;
	struct idtable_slot *slots = calloc(n_slots, sizeof(*slots));
	if (!slots)
		return -1;
	for (size_t i = 0; i < table->n_slots; i++)
		if (table->slots[i].id_plus_1)
			put(slots, n_slots - 1, table->slots[i]);
	free(table->slots);
	table->slots = slots;
	table->n_slots = n_slots;
	return 0;
}

int idtable_add(struct idtable *table, uint64_t hash, uint32_t id)
{
	if (table->n_used * 2 >= table->n_slots && grow(table) < 0)
		return -1;
	put(table->slots, table->n_slots - 1, (struct idtable_slot){.hash = (uint32_t)hash, .id_plus_1 = id + 1});
	table->n_used++;
	return 0;
}

void idtable_release(struct idtable *table)
{
	free(table->slots);
	*table = (struct idtable){0};
}

uint64_t idtable_hash_number(uint64_t hash, uint64_t number)
{
	/* The finaliser of MurmurHash3, public domain: every input bit reaches every output bit. */
	uint64_t x = hash * 0x9e3779b97f4a7c15u + number;
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdu;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53u;
	return x ^ x >> 33;
}

uint64_t idtable_hash_text(uint64_t hash, const char *text)
{
	uint64_t x = 0xcbf29ce484222325u; /* FNV-1a */
	for (; *text; text++)
		x = (x ^ (unsigned char)*text) * 0x100000001b3u;
	return idtable_hash_number(hash, x);
}
