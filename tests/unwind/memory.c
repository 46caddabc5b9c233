/* A stand-in for the shim's shm.c: the same functions over one anonymous shared mapping, without a collector and hooks. Lets the
 * unwinder, the trie and the modules be tested alone. */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "hooks.h"
#include "memory.h"
#include "shm.h"

#define MIB (1024ull * 1024)

struct tidemark_shm *shm;
struct tidemark_proc *proc_self;
uint32_t proc_slot;
_Atomic uint64_t shm_opened_bytes[7];

bool memory_init(void)
{
	static const uint64_t bytes[7] = {MIB, MIB, 2 * MIB, 4 * MIB, 512 * MIB, 512 * MIB, MIB};
	uint64_t total = MIB;
	for (int i = 0; i < 7; i++)
		total += bytes[i];
	void *memory = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	shm = memory;
	uint64_t offset = MIB;
	struct tidemark_area *area = &shm->procs;
	for (int i = 0; i < 7; i++) {
		area[i] = (struct tidemark_area){offset, bytes[i]};
		offset += bytes[i];
	}
	proc_self = shm_at(&shm->procs, 0);
	shm->strings_used_bytes = 1;
	shm->n_procs = 1;
	shm->n_nodes = 1;
	return true;
}

bool shm_open_to(const struct tidemark_area *area, uint64_t bytes)
{
	return bytes <= area->size_bytes;
}

uint32_t shm_put_string(const char *s, size_t n)
{
	uint64_t at = atomic_fetch_add(&shm->strings_used_bytes, n + 1);
	if (at + n + 1 > shm->strings.size_bytes)
		return 0;
	memcpy(shm_at(&shm->strings, at), s, n);
	return (uint32_t)at;
}

void *shm_private(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* There are no hooks to bind to. */
void hooks_bind(const struct dl_phdr_info *info)
{
	(void)info;
}
