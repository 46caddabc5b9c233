/* Reads one session into a measure: see measure_session.h. Its profiles stay in memory until its operations are read,
 * because suppressions go by the names of frames. */
#include "core/measure_session.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/leaks.h"
#include "core/measure_stacks.h"
#include "core/session_heap.h"

/* RSS is sampled every 10 ms, the kernel's own peak read every 50 ms: what runs for less than 200 ms may have been seen
 * at its start only. */
#define SAMPLED_TICKS 2000

/* One session while it is read. */
struct reading {
	struct measure *measure;
	size_t session;
	const struct measure_options *options;
	struct profile **profiles;
	struct stacks **stacks;
	size_t n_files;
	struct suppressions *suppressions;
};

/* The signals by which a program ends that went wrong, unlike a server that is told to stop. SIGKILL is the kernel's when
 * memory runs out. */
static bool is_early_end(uint64_t signal)
{
	return signal == SIGKILL || signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS || signal == SIGILL ||
	       signal == SIGFPE || signal == SIGSYS;
}

/* What is wrong with a file: for people in notes, for verdicts in the session. */
static int judge_file(struct reading *r, const struct profile *profile, struct err *err)
{
	struct measure_session *session = &r->measure->sessions[r->session];
	const struct trace *trace = profile->trace;
	uint64_t reason = trace->counters[TIDEMARK_COUNTER_END_REASON];
	uint64_t value = trace->counters[TIDEMARK_COUNTER_END_VALUE];
	int result = 0;
	session->lost_events += profile->totals.lost_events;
	if (!trace->complete) {
		session->torn = true;
		result = measure_note(r->measure, err, "'%s' is incomplete: %s", trace->path,
		    trace->damage[0] ? trace->damage : "it has no end");
	} else if (reason == TIDEMARK_END_DETACHED) {
		session->torn = true;
		result = measure_note(r->measure, err, "'%s' ends early: the program stopped recording", trace->path);
	} else if (reason == TIDEMARK_END_SIGNAL && is_early_end(value)) {
		result =
		    measure_note(r->measure, err, "'%s': the program was killed by signal %d", trace->path, (int)value);
	}
	if (!result && profile->totals.lost_events)
		result = measure_note(r->measure, err, "'%s' lost %llu events", trace->path,
		    (unsigned long long)profile->totals.lost_events);
	if (!result && trace->counters[TIDEMARK_COUNTER_LOST_NAMES])
		result = measure_note(r->measure, err,
		    "'%s': %llu marks or operations are without their names, for which there was no room", trace->path,
		    (unsigned long long)trace->counters[TIDEMARK_COUNTER_LOST_NAMES]);
	return result;
}

/* --- one file --- */

static int add_embedded(struct reading *r, const struct trace *trace, struct err *err)
{
	struct measure *m = r->measure;
	const char *text = trace->meta[TIDEMARK_META_SUPPRESSIONS];
	char **added = &m->private_state->added_text;
	struct err bad;
	if (!text || (*added && !strcmp(*added, text)))
		return 0;
	free(*added);
	*added = strdup(text);
	if (!*added)
		return err_memory(err);
	if (suppressions_add_text(
	        &m->suppressions, text, trace->meta_bytes[TIDEMARK_META_SUPPRESSIONS], "program", &bad) < 0)
		return measure_note(m, err, "the suppressions that the program brings with it end early: %s", bad.text);
	return 0;
}

static int open_file(struct reading *r, size_t i, struct err *err)
{
	const struct measure_options *o = r->options;
	const struct profile_options wanted = {
	    .waiting = o->waiting, .progress = o->progress, .progress_arg = o->progress_arg};
	int result = profile_read(&r->profiles[i], r->measure->sessions[r->session].paths[i], &wanted, err);
	if (!result)
		result = judge_file(r, r->profiles[i], err);
	if (!result)
		result = add_embedded(r, r->profiles[i]->trace, err);
	return result;
}

/* The peaks of a session of several processes are those of their sum. */
static int sum_heaps(struct reading *r, double *runs[METRIC_FIXED], struct err *err)
{
	const struct measure_session *session = &r->measure->sessions[r->session];
	struct session_heap heap;
	int result = session_heap_read(&heap, session->paths, session->n_paths, r->options->waiting, err);
	if (result < 0)
		return result;
	for (size_t i = 0; i < r->n_files; i++)
		for (uint32_t node = 0; node < r->profiles[i]->n_rows; node++) {
			bool known = node < heap.n_peaks[i];
			r->profiles[i]->rows[node].peak_bytes = known ? heap.peaks[i][node].bytes : 0;
			r->profiles[i]->rows[node].peak_blocks = known ? heap.peaks[i][node].blocks : 0;
		}
	runs[METRIC_PEAK_HEAP][r->session] = (double)heap.peak_heap_bytes;
	/* The kernel's high-water mark of a single process may lie above all samples. */
	if ((double)heap.peak_rss_bytes > runs[METRIC_PEAK_RSS][r->session])
		runs[METRIC_PEAK_RSS][r->session] = (double)heap.peak_rss_bytes;
	session_heap_release(&heap);
	return 0;
}

/* A service is called by its largest process: its first one may be a shell. */
static int name_program(struct measure *m, const struct trace *trace, struct err *err)
{
	m->program = strdup(trace_program(trace));
	return m->program ? 0 : err_memory(err);
}

static int read_totals(struct reading *r, struct err *err)
{
	struct measure *m = r->measure;
	double *runs[METRIC_FIXED];
	uint64_t allocations = 0, peak_rss = 0, ticks = 0;
	size_t largest = 0;
	for (int kind = 0; kind < METRIC_FIXED; kind++)
		runs[kind] = m->metrics[kind].runs;
	for (size_t i = 0; i < r->n_files; i++) {
		const struct profile_totals *t = &r->profiles[i]->totals;
		runs[METRIC_LEAKED][r->session] += (double)t->leaked_bytes;
		runs[METRIC_ALLOCATIONS][r->session] += (double)t->allocations;
		runs[METRIC_ALLOCATED][r->session] += (double)t->allocated_bytes;
		runs[METRIC_TEMPORARY][r->session] += (double)t->temporary;
		allocations += t->allocations;
		largest = t->peak_heap_bytes > r->profiles[largest]->totals.peak_heap_bytes ? i : largest;
		peak_rss = t->peak_rss_bytes > peak_rss ? t->peak_rss_bytes : peak_rss;
		ticks = t->end_tick > ticks ? t->end_tick : ticks;
	}
	m->sessions[r->session].empty = !allocations;
	runs[METRIC_PEAK_HEAP][r->session] = (double)r->profiles[largest]->totals.peak_heap_bytes;
	runs[METRIC_PEAK_RSS][r->session] = (double)peak_rss;
	int result = r->session ? 0 : name_program(m, r->profiles[largest]->trace, err);
	if (!result && r->n_files > 1)
		result = sum_heaps(r, runs, err);
	if (ticks < SAMPLED_TICKS)
		m->sessions[r->session].rss_slack = runs[METRIC_PEAK_HEAP][r->session];
	if (!runs[METRIC_PEAK_RSS][r->session])
		runs[METRIC_PEAK_RSS][r->session] = NAN; /* never sampled */
	if (!result && !allocations)
		result = measure_note(m, err,
		    "'%s': no allocation was seen: the program made none, or it has an allocator of its own inside",
		    m->sessions[r->session].paths[0]);
	return result;
}

/* --- stacks --- */

/* Whether one of the row's figures is worth showing: a thousandth of the total. */
static bool matters(const struct profile_row *row, const struct profile_totals *t)
{
	return row->peak_bytes * 1000.0 >= (double)t->peak_heap_bytes ||
	       row->live_bytes * 1000.0 >= (double)t->leaked_bytes ||
	       row->allocated_bytes * 1000.0 >= (double)t->allocated_bytes ||
	       row->allocations * 1000.0 >= (double)t->allocations;
}

static int add_row(struct reading *r, const struct profile *profile, const struct stack_row *row, bool leaks,
    const struct frame_view **frames, size_t n)
{
	const struct profile_row *sums = &row->sums[0];
	uint32_t index;
	if (measure_stack_find(r->measure, frames, n, &index) < 0)
		return -1;
	double *cell = measure_cell(r->measure, index, r->session);
	cell[METRIC_PEAK_HEAP] += (double)sums->peak_bytes;
	cell[METRIC_PROGRAM] += leaks ? (double)sums->live_bytes : 0;
	cell[METRIC_ALLOCATIONS] += (double)sums->allocations;
	cell[METRIC_ALLOCATED] += (double)sums->allocated_bytes;
	cell[METRIC_TEMPORARY] += (double)sums->temporary;
	return matters(sums, &profile->totals) ? measure_stack_keep(r->measure, index, frames, n) : 0;
}

static int read_stacks(struct reading *r, size_t file, struct err *err)
{
	struct measure *m = r->measure;
	struct leaks leaks = {0};
	const struct frame_view **frames = NULL;
	size_t capacity = 0, next = 0;
	int result = stacks_new(&r->stacks[file], STACKS_EXACT, err);
	if (!result)
		result =
		    stacks_add(r->stacks[file], r->profiles[file], 0, r->options->lookup, r->options->lookup_arg, err);
	if (!result)
		result = leaks_collect(
		    &leaks, r->stacks[file], &m->suppressions, r->options->callee, r->options->callee_arg, err);
	const struct stacks *stacks = r->stacks[file];
	for (size_t i = 0; !result && i < stacks->n_rows; i++) {
		const struct stack_row *row = &stacks->rows[i];
		/* Leaks are in the order of the rows. */
		bool has_leak = next < leaks.n_items && leaks.items[next].row == row;
		bool program = has_leak && leaks.items[next++].kind == LEAK_PROGRAM;
		size_t n = stacks_frames(stacks, row->node, &frames, &capacity);
		if (add_row(r, r->profiles[file], row, program, frames, n) < 0)
			result = err_memory(err);
	}
	if (!result)
		m->metrics[METRIC_PROGRAM].runs[r->session] += (double)leaks.sums[LEAK_PROGRAM].bytes;
	leaks_release(&leaks);
	free(frames);
	return result;
}

/* --- operations --- */

static enum op_whose tell_whose(void *arg, const struct operations *operations, uint32_t file, uint32_t node)
{
	struct reading *r = arg;
	const struct frame_view **frames = NULL;
	size_t capacity = 0;
	(void)operations;
	size_t n = file < r->n_files ? stacks_trace_frames(r->stacks[file], 0, node, &frames, &capacity) : 0;
	enum op_whose whose = OP_OF_PROGRAM;
	if (runtime_owns(frames, n, r->options->callee, r->options->callee_arg))
		whose = OP_OF_RUNTIME;
	for (size_t i = 0; i < n && whose != OP_SUPPRESSED; i++)
		if (suppressions_match(&r->measure->suppressions, frames[i]) != SUPPRESS_NONE)
			whose = OP_SUPPRESSED;
	free(frames);
	return whose;
}

/* The stacks behind a rate are those of the run in which it is largest. */
static bool largest_so_far(const struct metric *metric, size_t session)
{
	for (size_t i = 0; i < session; i++)
		if (metric->runs[i] >= metric->runs[session])
			return false;
	return true;
}

static int read_entry_stacks(struct reading *r, struct metric *metric, const struct op_entry *entry)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0;
	bool show = largest_so_far(metric, r->session);
	int result = 0;
	metric->n_culprits = show ? 0 : metric->n_culprits;
	for (size_t i = 0; i < entry->n_stacks && !result; i++) {
		const struct op_stack *stack = &entry->stacks[i];
		uint32_t index;
		if (stack->suppressed || stack->file >= r->n_files ||
		    !(stack->bytes_per_100 + stack->grown_per_100 > 0))
			continue;
		size_t n = stacks_trace_frames(r->stacks[stack->file], 0, stack->node, &frames, &capacity);
		result = measure_stack_find(r->measure, frames, n, &index);
		if (result < 0)
			break;
		if (metric->kind == METRIC_RATE)
			measure_cell(r->measure, index, r->session)[CELL_RATE] += stack->bytes_per_100;
		if (i < METRIC_CULPRITS)
			result = measure_stack_keep(r->measure, index, frames, n);
		if (show && metric->n_culprits < METRIC_CULPRITS)
			metric->culprits[metric->n_culprits++] =
			    (struct culprit){index, stack->bytes_per_100 + stack->grown_per_100};
	}
	free(frames);
	return result;
}

/* The stacks behind plain growth, which is known of any number of operations; of the first run that has some. */
static int read_growth(struct reading *r, struct metric *metric, const struct op_entry *entry)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0;
	int result = 0;
	for (size_t i = 0; i < entry->n_stacks && entry->plain > 0 && !result; i++) {
		const struct op_stack *stack = &entry->stacks[i];
		uint32_t index;
		if (stack->suppressed || stack->file >= r->n_files || !(stack->plain > entry->plain / 100))
			continue;
		size_t n = stacks_trace_frames(r->stacks[stack->file], 0, stack->node, &frames, &capacity);
		result = measure_stack_find(r->measure, frames, n, &index);
		if (!result)
			result = measure_stack_keep(r->measure, index, frames, n);
		if (!result)
			culprits_add(
			    metric->plain_culprits, &metric->n_plain_culprits, (struct culprit){index, stack->plain});
	}
	free(frames);
	return result;
}

static int read_entry(struct reading *r, const struct op_entry *entry, struct err *err)
{
	struct metric *metric = measure_rate_metric(r->measure, entry->name);
	if (!metric)
		return err_memory(err);
	if (!metric->n_plain_culprits && read_growth(r, metric, entry) < 0)
		return err_memory(err);
	if (entry->count < ESTIMATE_MIN_OPS)
		return 0; /* too few to say anything */
	metric->runs[r->session] = entry->estimate;
	metric->lows[r->session] = entry->low;
	metric->highs[r->session] = entry->high;
	metric->bounds[r->session] = entry->strict_high;
	return read_entry_stacks(r, metric, entry) < 0 ? err_memory(err) : 0;
}

static int read_operations(struct reading *r, struct err *err)
{
	struct measure_session *session = &r->measure->sessions[r->session];
	const struct operations_options wanted = {.whose = tell_whose,
	    .whose_arg = r,
	    .waiting = r->options->waiting,
	    .progress = r->options->progress,
	    .progress_arg = r->options->progress_arg};
	int result = operations_read(&session->operations, session->paths, session->n_paths, &wanted, err);
	if (result < 0 || !session->operations->total.count)
		return result;
	result = read_entry(r, &session->operations->total, err);
	for (size_t i = 0; i < session->operations->n_names && !result; i++)
		result = read_entry(r, &session->operations->names[i], err);
	return result;
}

int measure_session_read(struct measure *m, size_t index, const struct measure_options *options, struct err *err)
{
	size_t n = m->sessions[index].n_paths;
	struct reading r = {.measure = m, .session = index, .options = options, .n_files = n};
	r.profiles = calloc(n, sizeof(struct profile *));
	r.stacks = calloc(n, sizeof(struct stacks *));
	int result = r.profiles && r.stacks ? 0 : err_memory(err);
	for (size_t i = 0; i < n && !result; i++)
		result = open_file(&r, i, err);
	if (!result)
		result = read_totals(&r, err);
	for (size_t i = 0; i < n && !result; i++)
		result = read_stacks(&r, i, err);
	if (!result)
		result = read_operations(&r, err);
	for (size_t i = 0; i < n; i++) {
		if (r.stacks)
			stacks_free(r.stacks[i]);
		if (r.profiles)
			profile_free(r.profiles[i]);
	}
	free(r.stacks);
	free(r.profiles);
	return result;
}
