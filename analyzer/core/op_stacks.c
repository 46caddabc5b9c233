/* A common trie: see op_stacks.h. */
#include "core/op_stacks.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void op_stacks_init(struct op_stacks *s, size_t n_files)
{
	*s = (struct op_stacks){.n_files = n_files};
}

void op_stacks_release(struct op_stacks *s)
{
	free(s->frames);
	free(s->modules);
	free(s->of_node);
	free(s->of_module);
	idtable_release(&s->frame_ids);
	idtable_release(&s->module_ids);
	*s = (struct op_stacks){0};
}

void op_stacks_begin_file(struct op_stacks *s)
{
	if (s->of_node)
		memset(s->of_node, 0, s->of_node_capacity * sizeof(*s->of_node));
	if (s->of_module)
		memset(s->of_module, 0, s->of_module_capacity * sizeof(*s->of_module));
}

/* --- modules --- */

struct wanted_module {
	const struct op_stacks *stacks;
	const struct trace *trace;
	const struct trace_module *module;
};

static bool same_module(const void *arg, uint32_t id)
{
	const struct wanted_module *w = arg;
	const struct op_module *other = &w->stacks->modules[id];
	const struct trace_module *a = w->module, *b = &other->trace->modules[other->module];
	if (a->build_id_bytes || b->build_id_bytes)
		return a->build_id_bytes == b->build_id_bytes && !memcmp(a->build_id, b->build_id, a->build_id_bytes);
	return !strcmp(w->trace->strings[a->path], other->trace->strings[b->path]);
}

static uint64_t hash_module(const struct trace *trace, const struct trace_module *m)
{
	uint64_t hash = 0;
	if (!m->build_id_bytes)
		return idtable_hash_text(hash, trace->strings[m->path]);
	for (size_t i = 0; i < m->build_id_bytes; i++)
		hash = idtable_hash_number(hash, m->build_id[i]);
	return hash;
}

static uint32_t find_module(struct op_stacks *s, const struct trace *trace, uint32_t module)
{
	if (!module)
		return 0;
	if (ARRAY_RESERVE(s->of_module, s->of_module_capacity, trace->n_modules) < 0)
		return UINT32_MAX;
	if (s->of_module[module])
		return s->of_module[module] - 1;
	struct wanted_module wanted = {s, trace, &trace->modules[module]};
	uint64_t hash = hash_module(trace, wanted.module);
	uint32_t id = idtable_find(&s->module_ids, hash, same_module, &wanted);
	if (id == IDTABLE_NONE) {
		id = s->n_modules ? (uint32_t)s->n_modules : 1;
		if (ARRAY_RESERVE(s->modules, s->modules_capacity, id + 1u) < 0 ||
		    idtable_add(&s->module_ids, hash, id) < 0)
			return UINT32_MAX;
		s->modules[id] = (struct op_module){trace, module};
		s->n_modules = id + 1u;
	}
	s->of_module[module] = id + 1;
	return id;
}

/* --- frames --- */

struct wanted_frame {
	const struct op_stacks *stacks;
	struct op_frame frame;
};

static bool same_frame(const void *arg, uint32_t id)
{
	const struct wanted_frame *w = arg;
	const struct op_frame *a = &w->frame, *b = &w->stacks->frames[id];
	return a->offset == b->offset && a->parent == b->parent && a->module == b->module && a->flags == b->flags;
}

static uint32_t find_frame(struct op_stacks *s, struct op_frame frame)
{
	struct wanted_frame wanted = {s, frame};
	uint64_t hash = idtable_hash_number(0, frame.offset);
	hash = idtable_hash_number(hash, (uint64_t)frame.parent << 32 | frame.module);
	hash = idtable_hash_number(hash, frame.flags);
	uint32_t id = idtable_find(&s->frame_ids, hash, same_frame, &wanted);
	if (id != IDTABLE_NONE)
		return id;
	id = s->n_frames ? (uint32_t)s->n_frames : 1;
	if (ARRAY_RESERVE(s->frames, s->frames_capacity, id + 1u) < 0 || idtable_add(&s->frame_ids, hash, id) < 0)
		return UINT32_MAX;
	s->frames[id] = frame;
	s->n_frames = id + 1u;
	return id;
}

/* Parents have smaller numbers than their children, so the recursion by a loop goes up and down once. */
uint32_t op_stacks_id(struct op_stacks *s, const struct trace *trace, uint32_t node)
{
	if (s->n_files == 1 || !node)
		return node;
	if (ARRAY_RESERVE(s->of_node, s->of_node_capacity, trace->n_nodes) < 0)
		return UINT32_MAX;
	while (!s->of_node[node]) {
		uint32_t at = node;
		while (trace->nodes[at].parent && !s->of_node[trace->nodes[at].parent])
			at = trace->nodes[at].parent;
		const struct trace_node *n = &trace->nodes[at];
		const struct trace_frame *f = &trace->frames[n->frame];
		uint32_t module = find_module(s, trace, f->module);
		uint32_t id = module == UINT32_MAX
		                  ? UINT32_MAX
		                  : find_frame(s, (struct op_frame){.offset = f->offset,
		                                      .parent = n->parent ? s->of_node[n->parent] - 1 : 0,
		                                      .module = module,
		                                      .flags = f->flags});
		if (id == UINT32_MAX)
			return UINT32_MAX;
		s->of_node[at] = id + 1;
	}
	return s->of_node[node] - 1;
}
