/* The functions that the hooks stand in front of: the next definitions after this library, as the program would have
 * found them without it. Every pointer can be called at any time: until the first call of real_init they point to
 * functions that look them up first, and what nobody defines has a stand-in. Written once, by the first call, before
 * there are threads. */
#ifndef REAL_H
#define REAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sys.h"

struct real {
	void *(*malloc)(size_t size);
	void (*free)(void *block);
	void *(*calloc)(size_t n, size_t size);
	void *(*realloc)(void *block, size_t size);
	void *(*reallocarray)(void *block, size_t n, size_t size);
	void (*cfree)(void *block);
	int (*posix_memalign)(void **block, size_t alignment, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	void *(*memalign)(size_t alignment, size_t size);
	void *(*valloc)(size_t size);
	void *(*pvalloc)(size_t size);
	void (*free_sized)(void *block, size_t size);
	void (*free_aligned_sized)(void *block, size_t alignment, size_t size);
	size_t (*malloc_usable_size)(void *block);
	int (*dlclose)(void *handle);
	int (*pthread_setname_np)(pthread_t thread, const char *name);
	void (*_exit)(int status);
	void *(*mmap)(void *address, size_t length, int protection, int flags, int fd, off_t offset);
	int (*munmap)(void *address, size_t length);
	void *(*mremap)(void *address, size_t old_length, size_t new_length, int flags, ...);
};

extern HIDDEN struct real real;

/* Look everything up; the first call of any allocation function does it, else the constructor. */
void real_init(void);

/* dlsym(RTLD_NEXT, name). Only in the constructor and in real_init: it takes the loader's lock. */
void *real_next(const char *name);

/* Is the real malloc one of those whose block cannot be stamped too early? See emit_fence_allocations. */
bool real_malloc_is_known(void);

#endif
