/* The writer thread: takes chunks from the queue, encodes and writes them, feeds the symbolizer, closes files. What the
 * drain thread asks about it goes through a lock that the writer holds for a few instructions only. */
#ifndef WRITER_H
#define WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct writer_options {
	const char *template; /* absolute */
	bool named;           /* template is a file name without %p */
	uint32_t rss_interval_ms;
};

int writer_start(const struct writer_options *options);

/* Everything that was put into the queue is written and closed; then the thread is gone. */
void writer_stop(void);

/* tracefile_new made a file; drain thread. */
void writer_file_opened(bool is_root);

/* No file is open or will be opened by what is in the queue. */
bool writer_is_idle(void);

/* Files that are not closed yet: of every process that is alive, and of the dead whose files are still being written. */
uint32_t writer_open_files(void);

/* Is a file of the root open? */
bool writer_root_is_open(void);

/* What to tell about the root's files, which are closed. */
struct writer_report {
	uint64_t done; /* enum tidemark_done */
	uint64_t n_events;
	char text[1024]; /* what went wrong, for people; else empty */
	char path[1024]; /* of its last image */
	uint32_t n_paths;
};
void writer_root_report(struct writer_report *report);

/* What the writer is busy with, for people; empty when nothing is worth telling. */
void writer_progress(char *text, size_t capacity);

#endif
