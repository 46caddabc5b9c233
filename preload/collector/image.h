/* The shared memory of one process image and its forked children, as seen by the collector: mapped once, its header
 * checked once, every offset read from it later checked on each use. The target may scribble over it at any time.
 * image_new and image_unref are called by the drain thread, the getters by both threads. */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "procfs.h"
#include "tidemark/ring.h"

struct process;
struct ring;

struct image {
	struct image *next;
	struct tidemark_shm *shm;
	size_t mapped_bytes;
	int memfd;
	uint32_t clock;
	uint64_t start_stamp, start_mono_ns, start_real_ns; /* as found at first; plausible */
	struct tidemark_area procs, rings, modules, strings, nodes, ring_data;
	pid_t pid;                /* of the process that sent it, as seen from here; 0: invisible */
	_Atomic uint32_t n_users; /* files and items that still read the mapping */

	/* drain thread only */
	struct procfs_stat first_stat; /* of the process that sent it */
	struct process **processes;    /* by slot; NULL when closed or never seen */
	uint32_t slots;                /* how many the area has */
	uint32_t n_live;               /* processes not closed */
	bool shares_pids;              /* all its processes know themselves by the pids that we see */
	uint32_t procs_seen;           /* n_procs when slots were looked at last */
	uint32_t slots_published_seen; /* n_published when slots were looked at last */
	uint32_t descriptors;          /* rings the area has */
	uint32_t rings_seen, free_rings_seen, rings_published_seen;
	uint32_t *dormant; /* descriptors without an owner that may come to life */
	uint32_t n_dormant, dormant_capacity;
	uint64_t dormant_until_ns; /* look at them at each pass until then */
	struct ring **orphans;     /* rings in use whose process is closed */
	uint32_t n_orphans, orphans_capacity;
	uint32_t modules_seen;    /* all before it were sent to the writer */
	uint64_t drained_ns;      /* when something was found in its rings last */
	uint64_t mapped_check_ns; /* when to look again whether anybody still maps the memory */
	uint64_t mapped_check_wait_ns;
	uint32_t doorbell_seen;
};

/* Map and check the memory that a shim sent. Takes memfd over, also on failure.
 * returns: NULL when it is not what it should be; *why then says so */
struct image *image_new(int memfd, pid_t pid, const char **why);

/* Drain thread, when all its processes are closed: unmap and free. */
void image_free(struct image *image);

/* Put an item on a stack of free ones, shm.free_rings or shm.free_procs. link: the item's next_free */
void image_push_free(_Atomic uint32_t *stack, _Atomic uint32_t *link, uint32_t index);

/* Does any process other than this one still map the memory? Drain thread; what other threads write at this moment may
 * be lost. returns: 1; 0: none does, and none will see what is written from now on; -1: it cannot be told */
int image_is_mapped_elsewhere(struct image *image);

static inline void *image_at(const struct image *image, const struct tidemark_area *area, uint64_t offset_bytes)
{
	return (char *)image->shm + area->offset_bytes + offset_bytes;
}

static inline struct tidemark_proc *image_proc(const struct image *image, uint32_t slot)
{
	return (struct tidemark_proc *)image_at(image, &image->procs, 0) + slot;
}

static inline struct tidemark_ring *image_ring(const struct image *image, uint32_t index)
{
	return (struct tidemark_ring *)image_at(image, &image->rings, 0) + index;
}

static inline struct tidemark_module *image_module(const struct image *image, uint32_t index)
{
	return (struct tidemark_module *)image_at(image, &image->modules, 0) + index;
}

/* Slots that may hold a process: 0 and those ever claimed. */
static inline uint32_t image_slots_used(const struct image *image)
{
	return image->procs_seen ? image->procs_seen : 1;
}

/* Copy node `id`. returns: false when there is no such node */
bool image_node(const struct image *image, uint32_t id, struct tidemark_node *node);

/* Copy a module record. returns: false when it is not ready or nonsense */
bool image_get_module(const struct image *image, uint32_t index, struct tidemark_module *module);

/* Copy a string, cut at capacity - 1 bytes, with its NUL. returns: its length; 0 for a wrong offset */
size_t image_string(const struct image *image, uint32_t offset, char *text, size_t capacity);

/* Copy `bytes` bytes of the strings area, or as many as there are. returns: how many */
size_t image_string_bytes(const struct image *image, uint32_t offset, char *text, size_t bytes);

/* Bytes of the memory that are backed by pages. */
uint64_t image_resident_bytes(const struct image *image);

#endif
