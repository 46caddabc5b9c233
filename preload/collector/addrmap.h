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

#define ADDRMAP_FEW 32u

struct addrmap_entry {
	uint64_t address; /* 0: empty */
	uint64_t number;
};

struct addrmap {
	uint32_t ***units;          /* by address >> 32: arrays of 65536 regions */
	struct addrmap_slab *slabs; /* all memory of regions */
	size_t slab_used_bytes;
	uint32_t made[ADDRMAP_FEW]; /* regions in use, address >> 16 */
	uint32_t n_made;
	struct addrmap_entry *side;
	size_t side_capacity; /* a power of two, or 0 */
	size_t n_side;
	bool tombs; /* remember freed addresses, to tell inherited frees from unknown ones */
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

/* Enter a block. next: the number of the file's next allocation, that is number + 1 or more.
 * returns: 0; 1 when a live block stood there, which is then replaced and told in *old; -1 without memory
 * cost:    three dependent loads */
int addrmap_put(struct addrmap *map, uint64_t address, uint64_t number, uint64_t *old);

/* Remove the block at address; LIVE fills *number. next: as for put. In a map with tombs a NONE leaves a tomb. */
enum addrmap_found addrmap_take(struct addrmap *map, uint64_t address, uint64_t next, uint64_t *number);

/* Bring back a block that was taken before; nothing stands at its address. next: as for put */
void addrmap_restore(struct addrmap *map, uint64_t address, uint64_t number, uint64_t next);

/* Take back the tomb that a take which found NONE left. */
void addrmap_forget(struct addrmap *map, uint64_t address);

/* Is there a live block at address? */
bool addrmap_has(const struct addrmap *map, uint64_t address);

/* To be called whenever next is a multiple of ADDRMAP_SWEEP_PERIOD, before numbers beyond it are entered. */
int addrmap_sweep(struct addrmap *map, uint64_t next);

/* Bring the slot of an address into the cache; never allocates. */
static inline void addrmap_prefetch(const struct addrmap *map, uint64_t address)
{
	if (address >> 47)
		return;
	uint32_t **regions = map->units[address >> 32];
	if (!regions)
		return;
	const uint32_t *region = regions[address >> 16 & 0xffff];
	if (region)
		__builtin_prefetch(&region[address >> 4 & 0xfff], 1);
}

#endif
