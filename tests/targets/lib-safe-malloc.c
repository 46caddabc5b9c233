/* An allocator that may be called in a signal handler at any point, also from within itself: a lock-free arena that hands
 * out memory once and forgets it. signal-storm.c and siglongjmp-out.c link it in place of libc's. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_BYTES ((size_t)4 << 30)

static _Atomic(char *) arena;
static _Atomic size_t used;

static char *base(void)
{
	char *p = atomic_load(&arena), *mine;
	if (p)
		return p;
	mine = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mine == MAP_FAILED)
		return NULL;
	if (atomic_compare_exchange_strong(&arena, &p, mine))
		return mine;
	munmap(mine, ARENA_BYTES);
	return p;
}

static void *take(size_t align, size_t size)
{
	char *start = base();
	if (!start || size > ARENA_BYTES || align > ARENA_BYTES)
		return NULL;
	size_t room = 16 + size + align;
	size_t at = atomic_fetch_add(&used, (room + 15) / 16 * 16);
	if (at + room > ARENA_BYTES)
		return NULL;
	char *p = (char *)(((uintptr_t)start + at + 16 + align - 1) / align * align);
	((size_t *)p)[-1] = size;
	return p;
}

void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);
void free(void *p);
int posix_memalign(void **out, size_t align, size_t size);
void *aligned_alloc(size_t align, size_t size);
void *memalign(size_t align, size_t size);
size_t malloc_usable_size(void *p);

void *malloc(size_t size)
{
	return take(16, size);
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;
	return __builtin_mul_overflow(n, size, &bytes) ? NULL : take(16, bytes);
}

void *realloc(void *p, size_t size)
{
	if (p && !size)
		return NULL;
	char *q = take(16, size);
	if (q && p) {
		size_t old = ((size_t *)p)[-1];
		memcpy(q, p, old < size ? old : size);
	}
	return q;
}

void free(void *p)
{
	(void)p;
}

int posix_memalign(void **out, size_t align, size_t size)
{
	*out = take(align, size);
	return *out ? 0 : 12;
}

void *aligned_alloc(size_t align, size_t size)
{
	return take(align, size);
}

void *memalign(size_t align, size_t size)
{
	return take(align < 16 ? 16 : align, size);
}

size_t malloc_usable_size(void *p)
{
	return p ? ((size_t *)p)[-1] : 0;
}
