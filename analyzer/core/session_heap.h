/* What the processes of one session had alive together: their heaps and resident sets summed on one time axis. Enters: the
 * session's recordings. Leaves: the peaks of the sums. threads: none shared. */
#ifndef SESSION_HEAP_H
#define SESSION_HEAP_H

#include "core/reader.h"

struct session_peak_row {
	uint64_t blocks, bytes;
};

struct session_heap {
	uint64_t peak_heap_bytes;        /* of the sum */
	uint64_t peak_rss_bytes;         /* of the sum of each process's last sample; 0: never sampled */
	struct session_peak_row **peaks; /* by file and trie node: what was alive when the sum was largest */
	uint32_t *n_peaks;               /* by file */
	size_t n_files;
};

/* Play the events of all files in the order of their times, which are true to a tick (0.1 ms): within a tick one file
 * comes after the other. A process that has ended holds nothing.
 * errors: those of trace_open; MEMORY; cost: about 30 ns an event, one pass over each file */
int session_heap_read(struct session_heap *heap, const char *const *paths, size_t n_paths,
    void (*waiting)(const char *path), struct err *err);
void session_heap_release(struct session_heap *heap);

#endif
