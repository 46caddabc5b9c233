/* A progress line on stderr: only when that is a terminal, only after a second, wiped at the end.
 * threads: the owner's; one at a time. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "reading 'x.tmk'"; must outlive it */
	uint64_t start_ns, last_ns;
	bool terminal, shown;
};

void progress_init(struct progress *progress, const char *what);

/* Tell how far the work is; cheap enough for each block of a trace. Fits profile_options.progress.
 * progress: a struct progress; done, all: any unit, all = 0 when unknown */
void progress_show(void *progress, uint64_t done, uint64_t all);

/* Wipe the line, if one was shown. May be called again. */
void progress_release(struct progress *progress);

#endif
