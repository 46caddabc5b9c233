/* Names that the trace does not have: see late_names.h. */
#include "late_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/progress.h"
#include "symbols/callee.h"
#include "symbols/symbols.h"
#include "tidemark/ring.h"

/* A module of a trace, opened at its first poor frame. */
struct named_module {
	const struct trace_module *origin;
	struct symbols_module *symbols; /* NULL: nothing better than what the trace has */
	struct callee_module *callees;  /* NULL: none */
	bool symbols_tried, callees_tried;
};

struct resolver {
	struct symbols *symbols;
	char *sysroot;
	struct named_module *modules;
	size_t n_modules, capacity;
};

int resolver_new(struct resolver **out, const struct resolver_options *options, struct err *err)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	if (!resolver)
		return err_memory(err);
	struct symbols_options wanted = {.sysroot = options->sysroot,
	    .debug_dirs = options->debug_dirs,
	    .n_debug_dirs = options->n_debug_dirs,
	    .search_debug_files = !options->no_debug_files,
	    .use_debuginfod = !options->no_debug_files};
	resolver->sysroot = strdup(options->sysroot ? options->sysroot : "");
	int result = resolver->sysroot ? symbols_new(&resolver->symbols, &wanted, err) : err_memory(err);
	if (result < 0) {
		resolver_free(resolver);
		return result;
	}
	*out = resolver;
	return 0;
}

void resolver_free(struct resolver *resolver)
{
	if (!resolver)
		return;
	for (size_t i = 0; i < resolver->n_modules; i++)
		callee_close(resolver->modules[i].callees);
	symbols_free(resolver->symbols);
	free(resolver->modules);
	free(resolver->sysroot);
	free(resolver);
}

/* Modules are few, and each is asked for a frame at most once. */
static struct named_module *module_of(struct resolver *resolver, const struct trace_module *origin)
{
	for (size_t i = 0; i < resolver->n_modules; i++)
		if (resolver->modules[i].origin == origin)
			return &resolver->modules[i];
	if (ARRAY_RESERVE(resolver->modules, resolver->capacity, resolver->n_modules + 1) < 0)
		return NULL;
	resolver->modules[resolver->n_modules] = (struct named_module){.origin = origin};
	return &resolver->modules[resolver->n_modules++];
}

static struct symbols_module *better_symbols(
    struct resolver *resolver, const struct trace *trace, struct named_module *module)
{
	if (module->symbols_tried)
		return module->symbols;
	module->symbols_tried = true;
	const struct trace_module *origin = module->origin;
	struct symbols_module *found = symbols_module(
	    resolver->symbols, NULL, trace->strings[origin->path], origin->build_id, origin->build_id_bytes);
	if (found && symbols_quality(found) > origin->quality)
		module->symbols = found;
	return module->symbols;
}

size_t resolver_lookup(void *arg, const struct trace *trace, uint32_t id, struct frame_name names[FRAME_MAX_NAMES])
{
	const struct trace_frame *frame = &trace->frames[id];
	struct named_module *module = module_of(arg, &trace->modules[frame->module]);
	struct symbols_module *symbols = module ? better_symbols(arg, trace, module) : NULL;
	if (!symbols)
		return 0;
	uint64_t address = frame->flags & TIDEMARK_NODE_EXACT ? frame->offset : frame->offset - 1;
	const struct symbol_frame *found;
	size_t n = symbols_lookup(symbols, address, &found);
	n = n < FRAME_MAX_NAMES ? n : FRAME_MAX_NAMES;
	for (size_t i = 0; i < n; i++)
		names[i] = (struct frame_name){found[i].function, found[i].file, found[i].line};
	return n;
}

struct lookup {
	struct resolver *resolver;
	struct progress progress;
};

static size_t look_up(void *arg, const struct trace *trace, uint32_t frame, struct frame_name names[FRAME_MAX_NAMES])
{
	struct lookup *lookup = arg;
	progress_show(&lookup->progress, frame, trace->n_frames);
	return resolver_lookup(lookup->resolver, trace, frame, names);
}

int resolver_add_stacks(
    struct resolver *resolver, struct stacks *stacks, const struct profile *profile, unsigned source, struct err *err)
{
	struct lookup lookup = {.resolver = resolver};
	progress_init(&lookup.progress, "looking up names");
	int result = stacks_add(stacks, profile, source, look_up, &lookup, err);
	progress_release(&lookup.progress);
	return result;
}

static void open_callees(struct resolver *resolver, struct named_module *module, const char *path)
{
	const struct trace_module *origin = module->origin;
	char *below = NULL;
	if (*resolver->sysroot && asprintf(&below, "%s%s", resolver->sysroot, path) >= 0) {
		module->callees = callee_open(below, origin->build_id, origin->build_id_bytes);
		free(below);
	}
	if (!module->callees)
		module->callees = callee_open(path, origin->build_id, origin->build_id_bytes);
}

const char *resolver_callee(void *arg, const struct frame_view *view)
{
	struct named_module *module = view->origin ? module_of(arg, view->origin) : NULL;
	if (!module)
		return NULL;
	if (!module->callees_tried)
		open_callees(arg, module, view->module);
	module->callees_tried = true;
	return module->callees ? callee_name(module->callees, view->offset) : NULL;
}
