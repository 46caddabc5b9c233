/* Tidemark's public API: marks, operations and pools, called by the program being recorded.
 *
 * One header, no library to link. When the process runs without libtidemark.so every call is a
 * load and a branch. The same names can be found with dlsym(RTLD_DEFAULT, ...) from any language.
 *
 * threads: every function may be called from any thread at any time, also in signal handlers.
 * errors:  none; without a recording the calls do nothing, and ids are 0.
 * names:   NUL-terminated, UTF-8 recommended, at most 255 bytes are kept. The string is copied.
 */
#ifndef TIDEMARK_H
#define TIDEMARK_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The table that libtidemark.so exports as `tidemark_api`; private, use the functions below. */
struct tidemark_api {
	uint32_t version; /* TIDEMARK_API_VERSION */
	uint32_t size_bytes;
	void (*mark)(const char *name);
	void (*op_begin)(const char *name);
	void (*op_end)(void);
	uint64_t (*op_start)(const char *name);
	void (*op_finish)(uint64_t id);
	void (*pool_alloc)(const void *address, size_t size_bytes);
	void (*pool_free)(const void *address);
};
#define TIDEMARK_API_VERSION 1u

/* Find the table once. dlsym may allocate, so the first call of a process is not free. */
static inline const struct tidemark_api *tidemark_api_get(void)
{
	static const struct tidemark_api *cached;
	static int looked;
	if (!__atomic_load_n(&looked, __ATOMIC_ACQUIRE)) {
		const struct tidemark_api *api = (const struct tidemark_api *)dlsym(RTLD_DEFAULT, "tidemark_api");
		if (api && api->version != TIDEMARK_API_VERSION)
			api = NULL;
		__atomic_store_n(&cached, api, __ATOMIC_RELAXED);
		__atomic_store_n(&looked, 1, __ATOMIC_RELEASE);
	}
	return __atomic_load_n(&cached, __ATOMIC_RELAXED);
}

#ifndef TIDEMARK_SHIM /* the shim defines these names itself, for dlsym */

/* Put a named instant into the recording. cost: about 50 ns when recording. */
static inline void tidemark_mark(const char *name)
{
	const struct tidemark_api *api = tidemark_api_get();
	if (api)
		api->mark(name);
}

/* Begin an operation on this thread; operations nest, the innermost ends first.
 * Allocations of this thread count for the innermost open operation. */
static inline void tidemark_op_begin(const char *name)
{
	const struct tidemark_api *api = tidemark_api_get();
	if (api)
		api->op_begin(name);
}

/* End the innermost operation that this thread began. */
static inline void tidemark_op_end(void)
{
	const struct tidemark_api *api = tidemark_api_get();
	if (api)
		api->op_end();
}

/* Start an operation that may be finished on another thread.
 * returns: an id for tidemark_op_finish, 0 when not recording. */
static inline uint64_t tidemark_op_start(const char *name)
{
	const struct tidemark_api *api = tidemark_api_get();
	return api ? api->op_start(name) : 0;
}

/* Finish the operation `id`, on any thread. An id of 0 or one finished before is ignored. */
static inline void tidemark_op_finish(uint64_t id)
{
	const struct tidemark_api *api = tidemark_api_get();
	if (api)
		api->op_finish(id);
}

/* Report a block that a custom allocator hands out. Call it after the block is taken.
 * address: not NULL, unique among live blocks of the process; size_bytes: as the user asked. */
static inline void tidemark_pool_alloc(const void *address, size_t size_bytes)
{
	const struct tidemark_api *api = tidemark_api_get();
	if (api)
		api->pool_alloc(address, size_bytes);
}

/* Report that a block of a custom allocator ends. Call it before the block can be reused. */
static inline void tidemark_pool_free(const void *address)
{
	const struct tidemark_api *api = tidemark_api_get();
	if (api)
		api->pool_free(address);
}

#endif /* TIDEMARK_SHIM */

#ifdef __cplusplus
}
#endif
#endif
