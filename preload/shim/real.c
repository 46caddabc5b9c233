/* Finds the real functions. Enters: names. Leaves: the table `real`. The only place that calls dlsym; runs before there
 * are threads, and while it runs allocations come from the arena. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"
#include "objects.h"
#include "sys.h"

static bool looking; /* dlsym is under way: what it allocates must not come back here */

/* --- before the table is filled --- */

static void *first_malloc(size_t size)
{
	if (looking)
		return arena_alloc(size, 0);
	real_init();
	return real.malloc(size);
}

static void *first_calloc(size_t n, size_t size)
{
	size_t bytes;
	if (looking)
		return __builtin_mul_overflow(n, size, &bytes) ? NULL : arena_alloc(bytes, 0);
	real_init();
	return real.calloc(n, size);
}

static void *first_realloc(void *block, size_t size)
{
	if (looking) {
		void *moved = arena_alloc(size, 0);
		if (moved && block && arena_has(block))
			memcpy(moved, block, arena_size(block) < size ? arena_size(block) : size);
		return moved;
	}
	real_init();
	return real.realloc(block, size);
}

static void first_free(void *block)
{
	if (looking)
		return;
	real_init();
	real.free(block);
}

static void *first_reallocarray(void *block, size_t n, size_t size)
{
	real_init();
	return real.reallocarray(block, n, size);
}

static void first_cfree(void *block)
{
	real_init();
	real.cfree(block);
}

static int first_posix_memalign(void **block, size_t alignment, size_t size)
{
	if (looking)
		return (*block = arena_alloc(size, alignment)) ? 0 : ENOMEM;
	real_init();
	return real.posix_memalign(block, alignment, size);
}

static void *first_aligned_alloc(size_t alignment, size_t size)
{
	if (looking)
		return arena_alloc(size, alignment);
	real_init();
	return real.aligned_alloc(alignment, size);
}

static void *first_memalign(size_t alignment, size_t size)
{
	if (looking)
		return arena_alloc(size, alignment);
	real_init();
	return real.memalign(alignment, size);
}

static void *first_valloc(size_t size)
{
	real_init();
	return real.valloc(size);
}

static void *first_pvalloc(size_t size)
{
	real_init();
	return real.pvalloc(size);
}

static void first_free_sized(void *block, size_t size)
{
	real_init();
	real.free_sized(block, size);
}

static void first_free_aligned_sized(void *block, size_t alignment, size_t size)
{
	real_init();
	real.free_aligned_sized(block, alignment, size);
}

static size_t first_malloc_usable_size(void *block)
{
	real_init();
	return real.malloc_usable_size(block);
}

static int first_dlclose(void *handle)
{
	real_init();
	return real.dlclose(handle);
}

static int first_setname(pthread_t thread, const char *name)
{
	real_init();
	return real.pthread_setname_np(thread, name);
}

static void first_exit(int status)
{
	for (;;)
		SYS1(exit_group, status);
}

static long set_errno(long result)
{
	if (!sys_failed(result))
		return result;
	errno = (int)-result;
	return -1;
}

static void *first_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return (void *)set_errno(SYS6(mmap, address, length, protection, flags, fd, offset));
}

static int first_munmap(void *address, size_t length)
{
	return (int)set_errno(SYS2(munmap, address, length));
}

static void *first_mremap(void *address, size_t old_length, size_t new_length, int flags, ...)
{
	__builtin_va_list arguments;
	__builtin_va_start(arguments, flags);
	void *to = __builtin_va_arg(arguments, void *);
	__builtin_va_end(arguments);
	return (void *)set_errno(SYS5(mremap, address, old_length, new_length, flags, to));
}

struct real real = {
    .malloc = first_malloc,
    .free = first_free,
    .calloc = first_calloc,
    .realloc = first_realloc,
    .reallocarray = first_reallocarray,
    .cfree = first_cfree,
    .posix_memalign = first_posix_memalign,
    .aligned_alloc = first_aligned_alloc,
    .memalign = first_memalign,
    .valloc = first_valloc,
    .pvalloc = first_pvalloc,
    .free_sized = first_free_sized,
    .free_aligned_sized = first_free_aligned_sized,
    .malloc_usable_size = first_malloc_usable_size,
    .dlclose = first_dlclose,
    .pthread_setname_np = first_setname,
    ._exit = first_exit,
    .mmap = first_mmap,
    .munmap = first_munmap,
    .mremap = first_mremap,
};

/* --- for what nobody defines --- */

static void *no_reallocarray(void *block, size_t n, size_t size)
{
	size_t bytes;
	if (!__builtin_mul_overflow(n, size, &bytes))
		return real.realloc(block, bytes);
	errno = ENOMEM;
	return NULL;
}

static void no_free_sized(void *block, size_t size)
{
	(void)size;
	real.free(block);
}

static void no_free_aligned_sized(void *block, size_t alignment, size_t size)
{
	(void)alignment;
	(void)size;
	real.free(block);
}

static int no_setname(pthread_t thread, const char *name)
{
	(void)thread;
	(void)name;
	return ENOSYS;
}

static size_t no_malloc_usable_size(void *block)
{
	(void)block;
	return 0;
}

/* A dlsym that fails would leave its message for the program's first dlerror(). It passes over what an object defines in
 * an old version alone, which the program's own calls reach all the same: libc_malloc_debug.so does (MALLOC_CHECK_). */
void *real_next(const char *name)
{
	void *next = objects_next(name, true), *found = next ? dlsym(RTLD_NEXT, name) : NULL;
	return found == next || next == objects_next(name, false) ? found : next;
}

#define FIND(name, stand_in)                                                                                           \
	do {                                                                                                           \
		void *found = real_next(#name);                                                                        \
		next.name = found ? (__typeof__(next.name))found : (stand_in);                                         \
	} while (0)

void real_init(void)
{
	struct real next;
	int saved = errno;
	if (looking || real.malloc != first_malloc)
		return;
	looking = true;
	FIND(malloc, first_malloc);
	FIND(free, first_free);
	FIND(calloc, first_calloc);
	FIND(realloc, first_realloc);
	FIND(reallocarray, no_reallocarray);
	next.cfree =
	    (__typeof__(next.cfree))objects_next("cfree", true); /* glibc hides it from dlsym, not from old programs */
	if (!next.cfree)
		next.cfree = next.free;
	FIND(posix_memalign, first_posix_memalign);
	FIND(aligned_alloc, first_aligned_alloc);
	FIND(memalign, first_memalign);
	FIND(valloc, first_valloc);
	FIND(pvalloc, first_pvalloc);
	FIND(free_sized, no_free_sized);
	FIND(free_aligned_sized, no_free_aligned_sized);
	FIND(malloc_usable_size, no_malloc_usable_size);
	FIND(dlclose, first_dlclose);
	FIND(pthread_setname_np, no_setname);
	FIND(_exit, first_exit);
	FIND(mmap, first_mmap);
	FIND(munmap, first_munmap);
	FIND(mremap, first_mremap);
	real = next;
	looking = false;
	errno = saved;
}

bool real_malloc_is_known(void)
{
	static const char *const known[] = {"libc.so.6", "libc-", "libjemalloc", "libtcmalloc", "libmimalloc"};
	struct object object;
	if (!objects_at((uintptr_t)real.malloc, &object)) /* dladdr would look for the symbol's name, too */
		return false;
	const char *slash = strrchr(object.path, '/'), *name = slash ? slash + 1 : object.path;
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(name, known[i], strlen(known[i])) == 0)
			return true;
	}
	return false;
}
