/* Stacks of several files as one: workers of a service run the same code, and a rare leak of theirs is seen only if it is
 * counted together. Two stacks are one when all their frames lie at the same offsets of the same modules (by build-id, else
 * path). With a single file a stack's id is its node. threads: one. */
#ifndef OP_STACKS_H
#define OP_STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "core/idtable.h"
#include "core/reader.h"

struct op_frame { /* a node of the common trie; id 0 is the root */
	uint64_t offset;
	uint32_t parent, module, flags;
};

struct op_module { /* one file's module that stands for all that are the same */
	const struct trace *trace;
	uint32_t module;
};

struct op_stacks {
	size_t n_files;
	struct op_frame *frames;
	size_t n_frames, frames_capacity;
	struct idtable frame_ids, module_ids;
	struct op_module *modules; /* by common id; 0: none */
	size_t n_modules, modules_capacity;
	/* of the file being read */
	uint32_t *of_node, *of_module; /* common id + 1 */
	size_t of_node_capacity, of_module_capacity;
};

void op_stacks_init(struct op_stacks *stacks, size_t n_files);
void op_stacks_release(struct op_stacks *stacks);

/* The next questions are about another file. */
void op_stacks_begin_file(struct op_stacks *stacks);

/* returns: the common id of a node, UINT32_MAX when memory is short; cost: one step for each frame not asked before */
uint32_t op_stacks_id(struct op_stacks *stacks, const struct trace *trace, uint32_t node);

#endif
