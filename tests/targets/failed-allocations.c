/* Requests that cannot be met: each fails as it does bare, with the same errno, and is no event.
 *
 * expect: total allocations 1 frees 1 allocated_bytes 16 peak_heap_bytes 16 leaked_blocks 0 lost_events 0
 */
#include "testing.h"

#include <malloc.h>
#include <sys/resource.h>

static NOINLINE void too_large(void)
{
	const size_t much = keep((size_t)PTRDIFF_MAX + 1);
	errno = 0;
	say("malloc %d", malloc(much) == NULL);
	say(" %d\n", errno);
	errno = 0;
	say("calloc %d", calloc(1, much) == NULL);
	say(" %d\n", errno);
	errno = 0;
	say("realloc %d", realloc(NULL, much) == NULL);
	say(" %d\n", errno);
	errno = 0;
	say("aligned_alloc %d", aligned_alloc(64, much) == NULL);
	say(" %d\n", errno);
	errno = 0;
	say("memalign %d", memalign(64, keep(SIZE_MAX)) == NULL);
	say(" %d\n", errno);
	errno = 0;
	say("valloc %d", valloc(keep(SIZE_MAX)) == NULL);
	say(" %d\n", errno);
	errno = 0;
	say("pvalloc %d", pvalloc(keep(SIZE_MAX)) == NULL);
	say(" %d\n", errno);
}

static NOINLINE void bad_alignment(void)
{
	void *p = (void *)0x1234;
	errno = 7;
	say("posix_memalign %d", posix_memalign(&p, 3, 100));
	say(" %d %d\n", errno, p == (void *)0x1234);
	say("posix_memalign %d", posix_memalign(&p, 4, 100));
	say(" %d %d\n", errno, p == (void *)0x1234);
	say("posix_memalign %d", posix_memalign(&p, 16, keep(SIZE_MAX)));
	say(" %d %d\n", errno, p == (void *)0x1234);
	errno = 0;
	say("memalign %d", memalign(keep(SIZE_MAX), 10) == NULL);
	say(" %d\n", errno);
}

static NOINLINE void no_memory(void)
{
	struct rlimit old, tight = {(rlim_t)64 << 20, 0};
	check(getrlimit(RLIMIT_AS, &old) == 0);
	tight.rlim_max = old.rlim_max;
	check(setrlimit(RLIMIT_AS, &tight) == 0);
	errno = 0;
	say("malloc %d", malloc(keep((size_t)1 << 30)) == NULL);
	say(" %d\n", errno);
	check(setrlimit(RLIMIT_AS, &old) == 0);
}

int main(void)
{
	void *p = keep(malloc(16));
	too_large();
	bad_alignment();
	no_memory();
	free(p);
	return 0;
}
