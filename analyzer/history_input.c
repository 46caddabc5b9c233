/* Runs and commits for the history: see history_input.h. */
#include "history_input.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/say.h"
#include "launch/git.h"
#include "measuring.h"

/* --- runs --- */

static void release_run(struct history_run *run)
{
	struct history_figure *figures = (struct history_figure *)run->figures;
	for (size_t i = 0; i < run->n_figures; i++) {
		free((char *)figures[i].metric);
		free((char *)figures[i].unit);
	}
	free(figures);
	free((char *)run->benchmark);
	free((char *)run->key);
}

void history_input_release(struct history_input *input)
{
	for (size_t i = 0; i < input->n_runs; i++)
		release_run(&input->runs[i]);
	free(input->runs);
	*input = (struct history_input){0};
}

/* A run without figures yet, with room for n of them. */
static struct history_run *new_run(struct history_input *input, const char *benchmark, const char *key, size_t n)
{
	if (ARRAY_RESERVE(input->runs, input->capacity, input->n_runs + 1) < 0)
		return NULL;
	struct history_run *run = &input->runs[input->n_runs];
	*run = (struct history_run){.benchmark = strdup(benchmark), .key = key ? strdup(key) : NULL};
	run->figures = calloc(n + 1, sizeof(*run->figures));
	if (!run->benchmark || (key && !run->key) || !run->figures) {
		release_run(run);
		return NULL;
	}
	input->n_runs++;
	return run;
}

static int add_figure(struct history_run *run, const struct history_figure *figure)
{
	struct history_figure copy = *figure;
	copy.metric = strdup(figure->metric);
	copy.unit = strdup(figure->unit);
	((struct history_figure *)run->figures)[run->n_figures++] = copy;
	return copy.metric && copy.unit ? 0 : -1;
}

/* --- documents --- */

static double number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The figures of one session, or of all together where there is only one: a median has bounds, a run has not. A figure
 * without a value was not measured. */
static int add_metrics(struct history_run *run, const json_t *metrics, size_t session, size_t n_sessions)
{
	size_t i;
	json_t *item;
	json_array_foreach(metrics, i, item)
	{
		const char *unit = text_of(item, "unit");
		struct history_figure figure = {text_of(item, "name"), unit ? unit : "", number_of(item, "value"),
		    number_of(item, "low"), number_of(item, "high")};
		if (n_sessions > 1) {
			const json_t *value = json_array_get(json_object_get(item, "runs"), session);
			figure.value = json_is_number(value) ? json_number_value(value) : NAN;
			figure.low = figure.high = NAN;
		}
		if (figure.metric && isfinite(figure.value) && add_figure(run, &figure) < 0)
			return -1;
	}
	return 0;
}

/* Sessions that the document tells apart. */
static size_t sessions_of(const json_t *document, const json_t *metrics)
{
	size_t n = json_array_size(json_object_get(document, "sessions")), i;
	json_t *item;
	json_array_foreach(metrics, i, item)
	{
		if (json_array_size(json_object_get(item, "runs")) != n)
			return 1;
	}
	return n ? n : 1;
}

static int add_document(
    struct history_input *input, const char *path, const json_t *document, const char *benchmark, struct err *err)
{
	const json_t *metrics = json_object_get(document, "metrics"), *sessions = json_object_get(document, "sessions");
	const char *schema = text_of(document, "schema"), *verdict = text_of(document, "verdict");
	const char *program = text_of(document, "program");
	if (!schema || strncmp(schema, "tidemark/gate/", 14) != 0 || !json_is_array(metrics))
		return err_set(err, TIDEMARK_ERR_CORRUPT, "'%s' is no document of 'tidemark gate --json'", path);
	input->incomplete = verdict && !strcmp(verdict, "incomplete");
	if (input->incomplete)
		return err_set(err, TIDEMARK_ERR_CORRUPT,
		    "'%s' is about an incomplete recording: its figures would mislead the history", path);
	if (!benchmark && !program)
		return err_set(
		    err, TIDEMARK_ERR_USAGE, "'%s' does not say which program it is about: add --benchmark NAME", path);
	size_t n_sessions = sessions_of(document, metrics);
	for (size_t i = 0; i < n_sessions; i++) {
		/* Where the document does not tell its sessions apart, its one run is none of them. */
		const char *id =
		    json_array_size(sessions) == n_sessions ? text_of(json_array_get(sessions, i), "id") : NULL;
		struct history_run *run = new_run(input, benchmark ? benchmark : program, id, json_array_size(metrics));
		if (!run || add_metrics(run, metrics, i, n_sessions) < 0)
			return err_memory(err);
		if (!run->n_figures)
			return err_set(err, TIDEMARK_ERR_CORRUPT, "'%s' holds no figures", path);
	}
	return 0;
}

/* --- recordings --- */

static int check_session(struct history_input *input, const struct measure_session *s, struct err *err)
{
	input->incomplete = s->torn || s->lost_events;
	if (input->incomplete)
		return err_set(err, TIDEMARK_ERR_CORRUPT,
		    "the recording '%s' %s: its figures would mislead the history", s->paths[0],
		    s->lost_events ? "lost events" : "is incomplete");
	if (s->empty)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "the recording '%s' holds not one allocation", s->paths[0]);
	return 0;
}

static int add_session(
    struct history_input *input, const struct measure *m, size_t session, const char *benchmark, struct err *err)
{
	char key[SESSION_ID_TEXT_BYTES];
	int result = check_session(input, &m->sessions[session], err);
	if (result < 0)
		return result;
	/* A session is one run, however often its files are added. */
	struct history_run *run = new_run(
	    input, benchmark ? benchmark : m->program, session_id_text(key, m->sessions[session].id), m->n_metrics);
	for (size_t i = 0; run && i < m->n_metrics; i++) {
		const struct metric *metric = &m->metrics[i];
		bool alone = m->n_sessions == 1; /* bounds are of all sessions together */
		struct history_figure figure = {metric->name, metric_unit(metric->kind), metric->runs[session],
		    alone ? metric->low : NAN, alone ? metric->high : NAN};
		if (isfinite(figure.value) && add_figure(run, &figure) < 0)
			run = NULL;
	}
	return run ? 0 : err_memory(err);
}

static int read_recordings(
    struct history_input *input, const char *const *paths, size_t n, const char *benchmark, struct err *err)
{
	struct report_options options = {0};
	struct measure *measure = NULL;
	int result = n ? measuring_read(&measure, paths, n, &options, err) : 0;
	for (size_t i = 0; measure && i < measure->n_sessions && !result; i++)
		result = add_session(input, measure, i, benchmark, err);
	for (size_t i = 0; measure && i < measure->n_notes && !result; i++)
		say("%s", measure->notes[i]);
	measure_free(measure);
	return result;
}

/* --- both --- */

static int read_document(struct history_input *input, const char *path, const char *benchmark, struct err *err)
{
	json_error_t error;
	json_t *document = json_load_file(path, 0, &error);
	if (!document)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "'%s' is no JSON: line %d: %s", path, error.line, error.text);
	int result = add_document(input, path, document, benchmark, err);
	json_decref(document);
	return result;
}

/* Whether a file begins as JSON does. errors: SYSTEM */
static int is_document(const char *path, struct err *err)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return err_errno(err, "cannot open '%s'", path);
	int c;
	do
		c = fgetc(file);
	while (c == ' ' || c == '\n' || c == '\t' || c == '\r');
	fclose(file);
	return c == '{';
}

int history_input_read(
    struct history_input *input, char *const *paths, size_t n_paths, const char *benchmark, struct err *err)
{
	const char **recordings = calloc(n_paths + 1, sizeof(*recordings));
	size_t n_recordings = 0;
	int result = recordings ? 0 : err_memory(err);
	for (size_t i = 0; i < n_paths && result >= 0; i++) {
		result = is_document(paths[i], err);
		if (result > 0)
			result = read_document(input, paths[i], benchmark, err);
		else if (!result)
			recordings[n_recordings++] = paths[i];
	}
	if (result >= 0)
		result = read_recordings(input, recordings, n_recordings, benchmark, err);
	free(recordings);
	return result;
}

/* --- commits --- */

static bool in_work_tree(void)
{
	static const char *const question[] = {"rev-parse", "--is-inside-work-tree", NULL};
	return git_ask(question, NULL, NULL) == 0;
}

/* Commits made within one second, as by a rebase, keep their order by what they descend from. */
static int64_t place_of(const char *id, const char *seconds)
{
	char since[64], *answer = NULL;
	snprintf(since, sizeof(since), "--since=%.40s", seconds);
	const char *const question[] = {"rev-list", "--count", since, id, "--", NULL};
	int64_t place = git_ask(question, &answer, NULL) == 0 ? strtoll(answer, NULL, 10) : 0;
	free(answer);
	return place;
}

static int no_head(struct err *err)
{
	if (in_work_tree())
		return err_set(
		    err, TIDEMARK_ERR_NOT_FOUND, "the git work tree has no commit yet: name one with --commit");
	return err_set(err, TIDEMARK_ERR_NOT_FOUND,
	    "cannot ask git for the commit: no git, no work tree, or not ours ('git status' tells); "
	    "name it with --commit");
}

/* text: hash, seconds and subject, a line each */
static void take_answer(struct commit_text *commit, char *text)
{
	char *seconds = strchr(text, '\n'), *subject = seconds ? strchr(seconds + 1, '\n') : NULL;
	if (seconds)
		*seconds++ = 0;
	if (subject)
		*subject++ = 0;
	commit->text = text;
	commit->commit = (struct history_commit){
	    .id = text, .subject = subject ? subject : "", .time = seconds ? strtoll(seconds, NULL, 10) : 0};
	if (seconds)
		commit->commit.place = place_of(text, seconds);
}

int commit_find(struct commit_text *commit, const char *name, struct err *err)
{
	static const char *const changes[] = {"status", "--porcelain", "--untracked-files=no", NULL};
	const char *const question[] = {
	    "-c", "log.showSignature=false", "log", "-1", "--format=%H%n%ct%n%s", name ? name : "HEAD", "--", NULL};
	char *answer = NULL;
	*commit = (struct commit_text){0};
	if (name && (!*name || *name == '-'))
		return err_set(err, TIDEMARK_ERR_USAGE, "'%s' is no name of a commit", name);
	if (git_ask(question, &answer, NULL) == 0 && *answer) {
		take_answer(commit, answer);
		answer = NULL;
		commit->changed = !name && git_ask(changes, &answer, NULL) == 0 && *answer;
		free(answer);
		return 0;
	}
	free(answer);
	if (!name)
		return no_head(err);
	commit->unknown = in_work_tree();
	commit->text = strdup(name);
	commit->commit = (struct history_commit){.id = commit->text, .subject = "", .time = time(NULL)};
	return commit->text ? 0 : err_memory(err);
}

void commit_release(struct commit_text *commit)
{
	free(commit->text);
	*commit = (struct commit_text){0};
}

char *history_default_path(bool make)
{
	static const char *const question[] = {"rev-parse", "--show-toplevel", NULL};
	char *top = NULL, *folder = NULL, *path = NULL, *here = getcwd(NULL, 0);
	bool elsewhere = git_ask(question, &top, NULL) == 0 && *top && here && strcmp(top, here) != 0;
	if (asprintf(&folder, "%s%s.tidemark", elsewhere ? top : "", elsewhere ? "/" : "") < 0)
		folder = NULL;
	if (folder && make)
		mkdir(folder, 0777); /* what is wrong with it, opening the file tells */
	if (!folder || asprintf(&path, "%s/history.db", folder) < 0)
		path = NULL;
	free(folder);
	free(top);
	free(here);
	return path;
}
