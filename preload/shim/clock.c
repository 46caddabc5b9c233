/* Decides whether the TSC can order events of all CPUs, and ties it to the system's clocks.
 * Called by the constructor only. */
#include "clock.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool clock_is_tsc;
uint64_t clock_start_stamp;

#if defined(__x86_64__)
static bool tsc_is_invariant(void)
{
	unsigned a = 0, b = 0, c = 0, d = 0;
	return __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d >> 8 & 1);
}

/* The kernel watches the TSC against other clocks and keeps using it only while it is stable and synchronous. The two
 * paravirtual clocks are TSC based; behind them the CPU's own promise counts. */
static bool counter_is_trusted(void)
{
	char name[32] = "";
	long fd = SYS4(openat, AT_FDCWD, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
	    O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return tsc_is_invariant();
	long n = SYS3(read, fd, name, sizeof(name) - 1);
	SYS1(close, fd);
	if (n <= 0)
		return tsc_is_invariant();
	if (strncmp(name, "tsc", 3) == 0)
		return true;
	return (strncmp(name, "kvm-clock", 9) == 0 || strncmp(name, "hyperv", 6) == 0) && tsc_is_invariant();
}
#else
static bool counter_is_trusted(void)
{
	return true; /* the generic timer is one counter for the whole system by the architecture's definition */
}
#endif

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0, 0};
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void clock_start(void)
{
	clock_is_tsc = counter_is_trusted();
	uint64_t best = UINT64_MAX;
	for (unsigned i = 0; i < 4; i++) { /* the tightest of a few tries, in case we were interrupted in between */
		uint64_t before = clock_cycles(), mono = clock_ns(CLOCK_MONOTONIC), after = clock_cycles();
		if (after - before >= best)
			continue;
		best = after - before;
		shm->start_stamp = before + best / 2;
		shm->start_mono_ns = mono;
	}
	shm->start_real_ns = clock_ns(CLOCK_REALTIME) - (clock_ns(CLOCK_MONOTONIC) - shm->start_mono_ns);
	shm->clock = clock_is_tsc ? TIDEMARK_CLOCK_TSC : TIDEMARK_CLOCK_COUNTER;
	clock_start_stamp = shm->start_stamp;
}
