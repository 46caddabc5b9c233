/* Reads recordings into a measure: see measure_read.h. Which files belong together, and what is made of the sessions; one
 * session is read by measure_session.c. */
#include "core/measure_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/measure_session.h"
#include "core/measure_stacks.h"

/* --- sessions --- */

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
	*head = (struct head){trace->header, strdup(trace_program(trace)), strdup(shim ? shim : "")};
	trace_free(trace);
	return head->program && head->shim ? 0 : err_memory(err);
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
	memcpy(session->id, heads[file].header.session_id, sizeof(session->id));
	session->paths[session->n_paths++] = m->paths[file];
}

static int compare_heads(struct measure *m, const struct head *heads, const size_t *session_of, struct err *err)
{
	int result = 0;
	for (size_t i = 1; i < m->n_paths && !result; i++)
		if (session_of[i] != session_of[0] && strcmp(heads[i].program, heads[0].program) != 0) {
			result = measure_note(m, err,
			    "'%s' is of '%s', '%s' of '%s': a median over different programs means little", m->paths[0],
			    heads[0].program, m->paths[i], heads[i].program);
			break;
		}
	for (size_t i = 1; i < m->n_paths && !result; i++)
		if (strcmp(heads[i].shim, heads[0].shim) != 0) {
			result = measure_note(m, err, "'%s' was recorded by Tidemark %s, '%s' by %s", m->paths[0],
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
	int result = heads && session_of && m->sessions ? 0 : err_memory(err);
	for (size_t i = 0; i < m->n_paths && !result; i++) {
		m->sessions[i].paths = calloc(m->n_paths, sizeof(char *));
		result =
		    m->sessions[i].paths ? read_head(&heads[i], m->paths[i], options->waiting, err) : err_memory(err);
		if (!result)
			result = refuse_twins(m, heads, i, err);
		if (!result)
			place(m, heads, session_of, i);
	}
	if (!result)
		result = compare_heads(m, heads, session_of, err);
	if (heads)
		free_heads(heads, m->n_paths);
	free(session_of);
	return result;
}

/* --- all of it --- */

static int make_metrics(struct measure *m, struct err *err)
{
	if (ARRAY_RESERVE(m->metrics, m->metrics_capacity, METRIC_FIXED) < 0)
		return err_memory(err);
	for (; m->n_metrics < METRIC_FIXED; m->n_metrics++) {
		struct metric *metric = &m->metrics[m->n_metrics];
		*metric = (struct metric){.kind = (enum metric_kind)m->n_metrics,
		    .name = strdup(metric_name((enum metric_kind)m->n_metrics)),
		    .runs = calloc(m->n_sessions, sizeof(double))};
		if (!metric->name || !metric->runs)
			return err_memory(err);
	}
	return 0;
}

static void finish_metrics(struct measure *m)
{
	for (size_t i = 0; i < m->n_metrics; i++) {
		struct metric *metric = &m->metrics[i];
		metric->value = measure_median(metric->runs, m->n_sessions);
		metric->low = metric->lows ? measure_median(metric->lows, m->n_sessions) : NAN;
		metric->bound = metric->bounds ? measure_median(metric->bounds, m->n_sessions) : NAN;
		metric->high = metric->highs ? measure_median(metric->highs, m->n_sessions) : NAN;
	}
}

static int read_all(struct measure *m, const struct measure_options *options, struct err *err)
{
	int result = find_sessions(m, options, err);
	if (!result)
		result = make_metrics(m, err);
	for (size_t i = 0; i < m->n_sessions && !result; i++)
		result = measure_session_read(m, i, options, err);
	if (result < 0)
		return result;
	finish_metrics(m);
	return measure_stacks_finish(m) < 0 ? err_memory(err) : 0;
}

int measure_read(struct measure **out, const char *const *paths, size_t n_paths, const struct measure_options *options,
    struct err *err)
{
	struct measure *m = calloc(1, sizeof(*m));
	*out = NULL;
	if (!m)
		return err_memory(err);
	if (options->suppressions) {
		m->suppressions = *options->suppressions;
		*options->suppressions = (struct suppressions){0};
	}
	m->private_state = calloc(1, sizeof(*m->private_state));
	m->paths = calloc(n_paths, sizeof(char *));
	int result = m->private_state && m->paths ? 0 : err_memory(err);
	for (; !result && m->n_paths < n_paths; m->n_paths++) {
		m->paths[m->n_paths] = strdup(paths[m->n_paths]);
		result = m->paths[m->n_paths] ? 0 : err_memory(err);
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
		for (size_t k = 0; k < m->sessions[i].n_others; k++)
			free(m->sessions[i].others[k]);
		free(m->sessions[i].others);
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
