/* Definitions of a trace: strings, modules, threads, frames, nodes, sites, symbols, meta and counters. Enters: the
 * columns of one block, hostile. Leaves: the arrays of struct trace. Called by reader.c for each block. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/state.h"
#include "tidemark/ring.h"

#define CHUNK_BYTES (1u << 16)

/* Strings never move: reports keep pointers to them. */
struct string_chunk {
	struct string_chunk *next;
	size_t used_bytes, size_bytes;
	char bytes[];
};

static char *string_room(struct trace_private *state, size_t bytes)
{
	struct string_chunk *chunk = state->chunks;
	if (!chunk || chunk->size_bytes - chunk->used_bytes < bytes) {
		size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		chunk = malloc(sizeof(*chunk) + size);
		if (!chunk)
			return NULL;
		*chunk = (struct string_chunk){.next = state->chunks, .size_bytes = size};
		state->chunks = chunk;
	}
	char *room = chunk->bytes + chunk->used_bytes;
	chunk->used_bytes += bytes;
	return room;
}

static char *string_copy(struct trace_private *state, const uint8_t *bytes, size_t count)
{
	char *copy = string_room(state, count + 1);
	if (copy) {
		memcpy(copy, bytes, count);
		copy[count] = 0;
	}
	return copy;
}

/* Make room for one more element. returns: false when there may be no more ids of this kind */
#define ROOM(array, n, capacity) ((n) < TIDEMARK_MAX_IDS && ARRAY_RESERVE(array, capacity, (size_t)(n) + 1) == 0)

static int take_strings(struct trace *trace, struct cursor *c, struct err *err)
{
	struct trace_private *state = trace->private_state;
	while (c->at < c->end) {
		uint64_t length;
		const uint8_t *bytes;
		if (!cursor_number(c, &length) || length > TIDEMARK_MAX_STRING_BYTES ||
		    !cursor_bytes(c, length, &bytes))
			return corrupt(err, "the strings");
		if (!ROOM(trace->strings, trace->n_strings, state->strings_capacity))
			return err_memory(err);
		char *copy = string_copy(state, bytes, length);
		if (!copy)
			return err_memory(err);
		trace->strings[trace->n_strings++] = copy;
	}
	return 0;
}

static int take_modules(struct trace *trace, struct cursor *c, struct err *err)
{
	while (c->at < c->end) {
		struct trace_module module = {0};
		uint64_t length;
		uint32_t id_bytes;
		const uint8_t *id;
		if (!cursor_below(c, trace->n_strings, &module.path) || !cursor_number(c, &module.start) ||
		    !cursor_number(c, &length) || __builtin_add_overflow(module.start, length, &module.end) ||
		    !cursor_number(c, &module.bias) || !cursor_below(c, UINT32_MAX, &module.flags) ||
		    !cursor_below(c, sizeof(module.build_id) + 1, &id_bytes) || !cursor_bytes(c, id_bytes, &id))
			return corrupt(err, "the modules");
		memcpy(module.build_id, id, id_bytes);
		module.build_id_bytes = (uint8_t)id_bytes;
		if (!ROOM(trace->modules, trace->n_modules, trace->private_state->modules_capacity))
			return err_memory(err);
		trace->modules[trace->n_modules++] = module;
	}
	return 0;
}

static int take_threads(struct trace *trace, struct cursor *c, struct err *err)
{
	while (c->at < c->end) {
		struct trace_thread thread;
		if (!cursor_below(c, UINT32_MAX, &thread.tid) || !cursor_below(c, trace->n_strings, &thread.name))
			return corrupt(err, "the threads");
		if (!ROOM(trace->threads, trace->n_threads, trace->private_state->threads_capacity))
			return err_memory(err);
		trace->threads[trace->n_threads++] = thread;
	}
	return 0;
}

static int take_frames(struct trace *trace, struct cursor *c, struct err *err)
{
	uint64_t offset = 0;
	while (c->at < c->end) {
		struct trace_frame frame = {0};
		uint64_t delta;
		if (!cursor_below(c, trace->n_modules, &frame.module) || !cursor_number(c, &delta) ||
		    !cursor_below(c, UINT32_MAX, &frame.flags))
			return corrupt(err, "the frames");
		offset += (uint64_t)unzigzag(delta);
		frame.offset = offset;
		if (!ROOM(trace->frames, trace->n_frames, trace->private_state->frames_capacity))
			return err_memory(err);
		trace->frames[trace->n_frames++] = frame;
	}
	return 0;
}

static int take_nodes(struct trace *trace, struct cursor *parents, struct cursor *frames, struct err *err)
{
	while (parents->at < parents->end) {
		struct trace_node node;
		uint64_t up;
		if (!cursor_number(parents, &up) || up < 1 || up > trace->n_nodes ||
		    !cursor_below(frames, trace->n_frames, &node.frame))
			return corrupt(err, "the nodes");
		node.parent = trace->n_nodes - (uint32_t)up;
		if (!ROOM(trace->nodes, trace->n_nodes, trace->private_state->nodes_capacity))
			return err_memory(err);
		trace->nodes[trace->n_nodes++] = node;
	}
	return frames->at == frames->end ? 0 : corrupt(err, "the nodes");
}

static int take_sites(struct trace *trace, struct cursor *nodes, struct err *err)
{
	struct trace_private *state = trace->private_state;
	struct cursor sizes, apis;
	if (columns_walk(&state->columns, TIDEMARK_COLUMN_SITE_SIZE, &sizes, err) < 0 ||
	    columns_walk(&state->columns, TIDEMARK_COLUMN_SITE_API, &apis, err) < 0)
		return err->code;
	while (nodes->at < nodes->end) {
		struct trace_site site;
		if (!cursor_below(nodes, trace->n_nodes, &site.node) || !cursor_number(&sizes, &site.size_bytes) ||
		    apis.at == apis.end || *apis.at >= TIDEMARK_API_COUNT || state->n_sites >= TIDEMARK_MAX_SITES)
			return corrupt(err, "the sites");
		site.api = *apis.at++;
		if (ARRAY_RESERVE(state->sites, state->sites_capacity, state->n_sites + 1u) < 0)
			return err_memory(err);
		state->sites[state->n_sites++] = site;
	}
	return sizes.at == sizes.end && apis.at == apis.end ? 0 : corrupt(err, "the sites");
}

static int take_frame_symbols(
    struct trace *trace, struct cursor *c, struct trace_frame *frame, uint64_t n, struct err *err)
{
	frame->first_symbol = trace->n_symbols;
	for (uint64_t i = 0; i < n; i++) {
		struct trace_symbol symbol;
		if (!cursor_below(c, trace->n_strings, &symbol.function) ||
		    !cursor_below(c, trace->n_strings, &symbol.file) || !cursor_below(c, UINT32_MAX, &symbol.line))
			return corrupt(err, "the symbols");
		if (!ROOM(trace->symbols, trace->n_symbols, trace->private_state->symbols_capacity))
			return err_memory(err);
		trace->symbols[trace->n_symbols++] = symbol;
	}
	frame->n_symbols = (uint32_t)n;
	return 0;
}

static int take_symbols(struct trace *trace, struct cursor *c, struct err *err)
{
	uint64_t id = 0;
	while (c->at < c->end) {
		uint64_t step, n;
		if (!cursor_number(c, &step) || step >= trace->n_frames || (id += step) >= trace->n_frames || id == 0 ||
		    !cursor_number(c, &n))
			return corrupt(err, "the symbols");
		int result = take_frame_symbols(trace, c, &trace->frames[id], n, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int take_qualities(struct trace *trace, struct cursor *c, struct err *err)
{
	while (c->at < c->end) {
		uint32_t id;
		const uint8_t *quality;
		if (!cursor_below(c, trace->n_modules, &id) || !cursor_bytes(c, 1, &quality))
			return corrupt(err, "the symbols of modules");
		trace->modules[id].quality = *quality;
	}
	return 0;
}

int define_take(struct trace *trace, bool reset_sites, struct err *err)
{
	static const struct {
		unsigned id;
		int (*take)(struct trace *trace, struct cursor *cursor, struct err *err);
	} steps[] = {
	    {TIDEMARK_COLUMN_STRINGS, take_strings},
	    {TIDEMARK_COLUMN_MODULES, take_modules},
	    {TIDEMARK_COLUMN_THREADS, take_threads},
	    {TIDEMARK_COLUMN_FRAMES, take_frames},
	    {TIDEMARK_COLUMN_SYMBOLS, take_symbols},
	    {TIDEMARK_COLUMN_MODULE_SYMBOLS, take_qualities},
	};
	struct columns *columns = &trace->private_state->columns;
	struct cursor cursor, frames;
	if (reset_sites)
		trace->private_state->n_sites = 0;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (columns_walk(columns, steps[i].id, &cursor, err) < 0 || steps[i].take(trace, &cursor, err) < 0)
			return err->code;
	if (columns_walk(columns, TIDEMARK_COLUMN_NODE_PARENT, &cursor, err) < 0 ||
	    columns_walk(columns, TIDEMARK_COLUMN_NODE_FRAME, &frames, err) < 0 ||
	    take_nodes(trace, &cursor, &frames, err) < 0)
		return err->code;
	if (columns_walk(columns, TIDEMARK_COLUMN_SITE_NODE, &cursor, err) < 0 || take_sites(trace, &cursor, err) < 0)
		return err->code;
	return 0;
}

int define_meta(struct trace *trace, struct err *err)
{
	struct cursor c;
	if (columns_walk(&trace->private_state->columns, TIDEMARK_COLUMN_META, &c, err) < 0)
		return err->code;
	while (c.at < c.end) {
		uint64_t key, length;
		const uint8_t *bytes;
		if (!cursor_number(&c, &key) || !cursor_number(&c, &length) || !cursor_bytes(&c, length, &bytes))
			return corrupt(err, "the meta block");
		if (key >= sizeof(trace->meta) / sizeof(trace->meta[0]))
			continue;
		trace->meta[key] = string_copy(trace->private_state, bytes, length);
		if (!trace->meta[key])
			return err_memory(err);
		trace->meta_bytes[key] = length;
	}
	return 0;
}

int define_counters(struct trace *trace, struct err *err)
{
	struct cursor c;
	if (columns_walk(&trace->private_state->columns, TIDEMARK_COLUMN_COUNTERS, &c, err) < 0)
		return err->code;
	while (c.at < c.end) {
		uint64_t key, value;
		if (!cursor_number(&c, &key) || !cursor_number(&c, &value))
			return corrupt(err, "the footer");
		if (key < sizeof(trace->counters) / sizeof(trace->counters[0]))
			trace->counters[key] = value;
	}
	return 0;
}

int define_init(struct trace *trace, struct err *err)
{
	struct trace_private *s = trace->private_state;
	if (ARRAY_RESERVE(trace->strings, s->strings_capacity, 1) < 0 ||
	    ARRAY_RESERVE(trace->modules, s->modules_capacity, 1) < 0 ||
	    ARRAY_RESERVE(trace->frames, s->frames_capacity, 1) < 0 ||
	    ARRAY_RESERVE(trace->nodes, s->nodes_capacity, 1) < 0 ||
	    ARRAY_RESERVE(trace->threads, s->threads_capacity, 1) < 0 ||
	    ARRAY_RESERVE(trace->symbols, s->symbols_capacity, 1) < 0)
		return err_memory(err);
	trace->strings[0] = "";
	trace->n_strings = trace->n_modules = trace->n_frames = trace->n_nodes = trace->n_threads = 1;
	trace->n_symbols = 0;
	return 0;
}

void define_release(struct trace *trace)
{
	struct trace_private *state = trace->private_state;
	free(trace->strings);
	free(trace->modules);
	free(trace->frames);
	free(trace->nodes);
	free(trace->threads);
	free(trace->symbols);
	free(state->sites);
	for (struct string_chunk *chunk = state->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}
