/* Stacks of functions: see stacks.h.
 *
 * A frame of the trace becomes one level for each function inlined there, so that builds which inline differently
 * still meet in the portable key, and so that every renderer sees plain call order. Views are kept exactly; a coarse key
 * only decides which of them share a node. */
#include "core/stacks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "tidemark/ring.h"

#define UNSEEN UINT32_MAX
#define SPECIAL_FLAGS (TIDEMARK_NODE_CUT | TIDEMARK_NODE_BROKEN | TIDEMARK_NODE_EARLY)

/* What one stacks_add needs: the way from the trace's ids to ours. */
struct adding {
	struct stacks *stacks;
	const struct trace *trace;
	frame_lookup *lookup;
	void *lookup_arg;
	uint32_t *node_of;     /* by trace node: ours, UNSEEN when no row needs it */
	uint32_t *first_level; /* by trace frame: into levels, UNSEEN before it was looked at */
	uint32_t *levels;      /* view ids, outermost first, each frame's ending in UNSEEN */
	size_t n_levels, levels_capacity;
};

int stacks_new(struct stacks **out, enum stacks_key key, struct err *err)
{
	struct stacks *stacks = calloc(1, sizeof(*stacks));
	*out = stacks;
	if (!stacks || ARRAY_RESERVE(stacks->nodes, stacks->nodes_capacity, 1) < 0) {
		stacks_free(stacks);
		*out = NULL;
		return err_memory(err);
	}
	stacks->key = key;
	stacks->n_nodes = 1;
	return 0;
}

static void release_source(struct stack_source *source)
{
	free(source->first_level);
	free(source->levels);
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	release_source(&stacks->sources[0]);
	release_source(&stacks->sources[1]);
	idtable_release(&stacks->view_ids);
	idtable_release(&stacks->class_ids);
	free(stacks->class_of);
	idtable_release(&stacks->node_ids);
	free(stacks->views);
	free(stacks->nodes);
	free(stacks->rows);
	free(stacks->threads);
	free(stacks->row_of);
	free(stacks);
}

const char *frame_basename(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

const char *frame_label(const struct frame_view *view, char text[FRAME_LABEL_BYTES])
{
	if (view->function[0])
		return view->function;
	if (view->flags & TIDEMARK_NODE_CUT)
		return "[cut]";
	if (view->flags & TIDEMARK_NODE_BROKEN)
		return "[broken]";
	if (view->flags & TIDEMARK_NODE_EARLY)
		return "[early]";
	const char *module = view->module[0] ? frame_basename(view->module) : "[unknown]";
	snprintf(text, FRAME_LABEL_BYTES, "%.255s+0x%" PRIx64, module, view->offset);
	return text;
}

/* --- keys --- */

size_t frame_plain_function(const struct frame_view *view)
{
	const char *function = view->function;
	const char *clone = strstr(function, " [clone ");
	if (clone)
		return (size_t)(clone - function);
	static const char *const suffixes[] = {".constprop.", ".isra.", ".part.", ".cold", ".lto_priv.", ".llvm."};
	size_t length = strlen(function);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		const char *found = strstr(function, suffixes[i]);
		if (found && found != function && (size_t)(found - function) < length)
			length = (size_t)(found - function);
	}
	return length;
}

size_t frame_plain_module(const struct frame_view *view, const char **name)
{
	if (view->origin && view->origin->flags & TIDEMARK_MODULE_MAIN) {
		*name = "";
		return 0;
	}
	*name = frame_basename(view->module);
	const char *so = strstr(*name, ".so.");
	return so ? (size_t)(so - *name) + 3 : strlen(*name);
}

static uint64_t hash_part(uint64_t hash, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
	return idtable_hash_number(hash, length);
}

static uint64_t hash_portable(const struct frame_view *view)
{
	const char *module;
	size_t length = frame_plain_module(view, &module);
	uint64_t hash = hash_part(view->flags & SPECIAL_FLAGS, module, length);
	return hash_part(hash, view->function, frame_plain_function(view));
}

static bool same_portable(const struct frame_view *a, const struct frame_view *b)
{
	const char *a_module, *b_module;
	size_t a_length = frame_plain_module(a, &a_module), b_length = frame_plain_module(b, &b_module);
	size_t length = frame_plain_function(a);
	return a_length == b_length && !memcmp(a_module, b_module, a_length) && length == frame_plain_function(b) &&
	       !memcmp(a->function, b->function, length) && (a->flags & SPECIAL_FLAGS) == (b->flags & SPECIAL_FLAGS);
}

static uint64_t hash_exact(const struct frame_view *view)
{
	uint64_t hash = idtable_hash_text(view->line, view->function);
	hash = idtable_hash_text(hash, view->file);
	hash = idtable_hash_text(hash, view->module);
	if (!view->function[0])
		hash = idtable_hash_number(hash, view->offset);
	return idtable_hash_number(hash, (view->flags & SPECIAL_FLAGS) | (view->inlined ? 0x10000u : 0));
}

static bool same_exact(const struct frame_view *a, const struct frame_view *b)
{
	return a->line == b->line && a->inlined == b->inlined && !strcmp(a->function, b->function) &&
	       !strcmp(a->file, b->file) && !strcmp(a->module, b->module) &&
	       (a->function[0] || a->offset == b->offset) && (a->flags & SPECIAL_FLAGS) == (b->flags & SPECIAL_FLAGS);
}

/* By name only: what a flame graph shows. */
static uint64_t hash_named(const struct frame_view *view, bool offsets)
{
	uint64_t hash = idtable_hash_text(view->flags & SPECIAL_FLAGS, view->function);
	if (!view->function[0])
		hash = idtable_hash_text(hash, view->module);
	return offsets && !view->function[0] ? idtable_hash_number(hash, view->offset) : hash;
}

static bool same_named(const struct frame_view *a, const struct frame_view *b, bool offsets)
{
	if (strcmp(a->function, b->function) != 0 || (a->flags & SPECIAL_FLAGS) != (b->flags & SPECIAL_FLAGS))
		return false;
	return a->function[0] || (!strcmp(a->module, b->module) && (!offsets || a->offset == b->offset));
}

static uint64_t hash_view(enum stacks_key key, const struct frame_view *view)
{
	switch (key) {
	case STACKS_EXACT:
		return hash_exact(view);
	case STACKS_PORTABLE:
		return hash_portable(view);
	default:
		return hash_named(view, key == STACKS_OFFSETS);
	}
}

static bool equal_views(enum stacks_key key, const struct frame_view *a, const struct frame_view *b)
{
	switch (key) {
	case STACKS_EXACT:
		return same_exact(a, b);
	case STACKS_PORTABLE:
		return same_portable(a, b);
	default:
		return same_named(a, b, key == STACKS_OFFSETS);
	}
}

struct wanted_view {
	const struct stacks *stacks;
	const struct frame_view *view;
	enum stacks_key key;
};

static bool same_view(const void *arg, uint32_t id)
{
	const struct wanted_view *wanted = arg;
	return equal_views(wanted->key, &wanted->stacks->views[id], wanted->view);
}

/* The view that the key takes for the same as the new view `id`; itself when there is none. */
static uint32_t class_id(struct stacks *s, uint32_t id)
{
	uint64_t hash = hash_view(s->key, &s->views[id]);
	struct wanted_view wanted = {s, &s->views[id], s->key};
	uint32_t first = idtable_find(&s->class_ids, hash, same_view, &wanted);
	if (first != IDTABLE_NONE)
		return first;
	return idtable_add(&s->class_ids, hash, id) < 0 ? UNSEEN : id;
}

static uint32_t view_id(struct stacks *s, const struct frame_view *view)
{
	uint64_t hash = hash_view(STACKS_EXACT, view);
	struct wanted_view wanted = {s, view, STACKS_EXACT};
	uint32_t id = idtable_find(&s->view_ids, hash, same_view, &wanted);
	if (id != IDTABLE_NONE)
		return id;
	id = (uint32_t)s->n_views;
	if (s->n_views >= UNSEEN - 1 || ARRAY_RESERVE(s->views, s->views_capacity, s->n_views + 1) < 0 ||
	    ARRAY_RESERVE(s->class_of, s->class_of_capacity, s->n_views + 1) < 0 ||
	    idtable_add(&s->view_ids, hash, id) < 0)
		return UNSEEN;
	s->views[id] = *view;
	s->class_of[id] = s->key == STACKS_EXACT ? id : class_id(s, id);
	s->n_views++;
	return s->class_of[id] == UNSEEN ? UNSEEN : id;
}

struct wanted_node {
	const struct stacks *stacks;
	struct stack_node node;
};

static bool same_node(const void *arg, uint32_t id)
{
	const struct wanted_node *wanted = arg;
	const struct stack_node *have = &wanted->stacks->nodes[id];
	return have->parent == wanted->node.parent && have->view == wanted->node.view;
}

static uint32_t node_id(struct stacks *s, uint32_t parent, uint32_t view)
{
	uint64_t hash = idtable_hash_number(parent, view);
	struct wanted_node wanted = {s, {parent, view}};
	uint32_t id = idtable_find(&s->node_ids, hash, same_node, &wanted);
	if (id != IDTABLE_NONE)
		return id;
	if (s->n_nodes >= UNSEEN - 1 || ARRAY_RESERVE(s->nodes, s->nodes_capacity, s->n_nodes + 1) < 0 ||
	    idtable_add(&s->node_ids, hash, (uint32_t)s->n_nodes) < 0)
		return UNSEEN;
	s->nodes[s->n_nodes] = wanted.node;
	return (uint32_t)s->n_nodes++;
}

/* --- adding a profile --- */

/* The names of a frame, innermost first. returns: how many */
static size_t frame_names(const struct adding *a, uint32_t id, struct frame_name names[FRAME_MAX_NAMES])
{
	const struct trace *t = a->trace;
	const struct trace_frame *frame = &t->frames[id];
	unsigned quality = frame->module ? t->modules[frame->module].quality : TIDEMARK_SYMBOLS_PERF_MAP;
	bool poor = !frame->n_symbols || quality == TIDEMARK_SYMBOLS_NONE || quality == TIDEMARK_SYMBOLS_TABLE;
	size_t n = a->lookup && poor && frame->module ? a->lookup(a->lookup_arg, t, id, names) : 0;
	if (n)
		return n;
	for (; n < frame->n_symbols && n < FRAME_MAX_NAMES; n++) {
		const struct trace_symbol *symbol = &t->symbols[frame->first_symbol + n];
		names[n] = (struct frame_name){t->strings[symbol->function], t->strings[symbol->file], symbol->line};
	}
	return n;
}

static int push_level(struct adding *a, uint32_t view)
{
	if (ARRAY_RESERVE(a->levels, a->levels_capacity, a->n_levels + 1) < 0)
		return -1;
	a->levels[a->n_levels++] = view;
	return 0;
}

static int push_view(struct adding *a, const struct frame_view *view)
{
	uint32_t id = view_id(a->stacks, view);
	return id == UNSEEN ? -1 : push_level(a, id);
}

/* Turn a frame into levels, outermost first. */
static int add_frame(struct adding *a, uint32_t id)
{
	const struct trace *t = a->trace;
	const struct trace_frame *frame = &t->frames[id];
	const struct trace_module *module = frame->module ? &t->modules[frame->module] : NULL;
	struct frame_view view = {.function = "",
	    .file = "",
	    .module = module ? t->strings[module->path] : "",
	    .origin = module,
	    .flags = frame->flags,
	    .offset = frame->offset};
	if (a->n_levels >= UNSEEN)
		return -1;
	a->first_level[id] = (uint32_t)a->n_levels;
	struct frame_name names[FRAME_MAX_NAMES];
	size_t n = frame->flags & SPECIAL_FLAGS ? 0 : frame_names(a, id, names);
	for (size_t i = n; i-- > 0;) {
		view.function = names[i].function;
		view.file = names[i].file;
		view.line = names[i].line;
		view.inlined = i + 1 < n;
		if (push_view(a, &view) < 0)
			return -1;
	}
	if (!n && push_view(a, &view) < 0)
		return -1;
	return push_level(a, UNSEEN);
}

/* What runs before main() differs between machines and says nothing. */
static bool starts_anew(const struct stacks *s, uint32_t view_index)
{
	const struct frame_view *view = &s->views[view_index];
	return s->key == STACKS_PORTABLE && view->origin && view->origin->flags & TIDEMARK_MODULE_MAIN &&
	       !strcmp(view->function, "main");
}

/* Our node for a trace node whose parent has one. */
static int add_node(struct adding *a, uint32_t id)
{
	const struct trace_node *node = &a->trace->nodes[id];
	if (a->first_level[node->frame] == UNSEEN && add_frame(a, node->frame) < 0)
		return -1;
	uint32_t at = a->node_of[node->parent];
	for (const uint32_t *view = &a->levels[a->first_level[node->frame]]; *view != UNSEEN; view++) {
		at = node_id(a->stacks, starts_anew(a->stacks, *view) ? 0 : at, a->stacks->class_of[*view]);
		if (at == UNSEEN)
			return -1;
	}
	a->node_of[id] = at;
	return 0;
}

static bool row_used(const struct profile_row *row)
{
	return row->allocations || row->live_blocks || row->peak_blocks || row->temporary;
}

/* Mark the nodes of used rows and all their ancestors: anything but UNSEEN. Node 0 is always wanted. */
static void mark_wanted(const struct adding *a, const struct profile *profile)
{
	for (uint32_t i = 0; i < profile->trace->n_nodes; i++)
		a->node_of[i] = UNSEEN;
	a->node_of[0] = 0;
	for (uint32_t i = 0; i < profile->n_rows; i++)
		if (row_used(&profile->rows[i]))
			for (uint32_t at = i; a->node_of[at] == UNSEEN; at = profile->trace->nodes[at].parent)
				a->node_of[at] = 0;
}

static struct stack_row *row_at(struct stacks *s, uint32_t node, uint32_t thread)
{
	if (ARRAY_RESERVE(s->row_of, s->row_of_capacity, s->n_nodes) < 0)
		return NULL;
	for (uint32_t at = s->row_of[node]; at; at = s->rows[at - 1].next)
		if (s->rows[at - 1].thread == thread)
			return &s->rows[at - 1];
	if (ARRAY_RESERVE(s->rows, s->rows_capacity, s->n_rows + 1) < 0)
		return NULL;
	s->rows[s->n_rows] =
	    (struct stack_row){.node = node, .thread = thread, .sample = UNSEEN, .next = s->row_of[node]};
	s->row_of[node] = (uint32_t)++s->n_rows;
	return &s->rows[s->n_rows - 1];
}

/* Threads of one name are one: workers of a pool. returns: UNSEEN when memory is short */
static uint32_t thread_id(struct stacks *s, const char *name)
{
	for (uint32_t i = 1; i < s->n_threads; i++)
		if (!strcmp(s->threads[i], name))
			return i;
	uint32_t id = s->n_threads ? (uint32_t)s->n_threads : 1;
	if (ARRAY_RESERVE(s->threads, s->threads_capacity, (size_t)id + 1) < 0)
		return UNSEEN;
	s->threads[0] = "";
	s->threads[id] = name;
	s->n_threads = id + 1;
	return id;
}

/* Show a row by the trace stack that has most bytes alive, or was allocated most. */
static void choose_sample(struct stack_row *row, const struct profile_row *from, uint32_t node, unsigned source)
{
	bool better = from->live_bytes != row->sample_live ? from->live_bytes > row->sample_live
	                                                   : from->allocated_bytes > row->sample_allocated;
	if (row->sample != UNSEEN && !better)
		return;
	row->sample = node;
	row->sample_source = source;
	row->sample_live = from->live_bytes;
	row->sample_allocated = from->allocated_bytes;
}

static int add_row(struct adding *a, const struct profile_row *from, uint32_t node, uint32_t thread, unsigned source)
{
	struct stack_row *row = row_at(a->stacks, a->node_of[node], thread);
	if (!row)
		return -1;
	profile_row_add(&row->sums[source], from);
	choose_sample(row, from, node, source);
	return 0;
}

static int add_pairs(struct adding *a, const struct profile *profile, unsigned source)
{
	const struct trace *t = profile->trace;
	uint32_t *ids = malloc(((size_t)t->n_threads + 1) * sizeof(*ids)); /* by trace thread */
	int result = ids ? 0 : -1;
	for (uint32_t i = 0; i < t->n_threads && !result; i++) {
		ids[i] = thread_id(a->stacks, t->strings[t->threads[i].name]);
		result = ids[i] == UNSEEN ? -1 : 0;
	}
	for (uint32_t i = 0; i < profile->n_pairs && !result; i++)
		if (row_used(&profile->pair_rows[i]))
			result = add_row(
			    a, &profile->pair_rows[i], profile->pairs[i].node, ids[profile->pairs[i].thread], source);
	free(ids);
	return result;
}

static int add_rows(struct adding *a, const struct profile *profile, unsigned source)
{
	for (uint32_t i = 1; i < profile->trace->n_nodes; i++)
		if (a->node_of[i] != UNSEEN && add_node(a, i) < 0)
			return -1;
	if (profile->pairs)
		return add_pairs(a, profile, source);
	for (uint32_t i = 0; i < profile->n_rows; i++)
		if (row_used(&profile->rows[i]) && add_row(a, &profile->rows[i], i, 0, source) < 0)
			return -1;
	return 0;
}

int stacks_add(struct stacks *stacks, const struct profile *profile, unsigned source, frame_lookup *lookup,
    void *lookup_arg, struct err *err)
{
	const struct trace *trace = profile->trace;
	struct adding a = {.stacks = stacks, .trace = trace, .lookup = lookup, .lookup_arg = lookup_arg};
	a.node_of = calloc((size_t)trace->n_nodes + 1, sizeof(*a.node_of));
	a.first_level = malloc(((size_t)trace->n_frames + 1) * sizeof(*a.first_level));
	int result = -1;
	if (a.node_of && a.first_level) {
		memset(a.first_level, 0xff, ((size_t)trace->n_frames + 1) * sizeof(*a.first_level));
		mark_wanted(&a, profile);
		result = add_rows(&a, profile, source);
	}
	free(a.node_of);
	release_source(&stacks->sources[source]);
	stacks->sources[source] = (struct stack_source){trace, a.first_level, a.levels};
	return result < 0 ? err_memory(err) : 0;
}

/* --- rows and frames --- */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int compare_rows(const void *left, const void *right, void *arg)
{
	const struct stack_row *a = left, *b = right;
	enum cost cost = *(const enum cost *)arg;
	int order = compare_numbers(cost_value(&a->sums[0], cost), cost_value(&b->sums[0], cost));
	if (!order)
		order = compare_numbers(a->sums[0].allocated_bytes, b->sums[0].allocated_bytes);
	if (!order)
		order = compare_numbers(a->sums[0].allocations, b->sums[0].allocations);
	return order ? order : a->node < b->node ? -1 : a->node > b->node;
}

void stacks_sort(struct stacks *stacks, enum cost cost)
{
	if (stacks->n_rows)
		qsort_r(stacks->rows, stacks->n_rows, sizeof(*stacks->rows), compare_rows, &cost);
	free(stacks->row_of);
	stacks->row_of = NULL;
	stacks->row_of_capacity = 0;
}

size_t stacks_frames(const struct stacks *stacks, uint32_t node, const struct frame_view ***frames, size_t *capacity)
{
	size_t n = 0;
	for (; node; node = stacks->nodes[node].parent) {
		if (ARRAY_RESERVE(*frames, *capacity, n + 1) < 0)
			return 0;
		(*frames)[n++] = &stacks->views[stacks->nodes[node].view];
	}
	return n;
}

size_t stacks_trace_frames(const struct stacks *stacks, unsigned source_index, uint32_t node,
    const struct frame_view ***frames, size_t *capacity)
{
	const struct stack_source *source = &stacks->sources[source_index];
	size_t n = 0;
	for (uint32_t at = node; at; at = source->trace->nodes[at].parent) {
		uint32_t level = source->first_level[source->trace->nodes[at].frame];
		if (level == UNSEEN)
			return 0;
		const uint32_t *first = &source->levels[level], *view = first;
		while (*view != UNSEEN)
			view++;
		while (view-- > first) {
			if (ARRAY_RESERVE(*frames, *capacity, n + 1) < 0)
				return 0;
			(*frames)[n++] = &stacks->views[*view];
			if (starts_anew(stacks, *view))
				return n;
		}
	}
	return n;
}

size_t stacks_row_frames(
    const struct stacks *stacks, const struct stack_row *row, const struct frame_view ***frames, size_t *capacity)
{
	if (stacks->key == STACKS_EXACT || row->sample == UNSEEN)
		return stacks_frames(stacks, row->node, frames, capacity);
	return stacks_trace_frames(stacks, row->sample_source, row->sample, frames, capacity);
}
