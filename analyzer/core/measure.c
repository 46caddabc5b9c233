/* Metrics of recordings: see measure.h. One session after the other: its profiles stay in memory until its operations are
 * read, because the suppressions go by the names of frames. */
#include "core/measure.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/size.h"
#include "core/leaks.h"
#include "core/measure_stacks.h"
#include "core/session_heap.h"

/* RSS is sampled every 10 ms, the kernel's own peak read every 50 ms: a run below 200 ms may have been seen at its start only.
 */
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

static const struct {
	const char *name, *unit, *label;
} kinds[] = {
    [METRIC_PEAK_HEAP] = {"peak_heap_bytes", "bytes", "peak heap"},
    [METRIC_PEAK_RSS] = {"peak_rss_bytes", "bytes", "peak RSS"},
    [METRIC_LEAKED] = {"leaked_bytes", "bytes", "alive at the end"},
    [METRIC_PROGRAM] = {"program_bytes", "bytes", "left at the end"},
    [METRIC_ALLOCATIONS] = {"allocations", "allocations", "allocations"},
    [METRIC_ALLOCATED] = {"allocated_bytes", "bytes", "allocated"},
    [METRIC_TEMPORARY] = {"temporary_allocations", "allocations", "temporary allocations"},
    [METRIC_RATE] = {"leaked_bytes_per_100", "bytes per 100 operations", "leaked per 100 operations"},
    [METRIC_RATE_OF] = {"leaked_bytes_per_100/", "bytes per 100 operations", "leaked per 100"},
};

const char *metric_unit(enum metric_kind kind)
{
	return kinds[kind].unit;
}

const char *metric_label(enum metric_kind kind)
{
	return kinds[kind].label;
}

static int no_memory(struct err *err)
{
	return err_set(err, TIDEMARK_ERR_MEMORY, "out of memory");
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

double measure_median(const double *values, size_t n)
{
	double few[16], *sorted = n <= 16 ? few : malloc(n * sizeof(*sorted));
	double median = NAN;
	bool whole = n > 0 && sorted;
	for (size_t i = 0; i < n && whole; i++) {
		sorted[i] = values[i];
		whole = !isnan(values[i]);
	}
	if (whole) {
		qsort(sorted, n, sizeof(*sorted), compare_doubles);
		median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
	}
	if (sorted != few)
		free(sorted);
	return median;
}

/* --- notes --- */

static int note(struct measure *m, struct err *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int note(struct measure *m, struct err *err, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	if (ARRAY_RESERVE(m->notes, m->notes_capacity, m->n_notes + 1) < 0)
		return no_memory(err);
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return no_memory(err);
	m->notes[m->n_notes++] = text;
	return 0;
}

static const char *program_name(const struct trace *trace)
{
	const char *exe = trace->meta[TIDEMARK_META_EXE];
	return exe && *exe ? frame_basename(exe) : "program";
}

/* The signals by which a program ends that went wrong, unlike a server that is told to stop. */
static bool is_crash(uint64_t signal)
{
	return signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
	       signal == SIGSYS;
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
		result = note(r->measure, err, "'%s' is incomplete: %s", trace->path,
		    trace->damage[0] ? trace->damage : "it has no end");
	} else if (reason == TIDEMARK_END_DETACHED) {
		session->torn = true;
		result = note(r->measure, err, "'%s' ends early: the program stopped recording", trace->path);
	} else if (reason == TIDEMARK_END_SIGNAL && is_crash(value)) {
		result = note(r->measure, err, "'%s': the program was killed by signal %d", trace->path, (int)value);
	}
	if (!result && profile->totals.lost_events)
		result = note(r->measure, err, "'%s' lost %llu events", trace->path,
		    (unsigned long long)profile->totals.lost_events);
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
		return no_memory(err);
	if (suppressions_add_text(
	        &m->suppressions, text, trace->meta_bytes[TIDEMARK_META_SUPPRESSIONS], "program", &bad) < 0)
		return note(m, err, "the suppressions that the program brings with it end early: %s", bad.text);
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

static int read_totals(struct reading *r, struct err *err)
{
	struct measure *m = r->measure;
	double *runs[METRIC_FIXED];
	uint64_t allocations = 0, peak_rss = 0, peak_heap = 0, ticks = 0;
	for (int kind = 0; kind < METRIC_FIXED; kind++)
		runs[kind] = m->metrics[kind].runs;
	for (size_t i = 0; i < r->n_files; i++) {
		const struct profile_totals *t = &r->profiles[i]->totals;
		runs[METRIC_LEAKED][r->session] += (double)t->leaked_bytes;
		runs[METRIC_ALLOCATIONS][r->session] += (double)t->allocations;
		runs[METRIC_ALLOCATED][r->session] += (double)t->allocated_bytes;
		runs[METRIC_TEMPORARY][r->session] += (double)t->temporary;
		allocations += t->allocations;
		peak_heap = t->peak_heap_bytes > peak_heap ? t->peak_heap_bytes : peak_heap;
		peak_rss = t->peak_rss_bytes > peak_rss ? t->peak_rss_bytes : peak_rss;
		ticks = t->end_tick > ticks ? t->end_tick : ticks;
	}
	m->sessions[r->session].empty = !allocations;
	runs[METRIC_PEAK_HEAP][r->session] = (double)peak_heap;
	runs[METRIC_PEAK_RSS][r->session] = (double)peak_rss;
	int result = r->n_files > 1 ? sum_heaps(r, runs, err) : 0;
	if (ticks < SAMPLED_TICKS)
		m->sessions[r->session].rss_slack = runs[METRIC_PEAK_HEAP][r->session];
	if (!runs[METRIC_PEAK_RSS][r->session])
		runs[METRIC_PEAK_RSS][r->session] = NAN; /* never sampled */
	if (!result && !allocations)
		result = note(m, err,
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
			result = no_memory(err);
	}
	if (!result)
		m->metrics[METRIC_PROGRAM].runs[r->session] += (double)leaks.sums[LEAK_PROGRAM].bytes;
	leaks_release(&leaks);
	free(frames);
	return result;
}

/* --- operations --- */

static bool is_suppressed(void *arg, const struct operations *operations, uint32_t file, uint32_t node)
{
	struct reading *r = arg;
	const struct frame_view **frames = NULL;
	size_t capacity = 0;
	bool found = false;
	(void)operations;
	size_t n = file < r->n_files ? stacks_trace_frames(r->stacks[file], 0, node, &frames, &capacity) : 0;
	for (size_t i = 0; i < n && !found; i++)
		found = suppressions_match(&r->measure->suppressions, frames[i]) != SUPPRESS_NONE;
	free(frames);
	return found;
}

static struct metric *rate_metric(struct measure *m, const char *operation)
{
	for (size_t i = METRIC_FIXED; i < m->n_metrics; i++) {
		struct metric *have = &m->metrics[i];
		if (operation ? have->operation && !strcmp(have->operation, operation) : !have->operation)
			return have;
	}
	if (ARRAY_RESERVE(m->metrics, m->metrics_capacity, m->n_metrics + 1) < 0)
		return NULL;
	struct metric *metric = &m->metrics[m->n_metrics];
	*metric = (struct metric){.kind = operation ? METRIC_RATE_OF : METRIC_RATE};
	const char *prefix = kinds[metric->kind].name;
	metric->runs = calloc(3 * m->n_sessions, sizeof(double));
	if (!metric->runs || asprintf(&metric->name, "%s%s", prefix, operation ? operation : "") < 0) {
		free(metric->runs);
		return NULL;
	}
	metric->operation = operation ? metric->name + strlen(prefix) : NULL;
	metric->lows = metric->runs + m->n_sessions;
	metric->highs = metric->lows + m->n_sessions;
	for (size_t i = 0; i < 3 * m->n_sessions; i++)
		metric->runs[i] = NAN;
	m->n_metrics++;
	return metric;
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
		if (stack->suppressed || stack->file >= r->n_files || !(stack->bytes_per_100 > 0))
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
			metric->culprits[metric->n_culprits++] = (struct culprit){index, stack->bytes_per_100};
	}
	free(frames);
	return result;
}

static int read_entry(struct reading *r, const struct op_entry *entry, struct err *err)
{
	struct metric *metric = rate_metric(r->measure, entry->name);
	if (!metric)
		return no_memory(err);
	if (entry->count < ESTIMATE_MIN_OPS)
		return 0; /* too few to say anything */
	metric->runs[r->session] = entry->estimate;
	metric->lows[r->session] = entry->low;
	metric->highs[r->session] = entry->high;
	return read_entry_stacks(r, metric, entry) < 0 ? no_memory(err) : 0;
}

static int read_operations(struct reading *r, struct err *err)
{
	struct measure_session *session = &r->measure->sessions[r->session];
	const struct operations_options wanted = {.suppressed = is_suppressed,
	    .suppressed_arg = r,
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

/* --- sessions --- */

static int read_session(struct measure *m, size_t index, const struct measure_options *options, struct err *err)
{
	size_t n = m->sessions[index].n_paths;
	struct reading r = {.measure = m, .session = index, .options = options, .n_files = n};
	r.profiles = calloc(n, sizeof(struct profile *));
	r.stacks = calloc(n, sizeof(struct stacks *));
	int result = r.profiles && r.stacks ? 0 : no_memory(err);
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

/* What a file's head tells before it is read. */
struct head {
	struct tidemark_file_header header;
	char *program, *shim;
};

static int read_head(struct head *head, const char *path, void (*waiting)(const char *), struct err *err)
{
	struct trace *trace;
	int result = trace_open(&trace, path, waiting, err);
	if (result < 0)
		return result;
	const char *shim = trace->meta[TIDEMARK_META_SHIM_VERSION];
	*head = (struct head){trace->header, strdup(program_name(trace)), strdup(shim ? shim : "")};
	trace_free(trace);
	return head->program && head->shim ? 0 : no_memory(err);
}

static void free_heads(struct head *heads, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(heads[i].program);
		free(heads[i].shim);
	}
	free(heads);
}

static bool same_session(const struct head *a, const struct head *b)
{
	return !memcmp(a->header.session_id, b->header.session_id, sizeof(a->header.session_id));
}

/* One recording given twice would count twice. */
static int refuse_twins(const struct measure *m, const struct head *heads, size_t file, struct err *err)
{
	for (size_t i = 0; i < file; i++) {
		const struct tidemark_file_header *a = &heads[i].header, *b = &heads[file].header;
		if (same_session(&heads[i], &heads[file]) && a->pid == b->pid && a->start_mono_ns == b->start_mono_ns)
			return err_set(err, TIDEMARK_ERR_USAGE, "'%s' and '%s' are the same recording", m->paths[i],
			    m->paths[file]);
	}
	return 0;
}

/* Put a file into its session: that of an earlier file, or a new one. */
static void place(struct measure *m, const struct head *heads, size_t *session_of, size_t file)
{
	session_of[file] = m->n_sessions;
	for (size_t i = 0; i < file; i++)
		if (same_session(&heads[i], &heads[file]))
			session_of[file] = session_of[i];
	if (session_of[file] == m->n_sessions)
		m->n_sessions++;
	struct measure_session *session = &m->sessions[session_of[file]];
	session->paths[session->n_paths++] = m->paths[file];
}

static int compare_heads(struct measure *m, const struct head *heads, const size_t *session_of, struct err *err)
{
	int result = 0;
	for (size_t i = 1; i < m->n_paths && !result; i++)
		if (session_of[i] != session_of[0] && strcmp(heads[i].program, heads[0].program) != 0) {
			result =
			    note(m, err, "'%s' is of '%s', '%s' of '%s': a median over different programs means little",
			        m->paths[0], heads[0].program, m->paths[i], heads[i].program);
			break;
		}
	for (size_t i = 1; i < m->n_paths && !result; i++)
		if (strcmp(heads[i].shim, heads[0].shim) != 0) {
			result = note(m, err, "'%s' was recorded by Tidemark %s, '%s' by %s", m->paths[0],
			    heads[0].shim, m->paths[i], heads[i].shim);
			break;
		}
	return result;
}

static int find_sessions(struct measure *m, const struct measure_options *options, struct err *err)
{
	struct head *heads = calloc(m->n_paths, sizeof(*heads));
	size_t *session_of = calloc(m->n_paths, sizeof(*session_of));
	m->sessions = calloc(m->n_paths, sizeof(*m->sessions));
	int result = heads && session_of && m->sessions ? 0 : no_memory(err);
	for (size_t i = 0; i < m->n_paths && !result; i++) {
		m->sessions[i].paths = calloc(m->n_paths, sizeof(char *));
		result =
		    m->sessions[i].paths ? read_head(&heads[i], m->paths[i], options->waiting, err) : no_memory(err);
		if (!result)
			result = refuse_twins(m, heads, i, err);
		if (!result)
			place(m, heads, session_of, i);
	}
	if (!result)
		result = compare_heads(m, heads, session_of, err);
	if (!result) {
		m->program = heads[0].program;
		heads[0].program = NULL;
	}
	if (heads)
		free_heads(heads, m->n_paths);
	free(session_of);
	return result;
}

/* --- all of it --- */

static int make_metrics(struct measure *m, struct err *err)
{
	if (ARRAY_RESERVE(m->metrics, m->metrics_capacity, METRIC_FIXED) < 0)
		return no_memory(err);
	for (; m->n_metrics < METRIC_FIXED; m->n_metrics++) {
		struct metric *metric = &m->metrics[m->n_metrics];
		*metric = (struct metric){.kind = (enum metric_kind)m->n_metrics,
		    .name = strdup(kinds[m->n_metrics].name),
		    .runs = calloc(m->n_sessions, sizeof(double))};
		if (!metric->name || !metric->runs)
			return no_memory(err);
	}
	return 0;
}

static void finish_metrics(struct measure *m)
{
	for (size_t i = 0; i < m->n_metrics; i++) {
		struct metric *metric = &m->metrics[i];
		metric->value = measure_median(metric->runs, m->n_sessions);
		metric->low = metric->lows ? measure_median(metric->lows, m->n_sessions) : NAN;
		metric->high = metric->highs ? measure_median(metric->highs, m->n_sessions) : NAN;
	}
}

static int read_all(struct measure *m, const struct measure_options *options, struct err *err)
{
	int result = find_sessions(m, options, err);
	if (!result)
		result = make_metrics(m, err);
	for (size_t i = 0; i < m->n_sessions && !result; i++)
		result = read_session(m, i, options, err);
	if (result < 0)
		return result;
	finish_metrics(m);
	return measure_stacks_finish(m) < 0 ? no_memory(err) : 0;
}

int measure_read(struct measure **out, const char *const *paths, size_t n_paths, const struct measure_options *options,
    struct err *err)
{
	struct measure *m = calloc(1, sizeof(*m));
	*out = NULL;
	if (!m)
		return no_memory(err);
	if (options->suppressions) {
		m->suppressions = *options->suppressions;
		*options->suppressions = (struct suppressions){0};
	}
	m->private_state = calloc(1, sizeof(*m->private_state));
	m->paths = calloc(n_paths, sizeof(char *));
	int result = m->private_state && m->paths ? 0 : no_memory(err);
	for (; !result && m->n_paths < n_paths; m->n_paths++) {
		m->paths[m->n_paths] = strdup(paths[m->n_paths]);
		result = m->paths[m->n_paths] ? 0 : no_memory(err);
	}
	if (!result)
		result = read_all(m, options, err);
	if (result < 0)
		measure_free(m);
	else
		*out = m;
	return result;
}

void measure_free(struct measure *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_metrics; i++) {
		free(m->metrics[i].name);
		free(m->metrics[i].runs);
	}
	for (size_t i = 0; i < m->n_paths && m->sessions; i++) {
		operations_free(m->sessions[i].operations);
		free(m->sessions[i].paths);
	}
	for (size_t i = 0; i < m->n_paths; i++)
		free(m->paths[i]);
	for (size_t i = 0; i < m->n_notes; i++)
		free(m->notes[i]);
	measure_stacks_release(m);
	suppressions_release(&m->suppressions);
	free(m->sessions);
	free(m->metrics);
	free(m->notes);
	free(m->paths);
	free(m->program);
	free(m);
}

const struct metric *measure_find(const struct measure *m, const char *name)
{
	for (size_t i = 0; i < m->n_metrics; i++)
		if (!strcmp(m->metrics[i].name, name))
			return &m->metrics[i];
	return NULL;
}

const char *metric_text(char text[METRIC_TEXT_BYTES], enum metric_kind kind, double value)
{
	char number[SIZE_TEXT_BYTES];
	if (isnan(value))
		snprintf(text, METRIC_TEXT_BYTES, "unknown");
	else if (isinf(value))
		snprintf(text, METRIC_TEXT_BYTES, "unbounded");
	else if (kind == METRIC_ALLOCATIONS || kind == METRIC_TEMPORARY)
		snprintf(text, METRIC_TEXT_BYTES, "%s%s", value < 0 ? "-" : "",
		    count_text(number, (uint64_t)(fabs(value) + 0.5)));
	else
		snprintf(text, METRIC_TEXT_BYTES, "%s%s", value <= -0.5 ? "-" : "",
		    size_text(number, (uint64_t)(fabs(value) + 0.5)));
	return text;
}
