/* mmap and its kin, recorded on request only (TIDEMARK_MMAP=1); else a branch and a jump. Any thread. */
#include "hooks_map.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "emit.h"
#include "real.h"

bool maps_recorded;

static NOINLINE void *mapped(const uintptr_t *frame, void *address, size_t length)
{
	if (address != MAP_FAILED)
		emit_map(frame, address, length);
	return address;
}

EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (likely(!maps_recorded))
		return real.mmap(address, length, protection, flags, fd, offset);
	return KEEP_FRAME(mapped(HOOK_FRAME, real.mmap(address, length, protection, flags, fd, offset), length));
}

EXPORT void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	if (likely(!maps_recorded))
		return real.mmap(address, length, protection, flags, fd, offset);
	return KEEP_FRAME(mapped(HOOK_FRAME, real.mmap(address, length, protection, flags, fd, offset), length));
}

/* Stamped before the call, as a free is; the few calls that fail afterwards had no mapping to end. */
EXPORT int munmap(void *address, size_t length)
{
	if (unlikely(maps_recorded))
		emit_other(HOOK_FRAME, TIDEMARK_OP_UNMAP, 3, (uintptr_t)address, length);
	return real.munmap(address, length);
}

EXPORT void *mremap(void *address, size_t old_length, size_t new_length, int flags, ...)
{
	va_list arguments;
	va_start(arguments, flags);
	void *to = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
	va_end(arguments);
	void *moved = real.mremap(address, old_length, new_length, flags, to);
	if (likely(!maps_recorded) || moved == MAP_FAILED)
		return moved;
	emit_other(HOOK_FRAME, TIDEMARK_OP_UNMAP, 3, (uintptr_t)address, old_length);
	return KEEP_FRAME(mapped(HOOK_FRAME, moved, new_length));
}
