/* Can this address be read? Asked before memory is touched that nothing else vouches for: foreign stacks, hidden
 * headers. */
#ifndef UNWIND_PROBE_H
#define UNWIND_PROBE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys.h"

/* The kernel copies the signal set from `address` before it looks at the impossible first argument, so the mask stays
 * as it is: EINVAL where 8 bytes can be read, EFAULT where not. No seccomp filter of a program that uses threads or
 * longjmp forbids this call. cost: 60-100 ns; async-signal-safe */
static inline bool probe_readable(uint64_t address)
{
	return SYS4(rt_sigprocmask, -1L, address, 0L, 8L) != -EFAULT;
}

#endif
