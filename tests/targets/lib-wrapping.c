/* A library that wraps libc's allocator, as many programs link one: some forms go on to the next definition, others are made
 * of malloc and free, called by name, so that they come back through whoever stands first in the search order. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static void *(*next_malloc)(size_t);
static void (*next_free)(void *);
static size_t (*next_usable)(void *);
static char early[4096] __attribute__((aligned(16)));
static size_t early_used;

static void look_up(void)
{
	if (next_usable)
		return;
	*(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
	*(void **)&next_free = dlsym(RTLD_NEXT, "free");
	*(void **)&next_usable = dlsym(RTLD_NEXT, "malloc_usable_size");
}

static int is_early(const void *p)
{
	return (const char *)p >= early && (const char *)p < early + sizeof(early);
}

void *malloc(size_t size)
{
	static int busy;
	if (!next_malloc && !busy) {
		busy = 1;
		look_up();
	}
	if (next_malloc)
		return next_malloc(size);
	void *p = early + early_used; /* dlsym itself allocates */
	early_used += (size + 15) / 16 * 16;
	return p;
}

void free(void *p)
{
	if (is_early(p))
		return;
	look_up();
	next_free(p);
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	void *p = malloc(bytes);
	return p ? memset(p, 0, bytes) : NULL;
}

void *realloc(void *p, size_t size)
{
	if (!p)
		return malloc(size);
	if (!size) {
		free(p);
		return NULL;
	}
	look_up();
	size_t old = is_early(p) ? (size_t)(early + sizeof(early) - (char *)p) : next_usable(p);
	void *q = malloc(size);
	if (q) {
		memcpy(q, p, old < size ? old : size);
		free(p);
	}
	return q;
}
