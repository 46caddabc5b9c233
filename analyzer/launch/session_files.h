/* The trace files of a recording session, found by what stands in their heads. threads: any. */
#ifndef SESSION_FILES_H
#define SESSION_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct session_files {
	char **items; /* sorted by name */
	size_t n_items, capacity;
};

/* Find the files of the session in which process `pid` was recorded since start_ns (CLOCK_REALTIME).
 * template: where the traces go; its folder is looked through. Finds files that are still written, too.
 * errors: NOT_FOUND, MEMORY */
int session_files_find(
    struct session_files *files, const char *template, pid_t pid, uint64_t start_ns, struct err *err);

void session_files_release(struct session_files *files);

#endif
