/* The program's own say: marks, operations and pools (include/tidemark.h). Called by the program on any thread, also in
 * signal handlers. Names are kept once each in the strings area. */
#include "tidemark.h"

#include <stdbool.h>
#include <string.h>

#include "emit.h"
#include "real.h"
#include "shm.h"

#define N_NAMES 4096u /* slots; a program with more names than three quarters of it loses the rest, counted */
#define MAX_PROBES 64u

void tidemark_mark(const char *name);
void tidemark_op_begin(const char *name);
void tidemark_op_end(void);
uint64_t tidemark_op_start(const char *name);
void tidemark_op_finish(uint64_t id);
void tidemark_pool_alloc(const void *address, size_t size_bytes);
void tidemark_pool_free(const void *address);

static _Atomic uint64_t
    names[N_NAMES]; /* hash << 32 | offset in strings; 0: empty. Private: a child goes on with its copy */
static _Atomic uint64_t n_operations;

/* Not more than fits, and no half of a UTF-8 character at the end. */
static size_t name_length(const char *name)
{
	size_t n = strnlen(name, TIDEMARK_NAME_BYTES);
	if (n < TIDEMARK_NAME_BYTES)
		return n;
	n = TIDEMARK_NAME_BYTES - 1;
	while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static bool is_name(uint32_t offset, const char *name, size_t n)
{
	const char *known = shm_at(&shm->strings, offset);
	return memcmp(known, name, n) == 0 && known[n] == 0;
}

/* returns: the name's offset in strings, 0 when there is no room for it (counted) */
static uint32_t intern_name(const char *name)
{
	size_t n = name_length(name);
	uint32_t hash = 2166136261u; /* FNV-1a */
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	uint32_t offset = 0;
	for (uint32_t i = 0; i < MAX_PROBES; i++) {
		_Atomic uint64_t *slot = &names[(hash + i) % N_NAMES];
		uint64_t value = atomic_load_explicit(slot, memory_order_acquire);
		if (value == 0) {
			if (!offset)
				offset = shm_put_string(name, n);
			if (!offset)
				break;
			if (atomic_compare_exchange_strong(slot, &value, (uint64_t)hash << 32 | offset))
				return offset;
		}
		if (value >> 32 == hash && is_name((uint32_t)value, name, n))
			return (uint32_t)value;
	}
	atomic_fetch_add_explicit(&proc_self->lost_names, 1, memory_order_relaxed);
	return 0;
}

static bool is_on(void)
{
	return recording == RECORDING_ON;
}

EXPORT void tidemark_mark(const char *name)
{
	if (is_on() && name)
		emit_other(HOOK_FRAME, TIDEMARK_OP_MARK, 2, intern_name(name), 0);
}

EXPORT void tidemark_op_begin(const char *name)
{
	if (is_on() && name)
		emit_other(HOOK_FRAME, TIDEMARK_OP_BEGIN, 2, intern_name(name), 0);
}

EXPORT void tidemark_op_end(void)
{
	if (is_on())
		emit_other(HOOK_FRAME, TIDEMARK_OP_FINISH, 1, 0, 0);
}

EXPORT uint64_t tidemark_op_start(const char *name)
{
	if (!is_on() || !name)
		return 0;
	/* unique in the process's recording: a forked child counts on from its parent's number, in a slot of its own */
	uint64_t id =
	    (proc_slot + 1ull) << 40 | (atomic_fetch_add_explicit(&n_operations, 1, memory_order_relaxed) + 1);
	emit_other(HOOK_FRAME, TIDEMARK_OP_START, 3, intern_name(name), id);
	return id;
}

EXPORT void tidemark_op_finish(uint64_t id)
{
	if (is_on() && id)
		emit_other(HOOK_FRAME, TIDEMARK_OP_STOP, 2, id, 0);
}

/* Fenced: how long ago the pool took the block, nobody knows. */
EXPORT void tidemark_pool_alloc(const void *address, size_t size_bytes)
{
	if (!is_on() || !address)
		return;
	clock_fence();
	emit_alloc_slow(HOOK_FRAME, address, size_bytes, TIDEMARK_API_POOL);
	__asm__ volatile(""); /* no jump there: as KEEP_FRAME */
}

EXPORT void tidemark_pool_free(const void *address)
{
	if (is_on() && address)
		emit_free(HOOK_FRAME, address, TIDEMARK_API_POOL);
}

EXPORT extern const struct tidemark_api tidemark_api;
const struct tidemark_api tidemark_api = {
    .version = TIDEMARK_API_VERSION,
    .size_bytes = sizeof(struct tidemark_api),
    .mark = tidemark_mark,
    .op_begin = tidemark_op_begin,
    .op_end = tidemark_op_end,
    .op_start = tidemark_op_start,
    .op_finish = tidemark_op_finish,
    .pool_alloc = tidemark_pool_alloc,
    .pool_free = tidemark_pool_free,
};
