/* Operations with names: see op_report.h. */
#include "op_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "base/size.h"
#include "late_names.h"

/* --- frames --- */

static int name_stacks(struct op_report *r, uint32_t index, struct err *err)
{
	struct op_report_file *file = &r->files[index];
	struct trace *trace = r->operations->traces[index];
	file->rows = (struct profile){
	    .trace = trace, .rows = calloc(trace->n_nodes, sizeof(*file->rows.rows)), .n_rows = trace->n_nodes};
	if (!file->rows.rows)
		return err_memory(err);
	for (uint32_t i = 0; i < trace->n_nodes; i++)
		file->rows.rows[i].allocations = 1;
	int result = stacks_new(&file->stacks, STACKS_EXACT, err);
	return result < 0 ? result : resolver_add_stacks(r->resolver, file->stacks, &file->rows, 0, err);
}

size_t op_report_frames(struct op_report *r, const struct op_stack *stack, const struct frame_view ***frames)
{
	struct op_report_file *file = &r->files[stack->file];
	if (!file->stacks && !r->failed)
		r->failed = name_stacks(r, stack->file, &r->failure) < 0;
	if (r->failed)
		return 0;
	size_t n = stacks_trace_frames(file->stacks, 0, stack->node, &r->frames, &r->frames_capacity);
	*frames = r->frames;
	return n;
}

/* --- suppressions --- */

/* Those of the program, once where its processes all say the same. */
static void add_embedded(struct op_report *r, const struct operations *operations)
{
	const char *before = NULL;
	for (size_t i = 0; i < operations->n_traces; i++) {
		const char *text = operations->traces[i]->meta[TIDEMARK_META_SUPPRESSIONS];
		if (text && (!before || strcmp(before, text) != 0))
			report_add_embedded(operations->traces[i], &r->suppressions);
		before = text ? text : before;
	}
}

static int add_suppressions(struct op_report *r, struct err *err)
{
	const struct option_list *files = &r->options->suppression_files;
	int result = 0;
	for (size_t i = 0; i < files->n_items && !result; i++)
		result = suppressions_add_file(&r->suppressions, files->items[i], err);
	return result;
}

const struct suppression *op_report_suppression(
    const struct op_report *r, const struct frame_view *const *frames, size_t n_frames)
{
	for (size_t i = 0; i < n_frames; i++) {
		int found = suppressions_match(&r->suppressions, frames[i]);
		if (found != SUPPRESS_NONE)
			return &r->suppressions.items[found];
	}
	return NULL;
}

/* The program's own and the built-in suppressions come after those of the files, and only now are the traces there. */
static void complete_suppressions(struct op_report *r, const struct operations *operations)
{
	add_embedded(r, operations);
	if (!r->options->no_built_in && suppressions_add_text(&r->suppressions, suppressions_built_in,
	                                    strlen(suppressions_built_in), "built-in", &r->failure) < 0)
		r->failed = true;
}

static enum op_whose tell_whose(void *arg, const struct operations *operations, uint32_t file, uint32_t node)
{
	struct op_report *r = arg;
	const struct frame_view **frames;
	if (!r->files) {
		r->operations = (struct operations *)operations;
		r->n_files = operations->n_traces;
		r->files = calloc(r->n_files, sizeof(*r->files));
		r->failed = !r->files;
		complete_suppressions(r, operations);
	}
	if (r->failed)
		return OP_OF_PROGRAM;
	size_t n = op_report_frames(r, &(struct op_stack){.file = file, .node = node}, &frames);
	if (op_report_suppression(r, frames, n))
		return OP_SUPPRESSED;
	return runtime_owns(frames, n, resolver_callee, r->resolver) ? OP_OF_RUNTIME : OP_OF_PROGRAM;
}

/* --- the door --- */

static int read_files(struct op_report *r, const char *const *paths, size_t n_paths, struct err *err)
{
	struct progress progress;
	struct operations *operations;
	progress_init(&progress, "reading");
	struct operations_options wanted = {.live = r->live,
	    .by_thread = r->by_thread,
	    .whose = tell_whose,
	    .whose_arg = r,
	    .waiting = say_waiting,
	    .progress = progress_show,
	    .progress_arg = &progress};
	int result = operations_read(&operations, paths, n_paths, &wanted, err);
	progress_release(&progress);
	r->operations = result < 0 ? NULL : operations;
	return result;
}

/* Whether groups tell threads apart. errors: USAGE */
static int look_at_groups(struct op_report *r, struct err *err)
{
	struct groups groups;
	int result = report_groups(r->options, &groups, err);
	if (result < 0)
		return result;
	r->by_thread = groups_need_threads(&groups);
	groups_release(&groups);
	return 0;
}

static int open_files(struct op_report *r, const char *const *paths, size_t n_paths, struct err *err)
{
	const struct report_options *options = r->options;
	struct resolver_options names = {.sysroot = options->sysroot,
	    .debug_dirs = options->debug_dirs.items,
	    .n_debug_dirs = options->debug_dirs.n_items,
	    .no_debug_files = options->no_debug_files};
	int result = look_at_groups(r, err);
	if (!result)
		result = resolver_new(&r->resolver, &names, err);
	if (!result)
		result = add_suppressions(r, err);
	if (!result)
		result = read_files(r, paths, n_paths, err);
	if (!result && r->failed)
		result = err_set(err, TIDEMARK_ERR_MEMORY, "%s", r->failure.code ? r->failure.text : "out of memory");
	if (result < 0)
		op_report_close(r);
	return result;
}

int op_report_open(struct op_report *r, const char *const *paths, size_t n_paths, const struct report_options *options,
    struct err *err)
{
	*r = (struct op_report){.options = options};
	int result = open_files(r, paths, n_paths, err);
	if (!result) {
		result = session_files_others(&r->others, paths, n_paths, err);
		if (result < 0)
			op_report_close(r);
	}
	return result;
}

int op_report_open_live(struct op_report *r, const char *const *paths, size_t n_paths,
    const struct report_options *options, struct err *err)
{
	*r = (struct op_report){.options = options, .live = true};
	return open_files(r, paths, n_paths, err);
}

void op_report_close(struct op_report *r)
{
	for (size_t i = 0; i < r->n_files; i++) {
		stacks_free(r->files[i].stacks);
		free(r->files[i].rows.rows);
	}
	free(r->files);
	free(r->frames);
	session_files_release(&r->others);
	suppressions_release(&r->suppressions);
	operations_free(r->operations);
	resolver_free(r->resolver);
	*r = (struct op_report){0};
}

/* --- what is wrong --- */

static void warn_of_files(const struct operations *o, struct report_warnings *warnings)
{
	if (o->lost_events)
		report_add_warning(warnings,
		    "%" PRIu64 " event%s lost: a lost free looks like a leak, so no verdict is possible",
		    o->lost_events, o->lost_events == 1 ? " was" : "s were");
	for (size_t i = 0; i < o->n_traces; i++)
		if (!o->traces[i]->complete)
			report_add_warning(warnings, "'%s' is incomplete: %s; operations count up to there",
			    o->traces[i]->path, o->traces[i]->damage[0] ? o->traces[i]->damage : "it has no end");
	for (size_t i = 0; i < o->n_traces; i++)
		if (o->traces[i]->counters[TIDEMARK_COUNTER_LOST_NAMES])
			report_add_warning(warnings,
			    "'%s': %" PRIu64
			    " marks or operations are without their names, for which there was no room",
			    o->traces[i]->path, o->traces[i]->counters[TIDEMARK_COUNTER_LOST_NAMES]);
}

void op_report_warn(const struct op_report *r, struct report_warnings *warnings)
{
	const struct operations *o = r->operations;
	char count[SIZE_TEXT_BYTES], names[SESSION_FILES_TEXT_BYTES];
	warnings->n = 0;
	warn_of_files(o, warnings);
	if (o->marked_ops && o->n_names && o->total.count == o->marked_ops)
		for (size_t i = 0; i < o->n_names; i++)
			if (o->names[i].told_by_program) {
				report_add_warning(warnings,
				    "marks from outside told of %s operations, and they make the total; "
				    "what the program itself called operations lies inside them",
				    count_text(count, o->marked_ops));
				break;
			}
	if (o->unfinished * 50 > o->total.count)
		report_add_warning(warnings, "operations that began and never ended, and so do not count: %s",
		    count_text(count, o->unfinished));
	if (o->stray_ends)
		report_add_warning(warnings, "ends of operations that had never begun, and so do not count: %s",
		    count_text(count, o->stray_ends));
	if (r->others.n_items)
		report_add_warning(warnings, "beside '%s' the same session left %zu more recording%s, not given: %s",
		    o->traces[0]->path, r->others.n_items, plural(r->others.n_items),
		    session_files_text(&r->others, names));
}
