/* The C entry points. Enters: the program's calls. Leaves: what the real functions returned, with errno as they left
 * it, and one event for each call that made or ended a block. Every exported function here is called by the program, on
 * any thread.
 *
 * No state is held across a real call, except that a realloc marks the block it may end (emit_move). */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "emit.h"
#include "hooks.h"
#include "hooks_cxx.h"
#include "objects.h"
#include "real.h"
#include "stack.h"

void cfree(void *block);
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

EXPORT void *malloc(size_t size)
{
	uint64_t since = emit_position();
	void *block = real.malloc(size);
	if (likely(block != NULL))
		emit_alloc(HOOK_FRAME, since, block, size, TIDEMARK_API_MALLOC);
	return block;
}

EXPORT void free(void *block)
{
	if (likely(block != NULL)) {
		if (arena_has(block))
			return;
		emit_free(HOOK_FRAME, block, TIDEMARK_API_MALLOC);
	}
	real.free(block);
}

EXPORT void *calloc(size_t n, size_t size)
{
	uint64_t since = emit_position();
	void *block = real.calloc(n, size);
	if (likely(block != NULL))
		emit_alloc(HOOK_FRAME, since, block, n * size, TIDEMARK_API_CALLOC);
	return block;
}

/* The rarer entry points share one copy of the fast path. */
static NOINLINE void *born(const uintptr_t *frame, uint64_t since, void *block, size_t size, enum tidemark_api_id api)
{
	if (likely(block != NULL))
		emit_alloc(frame, since, block, size, api);
	return block;
}

/* --- realloc --- */

static void *resize_first(const uintptr_t *frame, size_t size, enum tidemark_api_id api)
{
	uint64_t since = emit_position();
	return born(frame, since, real.realloc(NULL, size), size, api);
}

static void *resize_arena(const uintptr_t *frame, void *block, size_t size, enum tidemark_api_id api)
{
	uint64_t since = emit_position();
	size_t old = arena_size(block);
	void *moved = size ? real.malloc(size) : NULL;
	if (moved)
		memcpy(moved, block, old < size ? old : size);
	return born(frame, since, moved, size, api);
}

/* realloc(p, 0) frees in glibc and tcmalloc, and makes a new block elsewhere: what the real one returned tells. A NULL
 * is a failure only if it says so in errno. */
static void *resize_to_nothing(const uintptr_t *frame, void *block, enum tidemark_api_id api)
{
	struct emit_move move;
	int saved = errno;
	emit_move_begin(&move, frame, block);
	errno = 0;
	void *moved = real.realloc(block, 0);
	bool out_of_memory = errno == ENOMEM;
	if (errno == 0)
		errno = saved;
	if (moved)
		emit_move_done(&move, frame, moved, 0, api);
	else if (out_of_memory)
		emit_move_failed(&move, frame);
	else
		emit_move_freed(&move, frame);
	return moved;
}

static NOINLINE void *resize(const uintptr_t *frame, void *block, size_t size, enum tidemark_api_id api)
{
	struct emit_move move;
	if (unlikely(block == NULL))
		return resize_first(frame, size, api);
	if (arena_has(block))
		return resize_arena(frame, block, size, api);
	if (unlikely(size == 0))
		return resize_to_nothing(frame, block, api);
	emit_move_begin(&move, frame, block);
	void *moved = real.realloc(block, size);
	if (likely(moved != NULL))
		emit_move_done(&move, frame, moved, size, api);
	else
		emit_move_failed(&move, frame);
	return moved;
}

EXPORT void *realloc(void *block, size_t size)
{
	return KEEP_FRAME(resize(HOOK_FRAME, block, size, TIDEMARK_API_REALLOC));
}

/* By way of the real realloc: glibc's reallocarray would call the realloc above. */
EXPORT void *reallocarray(void *block, size_t n, size_t size)
{
	size_t bytes;
	if (unlikely(__builtin_mul_overflow(n, size, &bytes)))
		return real.reallocarray(block, n, size);
	return KEEP_FRAME(resize(HOOK_FRAME, block, bytes, TIDEMARK_API_REALLOCARRAY));
}

/* --- aligned blocks --- */

EXPORT int posix_memalign(void **block, size_t alignment, size_t size)
{
	uint64_t since = emit_position();
	int result = real.posix_memalign(block, alignment, size);
	if (result == 0)
		born(HOOK_FRAME, since, *block, size, TIDEMARK_API_POSIX_MEMALIGN);
	return result;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	uint64_t since = emit_position();
	return KEEP_FRAME(
	    born(HOOK_FRAME, since, real.aligned_alloc(alignment, size), size, TIDEMARK_API_ALIGNED_ALLOC));
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	uint64_t since = emit_position();
	return KEEP_FRAME(born(HOOK_FRAME, since, real.memalign(alignment, size), size, TIDEMARK_API_MEMALIGN));
}

EXPORT void *valloc(size_t size)
{
	uint64_t since = emit_position();
	return KEEP_FRAME(born(HOOK_FRAME, since, real.valloc(size), size, TIDEMARK_API_VALLOC));
}

EXPORT void *pvalloc(size_t size)
{
	uint64_t since = emit_position();
	return KEEP_FRAME(born(HOOK_FRAME, since, real.pvalloc(size), size, TIDEMARK_API_PVALLOC));
}

/* --- other ways to free; they may go through free --- */

EXPORT void cfree(void *block)
{
	struct emit_ending ending;
	if (block == NULL || arena_has(block))
		return;
	emit_ending_begin(&ending, HOOK_FRAME, block);
	real.cfree(block);
	emit_ending_end(&ending);
}

EXPORT void free_sized(void *block, size_t size)
{
	struct emit_ending ending;
	if (block == NULL || arena_has(block))
		return;
	emit_ending_begin(&ending, HOOK_FRAME, block);
	real.free_sized(block, size);
	emit_ending_end(&ending);
}

EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size)
{
	struct emit_ending ending;
	if (block == NULL || arena_has(block))
		return;
	emit_ending_begin(&ending, HOOK_FRAME, block);
	real.free_aligned_sized(block, alignment, size);
	emit_ending_end(&ending);
}

EXPORT size_t malloc_usable_size(void *block)
{
	if (block && arena_has(block))
		return arena_size(block);
	return real.malloc_usable_size(block);
}

/* --- libraries --- */

/* The hooks' addresses come from our own symbol table: by its name `malloc` may be another library's in front of us. */
static struct redirection own[] = {
    {"malloc", (void **)&real.malloc, NULL},
    {"free", (void **)&real.free, NULL},
    {"calloc", (void **)&real.calloc, NULL},
    {"realloc", (void **)&real.realloc, NULL},
    {"reallocarray", (void **)&real.reallocarray, NULL},
    {"posix_memalign", (void **)&real.posix_memalign, NULL},
    {"aligned_alloc", (void **)&real.aligned_alloc, NULL},
    {"memalign", (void **)&real.memalign, NULL},
    {"valloc", (void **)&real.valloc, NULL},
    {"pvalloc", (void **)&real.pvalloc, NULL},
    {"dlclose", (void **)&real.dlclose, NULL},
};
#define N_OWN (sizeof(own) / sizeof(own[0]))
#define MAX_FIRST 512u

/* What is there from the start was bound without RTLD_DEEPBIND, and never goes away. */
static uintptr_t first_bases[MAX_FIRST];
static unsigned n_first;

static bool see_first(const struct object *object, void *argument)
{
	(void)argument;
	if (n_first < MAX_FIRST)
		first_bases[n_first++] = object->base;
	for (unsigned i = 0; i < N_OWN && object_is_shim(object); i++)
		own[i].hook = object_find(object, own[i].name, false);
	return false;
}

static bool is_first(uintptr_t base)
{
	for (unsigned i = 0; i < n_first; i++) {
		if (first_bases[i] == base)
			return true;
	}
	return false;
}

void hooks_init(void)
{
	objects_each(see_first, NULL);
}

void hooks_bind(const struct dl_phdr_info *info)
{
	struct object object;
	if (!is_first(info->dlpi_addr) && object_take(info, &object))
		object_redirect(&object, own, N_OWN, true);
}

EXPORT int dlclose(void *handle)
{
	int result = real.dlclose(handle);
	int saved = errno;
	cxx_unloaded();
	if (recording == RECORDING_ON)
		stack_unloaded();
	errno = saved;
	return result;
}
