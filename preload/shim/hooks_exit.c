/* _exit and _Exit: no handler runs at them, so this is where the status is told. Without it nobody could say how a
 * process ended whose parent waits for it: it is gone before the collector can look.
 * Enters: the program's calls, on any thread, in signal handlers and forked children too. Leaves: the slot's status. */
#include <linux/futex.h>

#include "real.h"
#include "slot.h"
#include "thread.h"

/* A vfork child runs on its parent's memory and believes to be its thread; the status must not be taken for the parent's.
 * Only futex may be called now (seccomp), and of its operations this one knows who calls: the owner alone may unlock. */
static bool is_thread(uint32_t tid)
{
	uint32_t word = tid;
	return SYS6(futex, &word, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0) == 0;
}

static __attribute__((noreturn)) void leave(int status)
{
	if (recording == RECORDING_ON) {
		const struct tidemark_ring *ring = thread_self()->ring;
		if (ring && is_thread(ring->tid))
			slot_exits(status, NULL);
	}
	real._exit(status);
	__builtin_unreachable();
}

EXPORT __attribute__((noreturn)) void _exit(int status);
EXPORT void _exit(int status)
{
	leave(status);
}

EXPORT __attribute__((noreturn)) void _Exit(int status);
EXPORT void _Exit(int status)
{
	leave(status);
}
