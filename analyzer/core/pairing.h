/* Stacks told apart by thread: before a block is replayed, the node of each allocation is replaced by a number that
 * stands for its thread and node together, so that the replay's rows become rows of pairs. Only done when asked for:
 * it costs about as much as the replay. Called by profile.c and op_replay.c. threads: the owner's. */
#ifndef PAIRING_H
#define PAIRING_H

#include "core/block.h"
#include "core/idtable.h"
#include "core/profile.h"

struct pairing {
	struct profile_pair *pairs;
	size_t n_pairs, pairs_capacity;
	/* private: sites told apart by thread */
	struct trace_site *sites; /* .node: a pair */
	struct pairing_key *keys;
	size_t n_sites, sites_capacity, keys_capacity;
	struct idtable pair_ids, site_ids;
	uint32_t *block_sites;
	size_t block_sites_capacity;
};

/* All zero bytes are an empty one. */
void pairing_release(struct pairing *pairing);

/* out: as block, with sites by thread; valid until the next call. errors: MEMORY */
int pairing_apply(struct pairing *pairing, const struct trace_block *block, struct trace_block *out, struct err *err);

#endif
