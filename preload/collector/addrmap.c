/* See addrmap.h. The table costs 4 bytes per 16 bytes of address space that holds blocks, but only its touched pages
 * are resident: about 12 bytes for a block of 48, one page for a block of 64 KB and more. */
#include "addrmap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hashing.h"

#define UNITS (1u << 15)
#define REGIONS (1u << 16)
#define SLOTS 4096u
/* Of address space: the root, two units and the regions of a compiler's run. */
#define SLAB_BYTES (4u << 20)

struct addrmap_slab {
	struct addrmap_slab *next;
	size_t bytes;
};

#define POOL 3u
static struct addrmap_slab *pool[POOL];
static uint32_t n_pooled;

/* Fresh zeroed pages; regions are handed out from slabs so that a small process costs few mmap calls. */
static void *slab_take(struct addrmap *map, size_t bytes)
{
	size_t room = map->slabs ? map->slabs->bytes - map->slab_used_bytes : 0;
	if (room < bytes) {
		size_t slab_bytes = 4096 + SLAB_BYTES;
		if (slab_bytes < bytes + 4096)
			slab_bytes = bytes + 4096;
		struct addrmap_slab *slab =
		    mmap(NULL, slab_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (slab == MAP_FAILED)
			return NULL;
		if (map->slabs) /* a large map: 512 faults less for each 2 MiB, and its slots are found faster */
			madvise(slab, slab_bytes, MADV_HUGEPAGE);
		slab->next = map->slabs;
		slab->bytes = slab_bytes;
		map->slabs = slab;
		map->slab_used_bytes = 4096;
	}
	void *memory = (char *)map->slabs + map->slab_used_bytes;
	map->slab_used_bytes += bytes;
	return memory;
}

int addrmap_init(struct addrmap *map, bool tombs)
{
	memset(map, 0, sizeof(*map));
	map->tombs = tombs;
	if (n_pooled) {
		map->slabs = pool[--n_pooled];
		map->slab_used_bytes = 4096;
	}
	map->units = slab_take(map, UNITS * sizeof(*map->units));
	map->ran_short = !map->units;
	return map->units ? 0 : -1;
}

/* Keep the slab of a small map, all zeros again: for short lives, fresh pages cost more than all the rest. */
static void slab_keep(struct addrmap *map)
{
	if (n_pooled == POOL || map->ran_short || map->slabs->next || map->n_made > ADDRMAP_SMALL)
		return;
	for (uint32_t i = 0; i < map->n_made; i++) {
		uint32_t **unit = map->units[map->made[i] >> 16], **region = &unit[map->made[i] & 0xffff];
		memset(*region, 0, SLOTS * sizeof(**region));
		*region = NULL;
	}
	for (uint32_t i = 0; i < map->n_made; i++)
		map->units[map->made[i] >> 16] = NULL;
	pool[n_pooled++] = map->slabs;
	map->slabs = NULL;
}

void addrmap_release(struct addrmap *map)
{
	if (map->slabs)
		slab_keep(map);
	while (map->slabs) {
		struct addrmap_slab *slab = map->slabs;
		map->slabs = slab->next;
		munmap(slab, slab->bytes);
	}
	free(map->side);
	memset(map, 0, sizeof(*map));
}

static __attribute__((noinline)) uint32_t *slot_make(struct addrmap *map, uint64_t address)
{
	uint32_t ***unit = &map->units[address >> 32];
	if (!*unit)
		*unit = slab_take(map, REGIONS * sizeof(**unit));
	if (!*unit)
		return NULL;
	uint32_t **region = &(*unit)[address >> 16 & 0xffff];
	if (!*region) {
		*region = slab_take(map, SLOTS * sizeof(**region));
		if (!*region) {
			map->ran_short = true;
			return NULL;
		}
		if (map->n_made < ADDRMAP_SMALL)
			map->made[map->n_made] = (uint32_t)(address >> 16);
		map->n_made++;
	}
	return &(*region)[address >> 4 & 0xfff];
}

static struct addrmap_entry *side_find(const struct addrmap *map, uint64_t address)
{
	if (!map->n_side)
		return NULL;
	size_t mask = map->side_capacity - 1;
	for (size_t i = hash_pair(address, 0) & mask; map->side[i].address; i = (i + 1) & mask)
		if (map->side[i].address == address)
			return &map->side[i];
	return NULL;
}

static void side_insert(struct addrmap *map, uint64_t address, uint64_t number)
{
	size_t mask = map->side_capacity - 1, i = hash_pair(address, 0) & mask;
	while (map->side[i].address)
		i = (i + 1) & mask;
	map->side[i] = (struct addrmap_entry){address, number};
	map->n_side++;
}

static int side_grow(struct addrmap *map)
{
	struct addrmap_entry *old = map->side;
	size_t n_old = map->side_capacity, capacity = n_old ? 2 * n_old : 64;
	struct addrmap_entry *side = calloc(capacity, sizeof(*side));
	if (!side)
		return -1;
	map->side = side;
	map->side_capacity = capacity;
	map->n_side = 0;
	for (size_t i = 0; i < n_old; i++)
		if (old[i].address)
			side_insert(map, old[i].address, old[i].number);
	free(old);
	return 0;
}

/* returns: as addrmap_put */
static int side_put(struct addrmap *map, uint64_t address, uint64_t number, uint64_t *old)
{
	struct addrmap_entry *entry = side_find(map, address);
	if (entry) {
		*old = entry->number;
		entry->number = number;
		return 1;
	}
	if ((map->n_side + 1) * 3 > map->side_capacity * 2 && side_grow(map) < 0)
		return -1;
	side_insert(map, address, number);
	return 0;
}

/* Linear probing without tombstones: move later entries of the run back into the hole. */
static bool side_take(struct addrmap *map, uint64_t address, uint64_t *number)
{
	struct addrmap_entry *entry = side_find(map, address);
	if (!entry)
		return false;
	*number = entry->number;
	size_t mask = map->side_capacity - 1, hole = (size_t)(entry - map->side);
	for (size_t i = (hole + 1) & mask; map->side[i].address; i = (i + 1) & mask) {
		size_t home = hash_pair(map->side[i].address, 0) & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->side[hole] = map->side[i];
			hole = i;
		}
	}
	map->side[hole].address = 0;
	map->n_side--;
	return true;
}

int addrmap_put_slow(struct addrmap *map, uint64_t address, uint64_t number, uint64_t *old)
{
	uint64_t none;
	int had = 0;
	if (address == 0)
		return -1;
	if (!addrmap_is_paged(address))
		return side_put(map, address, number, old);
	uint32_t *slot = addrmap_slot(map, address);
	if (!slot)
		slot = slot_make(map, address);
	if (!slot)
		return -1;
	if (*slot == ADDRMAP_SIDE) {
		had = side_take(map, address, old);
	} else if (*slot >= ADDRMAP_FIRST) {
		*old = addrmap_number(*slot, number);
		had = 1;
	}
	if ((uint32_t)number >= ADDRMAP_FIRST) {
		*slot = (uint32_t)number;
		return had;
	}
	*slot = ADDRMAP_SIDE;
	return side_put(map, address, number, &none) < 0 ? -1 : had;
}

enum addrmap_found addrmap_take_slow(struct addrmap *map, uint64_t address, uint64_t next, uint64_t *number)
{
	if (!addrmap_is_paged(address))
		return side_take(map, address, number) ? ADDRMAP_LIVE : ADDRMAP_NONE;
	uint32_t *slot = addrmap_slot(map, address);
	if (!slot && map->tombs && address)
		slot = slot_make(map, address);
	if (!slot)
		return ADDRMAP_NONE;
	uint32_t value = *slot;
	*slot = map->tombs ? ADDRMAP_TOMB : ADDRMAP_EMPTY;
	switch (value) {
	case ADDRMAP_EMPTY:
		return ADDRMAP_NONE;
	case ADDRMAP_TOMB:
		return ADDRMAP_FREED;
	case ADDRMAP_SIDE:
		return side_take(map, address, number) ? ADDRMAP_LIVE : ADDRMAP_NONE;
	default:
		*number = addrmap_number(value, next);
		return ADDRMAP_LIVE;
	}
}

void addrmap_restore(struct addrmap *map, uint64_t address, uint64_t number, uint64_t next)
{
	uint64_t none;
	uint32_t *slot = addrmap_is_paged(address) ? addrmap_slot(map, address) : NULL;
	if (slot && next - number < ADDRMAP_SWEEP_PERIOD && (uint32_t)number >= ADDRMAP_FIRST)
		*slot = (uint32_t)number;
	else if (side_put(map, address, number, &none) == 0 && slot)
		*slot = ADDRMAP_SIDE;
}

void addrmap_forget(struct addrmap *map, uint64_t address)
{
	uint32_t *slot = addrmap_is_paged(address) ? addrmap_slot(map, address) : NULL;
	if (slot && *slot == ADDRMAP_TOMB)
		*slot = ADDRMAP_EMPTY;
}

bool addrmap_has(const struct addrmap *map, uint64_t address)
{
	if (!addrmap_is_paged(address))
		return side_find(map, address);
	const uint32_t *slot = addrmap_slot(map, address);
	return slot && (*slot == ADDRMAP_SIDE || *slot >= ADDRMAP_FIRST);
}

static int region_sweep(struct addrmap *map, uint32_t *region, uint64_t base, uint64_t next)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (region[i] < ADDRMAP_FIRST)
			continue;
		uint64_t number = addrmap_number(region[i], next), none;
		if (next - number < ADDRMAP_SWEEP_PERIOD)
			continue;
		if (side_put(map, base + 16ull * i, number, &none) < 0)
			return -1;
		region[i] = ADDRMAP_SIDE;
	}
	return 0;
}

int addrmap_sweep(struct addrmap *map, uint64_t next)
{
	for (uint64_t u = 0; u < UNITS; u++) {
		if (!map->units[u])
			continue;
		for (uint64_t r = 0; r < REGIONS; r++)
			if (map->units[u][r] && region_sweep(map, map->units[u][r], u << 32 | r << 16, next) < 0)
				return -1;
	}
	return 0;
}
