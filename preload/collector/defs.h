/* The definitions of one trace file: strings, modules, threads, frames, nodes, sites, numbered at first use, and the
 * columns of those that the next block has to define. Writer thread only. */
#ifndef DEFS_H
#define DEFS_H

#include "bytes.h"
#include "idmap.h"
#include "idpages.h"
#include "image.h"

struct site_entry {
	uint64_t size_api;
	uint32_t node; /* of the shared memory */
	uint32_t id;   /* + 1; 0: empty */
};

struct frame_entry {
	uint64_t pc;
	uint32_t module; /* of the shared memory */
	uint32_t flags;
	uint32_t id; /* 0: empty */
};

struct defs {
	/* columns of the next block */
	struct bytes strings, modules, threads, frames, node_parents, node_frames, site_nodes, site_sizes, site_apis;

	uint32_t n_strings, n_modules, n_frames, n_nodes, n_sites; /* ids given out (without 0) */
	uint32_t *string_ids;                                      /* by number in stringpool.h; 0: not in this file */
	uint32_t string_ids_capacity;
	struct idmap module_ids; /* index in the shared memory -> id */
	struct idpages node_ids; /* node of the shared memory -> id */
	struct frame_entry *frame_table;
	uint32_t frame_capacity;
	struct site_entry *site_table;
	uint32_t site_capacity;
	uint64_t last_frame_offset; /* in the column of the next block */

	uint32_t *asked_modules; /* by module id: number in symbolizer.h */
	uint32_t *questions;     /* by frame id: number in symbolizer.h; 0: not asked */
	uint32_t asked_modules_capacity, questions_capacity;
	struct frame_entry *jit; /* those outside modules: asked when the process is dead and its perf map whole */
	uint32_t n_jit, jit_capacity;
	pid_t pid;   /* for its root folder */
	bool failed; /* no memory: the file ends */
};

/* The file's id of a string, 0 for an empty one. */
uint32_t defs_string(struct defs *defs, const char *text, size_t n_bytes);
uint32_t defs_pooled_string(struct defs *defs, uint32_t string);

/* Threads are numbered by the drain thread, from 1 without a gap; call it in that order. */
void defs_thread(struct defs *defs, uint32_t tid);

/* The file's id of a node of the shared memory, with everything that it refers to. */
uint32_t defs_node(struct defs *defs, const struct image *image, uint32_t shared_node);

/* The file's id of a site. cost: one hash lookup when it is known */
uint32_t defs_site(struct defs *defs, const struct image *image, uint64_t size_api, uint32_t shared_node);

/* The module that was loaded at `start` last; 0 when no frame of it was defined. */
uint32_t defs_module_at(struct defs *defs, const struct image *image, uint64_t start);

/* Frame `frame` is answered by `question` of symbolizer.h. */
void defs_set_question(struct defs *defs, uint32_t frame, uint32_t question);

/* The columns were written. */
void defs_clear_columns(struct defs *defs);

/* Forget all sites; the next block says so. */
void defs_reset_sites(struct defs *defs);

void defs_release(struct defs *defs);

/* Always inline: see addrmap_prefetch. */
static inline __attribute__((always_inline)) void defs_prefetch_site(
    const struct defs *defs, uint64_t size_api, uint32_t shared_node)
{
	if (defs->site_capacity)
		__builtin_prefetch(&defs->site_table[hash_pair(size_api, shared_node) & (defs->site_capacity - 1)]);
}

#endif
