/* One EVENTS block, decoded and checked: what reader.c hands to replay.c and cmd_dump.c. Everything is valid until the
 * next trace_next(). Ids are checked against the definitions, except references: only a replay knows what is alive.
 * threads: those of the trace. */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/reader.h"
#include "tidemark/varint.h"

/* Stack, size and entry point of an allocation. */
struct trace_site {
	uint64_t size_bytes;
	uint32_t node;
	uint32_t api; /* enum tidemark_api_id, below TIDEMARK_API_COUNT */
};

/* The next n_events events were done by `thread`. */
struct trace_run {
	uint32_t thread;
	uint32_t n_events;
};

/* From event `position` of the block on it is `tick`. The first step stands at 0. */
struct trace_step {
	uint64_t tick;
	uint32_t position;
};

#define TRACE_RARE_VALUES 6
#define BLOCK_OLD_PAD 64

/* A rare event: before event `position` of the block. */
struct trace_rare {
	uint64_t tick;
	uint64_t values[TRACE_RARE_VALUES]; /* as enum tidemark_rare_kind lists them */
	uint32_t position;
	uint8_t kind;
	uint8_t n_values; /* 0 for a kind that this build does not know */
};

struct trace_block {
	uint64_t offset;      /* of its header in the file */
	uint64_t index;       /* among all blocks, from 0 (META) */
	uint64_t first_event; /* number of its first event; they count from 0 through the file */
	uint64_t first_alloc;
	uint64_t end_tick;                            /* of its last event; at least that of the block before */
	uint32_t n_events, n_allocs, n_moves, n_refs; /* n_refs = frees + moves */
	uint32_t n_runs, n_steps, n_rares;
	uint32_t n_sites;
	enum tidemark_ref_mode ref_mode; /* as it was stored */
	const uint64_t *ops;             /* bitmap over events: 1 allocation; padded with zeros */
	const uint64_t *moves;           /* bitmap over allocations: 1 ends an old block too; NULL when n_moves is 0 */
	const uint32_t *sites;           /* site of each allocation, below n_sites */
	const uint64_t *old; /* the block that each free and each move ends, by number, unchecked: it may be dead or
	                      * unborn; BLOCK_OLD_PAD zeros follow, so that a reader may look ahead */
	const struct trace_site *site_table;
	const struct trace_run *runs;
	const struct trace_step *steps;
	const struct trace_rare *rares;
};

static inline bool block_bit(const uint64_t *bitmap, uint32_t i)
{
	return bitmap[i >> 6] >> (i & 63) & 1;
}

/* A slow and simple walk over a block, for dump and tests; replay.c has its own. */
struct block_event {
	uint64_t tick;
	uint64_t number; /* born (allocation, realloc) or ended (free) */
	uint64_t old;    /* ended by a realloc */
	uint32_t thread, site;
	bool born, moved;
};

struct block_walk {
	const struct trace_block *block;
	uint32_t i, alloc, ref, run, run_used, step;
};

void block_walk_init(struct block_walk *walk, const struct trace_block *block);
/* returns: false at the end of the block */
bool block_walk_next(struct block_walk *walk, struct block_event *event);

#endif
