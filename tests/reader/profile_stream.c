/* Reads many traces from standard input, each behind its length in 4 bytes, and prints one line of totals for each:
 * so damage.py can try tens of thousands of damaged files in one process. Test program; links analyzer/core. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/profile.h"

static void print(const struct profile *p)
{
	const struct profile_totals *t = &p->totals;
	printf("%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n",
	    p->trace->complete, t->events, t->allocations, t->frees, t->leaked_bytes, t->leaked_blocks,
	    t->peak_heap_bytes, t->temporary, p->trace->damage[0] ? p->trace->damage : "-");
}

static void read_one(const char *bytes, uint32_t n, uint32_t n_points)
{
	struct profile_options options = {.n_points = n_points};
	struct profile *profile;
	struct err err;
	char path[64];
	int fd = memfd_create("trace", 0);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		exit(3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (profile_read(&profile, path, &options, &err) < 0) {
		printf("error %d %s\n", err.code, err.text);
	} else {
		print(profile);
		profile_free(profile);
	}
	fflush(stdout);
	close(fd);
}

int main(int argc, char **argv)
{
	uint32_t n, n_points = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;
	while (fread(&n, sizeof(n), 1, stdin) == 1) {
		char *bytes = malloc(n + 1u);
		if (!bytes || fread(bytes, 1, n, stdin) != n)
			return 3;
		read_one(bytes, n, n_points);
		free(bytes);
	}
	return 0;
}
