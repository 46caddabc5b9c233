#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "timebase.h"

#define MAX_SHM_BYTES (1ull << 40)

static bool area_is_good(const struct image *image, const struct tidemark_area *area, uint64_t least_bytes)
{
	return area->offset_bytes >= sizeof(struct tidemark_shm) && area->offset_bytes % 64 == 0 &&
	       area->size_bytes >= least_bytes && area->size_bytes <= image->mapped_bytes &&
	       area->offset_bytes <= image->mapped_bytes - area->size_bytes;
}

/* Everything that is used without another check later. returns: NULL or what is wrong */
static const char *take_header(struct image *image)
{
	struct tidemark_shm shm;
	memcpy(&shm, image->shm, sizeof(shm));
	if (shm.magic != TIDEMARK_SHM_MAGIC || shm.version != TIDEMARK_SHM_VERSION ||
	    shm.header_bytes != sizeof(struct tidemark_shm))
		return "shim and collector are of different versions";
	image->procs = shm.procs;
	image->rings = shm.rings;
	image->modules = shm.modules;
	image->strings = shm.strings;
	image->nodes = shm.nodes;
	image->ring_data = shm.ring_data;
	if (!area_is_good(image, &image->procs, sizeof(struct tidemark_proc)) ||
	    !area_is_good(image, &image->rings, sizeof(struct tidemark_ring)) ||
	    !area_is_good(image, &image->modules, sizeof(struct tidemark_module)) ||
	    !area_is_good(image, &image->strings, 1) ||
	    !area_is_good(image, &image->nodes, sizeof(struct tidemark_node)) ||
	    !area_is_good(image, &image->ring_data, 64))
		return "shared memory with a wrong layout";
	image->clock = shm.clock == TIDEMARK_CLOCK_TSC ? TIDEMARK_CLOCK_TSC : TIDEMARK_CLOCK_COUNTER;
	image->start_stamp = shm.start_stamp;
	image->start_mono_ns = shm.start_mono_ns;
	image->start_real_ns = shm.start_real_ns;
	uint64_t now = mono_ns();
	if (image->start_mono_ns > now)
		image->start_mono_ns = now;
	return NULL;
}

static const char *map_memory(struct image *image)
{
	struct stat st;
	int seals = fcntl(image->memfd, F_GET_SEALS);
	/* Where memfd_create is forbidden, the shim takes a file in /dev/shm, that cannot be sealed; see
	 * catch_bus_error. */
	if (fstat(image->memfd, &st) < 0 || !S_ISREG(st.st_mode) || seals < 0 ||
	    !(seals & (F_SEAL_SHRINK | F_SEAL_SEAL)))
		return "not a sealed memfd";
	if (st.st_size < (off_t)sizeof(struct tidemark_shm) || (uint64_t)st.st_size > MAX_SHM_BYTES)
		return "shared memory of a wrong size";
	image->mapped_bytes = (size_t)st.st_size;
	void *memory =
	    mmap(NULL, image->mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, image->memfd, 0);
	if (memory == MAP_FAILED)
		return "cannot map the shared memory";
	image->shm = memory;
	return NULL;
}

static uint32_t area_count(const struct tidemark_area *area, uint64_t item_bytes, uint32_t max)
{
	uint64_t n = area->size_bytes / item_bytes;
	return n < max ? (uint32_t)n : max;
}

struct image *image_new(int memfd, pid_t pid, const char **why)
{
	struct image *image = calloc(1, sizeof(*image));
	*why = "no memory";
	if (!image) {
		close(memfd);
		return NULL;
	}
	image->memfd = memfd;
	image->pid = pid;
	*why = map_memory(image);
	if (!*why)
		*why = take_header(image);
	if (!*why) {
		image->slots = area_count(&image->procs, sizeof(struct tidemark_proc), TIDEMARK_MAX_PROCS);
		image->descriptors = area_count(&image->rings, sizeof(struct tidemark_ring), TIDEMARK_MAX_RINGS);
		image->processes = calloc(image->slots, sizeof(*image->processes));
		if (!image->processes)
			*why = "no memory";
	}
	if (!*why)
		return image;
	image_free(image);
	return NULL;
}

void image_free(struct image *image)
{
	if (image->shm)
		munmap(image->shm, image->mapped_bytes);
	close(image->memfd);
	free(image->processes);
	free(image->dormant);
	for (uint32_t i = 0; i < image->n_orphans; i++)
		free(image->orphans[i]);
	free(image->orphans);
	free(image);
}

void image_push_free(_Atomic uint32_t *stack, _Atomic uint32_t *link, uint32_t index)
{
	uint32_t top = atomic_load(stack), now;
	do {
		atomic_store(link, top & 0xffff);
		now = ((top >> 16) + 1) << 16 | (index + 1);
	} while (!atomic_compare_exchange_weak(stack, &top, now));
}

int image_is_mapped_elsewhere(struct image *image)
{
	/* The kernel refuses the seal against writing while a shared writable mapping exists anywhere. For the test
	 * ours is replaced by a private one, at one stroke: the writer thread may be reading. */
	void *place = image->shm;
	int access = PROT_READ | PROT_WRITE, flags = MAP_FIXED | MAP_NORESERVE, answer = 1;
	if (mmap(place, image->mapped_bytes, access, MAP_PRIVATE | flags, image->memfd, 0) == MAP_FAILED)
		return -1;
	if (fcntl(image->memfd, F_ADD_SEALS, F_SEAL_WRITE) == 0)
		return 0;
	if (errno != EBUSY)
		answer = -1;
	/* Without memory to share it again, the processes out there will find that nobody drains. */
	if (mmap(place, image->mapped_bytes, access, MAP_SHARED | flags, image->memfd, 0) == MAP_FAILED)
		return 0;
	return answer;
}

bool image_node(const struct image *image, uint32_t id, struct tidemark_node *node)
{
	if (id >= image->nodes.size_bytes / sizeof(*node))
		return false;
	memcpy(node, image_at(image, &image->nodes, id * sizeof(*node)), sizeof(*node));
	return true;
}

bool image_get_module(const struct image *image, uint32_t index, struct tidemark_module *module)
{
	if (index >= TIDEMARK_MAX_MODULES || index >= image->modules.size_bytes / sizeof(*module))
		return false;
	struct tidemark_module *shared = image_module(image, index);
	if (atomic_load_explicit(&shared->ready, memory_order_acquire) != 1)
		return false;
	memcpy(module, shared, sizeof(*module));
	if (module->build_id_bytes > TIDEMARK_MAX_BUILD_ID)
		module->build_id_bytes = 0;
	return module->start <= module->end;
}

size_t image_string_bytes(const struct image *image, uint32_t offset, char *text, size_t bytes)
{
	if (offset >= image->strings.size_bytes)
		return 0;
	uint64_t there = image->strings.size_bytes - offset;
	if (bytes > there)
		bytes = (size_t)there;
	memcpy(text, image_at(image, &image->strings, offset), bytes);
	return bytes;
}

size_t image_string(const struct image *image, uint32_t offset, char *text, size_t capacity)
{
	text[0] = '\0';
	if (offset == 0 || offset >= image->strings.size_bytes)
		return 0;
	const char *shared = image_at(image, &image->strings, offset);
	uint64_t there = image->strings.size_bytes - offset;
	size_t max = there < capacity - 1 ? (size_t)there : capacity - 1, n = 0;
	/* byte by byte: what lies behind the NUL may be memory that nobody touched yet */
	while (n < max && (text[n] = shared[n]) != '\0')
		n++;
	text[n] = '\0';
	return n;
}

uint64_t image_resident_bytes(const struct image *image)
{
	struct stat st;
	return fstat(image->memfd, &st) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}
