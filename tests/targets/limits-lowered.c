/* A program that takes its own limits away after its start: no files, no processes, no core, tiny data, file size, locked
 * memory. Recording goes on.
 *
 * expect: leaf after allocations 200000 leaked_blocks 200 leaked_bytes 200*39
 * expect: total lost_events 0 unknown_frees 0 end exit:0
 */
#include "testing.h"

#include <sys/resource.h>

static NOINLINE void after(void)
{
	for (int i = 0; i < 200000; i++) {
		void *p = keep(malloc(39));
		if (i % 1000)
			free(p);
	}
}

int main(void)
{
	static const int limits[] = {RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_SIGPENDING};
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit none = {limits[i] == RLIMIT_FSIZE ? 4096 : 0, 4096}; /* output may be a file */
		none.rlim_max = none.rlim_cur;
		check(setrlimit(limits[i], &none) == 0);
	}
	after();
	say("done\n");
	return 0;
}
