/* The verdict as Tidemark's own JSON, and as the figures that benchmark trackers take. docs/json.md tells the keys. */
#include <math.h>
#include <stdlib.h>

#include "core/fingerprint.h"
#include "render/gate_out.h"
#include "render/json.h"

/* Whole figures are written whole; what is not known or not bounded is null. */
static json_t *json_figure(double value)
{
	if (!isfinite(value))
		return json_null();
	return value == floor(value) && fabs(value) < 9e15 ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *json_stack(const struct gate_out *out, const struct culprit *culprit)
{
	const struct measure *m = out->gate->measure;
	const struct measure_stack *stack = &m->stacks[culprit->stack];
	char text[FINGERPRINT_TEXT_BYTES];
	json_t *object = json_object(), *frames = json_array();
	for (uint32_t i = 0; i < stack->n_frames && stack->frames; i++) {
		const struct measure_frame *from = &m->frames[stack->frames[i]];
		json_t *frame = json_object();
		json_object_set_new(frame, "function", json_text(from->function));
		json_object_set_new(frame, "file", json_text(from->file));
		json_object_set_new(frame, "line", json_integer(from->line));
		json_object_set_new(frame, "module", json_text(from->module));
		json_array_append_new(frames, frame);
	}
	json_object_set_new(object, "fingerprint", json_string(fingerprint_text(text, stack->fingerprint)));
	json_object_set_new(object, "value", json_figure(culprit->value));
	json_object_set_new(object, "frames", frames);
	return object;
}

static json_t *json_check(const struct gate_out *out, const struct gate_check *check)
{
	json_t *object = json_object(), *stacks = json_array();
	bool figure = check->kind == CHECK_BUDGET || check->kind == CHECK_REGRESSION;
	for (size_t i = 0; i < check->n_culprits; i++)
		json_array_append_new(stacks, json_stack(out, &check->culprits[i]));
	json_object_set_new(object, "name", json_text(check->name));
	json_object_set_new(object, "kind", json_string(check_kind_name(check->kind)));
	json_object_set_new(object, "verdict", json_string(verdict_name(check->verdict)));
	json_object_set_new(object, "reason", json_text(check->reason));
	json_object_set_new(object, "unit", figure ? json_string(metric_unit(check->metric_kind)) : json_null());
	json_object_set_new(object, "value", json_figure(check->value));
	json_object_set_new(object, "budget", json_figure(check->budget));
	json_object_set_new(object, "critical", json_figure(check->critical));
	json_object_set_new(object, "baseline", json_figure(check->baseline));
	json_object_set_new(object, "low", json_figure(check->low));
	json_object_set_new(object, "high", json_figure(check->high));
	if (check->metric_kind >= METRIC_FIXED && check->kind == CHECK_BUDGET) {
		json_object_set_new(object, "detectable", json_figure(check->detectable));
		json_object_set_new(
		    object, "needed_operations", check->needed_ops ? json_count(check->needed_ops) : json_null());
	}
	json_object_set_new(object, "stacks", stacks);
	return object;
}

static json_t *json_metric(const struct gate_out *out, const struct metric *metric)
{
	json_t *object = json_object(), *runs = json_array();
	for (size_t i = 0; i < out->gate->measure->n_sessions; i++)
		json_array_append_new(runs, json_figure(metric->runs[i]));
	json_object_set_new(object, "name", json_text(metric->name));
	json_object_set_new(object, "unit", json_string(metric_unit(metric->kind)));
	json_object_set_new(object, "value", json_figure(metric->value));
	if (!isnan(metric->low))
		json_object_set_new(object, "low", json_figure(metric->low));
	if (isfinite(metric->high))
		json_object_set_new(object, "high", json_figure(metric->high));
	json_object_set_new(object, "runs", runs);
	return object;
}

static json_t *json_recordings(const struct measure *m)
{
	json_t *sessions = json_array();
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct measure_session *s = &m->sessions[i];
		json_t *session = json_object(), *files = json_array(), *others = json_array();
		char id[SESSION_ID_TEXT_BYTES];
		for (size_t k = 0; k < s->n_others; k++)
			json_array_append_new(others, json_text(s->others[k]));
		for (size_t k = 0; k < s->n_paths; k++)
			json_array_append_new(files, json_text(s->paths[k]));
		json_object_set_new(session, "id", json_string(session_id_text(id, s->id)));
		json_object_set_new(session, "files", files);
		json_object_set_new(session, "others_of_session", others);
		json_object_set_new(session, "complete", json_boolean(!s->torn));
		json_object_set_new(session, "lost_events", json_count(s->lost_events));
		json_array_append_new(sessions, session);
	}
	return sessions;
}

json_t *gate_json(const struct gate_out *out)
{
	const struct gate *gate = out->gate;
	json_t *document = json_object(), *checks = json_array(), *metrics = json_array(), *notes = json_array();
	for (size_t i = 0; i < gate->n_checks; i++)
		json_array_append_new(checks, json_check(out, &gate->checks[i]));
	for (size_t i = 0; i < gate->measure->n_metrics; i++)
		json_array_append_new(metrics, json_metric(out, &gate->measure->metrics[i]));
	for (size_t i = 0; i < gate->measure->n_notes; i++)
		json_array_append_new(notes, json_text(gate->measure->notes[i]));
	json_object_set_new(document, "schema", json_string("tidemark/gate/1"));
	json_object_set_new(document, "program", json_text(gate->measure->program));
	json_object_set_new(document, "verdict", json_string(verdict_name(gate->verdict)));
	json_object_set_new(document, "sessions", json_recordings(gate->measure));
	json_object_set_new(document, "checks", checks);
	json_object_set_new(document, "metrics", metrics);
	json_object_set_new(document, "warnings", notes);
	return document;
}

/* --- benchmark trackers --- */

static void span_of(const struct gate_out *out, const struct metric *metric, double *low, double *high)
{
	*low = metric->low;
	*high = metric->high;
	if (metric->kind >= METRIC_FIXED || out->gate->measure->n_sessions < 2)
		return;
	*low = *high = metric->runs[0];
	for (size_t i = 1; i < out->gate->measure->n_sessions; i++) {
		*low = fmin(*low, metric->runs[i]);
		*high = fmax(*high, metric->runs[i]);
	}
}

json_t *gate_bencher(const struct gate_out *out)
{
	const struct measure *m = out->gate->measure;
	json_t *document = json_object(), *measures = json_object();
	for (size_t i = 0; i < m->n_metrics; i++) {
		double low, high;
		if (isnan(m->metrics[i].value))
			continue;
		span_of(out, &m->metrics[i], &low, &high);
		json_t *measure = json_object();
		json_object_set_new(measure, "value", json_figure(m->metrics[i].value));
		if (isfinite(low))
			json_object_set_new(measure, "lower_value", json_figure(low));
		if (isfinite(high))
			json_object_set_new(measure, "upper_value", json_figure(high));
		char *name = gate_clean(m->metrics[i].name);
		if (name)
			json_object_set_new(measures, name, measure);
		free(name);
	}
	char *program = gate_clean(m->program);
	if (program)
		json_object_set_new(document, program, measures);
	free(program);
	return document;
}

json_t *gate_benchmark(const struct gate_out *out)
{
	const struct measure *m = out->gate->measure;
	json_t *list = json_array();
	for (size_t i = 0; i < m->n_metrics; i++) {
		double low, high;
		char name[512], range[96];
		if (isnan(m->metrics[i].value))
			continue;
		span_of(out, &m->metrics[i], &low, &high);
		json_t *item = json_object();
		snprintf(name, sizeof(name), "%s: %s", m->program, m->metrics[i].name);
		json_object_set_new(item, "name", json_text(name));
		json_object_set_new(item, "unit", json_string(metric_unit(m->metrics[i].kind)));
		json_object_set_new(item, "value", json_figure(m->metrics[i].value));
		if (isfinite(low) && isfinite(high)) {
			snprintf(range, sizeof(range), "%.15g - %.15g", low, high);
			json_object_set_new(item, "range", json_string(range));
		}
		json_array_append_new(list, item);
	}
	return list;
}
