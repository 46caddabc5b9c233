/* Stamps: TSC cycles since the memory's creation, or a shared counter where the TSC cannot be trusted across CPUs.
 * Used by the record functions on every thread; a few ns. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "shm.h"
#include "sys.h"

extern HIDDEN bool clock_is_tsc;          /* written once by clock_start */
extern HIDDEN uint64_t clock_start_stamp; /* raw cycles */
extern char __libc_single_threaded;       /* glibc 2.32: true while no second thread was ever there */

/* Decide which clock to use and fill in shm's clock fields. Constructor only. */
void clock_start(void);

INLINE uint64_t clock_cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t value;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
	return value;
#endif
}

INLINE uint64_t clock_stamp(void)
{
	if (likely(clock_is_tsc))
		return clock_cycles() - clock_start_stamp;
	return atomic_fetch_add_explicit(&shm->counter, 1, memory_order_seq_cst) + 1;
}

/* Keep the next stamp from being taken before what precedes it has happened: without it about one in 4,000
 * cross-thread hand-overs of a block came out inverted. Not needed while there is nobody to hand over to. */
INLINE void clock_fence(void)
{
	if (__libc_single_threaded)
		return;
#if defined(__x86_64__)
	__asm__ volatile("lfence" ::: "memory");
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

#endif
