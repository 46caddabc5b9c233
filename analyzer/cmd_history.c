/* tidemark history: figures of many runs over a project's commits. Enters: recordings or documents of the gate, and the
 * history file. Leaves: tables, charts, pictures, CSV and JSON; docs/metrics.md tells what a change is, docs/json.md the
 * keys. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "history_input.h"
#include "render/json.h"
#include "render/term.h"
#include "render/trend.h"
#include "render/trend_picture.h"

#define SCHEMA "tidemark/history/1"
#define EXPORT_SCHEMA "tidemark/history-export/1"
#define SPARK_COLUMNS 30

struct history_options {
	const char *db, *commit, *benchmark, *metric;
	const char *json, *csv, *svg;
	char *default_db; /* owned */
};

/* A text that came from elsewhere, with blanks up to `columns`. */
static void print_padded(const struct term *term, const char *text, unsigned columns)
{
	unsigned width = term_text(term, text, 100);
	printf("%*s", width < columns ? (int)(columns - width) : 0, "");
}

/* --- add --- */

static int store(const struct history_options *o, const struct commit_text *commit, const struct history_input *input,
    struct err *err)
{
	struct history *history;
	size_t n_added = 0;
	char id[TREND_COMMIT_BYTES];
	int result = history_open(&history, o->db, HISTORY_ADD, err);
	if (!result)
		result = history_add(history, &commit->commit, input->runs, input->n_runs, &n_added, err);
	history_close(history);
	if (result < 0)
		return result;
	if (n_added) {
		struct term term;
		term_init(&term, stdout);
		printf("added %zu run%s of '", n_added, plural(n_added));
		term_text(&term, input->runs[0].benchmark, 100);
		printf("' to '%s' at commit %s\n", o->db, trend_commit(id, &commit->commit));
	}
	if (n_added < input->n_runs)
		say("%zu run%s of commit %s stood there already", input->n_runs - n_added,
		    plural(input->n_runs - n_added), trend_commit(id, &commit->commit));
	return 0;
}

/* returns: 0, or CMD_INCOMPLETE when nothing was added for that reason */
static int add(char **paths, size_t n_paths, const struct history_options *o, struct err *err)
{
	struct history_input input = {0};
	struct commit_text commit = {0};
	int result = commit_find(&commit, o->commit, err);
	if (!result && commit.unknown)
		say("git knows no commit '%s': it is taken as a name, and as the latest", o->commit);
	if (!result && commit.changed)
		say("there are changes that are not committed: the run is filed under the commit before them");
	if (!result)
		result = history_input_read(&input, paths, n_paths, o->benchmark, err);
	if (!result)
		result = store(o, &commit, &input, err);
	if (result < 0 && input.incomplete) {
		say_err(err);
		result = CMD_INCOMPLETE;
	}
	history_input_release(&input);
	commit_release(&commit);
	return result;
}

/* --- show --- */

/* A commit in one line: what to look for in git. */
static void print_commit(const struct term *term, const struct history_commit *commit)
{
	char id[TREND_COMMIT_BYTES], date[TREND_DATE_BYTES];
	print_padded(term, trend_commit(id, commit), TREND_COMMIT_LETTERS);
	printf("  %s  ", trend_date(date, commit));
	term_text(term, commit->subject, 60);
}

static void print_change(
    const struct term *term, const struct history_table *table, const struct history_series *s, size_t i)
{
	const struct change *change = &s->changes.items[i];
	char text[TREND_TEXT_BYTES], before[TREND_TEXT_BYTES], after[TREND_TEXT_BYTES];
	printf("  %zu  %-10s ", i + 1, trend_change(text, s->unit, change->before, change->after));
	print_commit(term, &table->commits[s->points[change->at].commit]);
	printf(
	    "  (%s to %s)\n", trend_value(before, s->unit, change->before), trend_value(after, s->unit, change->after));
}

static void print_last(const struct term *term, const struct history_table *table, const struct history_series *s)
{
	char text[TREND_TEXT_BYTES];
	const struct history_point *last = &s->points[s->n_points - 1];
	if (!s->changes.last_stands_out)
		return;
	printf("  ?  %-10s ", trend_change(text, s->unit, s->changes.level, last->median));
	print_commit(term, &table->commits[last->commit]);
	puts("  (this commit alone so far: the next one tells)");
}

static void print_drift(const struct history_series *s)
{
	char text[TREND_TEXT_BYTES];
	if (*trend_drift(text, s))
		printf("  ~  %-10s little by little, over the last %zu commits\n", text,
		    s->n_points - s->changes.last_level);
}

static void print_series(const struct term *term, const struct history_table *table, const struct history_series *s)
{
	char text[TREND_TEXT_BYTES];
	print_padded(term, s->metric, 24);
	printf(" %12s  ", trend_value(text, s->unit, s->points[s->n_points - 1].median));
	trend_spark(term, s, SPARK_COLUMNS);
	putchar('\n');
	for (size_t i = 0; i < s->changes.n_items; i++)
		print_change(term, table, s, i);
	print_drift(s);
	print_last(term, table, s);
}

static size_t runs_in(const struct history_series *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_points; i++)
		n += s->points[i].n_runs;
	return n;
}

/* The series of one benchmark have mostly the same commits; the first speaks for all. */
static void print_benchmark(const struct term *term, const struct history_table *table, const struct history_series *s)
{
	char first[TREND_DATE_BYTES], last[TREND_DATE_BYTES];
	size_t n = runs_in(s);
	term_text(term, s->benchmark, 100);
	printf(": %zu commit%s, %zu run%s, %s to %s%s\n", s->n_points, plural(s->n_points), n, plural(n),
	    trend_date(first, &table->commits[s->points[0].commit]),
	    trend_date(last, &table->commits[s->points[s->n_points - 1].commit]),
	    s->changes.too_short ? "; too few to tell changes from chance" : "");
}

static void print_points(const struct term *term, const struct history_table *table, const struct history_series *s)
{
	printf("\n  %-*s  %-10s  %5s %12s %12s %12s  %s\n", TREND_COMMIT_LETTERS, "commit", "date", "runs", "median",
	    "lowest", "highest", "subject");
	for (size_t i = 0, change = 0; i < s->n_points; i++) {
		const struct history_point *p = &s->points[i];
		const struct history_commit *commit = &table->commits[p->commit];
		char id[TREND_COMMIT_BYTES], date[TREND_DATE_BYTES];
		char median[TREND_TEXT_BYTES], low[TREND_TEXT_BYTES], high[TREND_TEXT_BYTES];
		bool changes = change < s->changes.n_items && s->changes.items[change].at == i;
		change += changes;
		fputs(changes ? "> " : "  ", stdout);
		print_padded(term, trend_commit(id, commit), TREND_COMMIT_LETTERS);
		printf("  %-10s  %5u %12s %12s %12s  ", trend_date(date, commit), p->n_runs,
		    trend_value(median, s->unit, p->median), trend_value(low, s->unit, p->lowest),
		    trend_value(high, s->unit, p->highest));
		term_text(term, commit->subject, 60);
		putchar('\n');
	}
}

static void print_show(const struct term *term, const struct history_table *table, const struct history_options *o)
{
	for (size_t i = 0; i < table->n_series; i++) {
		const struct history_series *s = &table->series[i];
		if (!i || strcmp(s->benchmark, table->series[i - 1].benchmark) != 0) {
			fputs(i ? "\n" : "", stdout);
			print_benchmark(term, table, s);
		}
		print_series(term, table, s);
		if (o->metric)
			print_points(term, table, s);
	}
}

static void print_plot(const struct term *term, const struct history_table *table)
{
	for (size_t i = 0; i < table->n_series; i++) {
		const struct history_series *s = &table->series[i];
		fputs(i ? "\n" : "", stdout);
		term_text(term, s->benchmark, 100);
		fputs(": ", stdout);
		term_text(term, s->metric, 100);
		if (!strstr(s->metric, s->unit)) { /* "peak_heap_bytes" says it */
			fputs(" (", stdout);
			term_text(term, s->unit, 40);
			fputc(')', stdout);
		}
		printf(", %zu commit%s\n\n", s->n_points, plural(s->n_points));
		size_t first = trend_chart(term, table, s);
		if (first)
			printf("\n  The latest %zu of %zu commits.\n", s->n_points - first, s->n_points);
		if (s->changes.n_items || s->changes.last_stands_out || s->changes.drift != 0)
			putchar('\n');
		for (size_t k = 0; k < s->changes.n_items; k++)
			print_change(term, table, s, k);
		print_drift(s);
		print_last(term, table, s);
	}
}

static void set_commit(json_t *object, const struct history_commit *commit)
{
	json_object_set_new(object, "commit", json_text(commit->id));
	json_object_set_new(object, "time", json_integer(commit->time));
	json_object_set_new(object, "subject", json_text(commit->subject));
}

static json_t *json_point(const struct history_table *table, const struct history_point *p)
{
	json_t *item = json_object();
	set_commit(item, &table->commits[p->commit]);
	json_object_set_new(item, "runs", json_integer(p->n_runs));
	json_object_set_new(item, "median", json_real(p->median));
	json_object_set_new(item, "lowest", json_real(p->lowest));
	json_object_set_new(item, "highest", json_real(p->highest));
	return item;
}

static json_t *json_change(const struct history_table *table, const struct history_series *s, const struct change *c)
{
	json_t *item = json_object();
	set_commit(item, &table->commits[s->points[c->at].commit]);
	json_object_set_new(item, "before", json_real(c->before));
	json_object_set_new(item, "after", json_real(c->after));
	json_object_set_new(
	    item, "percent", c->before == 0 ? json_null() : json_real((c->after - c->before) / fabs(c->before) * 100));
	json_object_set_new(item, "chance", json_real(c->chance));
	return item;
}

static json_t *json_series(const struct history_table *table, const struct history_series *s)
{
	json_t *item = json_object(), *changes = json_array(), *points = json_array();
	for (size_t i = 0; i < s->changes.n_items; i++)
		json_array_append_new(changes, json_change(table, s, &s->changes.items[i]));
	for (size_t i = 0; i < s->n_points; i++)
		json_array_append_new(points, json_point(table, &s->points[i]));
	json_object_set_new(item, "benchmark", json_text(s->benchmark));
	json_object_set_new(item, "metric", json_text(s->metric));
	json_object_set_new(item, "unit", json_text(s->unit));
	json_object_set_new(item, "level", json_real(s->changes.level));
	json_object_set_new(item, "drift", json_real(s->changes.drift));
	json_object_set_new(item, "enough_commits", json_boolean(!s->changes.too_short));
	json_object_set_new(item, "last_stands_out", json_boolean(s->changes.last_stands_out));
	json_object_set_new(item, "changes", changes);
	json_object_set_new(item, "points", points);
	return item;
}

static int write_show(const struct history_table *table, const struct history_options *o, struct err *err)
{
	struct json_out out;
	int result = json_open(&out, o->json, err);
	if (result < 0)
		return result;
	json_begin(&out);
	json_head(&out, json_pack("{s:s, s:o}", "schema", SCHEMA, "database", json_text(o->db)));
	json_list(&out, "series");
	for (size_t i = 0; i < table->n_series; i++)
		json_element(&out, json_series(table, &table->series[i]));
	json_list_end(&out);
	json_end(&out);
	return json_close(&out, err);
}

/* Write a file or, without a name, to standard output. */
static int write_picture(const struct history_table *table, const char *path, struct err *err)
{
	FILE *out = output_open(path, err);
	if (!out)
		return err->code;
	trend_picture_write(out, table);
	return output_close(out, path, err);
}

/* Empty answers are mostly a slip of the finger. */
static int nothing(const struct history_options *o, struct err *err)
{
	if (o->metric)
		return err_set(err, TIDEMARK_ERR_NOT_FOUND,
		    "the history '%s' has no figure '%s'%s%s%s; 'tidemark history show' lists them", o->db, o->metric,
		    o->benchmark ? " of '" : "", o->benchmark ? o->benchmark : "", o->benchmark ? "'" : "");
	if (o->benchmark)
		return err_set(
		    err, TIDEMARK_ERR_NOT_FOUND, "the history '%s' has no benchmark '%s'", o->db, o->benchmark);
	return err_set(err, TIDEMARK_ERR_NOT_FOUND, "the history '%s' is empty", o->db);
}

static int show_or_plot(bool plot, const struct history_options *o, struct err *err)
{
	struct history *history;
	struct history_table table = {0};
	struct term term;
	bool quiet = (o->json && !*o->json) || (o->svg && !*o->svg);
	int result = history_open(&history, o->db, HISTORY_READ, err);
	if (!result)
		result = history_read(history, o->benchmark, o->metric, &table, err);
	if (!result && !table.n_series)
		result = nothing(o, err);
	if (!result && o->json)
		result = write_show(&table, o, err);
	if (!result && o->svg)
		result = write_picture(&table, o->svg, err);
	if (!result && !quiet) {
		term_init(&term, stdout);
		if (plot)
			print_plot(&term, &table);
		else
			print_show(&term, &table, o);
	}
	history_table_release(&table);
	history_close(history);
	return result;
}

/* --- export --- */

struct exporting {
	FILE *csv;
	struct json_out *json;
	json_t *run; /* being gathered */
	int64_t id;
	uint64_t n_rows;
};

/* A text as CSV has it: in quotes when it must be. */
static void put_csv(FILE *out, const char *text)
{
	bool quoted = text[strcspn(text, ",\"\r\n")];
	if (quoted)
		fputc('"', out);
	while (*text) {
		size_t n = utf8_length(text);
		fwrite(n ? text : "?", 1, n ? n : 1, out);
		if (*text == '"')
			fputc('"', out);
		text += n ? n : 1;
	}
	if (quoted)
		fputc('"', out);
}

static void put_number(FILE *out, double number)
{
	if (isfinite(number))
		fprintf(out, ",%.15g", number);
	else
		fputc(',', out);
}

static void put_row(FILE *out, const struct history_row *row)
{
	put_csv(out, row->commit.id);
	fprintf(out, ",%" PRId64 ",", row->commit.time);
	put_csv(out, row->commit.subject);
	fputc(',', out);
	put_csv(out, row->benchmark);
	fprintf(out, ",%" PRId64 ",%" PRId64 ",", row->run, row->added);
	put_csv(out, row->figure.metric);
	fputc(',', out);
	put_csv(out, row->figure.unit);
	put_number(out, row->figure.value);
	put_number(out, row->figure.low);
	put_number(out, row->figure.high);
	fputc('\n', out);
}

static void end_run(struct exporting *e)
{
	if (e->run)
		json_element(e->json, e->run);
	e->run = NULL;
}

static void begin_run(struct exporting *e, const struct history_row *row)
{
	end_run(e);
	e->id = row->run;
	e->run = json_object();
	set_commit(e->run, &row->commit);
	json_object_set_new(e->run, "benchmark", json_text(row->benchmark));
	json_object_set_new(e->run, "run", json_integer(row->run));
	json_object_set_new(e->run, "added", json_integer(row->added));
	json_object_set_new(e->run, "metrics", json_array());
}

static int export_row(void *arg, const struct history_row *row)
{
	struct exporting *e = arg;
	e->n_rows++;
	if (e->csv) {
		put_row(e->csv, row);
		return 0;
	}
	if (!e->run || e->id != row->run)
		begin_run(e, row);
	json_t *figure = json_object();
	json_object_set_new(figure, "name", json_text(row->figure.metric));
	json_object_set_new(figure, "unit", json_text(row->figure.unit));
	json_object_set_new(figure, "value", json_real(row->figure.value));
	if (isfinite(row->figure.low))
		json_object_set_new(figure, "low", json_real(row->figure.low));
	if (isfinite(row->figure.high))
		json_object_set_new(figure, "high", json_real(row->figure.high));
	json_array_append_new(json_object_get(e->run, "metrics"), figure);
	return 0;
}

static int export_csv(struct history *history, const struct history_options *o, struct err *err)
{
	const char *path = o->csv ? o->csv : "";
	struct exporting e = {.csv = output_open(path, err)};
	if (!e.csv)
		return err->code;
	fputs("commit,commit_time,subject,benchmark,run,added,metric,unit,value,low,high\n", e.csv);
	int result = history_each(history, o->benchmark, o->metric, export_row, &e, err);
	int closed = output_close(e.csv, path, result ? NULL : err);
	if (result || closed)
		return result ? result : closed;
	return e.n_rows ? 0 : nothing(o, err);
}

static int export_json(struct history *history, const struct history_options *o, struct err *err)
{
	struct json_out out;
	struct exporting e = {.json = &out};
	int result = json_open(&out, o->json, err);
	if (result < 0)
		return result;
	json_begin(&out);
	json_head(&out, json_pack("{s:s, s:o}", "schema", EXPORT_SCHEMA, "database", json_text(o->db)));
	json_list(&out, "runs");
	result = history_each(history, o->benchmark, o->metric, export_row, &e, err);
	end_run(&e);
	json_list_end(&out);
	json_end(&out);
	int closed = json_close(&out, err);
	if (!result)
		result = closed;
	return !result && !e.n_rows ? nothing(o, err) : result;
}

static int export_runs(const struct history_options *o, struct err *err)
{
	struct history *history;
	int result = history_open(&history, o->db, HISTORY_READ, err);
	if (!result && o->json)
		result = export_json(history, o, err);
	if (!result && (!o->json || o->csv))
		result = export_csv(history, o, err);
	history_close(history);
	return result;
}

/* --- the command --- */

enum verb { VERB_ADD, VERB_SHOW, VERB_PLOT, VERB_EXPORT, VERBS };

static int find_verb(const char *word, enum verb *verb, struct err *err)
{
	static const char *const names[VERBS] = {"add", "show", "plot", "export"};
	for (*verb = 0; *verb < VERBS; ++*verb)
		if (word && !strcmp(word, names[*verb]))
			return 0;
	return err_set(err, TIDEMARK_ERR_USAGE, "say what to do with the history: add, show, plot or export%s%s%s",
	    word ? "; '" : "", word ? word : "", word ? "' is none of them" : "");
}

/* Which options go with which verb. */
static int check(enum verb verb, size_t n_files, const struct history_options *o, struct err *err)
{
	bool adds = verb == VERB_ADD;
	if (adds && !n_files)
		return err_set(
		    err, TIDEMARK_ERR_USAGE, "name recordings or documents of 'tidemark gate --json' to add");
	if (!adds && n_files)
		return err_set(err, TIDEMARK_ERR_USAGE, "only 'tidemark history add' takes files");
	if (!adds && o->commit)
		return err_set(err, TIDEMARK_ERR_USAGE, "--commit goes with 'tidemark history add' only");
	if (adds && (o->metric || o->json || o->csv || o->svg))
		return err_set(
		    err, TIDEMARK_ERR_USAGE, "--metric, --json, --csv and --svg do not go with 'tidemark history add'");
	if (verb != VERB_EXPORT && o->csv)
		return err_set(err, TIDEMARK_ERR_USAGE, "--csv goes with 'tidemark history export' only");
	if (verb != VERB_PLOT && o->svg)
		return err_set(err, TIDEMARK_ERR_USAGE, "--svg goes with 'tidemark history plot' only");
	if (o->json && !*o->json && ((o->svg && !*o->svg) || (o->csv && !*o->csv)))
		return err_set(err, TIDEMARK_ERR_USAGE,
		    "only one of --json, --csv and --svg can go to standard output; name files: --svg=FILE");
	return 0;
}

static int run(int n, char **argv, struct history_options *o, struct err *err)
{
	enum verb verb;
	int result = find_verb(n ? argv[1] : NULL, &verb, err);
	if (!result)
		result = check(verb, (size_t)n - 1, o, err);
	if (!result && !o->db) {
		o->db = o->default_db = history_default_path(verb == VERB_ADD);
		if (!o->db)
			result = err_memory(err);
	}
	if (!result && verb == VERB_ADD)
		return add(argv + 2, (size_t)n - 1, o, err);
	if (!result && verb == VERB_EXPORT)
		return export_runs(o, err);
	return result ? result : show_or_plot(verb == VERB_PLOT, o, err);
}

int cmd_history(int argc, char **argv)
{
	struct history_options o = {0};
	const struct option options[] = {{"db", 0, OPTION_TEXT, &o.db, "FILE",
	                                     "the history (.tidemark/history.db at the top of the work tree)", 0, 0},
	    {"commit", 0, OPTION_TEXT, &o.commit, "COMMIT", "add to this commit; default HEAD", 0, 0},
	    {"benchmark", 'b', OPTION_TEXT, &o.benchmark, "NAME",
	        "add as this benchmark (the program's name), or show it alone", 0, 0},
	    {"metric", 'm', OPTION_TEXT, &o.metric, "NAME", "show this figure alone, commit by commit", 0, 0},
	    {"svg", 0, OPTION_OPTIONAL, &o.svg, "FILE", "plot: print a picture, or write it to FILE", 0, 0},
	    {"csv", 0, OPTION_OPTIONAL, &o.csv, "FILE", "export: comma-separated values (default)", 0, 0},
	    {"json", 0, OPTION_OPTIONAL, &o.json, "FILE", "print JSON, or write it to FILE", 0, 0},
	    {NULL, 0, OPTION_FLAG, NULL, NULL, NULL, 0, 0}};
	const struct option_table table = {"history add [OPTION...] FILE... | history show|plot|export [OPTION...]",
	    "Keep the figures of runs by commit, and show which commit changed them.", options, false};
	struct err err = {0};
	int status = CMD_OK;
	int n = option_parse(&table, argc, argv, &err);
	if (n != OPTION_HELP_SHOWN) {
		status = n < 0 ? n : run(n, argv, &o, &err);
		if (status < 0)
			status = say_err(&err);
	}
	free(o.default_db);
	return status;
}
