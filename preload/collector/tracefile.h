/* One trace file while it is written. The drain thread makes it with what is known of the process; from then on it is
 * the writer thread's, which creates the file at the first chunk, encodes, and closes it. */
#ifndef TRACEFILE_H
#define TRACEFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "chunk.h"
#include "defs.h"
#include "naming.h"
#include "tidemark/trace.h"

/* What a file is about. */
struct tracefile_origin {
	struct image *image;
	uint32_t slot;
	pid_t pid;     /* names the file */
	pid_t own_pid; /* as the process sees itself: names its perf map */
	pid_t parent_pid;
	uint64_t start_mono_ns, start_real_ns;
	uint32_t flags; /* enum tidemark_file_flags */
	uint32_t exe_string, cmdline_string, cmdline_bytes;
	bool is_root;
};

#define PLANES 8

/* A column of numbers, by their bytes: the lowest of all, then the next of all, and so on up to the highest in use. */
struct planes {
	struct bytes plane[PLANES]; /* of n_values each; from n_planes on empty */
	uint32_t n_planes, n_values;
};

/* The block being collected. */
struct tracefile_block {
	uint32_t n_events, n_allocs, n_rares;
	uint64_t first_alloc;
	uint64_t start_tick, tick;
	uint64_t begun_ns;          /* 0: empty */
	struct bytes ops, moves;    /* 64-bit words */
	struct planes sites;        /* by allocation */
	struct planes ages, deltas; /* by free or move, in both ways: TIDEMARK_REF_AGE and TIDEMARK_REF_DELTA */
	uint64_t last_number;
	struct bytes steps, runs, rares;
	uint32_t step_events; /* events before the pending step, since the one before it */
	uint64_t step_ticks;  /* of the pending step; 0: none */
	uint32_t events_since_step;
	uint32_t run_thread, run_events;
	uint32_t rare_position;
	bool resets_sites;
};

struct tracefile {
	struct tracefile *next;
	struct tracefile_origin origin;
	bool is_known; /* in the writer's list */
	int fd;        /* -1: not created (yet) */
	struct naming_entry *name;
	uint64_t good_bytes; /* whole blocks written */
	int error;           /* errno that ended the file; 0: none */
	bool is_seekable;
	uint64_t n_events, n_allocs; /* written or in the block */
	struct tracefile_block block;
	struct defs defs;
	bool is_closing;
	bool is_awaited; /* its process waits for the end of it: TIDEMARK_EXIT_CLOSING */
	uint64_t closing_since_ns;
	uint32_t last_question; /* when it is answered, all of this file are */
	uint64_t counters[32];
};

/* What all files of the session share; writer thread. */
struct tracefile_session {
	struct naming naming;
	uint32_t rss_interval_ms;
};
extern struct tracefile_session tracefile_session;

/* Drain thread. The file takes a reference to origin->image. returns: NULL without memory */
struct tracefile *tracefile_new(const struct tracefile_origin *origin);

/* The rest: writer thread. */
void tracefile_add(struct tracefile *file, const struct chunk *chunk);

/* Write what was collected if it is old enough, or in any case. */
void tracefile_flush(struct tracefile *file, uint64_t now_ns, bool force);

/* No more events: write the last of them, let go of the shared memory, begin to wait for symbols. */
void tracefile_begin_close(struct tracefile *file, const uint64_t *counters);

/* Write symbols and footer, close. */
void tracefile_finish(struct tracefile *file);

void tracefile_free(struct tracefile *file);

#endif
