/* What a struct trace keeps to itself: shared by reader.c, define.c and block.c only. threads: those of the trace. */
#ifndef STATE_H
#define STATE_H

#include "core/block.h"
#include "core/column.h"

struct string_chunk; /* define.c */

struct trace_private {
	int fd;
	char *path;
	uint64_t offset;                       /* of the next block's header */
	uint64_t n_blocks, n_events, n_allocs; /* read so far */
	uint64_t last_tick;                    /* of events */
	uint64_t seen_tick;                    /* of samples too, which may come later */
	bool ended, footer;
	bool outline;        /* see trace_rewind */
	uint64_t stop_index; /* see trace_stop_before; UINT64_MAX: nowhere */
	char stop_text[256];
	uint8_t *body;
	size_t body_capacity;
	struct columns columns;

	size_t strings_capacity, modules_capacity, frames_capacity, nodes_capacity, threads_capacity, symbols_capacity;
	struct string_chunk *chunks;

	struct trace_site *sites;
	size_t sites_capacity;
	uint32_t n_sites;

	/* the block given out last, and its arrays */
	struct trace_block block;
	uint32_t *block_sites;
	uint64_t *old;
	struct trace_run *runs;
	struct trace_step *steps;
	struct trace_rare *rares;
	size_t block_sites_capacity, old_capacity, runs_capacity, steps_capacity, rares_capacity;
};

/* Set up the "none" elements of the arrays. errors: MEMORY */
int define_init(struct trace *trace, struct err *err);
/* Free all definitions; the trace can be initialised again. */
void define_release(struct trace *trace);
/* Take in the definitions of the parsed columns. errors: CORRUPT, MEMORY */
int define_take(struct trace *trace, bool reset_sites, struct err *err);
/* Take in META and COUNTERS. errors: as above */
int define_meta(struct trace *trace, struct err *err);
int define_counters(struct trace *trace, struct err *err);

/* Decode the parsed columns' events into trace->private_state->block. errors: CORRUPT, MEMORY */
int block_decode(struct trace *trace, const struct tidemark_block_header *header, struct err *err);
void block_free_arrays(struct trace_private *state);

/* returns: the error of a missing, cut or wrong number in column `what` */
static inline int corrupt(struct err *err, const char *what)
{
	return err_set(err, TIDEMARK_ERR_CORRUPT, "a number in %s is cut off or out of range", what);
}

#endif
