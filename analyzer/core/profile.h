/* What a recording did, aggregated: totals, one row per stack, a timeline, marks. The result of profile_read(), which
 * replays a whole trace once. Every figure is defined in docs/metrics.md. threads: none; immutable once read. */
#ifndef PROFILE_H
#define PROFILE_H

#include "core/reader.h"

/* One row per trie node id at which blocks were born (leaf node); rows[node]. Bytes are requested sizes. */
struct profile_row {
	uint64_t allocations; /* blocks born, realloc's included */
	uint64_t allocated_bytes;
	uint64_t live_blocks; /* alive at the window's end (born in the window, unless whole_live) */
	uint64_t live_bytes;
	uint64_t peak_blocks; /* alive at the instant of the global heap peak inside the window */
	uint64_t peak_bytes;
	uint64_t temporary; /* freed by the same thread before its next allocation; ends by realloc do not count */
	uint64_t epoch;     /* the replay's own; makes a row one cache line */
};

/* Of the window, where there is one, but for last_heap_bytes (all that lives at its end), lost_events (of the whole
 * recording: a loss anywhere taints every figure). */
struct profile_totals {
	uint64_t events;
	uint64_t allocations, frees; /* realloc of a block counts one of each: allocations - frees = leaked_blocks;
	                              * implicit frees count */
	uint64_t allocated_bytes;
	uint64_t reallocations; /* those allocations that ended an old block in the same instant */
	uint64_t leaked_bytes, leaked_blocks;
	uint64_t peak_heap_bytes, peak_heap_blocks;
	uint64_t peak_tick;      /* first instant of the peak */
	uint64_t peak_rss_bytes; /* largest sample or, of the whole recording, the kernel's high-water mark */
	uint64_t peak_rss_tick;  /* of the largest sample */
	uint64_t peak_rss_sample_bytes;
	uint64_t temporary;
	uint64_t unknown_frees, inherited_frees, implicit_frees, lost_events;
	uint64_t by_api[16][2];        /* allocations and bytes by enum tidemark_api_id */
	uint64_t start_tick, end_tick; /* of the window */
	uint64_t first_heap_bytes;     /* alive at the window's start */
	uint64_t last_heap_bytes;
};

struct profile_point {           /* one of n_points equal spans of time */
	uint64_t tick;           /* its end */
	uint64_t heap_bytes;     /* at its end */
	uint64_t heap_max_bytes; /* inside it */
	/* last sample inside it, else carried on; 0 before the first */
	uint64_t rss_bytes, rss_max_bytes, shared_bytes, tidemark_bytes;
	uint64_t mapped_bytes;       /* recorded mmaps alive, when recorded */
	uint64_t allocations, frees; /* inside it */
};

struct profile_mark {
	uint64_t tick;
	uint32_t thread, name; /* string id */
	uint64_t ops;
	uint64_t event; /* events before it */
	uint64_t heap_bytes, live_blocks;
};

struct profile_smaps {
	uint64_t tick, rss, pss, private_clean, private_dirty, anonymous, swap;
};

/* An instant of the recording, as the user wrote it: a mark's name (NAME or NAME#2 for its second occurrence), seconds
 * ("1.5s", "1.5", "20ms"), percent of the events ("50%"), "start", "end". Marks and samples on the window's edges
 * belong to it. */
struct profile_options {
	bool by_thread;                    /* pairs and pair_rows too; about twice the time */
	uint32_t n_points;                 /* timeline; 0: none */
	const char *from, *to;             /* window; NULL: whole recording */
	bool whole_live;                   /* rows' live_* counts all blocks alive at the window's end, wherever born */
	void (*waiting)(const char *path); /* see trace_open */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes); /* may be NULL */
	void *progress_arg;
};

/* The thread that allocated, and where. */
struct profile_pair {
	uint32_t thread, node;
};

struct profile {
	struct trace *trace; /* owned: holds the definitions */
	struct profile_totals totals;
	struct profile_row *rows; /* n_rows = trace->n_nodes */
	uint32_t n_rows;
	struct profile_pair *pairs; /* by_thread: what the rows are made of; else NULL */
	struct profile_row *pair_rows;
	uint32_t n_pairs;
	struct profile_point *points;
	uint32_t n_points;
	struct profile_mark *marks;
	uint32_t n_marks;
	struct profile_smaps *smaps;
	uint32_t n_smaps;
};

/* Open `path`, replay it, and aggregate.
 * errors: those of trace_open, USAGE/NOT_FOUND for an instant that is not in the recording
 * cost:   about 10 ns an event; memory: live blocks, definitions, one row per node */
int profile_read(struct profile **out, const char *path, const struct profile_options *options, struct err *err);
void profile_free(struct profile *profile);

/* Add all figures of a row to a sum. */
void profile_row_add(struct profile_row *sum, const struct profile_row *row);

#endif
