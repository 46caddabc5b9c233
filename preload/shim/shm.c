/* Creates, lays out and opens the shared memory, and hands out the shim's private memory.
 * Enters: the limits of the process. Leaves: `shm`, and the memfd that the collector gets. The constructor creates; all
 * threads open further steps through shm_ensure, without locks. */
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "sys.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define KIB 1024ull
#define MIB (1024 * KIB)
#define PAGE_BYTES (4 * KIB)  /* alignment of the layout; larger pages are handled by STEP_BYTES */
#define STEP_BYTES (64 * KIB) /* areas open in such steps; a multiple of every page size in use */
#define LARGE_STEP_BYTES MIB
#define MAX_SCALE 9  /* growing areas shrink to 1/512 at most: 128 KiB of trie, 192 KiB of rings */
#define FILE_SCALE 5 /* where the memory is a file that must be allocated as a whole: about 14 MiB */
#define AS_SHARE 8   /* of a limited address space Tidemark takes at most an eighth */
#define PRIVATE_RESERVE_BYTES (16 * MIB)
#define PRIVATE_MAX_BYTES (256 * MIB) /* 10,000 threads do not pass it; further threads record without stacks */

struct tidemark_shm *shm;
struct tidemark_proc *proc_self;
uint32_t proc_slot;

enum { AREA_PROCS, AREA_RINGS, AREA_MODULES, AREA_STRINGS, AREA_NODES, AREA_TABLES, AREA_RING_DATA, N_AREAS };

static const struct {
	uint64_t bytes;
	bool grows; /* may be scaled down */
} plan[N_AREAS] = {
    [AREA_PROCS] = {sizeof(struct tidemark_proc) * TIDEMARK_MAX_PROCS, false},
    [AREA_RINGS] = {sizeof(struct tidemark_ring) * TIDEMARK_MAX_RINGS, false},
    [AREA_MODULES] = {sizeof(struct tidemark_module) * TIDEMARK_MAX_MODULES, false},
    [AREA_STRINGS] = {8 * MIB, true},
    [AREA_NODES] = {96 * MIB, true},
    [AREA_TABLES] = {32 * MIB, true},
    [AREA_RING_DATA] = {96 * MIB, true},
};

/* Private to the process: a forked child inherits the mapping as far as its parent had opened it. */
_Atomic uint64_t shm_opened_bytes[N_AREAS];
static _Atomic bool failed[N_AREAS];

static struct {
	char *base;
	uint64_t reserved_bytes;
	_Atomic uint64_t used_bytes; /* of the reserve; may run past it */
	_Atomic uint64_t opened_bytes;
	_Atomic uint64_t total_bytes;
} private_memory;

static uint64_t round_up(uint64_t n, uint64_t step)
{
	return (n + step - 1) / step * step;
}

static struct tidemark_area *area_at(struct tidemark_shm *header, unsigned i)
{
	return &header->procs + i;
}

/* Fill in the areas for a scale. returns: the total size */
static uint64_t lay_out(struct tidemark_shm *header, unsigned scale)
{
	uint64_t end = round_up(sizeof(*header), STEP_BYTES);
	for (unsigned i = 0; i < N_AREAS; i++) {
		uint64_t bytes = round_up(plan[i].grows ? plan[i].bytes >> scale : plan[i].bytes, STEP_BYTES);
		*area_at(header, i) = (struct tidemark_area){.offset_bytes = end, .size_bytes = bytes};
		end += bytes;
	}
	return end;
}

static uint64_t limit_of(int resource)
{
	struct rlimit limit;
	if (SYS4(prlimit64, 0, resource, NULL, &limit) < 0)
		return UINT64_MAX;
	return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

/* Above RLIMIT_FSIZE the kernel refuses and sends SIGXFSZ, whose default is death: take it back. */
static long truncate_quietly(int fd, uint64_t bytes)
{
	uint64_t mask = 1ull << (SIGXFSZ - 1), old = 0;
	struct rlimit before, raised;
	bool limited = SYS4(prlimit64, 0, RLIMIT_FSIZE, NULL, &before) == 0 && before.rlim_cur < bytes;
	if (limited) {
		raised = before;
		raised.rlim_cur = raised.rlim_max < bytes ? raised.rlim_max : bytes;
		SYS4(prlimit64, 0, RLIMIT_FSIZE, &raised, NULL);
	}
	SYS4(rt_sigprocmask, SIG_BLOCK, &mask, &old, 8);
	long result = SYS2(ftruncate, fd, bytes);
	if (result == -EFBIG) {
		struct timespec now = {0, 0};
		SYS4(rt_sigtimedwait, &mask, NULL, &now, 8);
	}
	SYS4(rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
	if (limited)
		SYS4(prlimit64, 0, RLIMIT_FSIZE, &before, NULL);
	return result;
}

/* A file of the total size: a memfd, or where that system call is missing an unlinked file in /dev/shm, allocated
 * as a whole because a full file system would show itself as SIGBUS in the target. returns: descriptor or negative */
static int open_memory(uint64_t total_bytes, bool file)
{
	int fd;
	if (file) {
		fd = (int)SYS4(openat, AT_FDCWD, "/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	} else {
		unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
		fd = (int)SYS2(memfd_create, "tidemark", flags | MFD_NOEXEC_SEAL);
		if (fd == -EINVAL)
			fd = (int)SYS2(memfd_create, "tidemark", flags);
	}
	if (fd < 0)
		return fd;
	long result = truncate_quietly(fd, total_bytes);
	if (result == 0 && file)
		result = SYS4(fallocate, fd, 0, 0, total_bytes);
	if (result < 0) {
		SYS1(close, fd);
		return (int)result;
	}
	/* Not F_SEAL_SEAL: the collector asks by F_SEAL_WRITE at the end whether anybody maps the memory yet. */
	if (!file)
		SYS3(fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	return fd;
}

static struct tidemark_shm *map_memory(int fd, uint64_t total_bytes)
{
	long address = SYS6(mmap, NULL, total_bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (sys_failed(address))
		return NULL;
	if (SYS3(mprotect, address, round_up(sizeof(struct tidemark_shm), PAGE_BYTES), PROT_READ | PROT_WRITE) < 0) {
		SYS2(munmap, address, total_bytes);
		return NULL;
	}
	SYS3(madvise, address, total_bytes, MADV_DONTDUMP);
	return (struct tidemark_shm *)address;
}

static void reserve_private(unsigned scale)
{
	uint64_t bytes = round_up(PRIVATE_RESERVE_BYTES >> scale, STEP_BYTES);
	long address = SYS6(mmap, NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(address))
		return;
	SYS5(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, bytes, "tidemark");
	SYS3(madvise, address, bytes, MADV_DONTDUMP);
	private_memory.base = (char *)address;
	private_memory.reserved_bytes = bytes;
}

static unsigned first_scale(void)
{
	struct tidemark_shm header;
	uint64_t limit = limit_of(RLIMIT_AS), budget = limit == UINT64_MAX ? limit : limit / AS_SHARE;
	unsigned scale = 0;
	while (scale < MAX_SCALE && lay_out(&header, scale) + (PRIVATE_RESERVE_BYTES >> scale) > budget)
		scale++;
	return scale;
}

int shm_create(void)
{
	struct tidemark_shm header, *mapped = NULL;
	bool file = false;
	int fd = -1;
	unsigned scale = first_scale();
	for (; scale <= MAX_SCALE && !mapped; scale++) {
		memset(&header, 0, sizeof(header));
		header.total_bytes = lay_out(&header, scale);
		fd = open_memory(header.total_bytes, file);
		if ((fd == -ENOSYS || fd == -EPERM) && !file) {
			file = true;
			scale = scale > FILE_SCALE ? scale - 1 : FILE_SCALE - 1; /* the loop adds 1 */
			continue;
		}
		if (fd < 0)
			continue;
		mapped = map_memory(fd, header.total_bytes);
		if (!mapped)
			SYS1(close, fd);
		else
			reserve_private(scale);
	}
	if (!mapped)
		return -ENOMEM;
	header.magic = TIDEMARK_SHM_MAGIC;
	header.version = TIDEMARK_SHM_VERSION;
	header.header_bytes = sizeof(header);
	memcpy(header.shim_version, TIDEMARK_VERSION, sizeof(TIDEMARK_VERSION));
	memcpy(mapped, &header, sizeof(header));
	atomic_store_explicit(&mapped->n_nodes, 1, memory_order_relaxed);            /* the root */
	atomic_store_explicit(&mapped->strings_used_bytes, 1, memory_order_relaxed); /* the empty string */
	shm = mapped;
	return fd;
}

void shm_discard(void)
{
	struct tidemark_shm *old = shm;
	if (!old)
		return;
	shm = NULL;
	proc_self = NULL;
	SYS2(munmap, old, old->total_bytes);
	if (private_memory.base)
		SYS2(munmap, private_memory.base, private_memory.reserved_bytes);
	private_memory.base = NULL;
	private_memory.reserved_bytes = 0;
}

static void raise_to(_Atomic uint64_t *value, uint64_t to)
{
	uint64_t old = atomic_load_explicit(value, memory_order_relaxed);
	while (old < to &&
	       !atomic_compare_exchange_weak_explicit(value, &old, to, memory_order_release, memory_order_relaxed))
		;
}

/* Open [0, bytes) at base, rounded up to a step, by mprotect. Racing threads open overlapping ranges, which is
 * harmless. */
static bool open_to(char *base, _Atomic uint64_t *opened, uint64_t bytes, uint64_t size_bytes)
{
	uint64_t old = atomic_load_explicit(opened, memory_order_acquire);
	if (bytes <= old)
		return true;
	uint64_t to = round_up(bytes, bytes > LARGE_STEP_BYTES ? LARGE_STEP_BYTES : STEP_BYTES);
	if (to > size_bytes)
		to = size_bytes;
	if (SYS3(mprotect, base + old, to - old, PROT_READ | PROT_WRITE) < 0)
		return false;
	raise_to(opened, to);
	return true;
}

NOINLINE bool shm_open_to(const struct tidemark_area *area, uint64_t bytes)
{
	size_t i = (size_t)(area - &shm->procs);
	if (bytes > area->size_bytes || atomic_load_explicit(&failed[i], memory_order_relaxed))
		return false;
	if (open_to(shm_at(area, 0), &shm_opened_bytes[i], bytes, area->size_bytes))
		return true;
	atomic_store_explicit(&failed[i], true, memory_order_relaxed);
	return false;
}

uint32_t shm_put_string(const char *s, size_t n)
{
	uint64_t at = atomic_load_explicit(&shm->strings_used_bytes, memory_order_relaxed);
	do {
		if (n >= shm->strings.size_bytes || at + n + 1 > shm->strings.size_bytes)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
	    &shm->strings_used_bytes, &at, at + n + 1, memory_order_relaxed, memory_order_relaxed));
	if (!shm_ensure(&shm->strings, at + n + 1))
		return 0;
	char *to = shm_at(&shm->strings, at);
	memcpy(to, s, n);
	to[n] = 0;
	return (uint32_t)at;
}

static void *map_private(uint64_t bytes)
{
	long address =
	    SYS6(mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return sys_failed(address) ? NULL : (void *)address;
}

void *shm_private(size_t n)
{
	uint64_t bytes = round_up(n, 64);
	if (bytes >= PAGE_BYTES)
		bytes = round_up(bytes, PAGE_BYTES);
	if (atomic_fetch_add_explicit(&private_memory.total_bytes, bytes, memory_order_relaxed) + bytes >
	    PRIVATE_MAX_BYTES) {
		atomic_fetch_sub_explicit(&private_memory.total_bytes, bytes, memory_order_relaxed);
		return NULL;
	}
	void *memory = NULL;
	uint64_t at = atomic_load_explicit(&private_memory.used_bytes, memory_order_relaxed), start;
	do {
		start = bytes >= PAGE_BYTES ? round_up(at, PAGE_BYTES) : at;
	} while (start + bytes <= private_memory.reserved_bytes &&
	         !atomic_compare_exchange_weak_explicit(
	             &private_memory.used_bytes, &at, start + bytes, memory_order_relaxed, memory_order_relaxed));
	if (start + bytes > private_memory.reserved_bytes)
		memory = map_private(round_up(bytes, PAGE_BYTES));
	else if (open_to(
	             private_memory.base, &private_memory.opened_bytes, start + bytes, private_memory.reserved_bytes))
		memory = private_memory.base + start;
	if (memory && proc_self)
		atomic_fetch_add_explicit(&proc_self->own_private_bytes, bytes, memory_order_relaxed);
	return memory;
}

uint64_t shm_private_bytes(void)
{
	return atomic_load_explicit(&private_memory.total_bytes, memory_order_relaxed);
}
