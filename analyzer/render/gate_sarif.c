/* The verdict for code scanning: SARIF 2.1.0 (OASIS standard) and GitLab's Code Quality report, a result for each check that
 * did not pass. */
#include <stdlib.h>
#include <string.h>

#include "core/fingerprint.h"
#include "render/gate_out.h"
#include "render/json.h"

/* What a check is called as a rule: one for each kind of figure, whatever the operation. */
static const char *rule_id(const struct gate_check *check)
{
	static const char *const budgets[] = {[METRIC_PEAK_HEAP] = "peak-heap",
	    [METRIC_PEAK_RSS] = "peak-rss",
	    [METRIC_PROGRAM] = "leaked",
	    [METRIC_RATE] = "leak-per-100-ops",
	    [METRIC_RATE_OF] = "leak-per-100-ops"};
	switch (check->kind) {
	case CHECK_REGRESSION:
		return "regression";
	case CHECK_SUPPRESSION:
		return "suppression-expired";
	case CHECK_RECORDING:
		return "recording";
	default:
		return budgets[check->metric_kind];
	}
}

static const struct {
	const char *id, *text;
} rules[] = {
    {"peak-heap", "The largest heap is above its budget"},
    {"peak-rss", "The largest resident set is above its budget"},
    {"leaked", "What is alive at the end is above its budget"},
    {"leak-per-100-ops", "Operations leave more memory behind than their budget allows"},
    {"regression", "A figure is worse than its baseline"},
    {"suppression-expired", "A suppression is past its last day"},
    {"recording", "The recording is not whole"},
};
#define N_RULES (sizeof(rules) / sizeof(rules[0]))

/* A path as a URI reference: RFC 3986, section 3.3. returns: to be freed */
static char *uri_of(const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/+";
	char *uri = malloc(3 * strlen(path) + 8), *to = uri;
	if (!uri)
		return NULL;
	if (*path == '/')
		to = stpcpy(to, "file://");
	for (; *path; path++)
		if (strchr(plain, *path))
			*to++ = *path;
		else
			to += sprintf(to, "%%%02X", (unsigned char)*path);
	*to = 0;
	return uri;
}

static json_t *message(const char *text)
{
	json_t *object = json_object();
	json_object_set_new(object, "text", json_text(text));
	return object;
}

static json_t *location(const struct gate_out *out, const char *path, uint32_t line, const char *text)
{
	json_t *object = json_object(), *physical = json_object(), *artifact = json_object(), *region = json_object();
	const char *shown = gate_path(out, path);
	char *uri = uri_of(shown);
	json_object_set_new(artifact, "uri", json_string(uri ? uri : ""));
	if (*shown != '/')
		json_object_set_new(artifact, "uriBaseId", json_string("%SRCROOT%"));
	free(uri);
	json_object_set_new(region, "startLine", json_integer(line));
	json_object_set_new(physical, "artifactLocation", artifact);
	json_object_set_new(physical, "region", region);
	json_object_set_new(object, "physicalLocation", physical);
	if (text)
		json_object_set_new(object, "message", message(text));
	return object;
}

static json_t *stack_frame(const struct gate_out *out, const struct measure_frame *from)
{
	json_t *frame = json_object(), *where;
	if (from->line && *from->file) {
		where = location(out, from->file, from->line, from->function);
	} else {
		where = json_object();
		json_object_set_new(where, "message", message(from->function));
	}
	json_object_set_new(frame, "location", where);
	if (*from->module)
		json_object_set_new(frame, "module", json_text(frame_basename(from->module)));
	return frame;
}

static json_t *stacks_of(const struct gate_out *out, const struct gate_check *check)
{
	const struct measure *m = out->gate->measure;
	json_t *list = json_array();
	char size[METRIC_TEXT_BYTES];
	for (size_t i = 0; i < check->n_culprits; i++) {
		const struct measure_stack *stack = &m->stacks[check->culprits[i].stack];
		json_t *object = json_object(), *frames = json_array();
		for (uint32_t k = 0; k < stack->n_frames && stack->frames; k++)
			json_array_append_new(frames, stack_frame(out, &m->frames[stack->frames[k]]));
		json_object_set_new(
		    object, "message", message(metric_text(size, check->metric_kind, check->culprits[i].value)));
		json_object_set_new(object, "frames", frames);
		json_array_append_new(list, object);
	}
	return list;
}

/* "error" and "warning" are problems; what could not be decided is open and has no level, as the standard asks. */
static void set_level(json_t *result, enum verdict verdict)
{
	bool open = verdict == VERDICT_INCONCLUSIVE || verdict == VERDICT_INCOMPLETE;
	json_object_set_new(result, "kind", json_string(open ? "open" : "fail"));
	json_object_set_new(result, "level",
	    json_string(open                      ? "none"
	                : verdict == VERDICT_FAIL ? "error"
	                                          : "warning"));
}

/* The same finding in the next run has the same fingerprint: the check, and the stack that did it. */
static const char *finding(
    const struct gate_out *out, const struct gate_check *check, char text[FINGERPRINT_TEXT_BYTES])
{
	uint64_t hash = check->n_culprits ? out->gate->measure->stacks[check->culprits[0].stack].fingerprint : 0;
	return fingerprint_text(text, idtable_hash_text(hash, check->name));
}

static json_t *result_of(const struct gate_out *out, const struct gate_check *check)
{
	json_t *result = json_object(), *locations = json_array(), *prints = json_object();
	const struct measure_frame *place = gate_place(out, check);
	char text[FINGERPRINT_TEXT_BYTES];
	json_object_set_new(result, "ruleId", json_string(rule_id(check)));
	set_level(result, check->verdict);
	json_object_set_new(result, "message", message(check->reason));
	json_array_append_new(
	    locations, place ? location(out, place->file, place->line, NULL) : location(out, out->where, 1, NULL));
	json_object_set_new(result, "locations", locations);
	if (check->n_culprits)
		json_object_set_new(result, "stacks", stacks_of(out, check));
	json_object_set_new(prints, "tidemark/v1", json_string(finding(out, check, text)));
	json_object_set_new(result, "partialFingerprints", prints);
	return result;
}

static json_t *tool(void)
{
	json_t *object = json_object(), *driver = json_object(), *list = json_array();
	for (size_t i = 0; i < N_RULES; i++) {
		json_t *rule = json_object();
		json_object_set_new(rule, "id", json_string(rules[i].id));
		json_object_set_new(rule, "shortDescription", message(rules[i].text));
		json_array_append_new(list, rule);
	}
	json_object_set_new(driver, "name", json_string("Tidemark"));
	json_object_set_new(driver, "version", json_string(TIDEMARK_VERSION));
	json_object_set_new(driver, "rules", list);
	json_object_set_new(object, "driver", driver);
	return object;
}

json_t *gate_sarif(const struct gate_out *out)
{
	json_t *document = json_object(), *run = json_object(), *results = json_array(), *runs = json_array();
	for (size_t i = 0; i < out->gate->n_checks; i++)
		if (out->gate->checks[i].verdict != VERDICT_PASS)
			json_array_append_new(results, result_of(out, &out->gate->checks[i]));
	json_object_set_new(document, "$schema",
	    json_string("https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"));
	json_object_set_new(document, "version", json_string("2.1.0"));
	json_object_set_new(run, "tool", tool());
	json_object_set_new(run, "results", results);
	json_array_append_new(runs, run);
	json_object_set_new(document, "runs", runs);
	return document;
}

/* --- GitLab --- */

static const char *severity(enum verdict verdict)
{
	static const char *const names[] = {[VERDICT_WARN] = "minor",
	    [VERDICT_INCONCLUSIVE] = "info",
	    [VERDICT_INCOMPLETE] = "info",
	    [VERDICT_FAIL] = "major"};
	return names[verdict];
}

json_t *gate_gitlab(const struct gate_out *out)
{
	json_t *list = json_array();
	char text[FINGERPRINT_TEXT_BYTES];
	for (size_t i = 0; i < out->gate->n_checks; i++) {
		const struct gate_check *check = &out->gate->checks[i];
		const struct measure_frame *place = gate_place(out, check);
		if (check->verdict == VERDICT_PASS)
			continue;
		json_t *item = json_object(), *where = json_object(), *lines = json_object();
		json_object_set_new(lines, "begin", json_integer(place ? place->line : 1));
		json_object_set_new(where, "path", json_text(gate_path(out, place ? place->file : out->where)));
		json_object_set_new(where, "lines", lines);
		json_object_set_new(item, "description", json_text(check->reason));
		json_object_set_new(item, "check_name", json_string(rule_id(check)));
		json_object_set_new(item, "fingerprint", json_string(finding(out, check, text)));
		json_object_set_new(item, "severity", json_string(severity(check->verdict)));
		json_object_set_new(item, "location", where);
		json_array_append_new(list, item);
	}
	return list;
}
