/* One recorded process (a slot of an image): its rings, its address map, its place in time, the chunk being filled.
 * Everything here belongs to the drain thread, except `file`, which it only passes on to the writer. */
#ifndef RECORDED_H
#define RECORDED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "addrmap.h"
#include "chunk.h"
#include "idmap.h"
#include "image.h"
#include "procfs.h"
#include "timebase.h"

#define RING_MAX_SKIPS 4

/* The next record at `position` was carried out ahead of its turn. */
struct ring_skip {
	uint64_t position;
	uint64_t number; /* of the block that it ended; for RETIRE */
};

struct ring {
	struct image *image;
	struct process *process; /* NULL: its process is closed; what still comes is thrown away */
	struct tidemark_ring *shared;
	const uint64_t *data;
	uint64_t mask;     /* words - 1 */
	uint64_t position; /* words consumed; what tail says at the end of a pass */
	uint64_t published_tail;
	uint64_t counted;                /* position when the last pass ended */
	uint64_t head;                   /* as read at the start of the pass */
	uint64_t ahead;                  /* prefetched up to here */
	uint64_t stamp;                  /* of the record at position */
	uint64_t ahead_of_time_since_ns; /* its stamp lies in the future since; 0: it does not */
	uint64_t retired_address, retired_number;
	enum { RETIRED_NOT, RETIRED_BLOCK, RETIRED_NOTHING, RETIRED_INHERITED } retired;
	struct ring_skip skips[RING_MAX_SKIPS]; /* by position */
	uint32_t n_skips;
	uint32_t index;         /* in the image */
	uint32_t shared_thread; /* tidemark_ring.thread */
	uint32_t thread;        /* in the file */
	uint32_t tid;
	uint64_t named_at;     /* position when the thread's name was read last */
	uint64_t next_look_ns; /* when to read it again */
	uint8_t n_looks;
	uint32_t level;
	bool raw;
	bool bad; /* its contents made no sense: thrown away from there on */
	char name[16];
};

/* Its thread is on another ring by now; its thread is gone, by whatever way. */
bool ring_was_left(const struct ring *ring);
bool ring_owner_died(const struct ring *ring);

#define SMAPS_FIRST_WAIT_NS 1000000000ull /* between readings of smaps_rollup that nobody asked for; doubles */
#define SMAPS_MAX_WAIT_NS 60000000000ull

enum process_state {
	PROCESS_LIVE,
	PROCESS_ENDING, /* dead and drained; its exit status may still come */
};

enum process_flags {
	PROCESS_ROOT = 1,   /* of the session */
	PROCESS_EXECED = 2, /* its pid ran another recorded image before */
};

struct process {
	struct image *image;
	struct tracefile *file;
	struct close_item *close_item; /* for the end, when there may be no memory */
	uint64_t serial;               /* unique for the collector's life */
	uint32_t slot;
	enum process_state state;
	unsigned flags; /* enum process_flags */
	bool forked;
	pid_t pid;                     /* as seen from here; 0: unknown */
	pid_t own_pid;                 /* as seen by itself */
	int pidfd;                     /* -1: none */
	bool is_watched;               /* the pidfd is: its death will be told */
	int statm_fd;                  /* -1: not opened, or cannot be */
	struct procfs_stat first_stat; /* start_code 0: unreadable */

	/* events */
	struct chunk *chunk; /* never NULL; the shared sink when memory is short */
	uint32_t thread;     /* of the events from run_start on */
	uint32_t run_start;
	uint64_t next_number;
	uint64_t tick;
	uint64_t next_tick_stamp;
	uint64_t step_number;    /* next_number when time moved on last */
	uint64_t start_ns;       /* CLOCK_MONOTONIC at tick 0 */
	uint64_t chunk_since_ns; /* when the chunk got its first content; 0: empty */
	struct addrmap map;

	struct ring **rings;
	uint32_t n_rings, rings_capacity;
	struct ring **heap;   /* as large as rings */
	struct idmap threads; /* tidemark_ring.thread -> in the file */
	uint32_t n_threads;

	/* ends */
	uint64_t dead_since_ns;     /* 0: alive; written by control, too */
	uint64_t no_rings_since_ns; /* all of its rings lost their owners; 0: not so */
	uint64_t execed_since_ns;   /* it runs a program that has not spoken up; 0: not so */
	uint64_t next_check_ns;
	bool had_rings;
	uint32_t end_reason, end_value;

	/* memory in use */
	uint64_t rss_bytes, rss_shared_bytes; /* last written sample */
	uint64_t next_rss_ns;
	uint64_t peak_rss_bytes, next_peak_ns;
	uint64_t next_smaps_ns, smaps_wait_ns;
	uint64_t next_names_ns; /* when to read threads' names */
	bool wants_smaps;       /* at a mark, at the end */
	bool smaps_at_exit;

	/* totals for the footer */
	uint64_t n_events, n_unknown_frees, n_inherited_frees, n_implicit_frees, n_reordered, n_lost;
	uint64_t n_loss_records; /* events told lost by LOSS records */
	uint64_t n_late_misses;  /* searches for a late free that found none */
};

/* What is the same for all processes. Set at the start, then constant or the drain thread's. */
struct drain_state {
	struct timebase time;
	uint64_t now_ns; /* of this pass */
	uint64_t rss_interval_ns;
	uint64_t active_ns; /* when a record came or a process changed its size last */
	uint64_t n_events;  /* ever; tells a busy pass from an idle one */
};
extern struct drain_state drain_state;

/* Begin a process. slot: of image, its record stands. pidfd: taken over, or -1; pid: as seen from here, 0 unknown.
 * returns: NULL without memory */
struct process *process_new(struct image *image, uint32_t slot, pid_t pid, int pidfd, unsigned flags);

/* Free what process_new made. Its file and last chunk have been handed over before. */
void process_free(struct process *process);

/* Hand the chunk to the writer, if it holds anything, and begin another. */
void process_flush(struct process *process);

/* Note who did the events since run_start; before thread changes. */
void process_end_run(struct process *process);

/* Room for two events and a step of time. */
static inline void process_make_room(struct process *process)
{
	if (__builtin_expect(process->chunk->n_events >= CHUNK_EVENTS - 2, 0))
		process_flush(process);
}

/* Put a rare event at the current position. returns: it, for its values; never NULL */
struct rare *process_rare(struct process *process, enum tidemark_rare_kind kind);

/* Time moves on to the instant of `stamp`, never back. */
void process_time(struct process *process, uint64_t stamp);

/* Time moves on to `ns` of CLOCK_MONOTONIC, for rare events; the events' own time is left alone. returns: the tick */
uint64_t process_tick(const struct process *process, uint64_t ns);

/* Sample the memory in use, if it is time to. */
void process_sample(struct process *process);

/* A reading of smaps_rollup, taken at ns of CLOCK_MONOTONIC. */
void process_add_smaps(struct process *process, const struct procfs_smaps *smaps, uint64_t ns);

/* Hand over the last chunk and the footer's counters; the writer closes the file. */
void process_close(struct process *process);

#endif
