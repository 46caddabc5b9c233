#include "defs.h"

#include <sys/mman.h>

#include "chunk.h"
#include "stringpool.h"
#include "symbolizer.h"
#include "tidemark/trace.h"

#define HUGE_BYTES (2u << 20)
#define MAX_STACK 8192u /* frames of one stack; more is not a stack of ours */

/* ---- strings ---- */

uint32_t defs_pooled_string(struct defs *d, uint32_t string)
{
	if (!string)
		return 0;
	if (string >= d->string_ids_capacity) {
		uint32_t capacity = d->string_ids_capacity ? d->string_ids_capacity : 64;
		while (capacity <= string)
			capacity *= 2;
		uint32_t *ids = realloc(d->string_ids, capacity * sizeof(*ids));
		if (!ids) {
			d->failed = true;
			return 0;
		}
		memset(ids + d->string_ids_capacity, 0, (capacity - d->string_ids_capacity) * sizeof(*ids));
		d->string_ids = ids;
		d->string_ids_capacity = capacity;
	}
	if (!d->string_ids[string]) {
		size_t n;
		const char *text = string_get(string, &n);
		bytes_add_varint(&d->strings, n);
		bytes_add(&d->strings, text, n);
		d->string_ids[string] = ++d->n_strings;
	}
	return d->string_ids[string];
}

uint32_t defs_string(struct defs *d, const char *text, size_t n)
{
	return defs_pooled_string(d, string_put(text, n));
}

/* ---- modules, frames, nodes ---- */

/* Enter value at array[index], growing it. */
static void array_set(uint32_t **array, uint32_t *capacity, uint32_t index, uint32_t value)
{
	if (index >= *capacity) {
		uint32_t more = *capacity ? *capacity : 64;
		while (more <= index)
			more *= 2;
		uint32_t *grown = realloc(*array, more * sizeof(*grown));
		if (!grown)
			return;
		memset(grown + *capacity, 0, (more - *capacity) * sizeof(*grown));
		*array = grown;
		*capacity = more;
	}
	(*array)[index] = value;
}

/* returns: 0 when the index is not that of a ready module */
static uint32_t define_module(struct defs *d, const struct image *image, uint32_t index)
{
	struct tidemark_module m;
	char path[4096];
	uint32_t id = idmap_get(&d->module_ids, index);
	if (id || !image_get_module(image, index, &m))
		return id;
	size_t n = image_string(image, m.path_string, path, sizeof(path));
	bytes_add_varint(&d->modules, defs_string(d, path, n));
	bytes_add_varint(&d->modules, m.start);
	bytes_add_varint(&d->modules, m.end - m.start);
	bytes_add_varint(&d->modules, m.bias);
	bytes_add_varint(&d->modules, m.flags);
	bytes_add_varint(&d->modules, m.build_id_bytes);
	bytes_add(&d->modules, m.build_id, m.build_id_bytes);
	id = ++d->n_modules;
	if (idmap_put(&d->module_ids, index, id) < 0)
		d->failed = true;
	array_set(&d->asked_modules, &d->asked_modules_capacity, id, symbolizer_module(&m, path, d->pid));
	return id;
}

uint32_t defs_module_at(struct defs *d, const struct image *image, uint64_t start)
{
	uint32_t found = 0, index = 0;
	for (uint32_t i = 0; i < d->module_ids.capacity; i++) {
		const struct idmap_entry *entry = &d->module_ids.entries[i];
		struct tidemark_module m;
		if (!entry->value || (found && entry->key < index) || !image_get_module(image, entry->key, &m) ||
		    m.start != start)
			continue;
		found = entry->value;
		index = entry->key;
	}
	return found;
}

static uint32_t frame_hash(uint64_t pc, uint32_t module, uint32_t flags)
{
	return (uint32_t)hash_pair(pc, (uint64_t)module << 16 | flags);
}

static inline __attribute__((always_inline)) void prefetch_frame(const struct defs *d, const struct tidemark_node *node)
{
	if (d->frame_capacity)
		__builtin_prefetch(
		    &d->frame_table[frame_hash(node->pc, node->module, node->flags) & (d->frame_capacity - 1)]);
}

static int grow_frames(struct defs *d)
{
	uint32_t capacity = d->frame_capacity ? 2 * d->frame_capacity : 256;
	struct frame_entry *table = calloc(capacity, sizeof(*table));
	if (!table) {
		d->failed = true;
		return -1;
	}
	for (uint32_t i = 0; i < d->frame_capacity; i++) {
		const struct frame_entry *old = &d->frame_table[i];
		if (!old->id)
			continue;
		uint32_t k = frame_hash(old->pc, old->module, old->flags) & (capacity - 1);
		while (table[k].id)
			k = (k + 1) & (capacity - 1);
		table[k] = *old;
	}
	free(d->frame_table);
	d->frame_table = table;
	d->frame_capacity = capacity;
	return 0;
}

void defs_set_question(struct defs *d, uint32_t frame, uint32_t question)
{
	array_set(&d->questions, &d->questions_capacity, frame, question);
}

/* module: its id in the file */
static void ask_for(struct defs *d, const struct frame_entry *frame, uint32_t module, uint64_t offset)
{
	const uint32_t no_code = TIDEMARK_NODE_CUT | TIDEMARK_NODE_BROKEN | TIDEMARK_NODE_EARLY;
	if (frame->flags & no_code || offset == 0)
		return;
	if (module) {
		uint32_t asked = module < d->asked_modules_capacity ? d->asked_modules[module] : 0;
		defs_set_question(d, frame->id, symbolizer_ask(asked, offset, frame->flags));
		return;
	}
	if (d->n_jit == d->jit_capacity) {
		uint32_t capacity = d->jit_capacity ? 2 * d->jit_capacity : 64;
		struct frame_entry *jit = realloc(d->jit, capacity * sizeof(*jit));
		if (!jit)
			return;
		d->jit = jit;
		d->jit_capacity = capacity;
	}
	d->jit[d->n_jit++] = *frame;
}

static void define_frame(struct defs *d, const struct image *image, const struct frame_entry *frame)
{
	struct tidemark_module m;
	uint64_t offset = frame->pc;
	uint32_t module = 0;
	if (frame->module != TIDEMARK_NO_MODULE && image_get_module(image, frame->module, &m))
		module = define_module(d, image, frame->module);
	if (module)
		offset -= m.bias;
	bytes_add_varint(&d->frames, module);
	bytes_add_zigzag(&d->frames, (int64_t)(offset - d->last_frame_offset));
	bytes_add_varint(&d->frames, frame->flags);
	d->last_frame_offset = offset;
	ask_for(d, frame, module, offset);
}

/* returns: the id of a node's frame, 0 without memory */
static uint32_t frame_of(struct defs *d, const struct image *image, const struct tidemark_node *node)
{
	if (d->n_frames * 3ull >= d->frame_capacity * 2ull && grow_frames(d) < 0)
		return 0;
	uint32_t mask = d->frame_capacity - 1, i = frame_hash(node->pc, node->module, node->flags) & mask;
	for (; d->frame_table[i].id; i = (i + 1) & mask) {
		const struct frame_entry *old = &d->frame_table[i];
		if (old->pc == node->pc && old->module == node->module && old->flags == node->flags)
			return old->id;
	}
	d->frame_table[i] = (struct frame_entry){node->pc, node->module, node->flags, ++d->n_frames};
	define_frame(d, image, &d->frame_table[i]);
	return d->n_frames;
}

uint32_t defs_node(struct defs *d, const struct image *image, uint32_t shared)
{
	static struct {
		uint32_t id;
		struct tidemark_node node;
	} chain[MAX_STACK];
	uint32_t n = 0, id = 0;
	/* Ids fall towards the root, so the way ends; a chain that does not is cut at the root. */
	for (uint32_t at = shared; at != 0 && n < MAX_STACK; n++) {
		id = idpages_get(&d->node_ids, at);
		if (id || !image_node(image, at, &chain[n].node))
			break;
		prefetch_frame(d, &chain[n].node);
		chain[n].id = at;
		at = chain[n].node.parent < at ? chain[n].node.parent : 0;
	}
	while (n-- > 0) {
		uint32_t parent = id, frame = frame_of(d, image, &chain[n].node);
		id = d->n_nodes + 1;
		if (!frame || d->n_nodes + 1 >= TIDEMARK_MAX_IDS || idpages_put(&d->node_ids, chain[n].id, id) < 0) {
			d->failed = true;
			return 0;
		}
		d->n_nodes++;
		bytes_add_varint(&d->node_parents, id - parent);
		bytes_add_varint(&d->node_frames, frame);
	}
	return id;
}

void defs_thread(struct defs *d, uint32_t tid)
{
	bytes_add_varint(&d->threads, tid);
	bytes_add_varint(&d->threads, 0);
}

/* ---- sites ---- */

/* The table is looked up at random: a large one in huge pages is found faster, and costs 512 faults less for each. */
static struct site_entry *site_table_new(uint32_t capacity)
{
	size_t bytes = capacity * sizeof(struct site_entry);
	if (bytes < HUGE_BYTES)
		return calloc(1, bytes);
	void *table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED)
		return NULL;
	madvise(table, bytes, MADV_HUGEPAGE);
	return table;
}

static void site_table_free(struct defs *d)
{
	size_t bytes = d->site_capacity * sizeof(*d->site_table);
	if (bytes < HUGE_BYTES)
		free(d->site_table);
	else
		munmap(d->site_table, bytes);
}

static int grow_sites(struct defs *d)
{
	uint32_t capacity = d->site_capacity ? 2 * d->site_capacity : 512;
	struct site_entry *table = site_table_new(capacity);
	if (!table) {
		d->failed = true;
		return -1;
	}
	for (uint32_t i = 0; i < d->site_capacity; i++) {
		const struct site_entry *old = &d->site_table[i];
		if (!old->id)
			continue;
		uint32_t k = hash_pair(old->size_api, old->node) & (capacity - 1);
		while (table[k].id)
			k = (k + 1) & (capacity - 1);
		table[k] = *old;
	}
	site_table_free(d);
	d->site_table = table;
	d->site_capacity = capacity;
	return 0;
}

static __attribute__((noinline)) uint32_t define_site(
    struct defs *d, const struct image *image, uint64_t size_api, uint32_t node)
{
	if (d->n_sites * 2ull >= d->site_capacity && grow_sites(d) < 0)
		return 0;
	uint32_t mask = d->site_capacity - 1, i = hash_pair(size_api, node) & mask;
	while (d->site_table[i].id)
		i = (i + 1) & mask;
	bytes_add_varint(&d->site_nodes, defs_node(d, image, node));
	bytes_add_varint(&d->site_sizes, size_api >> CHUNK_API_BITS);
	bytes_add_byte(&d->site_apis, size_api & ((1u << CHUNK_API_BITS) - 1));
	d->site_table[i] = (struct site_entry){size_api, node, ++d->n_sites};
	return d->n_sites - 1;
}

uint32_t defs_site(struct defs *d, const struct image *image, uint64_t size_api, uint32_t node)
{
	if (d->site_capacity) {
		uint32_t mask = d->site_capacity - 1;
		for (uint32_t i = hash_pair(size_api, node) & mask; d->site_table[i].id; i = (i + 1) & mask)
			if (d->site_table[i].size_api == size_api && d->site_table[i].node == node)
				return d->site_table[i].id - 1;
	}
	return define_site(d, image, size_api, node);
}

void defs_reset_sites(struct defs *d)
{
	site_table_free(d);
	d->site_table = NULL;
	d->site_capacity = d->n_sites = 0;
}

/* ---- the whole ---- */

static struct bytes *columns_of(struct defs *d, unsigned i)
{
	struct bytes *all[] = {&d->strings, &d->modules, &d->threads, &d->frames, &d->node_parents, &d->node_frames,
	    &d->site_nodes, &d->site_sizes, &d->site_apis};
	return i < sizeof(all) / sizeof(*all) ? all[i] : NULL;
}

void defs_clear_columns(struct defs *d)
{
	struct bytes *column;
	for (unsigned i = 0; (column = columns_of(d, i)); i++) {
		d->failed |= column->bad;
		column->n = 0;
	}
	d->last_frame_offset = 0;
}

void defs_release(struct defs *d)
{
	struct bytes *column;
	for (unsigned i = 0; (column = columns_of(d, i)); i++)
		bytes_release(column);
	free(d->string_ids);
	idmap_release(&d->module_ids);
	idpages_release(&d->node_ids);
	free(d->frame_table);
	site_table_free(d);
	free(d->asked_modules);
	free(d->questions);
	free(d->jit);
}
