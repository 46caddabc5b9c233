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

/* Find what the sessions of the given recordings left beside them and was not given: recordings of other processes, and of
 * other images of a process. Copies of a given one are none. What cannot be read is passed over.
 * errors: MEMORY
 * cost:   reads the head of every file in the folders */
int session_files_others(struct session_files *others, const char *const *given, size_t n, struct err *err);

/* Their names for people, a few of them. returns: text */
#define SESSION_FILES_TEXT_BYTES 300
const char *session_files_text(const struct session_files *files, char text[SESSION_FILES_TEXT_BYTES]);

void session_files_release(struct session_files *files);

#endif
