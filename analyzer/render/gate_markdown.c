/* The verdict as a comment on a pull request: reasons, a table of baseline, current, delta, limit and verdict, and the
 * stacks folded away. GitHub and GitLab Markdown. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "render/gate_out.h"
#include "render/term.h"

#define DETAIL_CULPRITS 5
#define DETAIL_FRAMES 16

static const char *sign(enum verdict verdict)
{
	static const char *const signs[] = {[VERDICT_PASS] = "✅",
	    [VERDICT_WARN] = "⚠️",
	    [VERDICT_INCONCLUSIVE] = "❔",
	    [VERDICT_INCOMPLETE] = "❔",
	    [VERDICT_FAIL] = "❌"};
	return signs[verdict];
}

/* Text that Markdown must show as it is, whatever names a program has; also inside a table. */
static void put(FILE *file, const char *text)
{
	while (*text) {
		size_t length = utf8_length(text);
		if (!length || (unsigned char)*text < 0x20 || *text == 0x7f)
			fputc('?', file);
		else if (*text == '<')
			fputs("&lt;", file);
		else if (*text == '&')
			fputs("&amp;", file);
		else if (*text == '@') /* nobody is called by a report */
			fputs("&#64;", file);
		else if (strchr("\\`*_{}[]()#|~!>", *text))
			fprintf(file, "\\%c", *text);
		else
			fwrite(text, 1, length, file);
		text += length ? length : 1;
	}
}

/* Text inside a fenced block. */
static void put_plain(FILE *file, const char *text)
{
	while (*text) {
		size_t length = utf8_length(text);
		if (!length || (unsigned char)*text < 0x20 || *text == 0x7f)
			fputc('?', file);
		else
			fwrite(text, 1, length, file);
		text += length ? length : 1;
	}
}

/* --- reasons --- */

static void put_place(const struct gate_out *out, const struct gate_check *check, FILE *file)
{
	const struct measure_frame *frame =
	    check->n_culprits ? gate_frame(out->gate->measure, check->culprits[0].stack) : NULL;
	char size[METRIC_TEXT_BYTES];
	if (!frame)
		return;
	fprintf(file, "; %s%s by **", check->grown ? "+" : "",
	    metric_text(size, check->metric_kind, check->culprits[0].value));
	put(file, frame->function);
	fputs("**", file);
	if (!frame->line)
		return;
	fputs(" at ", file);
	put(file, gate_path(out, frame->file));
	fprintf(file, ":%u", frame->line);
}

static void put_reasons(const struct gate_out *out, FILE *file)
{
	const struct gate *gate = out->gate;
	size_t n = 0;
	for (size_t i = 0; i < gate->n_checks; i++) {
		const struct gate_check *check = &gate->checks[i];
		if (check->verdict == VERDICT_PASS)
			continue;
		fprintf(file, "- %s ", sign(check->verdict));
		put(file, check->reason);
		put_place(out, check, file);
		fputc('\n', file);
		n++;
	}
	for (size_t i = 0; i < gate->measure->n_notes; i++, n++) {
		fputs("- note: ", file);
		put(file, gate->measure->notes[i]);
		fputc('\n', file);
	}
	if (n)
		fputc('\n', file);
}

/* --- the table --- */

/* One line for each metric: its budget and its baseline together. */
struct line {
	const struct gate_check *budget, *regression;
};

static bool same_metric(const struct gate_check *check, const struct metric *metric)
{
	return (check->kind == CHECK_BUDGET || check->kind == CHECK_REGRESSION) && check->metric_kind == metric->kind &&
	       (!metric->operation || (check->operation && !strcmp(check->operation, metric->operation)));
}

static void put_cell(FILE *file, enum metric_kind kind, double value)
{
	char text[METRIC_TEXT_BYTES];
	fprintf(file, " %s |", isnan(value) ? "–" : metric_text(text, kind, value));
}

static void put_delta(FILE *file, enum metric_kind kind, double value, double baseline)
{
	char text[METRIC_TEXT_BYTES];
	double delta = value - baseline;
	if (isnan(delta)) {
		fputs(" – |", file);
		return;
	}
	fprintf(file, " %s%s", delta > 0 ? "+" : "", metric_text(text, kind, delta));
	if (baseline > 0)
		fprintf(file, " (%+.1f %%)", delta / baseline * 100);
	fputs(" |", file);
}

static void put_line(const struct metric *metric, const struct line *line, FILE *file)
{
	const struct gate_check *any = line->budget ? line->budget : line->regression;
	double baseline = line->regression ? line->regression->baseline : NAN;
	double limit = line->budget ? line->budget->budget : line->regression->budget;
	enum verdict verdict = any->verdict;
	if (line->regression && line->regression->verdict > verdict)
		verdict = line->regression->verdict;
	fputs("| ", file);
	put(file, metric_label(metric->kind));
	if (metric->operation) {
		fputs(" **", file);
		put(file, metric->operation);
		fputs("**", file);
	}
	fputs(" |", file);
	put_cell(file, metric->kind, baseline);
	put_cell(file, metric->kind, any->value);
	put_delta(file, metric->kind, any->value, baseline);
	put_cell(file, metric->kind, limit);
	fprintf(file, " %s %s |\n", sign(verdict), verdict_name(verdict));
}

static void put_table(const struct gate_out *out, FILE *file)
{
	const struct gate *gate = out->gate;
	bool begun = false;
	for (size_t i = 0; i < gate->measure->n_metrics; i++) {
		const struct metric *metric = &gate->measure->metrics[i];
		struct line line = {NULL, NULL};
		for (size_t k = 0; k < gate->n_checks; k++) {
			if (!same_metric(&gate->checks[k], metric))
				continue;
			if (gate->checks[k].kind == CHECK_BUDGET)
				line.budget = &gate->checks[k];
			else
				line.regression = &gate->checks[k];
		}
		if (!line.budget && !line.regression)
			continue;
		if (!begun)
			fputs("| | baseline | current | delta | limit | verdict |\n|---|--:|--:|--:|--:|---|\n", file);
		begun = true;
		put_line(metric, &line, file);
	}
	if (begun)
		fputc('\n', file);
}

/* --- stacks --- */

/* Every line of a stack is indented, so that no name can end the fenced block. */
static void put_stack(
    const struct gate_out *out, const struct gate_check *check, const struct culprit *culprit, FILE *file)
{
	const struct measure *m = out->gate->measure;
	const struct measure_stack *stack = &m->stacks[culprit->stack];
	char size[METRIC_TEXT_BYTES];
	fprintf(file, "%s%s\n", check->grown ? "+" : "", metric_text(size, check->metric_kind, culprit->value));
	uint32_t inner = measure_inner_frames(m, stack), n = stack->frames ? stack->n_frames - inner : 0;
	for (uint32_t i = 0; i < n && i < DETAIL_FRAMES; i++) {
		const struct measure_frame *frame = &m->frames[stack->frames[i ? i + inner : 0]];
		if (i == 1 && inner)
			fprintf(file, "    ... %u of libraries\n", inner);
		fputs("    ", file);
		put_plain(file, frame->function);
		if (frame->line) {
			fputs("  ", file);
			put_plain(file, gate_path(out, frame->file));
			fprintf(file, ":%u", frame->line);
		}
		fputc('\n', file);
	}
	if (n > DETAIL_FRAMES)
		fprintf(file, "    ... %u more\n", n - DETAIL_FRAMES);
}

/* What grew since the baseline says more than what is large. */
static bool told_better(const struct gate *gate, const struct gate_check *check)
{
	for (size_t i = 0; i < gate->n_checks; i++) {
		const struct gate_check *other = &gate->checks[i];
		if (other != check && other->grown && !check->grown && other->metric_kind == check->metric_kind &&
		    other->n_culprits && other->verdict != VERDICT_PASS)
			return true;
	}
	return false;
}

static void put_details(const struct gate_out *out, FILE *file)
{
	const struct gate *gate = out->gate;
	for (size_t i = 0; i < gate->n_checks; i++) {
		const struct gate_check *check = &gate->checks[i];
		if (!check->n_culprits || check->verdict == VERDICT_PASS || told_better(gate, check))
			continue;
		fprintf(file, "<details><summary>%s", metric_label(check->metric_kind));
		if (check->operation) {
			fputc(' ', file);
			put(file, check->operation);
		}
		fprintf(file, ": top %sstacks</summary>\n\n```text\n", check->grown ? "growing " : "");
		for (size_t k = 0; k < check->n_culprits && k < DETAIL_CULPRITS; k++)
			put_stack(out, check, &check->culprits[k], file);
		fputs("```\n\n</details>\n", file);
	}
}

void gate_markdown(const struct gate_out *out, FILE *file)
{
	const struct gate *gate = out->gate;
	char runs[80];
	fprintf(file, "### %s Tidemark: ", sign(gate->verdict));
	put(file, gate->measure->program);
	fprintf(file, ": %s\n\n", verdict_name(gate->verdict));
	put_reasons(out, file);
	put_table(out, file);
	put_details(out, file);
	fprintf(file, "\n<sub>%s", gate_runs_text(out, runs));
	if (gate->baseline)
		fprintf(file, "; baseline of %" PRIu64 " run%s, regression above %g %%", gate->baseline->n_runs,
		    plural(gate->baseline->n_runs), gate->config->regression_percent);
	fputs("</sub>\n", file);
}
