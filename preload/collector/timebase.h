/* Time stamps of the shim as CLOCK_MONOTONIC: the TSC's rate is measured all the while. Drain thread only. */
#ifndef TIMEBASE_H
#define TIMEBASE_H

#include <stdint.h>
#include <time.h>

struct timebase {
	uint64_t first_cycles, first_ns;
	uint64_t last_cycles, last_ns;
	double ns_per_cycle;
};

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* The cycle counter that the shim stamps with. */
static inline uint64_t clock_cycles(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t cycles;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(cycles));
	return cycles;
#else
	return mono_ns();
#endif
}

/* Nothing after it is read before everything in front of it was: between T0 and the rings' heads. */
static inline void clock_fence(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__asm__ volatile("lfence" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Inside a loop that waits for another processor. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

void timebase_init(struct timebase *tb);

/* Measure again; to be called every 10 ms or so. returns: CLOCK_MONOTONIC now */
uint64_t timebase_update(struct timebase *tb);

/* The instant of a raw cycle count near now. */
static inline uint64_t timebase_ns(const struct timebase *tb, uint64_t cycles)
{
	double ns = (double)(int64_t)(cycles - tb->last_cycles) * tb->ns_per_cycle;
	return tb->last_ns + (uint64_t)(int64_t)ns;
}

/* The raw cycle count of an instant near now. */
static inline uint64_t timebase_cycles(const struct timebase *tb, uint64_t ns)
{
	double cycles = (double)(int64_t)(ns - tb->last_ns) / tb->ns_per_cycle;
	return tb->last_cycles + (uint64_t)(int64_t)cycles;
}

#endif
