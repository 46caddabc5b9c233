/* Pairs of thread and node: see pairing.h. */
#include "core/pairing.h"

#include <stdlib.h>

#include "base/array.h"

struct pairing_key {
	uint32_t thread, site;
};

void pairing_release(struct pairing *p)
{
	free(p->pairs);
	free(p->sites);
	free(p->keys);
	free(p->block_sites);
	idtable_release(&p->pair_ids);
	idtable_release(&p->site_ids);
	*p = (struct pairing){0};
}

struct wanted {
	const struct pairing *pairing;
	uint32_t thread, other;
};

static bool same_pair(const void *arg, uint32_t id)
{
	const struct wanted *w = arg;
	const struct profile_pair *pair = &w->pairing->pairs[id];
	return pair->thread == w->thread && pair->node == w->other;
}

static bool same_site(const void *arg, uint32_t id)
{
	const struct wanted *w = arg;
	const struct pairing_key *key = &w->pairing->keys[id];
	return key->thread == w->thread && key->site == w->other;
}

static uint32_t find_pair(struct pairing *p, uint32_t thread, uint32_t node)
{
	struct wanted wanted = {p, thread, node};
	uint64_t hash = idtable_hash_number(thread, node);
	uint32_t id = idtable_find(&p->pair_ids, hash, same_pair, &wanted);
	if (id != IDTABLE_NONE)
		return id;
	if (p->n_pairs >= TIDEMARK_MAX_IDS || ARRAY_RESERVE(p->pairs, p->pairs_capacity, p->n_pairs + 1) < 0 ||
	    idtable_add(&p->pair_ids, hash, (uint32_t)p->n_pairs) < 0)
		return IDTABLE_NONE;
	p->pairs[p->n_pairs] = (struct profile_pair){thread, node};
	return (uint32_t)p->n_pairs++;
}

static uint32_t find_site(struct pairing *p, uint32_t thread, uint32_t site, const struct trace_site *table)
{
	struct wanted wanted = {p, thread, site};
	uint64_t hash = idtable_hash_number(thread, site);
	uint32_t id = idtable_find(&p->site_ids, hash, same_site, &wanted);
	if (id != IDTABLE_NONE)
		return id;
	uint32_t pair = find_pair(p, thread, table[site].node);
	if (pair == IDTABLE_NONE || p->n_sites >= IDTABLE_NONE - 1 ||
	    ARRAY_RESERVE(p->sites, p->sites_capacity, p->n_sites + 1) < 0 ||
	    ARRAY_RESERVE(p->keys, p->keys_capacity, p->n_sites + 1) < 0 ||
	    idtable_add(&p->site_ids, hash, (uint32_t)p->n_sites) < 0)
		return IDTABLE_NONE;
	p->keys[p->n_sites] = (struct pairing_key){thread, site};
	p->sites[p->n_sites] = table[site];
	p->sites[p->n_sites].node = pair;
	return (uint32_t)p->n_sites++;
}

int pairing_apply(struct pairing *p, const struct trace_block *block, struct trace_block *out, struct err *err)
{
	uint32_t event = 0, alloc = 0;
	*out = *block;
	if (ARRAY_RESERVE(p->block_sites, p->block_sites_capacity, block->n_allocs) < 0)
		return err_memory(err);
	for (uint32_t run = 0; run < block->n_runs; run++)
		for (uint32_t end = event + block->runs[run].n_events; event < end; event++)
			if (block_bit(block->ops, event)) {
				uint32_t id =
				    find_site(p, block->runs[run].thread, block->sites[alloc], block->site_table);
				if (id == IDTABLE_NONE)
					return err_memory(err);
				p->block_sites[alloc++] = id;
			}
	out->sites = p->block_sites;
	out->site_table = p->sites;
	out->n_sites = (uint32_t)p->n_sites;
	return 0;
}
