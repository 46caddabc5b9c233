/* From the address of a live block to its number, for one process. Drain thread only.
 *
 * Addresses below 2^47 that are multiples of 16 live in a page table: 64 KB regions of 4096 numbers of 32 bits.
 * Everything else (jemalloc's 8-byte blocks, pools, which have an address space of their own) lives in a hash map. A
 * number is kept modulo 2^32; addrmap_sweep moves blocks older than 2^31 allocations into the hash map, where the whole
 * number stands.
 */
#ifndef ADDRMAP_H
#define ADDRMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRMAP_POOL (1ull << 56) /* or-ed into the addresses of pool blocks */
#define ADDRMAP_SWEEP_PERIOD (1ull << 31)

#define ADDRMAP_SMALL 176u /* regions, of 16 KiB */

struct addrmap_entry {
	uint64_t address; /* 0: empty */
	uint64_t number;
};

struct addrmap {
	uint32_t ***units;          /* by address >> 32: arrays of 65536 regions */
	struct addrmap_slab *slabs; /* all memory of regions */
	size_t slab_used_bytes;
	uint32_t made[ADDRMAP_SMALL]; /* the first regions in use, address >> 16 */
	uint32_t n_made;
	struct addrmap_entry *side;
	size_t side_capacity; /* a power of two, or 0 */
	size_t n_side;
	bool ran_short; /* of memory: not every part of it is in made */
	bool tombs;     /* remember freed addresses, to tell inherited frees from unknown ones */
};

enum addrmap_found {
	ADDRMAP_NONE,  /* nothing ever stood there */
	ADDRMAP_FREED, /* a block stood there and was freed; only with tombs */
	ADDRMAP_LIVE,
};

/* tombs: whether addrmap_take tells FREED from NONE (as far as the page table reaches).
 * returns: 0, -1 without memory */
int addrmap_init(struct addrmap *map, bool tombs);
void addrmap_release(struct addrmap *map);

/* Values of a slot below FIRST have a meaning of their own; a block whose number ends in one goes to the side map. */
enum { ADDRMAP_EMPTY = 0, ADDRMAP_SIDE = 1, ADDRMAP_TOMB = 2, ADDRMAP_FIRST = 3 };

int addrmap_put_slow(struct addrmap *map, uint64_t address, uint64_t number, uint64_t *old);
enum addrmap_found addrmap_take_slow(struct addrmap *map, uint64_t address, uint64_t next, uint64_t *number);

static inline bool addrmap_is_paged(uint64_t address)
{
	return !(address >> 47) && !(address & 15);
}

/* returns: the slot of a paged address, NULL when there is none yet */
static inline uint32_t *addrmap_slot(const struct addrmap *map, uint64_t address)
{
	uint32_t **regions = map->units[address >> 32];
	if (!regions)
		return NULL;
	uint32_t *region = regions[address >> 16 & 0xffff];
	return region ? &region[address >> 4 & 0xfff] : NULL;
}

/* The whole number of a slot's value: the largest one below next with these low bits. */
static inline uint64_t addrmap_number(uint32_t value, uint64_t next)
{
	return next - (uint32_t)((uint32_t)next - value);
}

/* Enter a block. next: the number of the file's next allocation, that is number + 1 or more.
 * returns: 0; 1 when a live block stood there, which is then replaced and told in *old; -1 without memory
 * cost:    three dependent loads */
static inline int addrmap_put(struct addrmap *map, uint64_t address, uint64_t number, uint64_t *old)
{
	uint32_t *slot = addrmap_is_paged(address) ? addrmap_slot(map, address) : NULL;
	if (__builtin_expect(!slot || *slot == ADDRMAP_SIDE || *slot >= ADDRMAP_FIRST, 0) ||
	    __builtin_expect((uint32_t)number < ADDRMAP_FIRST || !address, 0))
		return addrmap_put_slow(map, address, number, old);
	*slot = (uint32_t)number;
	return 0;
}

/* Remove the block at address; LIVE fills *number. next: as for put. In a map with tombs a NONE leaves a tomb. */
static inline enum addrmap_found addrmap_take(struct addrmap *map, uint64_t address, uint64_t next, uint64_t *number)
{
	uint32_t *slot = addrmap_is_paged(address) ? addrmap_slot(map, address) : NULL;
	if (__builtin_expect(!slot || *slot < ADDRMAP_FIRST, 0))
		return addrmap_take_slow(map, address, next, number);
	*number = addrmap_number(*slot, next);
	*slot = map->tombs ? ADDRMAP_TOMB : ADDRMAP_EMPTY;
	return ADDRMAP_LIVE;
}

/* Bring back a block that was taken before; nothing stands at its address. next: as for put */
void addrmap_restore(struct addrmap *map, uint64_t address, uint64_t number, uint64_t next);

/* Take back the tomb that a take which found NONE left. */
void addrmap_forget(struct addrmap *map, uint64_t address);

/* Is there a live block at address? */
bool addrmap_has(const struct addrmap *map, uint64_t address);

/* To be called whenever next is a multiple of ADDRMAP_SWEEP_PERIOD, before numbers beyond it are entered. */
int addrmap_sweep(struct addrmap *map, uint64_t next);

/* Is it too large for a second level cache of 512 KiB? */
static inline bool addrmap_is_large(const struct addrmap *map)
{
	return map->n_made > 32;
}

/* Bring the slot of an address into the cache; never allocates. Always inline: gcc 12 leaves calls of functions out
 * that do nothing but prefetch. */
static inline __attribute__((always_inline)) void addrmap_prefetch(const struct addrmap *map, uint64_t address)
{
	const uint32_t *slot = address >> 47 ? NULL : addrmap_slot(map, address);
	if (slot)
		__builtin_prefetch(slot, 1);
}

#endif
