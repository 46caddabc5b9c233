/* What the forms of a verdict share, and its text: see gate_out.h. */
#include "render/gate_out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "render/term.h"

#define TEXT_CULPRITS 3
#define TEXT_FRAMES 8

const char *gate_verdict_text(enum verdict verdict)
{
	static const char *const names[] = {[VERDICT_PASS] = "pass",
	    [VERDICT_WARN] = "warn",
	    [VERDICT_INCONCLUSIVE] = "INCONCLUSIVE",
	    [VERDICT_INCOMPLETE] = "INCOMPLETE",
	    [VERDICT_FAIL] = "FAIL"};
	return names[verdict];
}

const char *gate_path(const struct gate_out *out, const char *path)
{
	size_t length = out->folder ? strlen(out->folder) : 0;
	if (length && !strncmp(path, out->folder, length) && path[length] == '/')
		path += length + 1;
	while (!strncmp(path, "./", 2))
		path += 2;
	return path;
}

const struct measure_frame *gate_place(const struct gate_out *out, const struct gate_check *check)
{
	const struct measure *m = out->gate->measure;
	for (size_t i = 0; i < check->n_culprits; i++) {
		const struct measure_frame *frame = gate_frame(m, check->culprits[i].stack);
		if (frame && frame->line && *frame->file)
			return frame;
	}
	return NULL;
}

char *gate_clean(const char *text)
{
	char *clean = strdup(text);
	for (char *c = clean; c && *c;) {
		size_t length = utf8_length(c);
		if (!length || (unsigned char)*c < 0x20 || *c == 0x7f) {
			*c++ = '?';
			continue;
		}
		c += length;
	}
	return clean;
}

const char *gate_runs_text(const struct gate_out *out, char text[80])
{
	const struct measure *m = out->gate->measure;
	if (m->n_paths == 1)
		snprintf(text, 80, "1 recording");
	else if (m->n_sessions == 1)
		snprintf(text, 80, "%zu processes of one session", m->n_paths);
	else if (m->n_sessions == m->n_paths)
		snprintf(text, 80, "medians of %zu runs", m->n_sessions);
	else
		snprintf(text, 80, "medians of %zu runs, %zu recordings", m->n_sessions, m->n_paths);
	return text;
}

/* --- text --- */

static void print_frame(const struct term *term, const struct gate_out *out, const struct measure_frame *frame)
{
	fputs("            ", term->out);
	term_text(term, frame->function, 100);
	if (*frame->file) {
		fputs("  ", term->out);
		term_text(term, gate_path(out, frame->file), 120);
		if (frame->line)
			fprintf(term->out, ":%u", frame->line);
	} else if (*frame->module) {
		fputs("  [", term->out);
		term_text(term, frame_basename(frame->module), 60);
		fputc(']', term->out);
	}
	fputc('\n', term->out);
}

static void print_culprit(
    const struct term *term, const struct gate_out *out, const struct gate_check *check, const struct culprit *culprit)
{
	const struct measure *m = out->gate->measure;
	const struct measure_stack *stack = &m->stacks[culprit->stack];
	char size[METRIC_TEXT_BYTES];
	fprintf(term->out, "        %s%s by\n", check->grown ? "+" : "",
	    metric_text(size, check->metric_kind, culprit->value));
	uint32_t inner = measure_inner_frames(m, stack), n = stack->frames ? stack->n_frames - inner : 0;
	for (uint32_t i = 0; i < n && i < TEXT_FRAMES; i++) {
		if (i == 1 && inner)
			fprintf(term->out, "            ... %u of libraries\n", inner);
		print_frame(term, out, &m->frames[stack->frames[i ? i + inner : 0]]);
	}
	if (n > TEXT_FRAMES)
		fprintf(term->out, "            ... %u more\n", n - TEXT_FRAMES);
}

static void print_check(const struct term *term, const struct gate_out *out, const struct gate_check *check)
{
	fprintf(term->out, "%-12s  ", gate_verdict_text(check->verdict));
	term_text(term, check->reason, 1000);
	fputc('\n', term->out);
	if (check->verdict == VERDICT_PASS)
		return;
	for (size_t i = 0; i < check->n_culprits && i < TEXT_CULPRITS; i++)
		print_culprit(term, out, check, &check->culprits[i]);
}

void gate_text(const struct gate_out *out, FILE *file)
{
	const struct gate *gate = out->gate;
	struct term term;
	char runs[80];
	term_init(&term, file);
	term_text(&term, gate->measure->program, 80);
	fprintf(file, ": %s (%s)\n\n", gate_verdict_text(gate->verdict), gate_runs_text(out, runs));
	for (size_t i = 0; i < gate->n_checks; i++)
		print_check(&term, out, &gate->checks[i]);
	for (size_t i = 0; i < gate->measure->n_notes; i++) {
		fputs(i ? "note: " : "\nnote: ", file);
		term_text(&term, gate->measure->notes[i], 1000);
		fputc('\n', file);
	}
}
