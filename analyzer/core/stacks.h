/* Stacks as reports show them: the trace's trie of addresses turned into a trie of functions, where addresses that
 * print the same are one. Enters: one profile, or two to compare. Leaves: rows, one for each distinct stack, and their
 * frames. Called by every report that prints stacks. threads: one per struct stacks. */
#ifndef STACKS_H
#define STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cost.h"
#include "core/idtable.h"
#include "core/profile.h"

/* One function of a stack. Texts belong to the trace or to whoever named the frame; none is NULL. */
struct frame_view {
	const char *function;              /* demangled; "" when unknown */
	const char *file;                  /* "" when unknown */
	uint32_t line;                     /* 0 when unknown */
	uint32_t flags;                    /* TIDEMARK_NODE_*: with CUT, BROKEN and EARLY there is no function at all */
	const char *module;                /* path; "" when the address lies in none */
	const struct trace_module *origin; /* NULL without a module */
	uint64_t offset; /* ELF virtual address of the return address; without a module the address itself */
	bool inlined;    /* into the next one outward */
};

/* A name that came from elsewhere than the trace. */
struct frame_name {
	const char *function, *file; /* as in frame_view; must outlive the stacks */
	uint32_t line;
};

#define FRAME_MAX_NAMES 64 /* functions inlined at one address; more are left out */

/* Asked once for each frame that the trace names poorly or not at all.
 * returns: how many of names were set, innermost inlined first; 0: the trace's own are used */
typedef size_t frame_lookup(
    void *arg, const struct trace *trace, uint32_t frame, struct frame_name names[FRAME_MAX_NAMES]);

enum stacks_key {
	STACKS_EXACT, /* one stack: function, file, line, module and inlining agree (module and offset where no name is)
	               */
	STACKS_NAMES, /* one stack: functions agree; where there is no name, modules */
	STACKS_OFFSETS,  /* as STACKS_NAMES; where there is no name, modules and offsets */
	STACKS_PORTABLE, /* one stack: functions and module names agree, so that builds and machines can be compared */
};

struct stack_node {      /* id 0: the root, no frame */
	uint32_t parent; /* outward */
	uint32_t view;   /* a class: under a coarse key its file, line and offset are one example of several */
};

struct stack_row {
	uint32_t node;              /* innermost frame; 0: the stack was lost */
	uint32_t thread;            /* into stacks.threads, where the profile was read by thread; else 0 */
	struct profile_row sums[2]; /* of profile 0 and 1 */
	/* private: the one trace stack among those that met here that is shown for them, see stacks_row_frames */
	uint32_t sample;
	unsigned sample_source;
	uint64_t sample_live, sample_allocated;
	uint32_t next; /* row of the same node, + 1 */
};

/* private: what stacks_add keeps of a profile to show exact frames where a key takes several for one. */
struct stack_source {
	const struct trace *trace;
	uint32_t *first_level; /* by frame: into levels */
	uint32_t *levels;      /* view ids, outermost first */
};

struct stacks {
	enum stacks_key key;
	struct frame_view *views; /* each different one, whatever the key */
	size_t n_views, views_capacity;
	uint32_t *class_of; /* by view: the first view that the key takes for the same */
	size_t class_of_capacity;
	struct stack_node *nodes;
	size_t n_nodes, nodes_capacity;
	struct stack_row *rows;
	size_t n_rows, rows_capacity;
	const char **threads; /* names of threads, each once; 0: of all threads together */
	size_t n_threads, threads_capacity;
	/* private */
	uint32_t *row_of; /* by node: its latest row + 1 */
	size_t row_of_capacity;
	struct idtable view_ids, class_ids, node_ids;
	struct stack_source sources[2];
};

int stacks_new(struct stacks **out, enum stacks_key key, struct err *err);
void stacks_free(struct stacks *stacks);

/* Add the rows of a profile, which must outlive the stacks; those by thread, where it has them.
 * source: 0 or 1: which of a row's sums they go to
 * lookup: may be NULL
 * errors: MEMORY
 * cost:   one step for each frame of each stack that has a row */
int stacks_add(struct stacks *stacks, const struct profile *profile, unsigned source, frame_lookup *lookup,
    void *lookup_arg, struct err *err);

/* Put the rows in order: largest cost of source 0 first, then by the other figures, then as the trace had them. */
void stacks_sort(struct stacks *stacks, enum cost cost);

/* The frames of a stack, innermost first.
 * frames:  set to an array that the caller keeps for the next call and frees; capacity: its own, 0 at first
 * returns: how many there are; 0 also when memory is short */
size_t stacks_frames(const struct stacks *stacks, uint32_t node, const struct frame_view ***frames, size_t *capacity);

/* The frames of a row, innermost first, as one of its stacks had them: the one with most bytes alive. Under an exact key
 * the same as stacks_frames of its node. frames, capacity, returns: as above */
size_t stacks_row_frames(
    const struct stacks *stacks, const struct stack_row *row, const struct frame_view ***frames, size_t *capacity);

/* The last part of a path. */
const char *frame_basename(const char *path);

/* The same of any stack of the profile that was added as `source`, by its node in the trace; 0 too when no row needed it.
 */
size_t stacks_trace_frames(
    const struct stacks *stacks, unsigned source, uint32_t node, const struct frame_view ***frames, size_t *capacity);

/* What is printed for a frame's function: its name, else "module+0xoffset", "[cut]", "[broken]", "[early]" or
 * "[unknown]+0xaddress". Frames found by guessing are no different: their names are as good.
 * returns: text, or the view's own name */
#define FRAME_LABEL_BYTES 320
const char *frame_label(const struct frame_view *view, char text[FRAME_LABEL_BYTES]);

/* What STACKS_PORTABLE compares of a frame. The function's name without what a compiler appends to its own clones of it
 * ("f.constprop.0", "f [clone .cold]"); the module's without folder and version, every main program's is empty.
 * returns: the length of the name, which need not end there */
size_t frame_plain_function(const struct frame_view *view);
size_t frame_plain_module(const struct frame_view *view, const char **name);

#endif
