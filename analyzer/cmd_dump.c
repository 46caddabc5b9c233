/* `tidemark dump`: the records of a trace as they stand in the file, for tests and for people who write readers.
 * docs/format.md lists the lines. Whether a freed block was alive is not checked here: that takes a replay. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/option.h"
#include "base/progress.h"
#include "base/say.h"
#include "cmd.h"
#include "core/block.h"
#include "render/record.h"
#include "tidemark/ring.h"

struct dump_options {
	bool events;
	const char *json; /* NULL: text */
	const char *path;
};

struct dump {
	struct trace *trace;
	struct record record;
	uint32_t n_modules, n_threads, n_frames, n_nodes; /* printed so far */
	struct trace_rare *marks;                         /* kept until the definitions are out */
	size_t n_marks, marks_capacity;
};

static const char *const api_names[TIDEMARK_API_COUNT] = {"malloc", "calloc", "realloc", "reallocarray",
    "posix_memalign", "aligned_alloc", "memalign", "valloc", "pvalloc", "new", "new-array", "mallocx", "rallocx",
    "pool"};

/* Of rare events: the name and the keys of the values; a key that begins with $ is a string id. */
static const struct {
	const char *name;
	const char *keys[TRACE_RARE_VALUES];
} rare_lines[] = {
    [TIDEMARK_RARE_MARK] = {"mark", {"thread", "$name", "ops"}},
    [TIDEMARK_RARE_OP_BEGIN] = {"op-begin", {"thread", "$name"}},
    [TIDEMARK_RARE_OP_END] = {"op-end", {"thread"}},
    [TIDEMARK_RARE_OP_START] = {"op-start", {"thread", "$name", "id"}},
    [TIDEMARK_RARE_OP_FINISH] = {"op-finish", {"thread", "id"}},
    [TIDEMARK_RARE_RSS] = {"rss", {"rss", "shared", "tidemark"}},
    [TIDEMARK_RARE_SMAPS] = {"smaps", {"rss", "pss", "private_clean", "private_dirty", "anonymous", "swap"}},
    [TIDEMARK_RARE_MODULE_UNLOAD] = {"module-unload", {"module"}},
    [TIDEMARK_RARE_THREAD_NAME] = {"thread-name", {"thread", "$name"}},
    [TIDEMARK_RARE_THREAD_END] = {"thread-end", {"thread"}},
    [TIDEMARK_RARE_UNKNOWN_FREE] = {"unknown-free", {"thread", "count"}},
    [TIDEMARK_RARE_INHERITED_FREE] = {"inherited-free", {"thread", "count"}},
    [TIDEMARK_RARE_IMPLICIT_FREE] = {"implicit-free", {"number"}},
    [TIDEMARK_RARE_LOSS] = {"loss", {"thread", "events"}},
    [TIDEMARK_RARE_MAP] = {"map", {"thread", "node", "address", "length"}},
    [TIDEMARK_RARE_UNMAP] = {"unmap", {"thread", "address", "length"}},
    [TIDEMARK_RARE_FORK] = {"fork", {"pid"}},
};

static const char *const meta_names[] = {
    [TIDEMARK_META_EXE] = "exe",
    [TIDEMARK_META_SHIM_VERSION] = "shim_version",
    [TIDEMARK_META_DEPTH_LIMIT] = "depth_limit",
    [TIDEMARK_META_UNWINDER] = "unwinder",
    [TIDEMARK_META_CLOCK] = "clock",
    [TIDEMARK_META_PAGE_BYTES] = "page_bytes",
    [TIDEMARK_META_CPUS] = "cpus",
    [TIDEMARK_META_RSS_INTERVAL_MS] = "rss_interval_ms",
    [TIDEMARK_META_SUPPRESSIONS] = "suppressions",
    [TIDEMARK_META_MAPS_RECORDED] = "maps_recorded",
};

static const char *const counter_names[] = {
    [TIDEMARK_COUNTER_EVENTS] = "events",
    [TIDEMARK_COUNTER_ALLOCATIONS] = "allocations",
    [TIDEMARK_COUNTER_END_TICK] = "end_tick",
    [TIDEMARK_COUNTER_END_REASON] = "end_reason",
    [TIDEMARK_COUNTER_END_VALUE] = "end_value",
    [TIDEMARK_COUNTER_LOST_EVENTS] = "lost_events",
    [TIDEMARK_COUNTER_EARLY_EVENTS] = "early_events",
    [TIDEMARK_COUNTER_CUT_STACKS] = "cut_stacks",
    [TIDEMARK_COUNTER_BROKEN_STACKS] = "broken_stacks",
    [TIDEMARK_COUNTER_LOST_STACKS] = "lost_stacks",
    [TIDEMARK_COUNTER_STALLS] = "stalls",
    [TIDEMARK_COUNTER_STALL_NS] = "stall_ns",
    [TIDEMARK_COUNTER_LOST_NAMES] = "lost_names",
    [TIDEMARK_COUNTER_UNKNOWN_FREES] = "unknown_frees",
    [TIDEMARK_COUNTER_INHERITED_FREES] = "inherited_frees",
    [TIDEMARK_COUNTER_IMPLICIT_FREES] = "implicit_frees",
    [TIDEMARK_COUNTER_REORDERED] = "reordered",
    [TIDEMARK_COUNTER_SHIM_BYTES] = "shim_bytes",
    [TIDEMARK_COUNTER_COLLECTOR_PEAK_RSS] = "collector_peak_rss",
    [TIDEMARK_COUNTER_PEAK_RSS] = "peak_rss",
};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void dump_header(struct dump *dump)
{
	const struct tidemark_file_header *h = &dump->trace->header;
	record_begin(&dump->record, "header");
	record_number(&dump->record, "version", h->version);
	record_bytes(&dump->record, "session", h->session_id, sizeof(h->session_id));
	record_number(&dump->record, "pid", h->pid);
	record_number(&dump->record, "parent_pid", h->parent_pid);
	record_number(&dump->record, "start_real_ns", h->start_real_ns);
	record_number(&dump->record, "start_mono_ns", h->start_mono_ns);
	record_number(&dump->record, "flags", h->flags);
	record_end(&dump->record);
}

static void dump_argument(struct dump *dump, uint64_t index, const char *text)
{
	record_begin(&dump->record, "argument");
	record_number(&dump->record, "index", index);
	record_text(&dump->record, "text", text);
	record_end(&dump->record);
}

static void dump_meta(struct dump *dump)
{
	const struct trace *trace = dump->trace;
	for (unsigned key = 0; key < COUNT_OF(meta_names); key++) {
		if (!meta_names[key] || !trace->meta[key])
			continue;
		record_begin(&dump->record, "meta");
		record_word(&dump->record, "key", meta_names[key]);
		record_text(&dump->record, "value", trace->meta[key]);
		record_end(&dump->record);
	}
	const char *text = trace->meta[TIDEMARK_META_CMDLINE];
	const char *end = text ? text + trace->meta_bytes[TIDEMARK_META_CMDLINE] : NULL;
	for (uint64_t index = 0; text && text < end; text += strlen(text) + 1)
		dump_argument(dump, index++, text);
}

static void dump_module(struct dump *dump, uint32_t id)
{
	const struct trace_module *m = &dump->trace->modules[id];
	record_begin(&dump->record, "module");
	record_number(&dump->record, "id", id);
	record_hex(&dump->record, "start", m->start);
	record_hex(&dump->record, "end", m->end);
	record_hex(&dump->record, "bias", m->bias);
	record_number(&dump->record, "flags", m->flags);
	record_bytes(&dump->record, "build_id", m->build_id, m->build_id_bytes);
	record_text(&dump->record, "path", dump->trace->strings[m->path]);
	record_end(&dump->record);
}

static void dump_thread(struct dump *dump, uint32_t id)
{
	const struct trace_thread *t = &dump->trace->threads[id];
	record_begin(&dump->record, "thread");
	record_number(&dump->record, "id", id);
	record_number(&dump->record, "tid", t->tid);
	record_text(&dump->record, "name", dump->trace->strings[t->name]);
	record_end(&dump->record);
}

static void dump_frame(struct dump *dump, uint32_t id)
{
	const struct trace_frame *f = &dump->trace->frames[id];
	record_begin(&dump->record, "frame");
	record_number(&dump->record, "id", id);
	record_number(&dump->record, "module", f->module);
	record_hex(&dump->record, "offset", f->offset);
	record_number(&dump->record, "flags", f->flags);
	record_end(&dump->record);
}

static void dump_node(struct dump *dump, uint32_t id)
{
	const struct trace_node *n = &dump->trace->nodes[id];
	record_begin(&dump->record, "node");
	record_number(&dump->record, "id", id);
	record_number(&dump->record, "parent", n->parent);
	record_number(&dump->record, "frame", n->frame);
	record_end(&dump->record);
}

/* What was defined since the last call. */
static void dump_definitions(struct dump *dump, bool stacks)
{
	const struct trace *trace = dump->trace;
	for (; dump->n_modules < trace->n_modules; dump->n_modules++)
		dump_module(dump, dump->n_modules);
	for (; dump->n_threads < trace->n_threads; dump->n_threads++)
		dump_thread(dump, dump->n_threads);
	for (; stacks && dump->n_frames < trace->n_frames; dump->n_frames++)
		dump_frame(dump, dump->n_frames);
	for (; stacks && dump->n_nodes < trace->n_nodes; dump->n_nodes++)
		dump_node(dump, dump->n_nodes);
}

/* next: the number that the next allocation will get */
static void dump_rare(struct dump *dump, const struct trace_rare *rare, uint64_t next)
{
	bool known = rare->n_values > 0;
	record_begin(&dump->record, known ? rare_lines[rare->kind].name : "unknown");
	record_number(&dump->record, "tick", rare->tick);
	if (!known)
		record_number(&dump->record, "kind", rare->kind);
	for (unsigned i = 0; i < rare->n_values; i++) {
		const char *key = rare_lines[rare->kind].keys[i];
		if (*key == '$')
			record_text(&dump->record, key + 1, dump->trace->strings[rare->values[i]]);
		else if (!strcmp(key, "address"))
			record_hex(&dump->record, key, rare->values[i]);
		else if (rare->kind == TIDEMARK_RARE_IMPLICIT_FREE)
			record_number(&dump->record, key, next - 1 - rare->values[i]);
		else
			record_number(&dump->record, key, rare->values[i]);
	}
	record_end(&dump->record);
}

static void dump_event(struct dump *dump, const struct trace_block *block, const struct block_event *event)
{
	record_begin(&dump->record, !event->born ? "free" : event->moved ? "realloc" : "alloc");
	record_number(&dump->record, "tick", event->tick);
	record_number(&dump->record, "thread", event->thread);
	record_number(&dump->record, "number", event->number);
	if (event->moved)
		record_number(&dump->record, "old", event->old);
	if (event->born) {
		const struct trace_site *site = &block->site_table[event->site];
		record_number(&dump->record, "size", site->size_bytes);
		record_word(&dump->record, "api", api_names[site->api]);
		record_number(&dump->record, "node", site->node);
	}
	record_end(&dump->record);
}

static void dump_block(struct dump *dump, const struct trace_block *block)
{
	record_begin(&dump->record, "block");
	record_number(&dump->record, "index", block->index);
	record_number(&dump->record, "offset", block->offset);
	record_number(&dump->record, "events", block->n_events);
	record_number(&dump->record, "first_event", block->first_event);
	record_number(&dump->record, "first_alloc", block->first_alloc);
	record_word(&dump->record, "references", block->ref_mode == TIDEMARK_REF_AGE ? "age" : "delta");
	record_end(&dump->record);
	dump_definitions(dump, true);
	struct block_walk walk;
	struct block_event event;
	uint32_t rare = 0;
	block_walk_init(&walk, block);
	for (bool more = true; more;) {
		for (; rare < block->n_rares && block->rares[rare].position == walk.i; rare++)
			dump_rare(dump, &block->rares[rare], block->first_alloc + walk.alloc);
		more = block_walk_next(&walk, &event);
		if (more)
			dump_event(dump, block, &event);
	}
}

static int keep_marks(struct dump *dump, const struct trace_block *block)
{
	for (uint32_t i = 0; i < block->n_rares; i++) {
		if (block->rares[i].kind != TIDEMARK_RARE_MARK)
			continue;
		if (ARRAY_RESERVE(dump->marks, dump->marks_capacity, dump->n_marks + 1) < 0)
			return TIDEMARK_ERR_MEMORY;
		dump->marks[dump->n_marks++] = block->rares[i];
	}
	return 0;
}

static void dump_symbols(struct dump *dump)
{
	const struct trace *trace = dump->trace;
	for (uint32_t id = 1; id < trace->n_frames; id++)
		for (uint32_t i = 0; i < trace->frames[id].n_symbols; i++) {
			const struct trace_symbol *symbol = &trace->symbols[trace->frames[id].first_symbol + i];
			record_begin(&dump->record, "symbol");
			record_number(&dump->record, "frame", id);
			record_text(&dump->record, "function", trace->strings[symbol->function]);
			record_text(&dump->record, "file", trace->strings[symbol->file]);
			record_number(&dump->record, "line", symbol->line);
			record_end(&dump->record);
		}
}

static void dump_footer(struct dump *dump)
{
	const struct trace *trace = dump->trace;
	if (!trace->complete) {
		record_begin(&dump->record, "damage");
		record_text(&dump->record, "reason", trace->damage);
		record_end(&dump->record);
		return;
	}
	record_begin(&dump->record, "footer");
	for (unsigned i = 0; i < COUNT_OF(counter_names); i++)
		if (counter_names[i])
			record_number(&dump->record, counter_names[i], trace->counters[i]);
	record_end(&dump->record);
}

static int dump_all(struct dump *dump, const struct dump_options *options, struct err *err)
{
	const struct trace_block *block;
	struct progress progress;
	int result;
	dump->n_modules = dump->n_threads = dump->n_frames = dump->n_nodes = 1;
	progress_init(&progress, "reading");
	dump_header(dump);
	dump_meta(dump);
	while ((result = trace_next(dump->trace, &block, err)) == 1) {
		if (options->events)
			dump_block(dump, block);
		else if (keep_marks(dump, block) < 0) {
			result = err_memory(err);
			break;
		}
		progress_show(&progress, dump->trace->read_bytes, dump->trace->file_bytes);
	}
	progress_release(&progress);
	dump_definitions(dump, options->events);
	for (size_t i = 0; i < dump->n_marks; i++)
		dump_rare(dump, &dump->marks[i], 0);
	if (options->events)
		dump_symbols(dump);
	dump_footer(dump);
	free(dump->marks);
	return result;
}

static int run_dump(const struct dump_options *options, struct trace *trace, struct err *err)
{
	struct dump dump = {.trace = trace};
	if (!options->json) {
		dump.record.text = stdout;
		return dump_all(&dump, options, err);
	}
	struct json_out json;
	if (json_open(&json, options->json, err) < 0)
		return err->code;
	json_begin(&json);
	json_head(&json, json_pack("{ss}", "schema", "tidemark/dump/1"));
	json_list(&json, "records");
	dump.record.json = &json;
	int result = dump_all(&dump, options, err);
	json_list_end(&json);
	json_end(&json);
	int closed = json_close(&json, err);
	return result < 0 ? result : closed;
}

/* returns: -1 to go on, else the exit status */
static int parse(int argc, char **argv, struct dump_options *options)
{
	const struct option rows[] = {
	    {.name = "events",
	        .kind = OPTION_FLAG,
	        .value = &options->events,
	        .help = "every event and definition, in order"},
	    {.name = "json",
	        .kind = OPTION_OPTIONAL,
	        .value = &options->json,
	        .argument = "FILE",
	        .help = "print JSON, or write it to FILE"},
	    {0},
	};
	const struct option_table table = {.synopsis = "dump [OPTION...] FILE",
	    .purpose = "Print the records of a trace, one a line.",
	    .options = rows};
	struct err err;
	int n = option_parse(&table, argc, argv, &err);
	if (n == OPTION_HELP_SHOWN)
		return CMD_OK;
	if (n >= 0 && n != 1)
		n = err_set(&err, TIDEMARK_ERR_USAGE, "dump takes one trace file; see tidemark dump --help");
	if (n < 0)
		return say_err(&err);
	options->path = argv[1];
	return -1;
}

int cmd_dump(int argc, char **argv)
{
	struct dump_options options = {0};
	struct trace *trace;
	struct err err;
	int status = parse(argc, argv, &options);
	if (status >= 0)
		return status;
	if (trace_open(&trace, options.path, say_waiting, &err) < 0)
		return say_err(&err);
	int result = run_dump(&options, trace, &err);
	if (result >= 0 && !trace->complete)
		say("'%s' is incomplete: %s", options.path, trace->damage);
	trace_free(trace);
	return result < 0 ? say_err(&err) : CMD_OK;
}
