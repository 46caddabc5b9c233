/* Baselines: see baseline.h. */
#include "core/baseline.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/fingerprint.h"

#define MAX_STACKS 200
#define MIN_PART 0.005 /* of a figure, that a stack must have */
#define FUNCTIONS 8    /* of a stack, for people */
#define NAME_BYTES 60  /* names of C++ templates may have thousands */

static const char *const stack_keys[METRIC_FIXED] = {[METRIC_PEAK_HEAP] = "peak_heap_bytes",
    [METRIC_PROGRAM] = "program_bytes",
    [METRIC_ALLOCATIONS] = "allocations",
    [METRIC_ALLOCATED] = "allocated_bytes",
    [METRIC_TEMPORARY] = "temporary_allocations"};
static const char rate_key[] = "leaked_bytes_per_100";

void baseline_release(struct baseline *b)
{
	for (size_t i = 0; i < b->n_metrics; i++)
		free(b->metrics[i].name);
	for (size_t i = 0; i < b->n_stacks; i++)
		free(b->stacks[i].functions);
	free(b->metrics);
	free(b->stacks);
	free(b->program);
	*b = (struct baseline){0};
}

static int compare_fingerprints(const void *left, const void *right)
{
	const struct baseline_stack *a = left, *b = right;
	return (a->fingerprint > b->fingerprint) - (a->fingerprint < b->fingerprint);
}

const struct baseline_stack *baseline_find_stack(const struct baseline *b, uint64_t fingerprint)
{
	struct baseline_stack key = {.fingerprint = fingerprint};
	return b->n_stacks ? bsearch(&key, b->stacks, b->n_stacks, sizeof(key), compare_fingerprints) : NULL;
}

/* --- from a measure --- */

/* Hundredths of a byte say nothing; without them the file stays readable. */
static double rounded(double value)
{
	return isfinite(value) ? round(value * 100) / 100 : value;
}

static int add_metric(struct baseline *b, const char *name, struct baseline_metric metric)
{
	if (ARRAY_RESERVE(b->metrics, b->metrics_capacity, b->n_metrics + 1) < 0)
		return -1;
	metric.name = strdup(name);
	if (!metric.name)
		return -1;
	b->metrics[b->n_metrics++] = metric;
	return 0;
}

static bool rss_is_certain(const struct measure *measure)
{
	for (size_t i = 0; i < measure->n_sessions; i++)
		if (measure->sessions[i].rss_slack > 0)
			return false;
	return true;
}

static int take_metric(struct baseline *b, const struct measure *measure, const struct metric *metric)
{
	if (isnan(metric->value) || (metric->kind == METRIC_PEAK_RSS && !rss_is_certain(measure)))
		return 0;
	struct baseline_metric taken = {.value = rounded(metric->value),
	    .min = metric->runs[0],
	    .max = metric->runs[0],
	    .low = rounded(metric->low),
	    .high = rounded(metric->bound)};
	for (size_t i = 1; i < measure->n_sessions; i++) {
		taken.min = fmin(taken.min, metric->runs[i]);
		taken.max = fmax(taken.max, metric->runs[i]);
	}
	taken.min = rounded(taken.min);
	taken.max = rounded(taken.max);
	return add_metric(b, metric->name, taken);
}

/* The largest part that a stack has in any figure. */
static double largest_part(const struct measure *measure, const struct measure_stack *stack)
{
	const struct metric *rate = measure_find(measure, rate_key);
	double part = rate && rate->value > 0 ? stack->rate / rate->value : 0;
	for (int kind = 0; kind < METRIC_FIXED; kind++)
		if (measure->metrics[kind].value > 0)
			part = fmax(part, stack->values[kind] / measure->metrics[kind].value);
	return stack->frames ? part : 0;
}

struct candidate {
	double part;
	const struct measure_stack *stack;
};

static int compare_candidates(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	if (a->part != b->part)
		return a->part < b->part ? 1 : -1;
	return (a->stack->fingerprint > b->stack->fingerprint) - (a->stack->fingerprint < b->stack->fingerprint);
}

/* Where a function has no name, its address is no part of the fingerprint: the module alone is named. */
static void put_function(FILE *out, const struct measure_frame *frame)
{
	const char *module = frame_basename(frame->module), *name = frame->function;
	size_t length = strlen(module);
	if (length && !strncmp(name, module, length) && !strncmp(name + length, "+0x", 3)) {
		fprintf(out, "[%s]", module);
		return;
	}
	bool cut = strlen(name) > NAME_BYTES;
	length = cut ? NAME_BYTES - 3 : strlen(name);
	while (cut && ((unsigned char)name[length] & 0xc0) == 0x80)
		length--; /* not inside a character */
	fprintf(out, "%.*s%s", (int)length, name, cut ? "..." : "");
}

/* "parse < handle < main" */
static char *functions_text(const struct measure *measure, const struct measure_stack *stack)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	if (!out)
		return NULL;
	uint32_t inner = measure_inner_frames(measure, stack), n = stack->n_frames - inner;
	for (uint32_t i = 0; i < n && i < FUNCTIONS; i++) {
		fputs(i == 0 ? "" : i == 1 && inner ? " < ... < " : " < ", out);
		put_function(out, &measure->frames[stack->frames[i ? i + inner : 0]]);
	}
	if (n > FUNCTIONS)
		fputs(" < ...", out);
	return fclose(out) ? (free(text), NULL) : text;
}

static int take_stack(struct baseline *b, const struct measure *measure, const struct measure_stack *from)
{
	if (ARRAY_RESERVE(b->stacks, b->stacks_capacity, b->n_stacks + 1) < 0)
		return -1;
	struct baseline_stack *stack = &b->stacks[b->n_stacks++];
	*stack = (struct baseline_stack){
	    .fingerprint = from->fingerprint, .rate = rounded(from->rate), .functions = functions_text(measure, from)};
	memcpy(stack->values, from->values, sizeof(stack->values));
	return stack->functions ? 0 : -1;
}

static int take_stacks(struct baseline *b, const struct measure *measure)
{
	size_t n = 0;
	struct candidate *candidates = calloc(measure->n_stacks + 1, sizeof(*candidates));
	if (!candidates)
		return -1;
	for (size_t i = 0; i < measure->n_stacks; i++) {
		double part = largest_part(measure, &measure->stacks[i]);
		if (part >= MIN_PART)
			candidates[n++] = (struct candidate){part, &measure->stacks[i]};
	}
	qsort(candidates, n, sizeof(*candidates), compare_candidates);
	int result = 0;
	for (size_t i = 0; i < n && i < MAX_STACKS && !result; i++)
		result = take_stack(b, measure, candidates[i].stack);
	free(candidates);
	if (b->n_stacks)
		qsort(b->stacks, b->n_stacks, sizeof(*b->stacks), compare_fingerprints);
	return result;
}

int baseline_make(struct baseline *b, const struct measure *measure, struct err *err)
{
	*b = (struct baseline){.program = strdup(measure->program), .n_runs = measure->n_sessions};
	int result = b->program ? 0 : -1;
	for (size_t i = 0; i < measure->n_metrics && !result; i++)
		result = take_metric(b, measure, &measure->metrics[i]);
	if (!result)
		result = take_stacks(b, measure);
	if (!result)
		return 0;
	baseline_release(b);
	return err_memory(err);
}

/* --- to a file --- */

static json_t *json_number_of(double value)
{
	if (value == floor(value) && fabs(value) < 9e15)
		return json_integer((json_int_t)value);
	return json_real(value);
}

static json_t *json_metric(const struct baseline_metric *metric, uint64_t n_runs)
{
	json_t *object = json_object();
	json_object_set_new(object, "value", json_number_of(metric->value));
	if (n_runs > 1) {
		json_object_set_new(object, "min", json_number_of(metric->min));
		json_object_set_new(object, "max", json_number_of(metric->max));
	}
	if (isfinite(metric->low))
		json_object_set_new(object, "low", json_number_of(metric->low));
	if (isfinite(metric->high))
		json_object_set_new(object, "high", json_number_of(metric->high));
	return object;
}

/* Names from the recorded program need not be UTF-8. */
static json_t *json_name(const char *name)
{
	json_t *text = json_string(name);
	if (text)
		return text;
	char *safe = strdup(name);
	for (char *c = safe; c && *c; c++)
		*c = *c & 0x80 ? '?' : *c;
	text = safe ? json_string(safe) : NULL;
	free(safe);
	return text;
}

static json_t *json_stack(const struct baseline_stack *stack)
{
	json_t *object = json_object();
	json_object_set_new(object, "functions", json_name(stack->functions));
	for (int kind = 0; kind < METRIC_FIXED; kind++)
		if (stack_keys[kind] && stack->values[kind] > 0)
			json_object_set_new(object, stack_keys[kind], json_number_of(stack->values[kind]));
	if (stack->rate > 0)
		json_object_set_new(object, rate_key, json_number_of(stack->rate));
	return object;
}

int baseline_write(const struct baseline *b, FILE *file)
{
	json_t *document = json_object(), *metrics = json_object(), *stacks = json_object();
	char text[FINGERPRINT_TEXT_BYTES];
	json_object_set_new(document, "schema", json_string(BASELINE_SCHEMA));
	json_object_set_new(document, "program", json_name(b->program));
	json_object_set_new(document, "runs", json_integer((json_int_t)b->n_runs));
	for (size_t i = 0; i < b->n_metrics; i++)
		json_object_set_new(metrics, b->metrics[i].name, json_metric(&b->metrics[i], b->n_runs));
	for (size_t i = 0; i < b->n_stacks; i++)
		json_object_set_new(
		    stacks, fingerprint_text(text, b->stacks[i].fingerprint), json_stack(&b->stacks[i]));
	json_object_set_new(document, "metrics", metrics);
	json_object_set_new(document, "stacks", stacks);
	/* One line for each figure and each stack: a change of one is a line in a review. */
	int result =
	    document ? json_dumpf(document, file, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(15)) : -1;
	json_decref(document);
	fputc('\n', file);
	return result;
}

/* --- from a file --- */

struct loading {
	const char *path;
	struct err *err;
};

static int broken(const struct loading *l, const char *what)
{
	return err_set(l->err, TIDEMARK_ERR_USAGE, "'%s' is no baseline: %s", l->path, what);
}

/* A member that is a number; `missing` when there is none. */
static double number_in(const json_t *object, const char *key, double missing)
{
	const json_t *value = json_object_get(object, key);
	return json_is_number(value) ? json_number_value(value) : missing;
}

static int load_metrics(struct baseline *b, json_t *document, const struct loading *l)
{
	json_t *metrics = json_object_get(document, "metrics"), *value;
	const char *name;
	if (!json_is_object(metrics))
		return broken(l, "it has no \"metrics\"");
	json_object_foreach(metrics, name, value)
	{
		struct baseline_metric metric = {.value = number_in(value, "value", NAN)};
		if (isnan(metric.value))
			return broken(l, "a metric has no \"value\"");
		metric.min = number_in(value, "min", metric.value);
		metric.max = number_in(value, "max", metric.value);
		metric.low = number_in(value, "low", NAN);
		metric.high = number_in(value, "high", NAN);
		if (add_metric(b, name, metric) < 0)
			return err_memory(l->err);
	}
	return 0;
}

static int load_stacks(struct baseline *b, json_t *document, const struct loading *l)
{
	json_t *stacks = json_object_get(document, "stacks"), *value;
	const char *name;
	if (!json_is_object(stacks))
		return broken(l, "it has no \"stacks\"");
	json_object_foreach(stacks, name, value)
	{
		char *end;
		struct baseline_stack stack = {.fingerprint = strtoull(name, &end, 16)};
		if (strlen(name) != FINGERPRINT_TEXT_BYTES - 1 || *end)
			return broken(l, "a stack's key is no fingerprint");
		for (int kind = 0; kind < METRIC_FIXED; kind++)
			stack.values[kind] = stack_keys[kind] ? number_in(value, stack_keys[kind], 0) : 0;
		stack.rate = number_in(value, rate_key, 0);
		if (ARRAY_RESERVE(b->stacks, b->stacks_capacity, b->n_stacks + 1) < 0)
			return err_memory(l->err);
		const char *functions = json_string_value(json_object_get(value, "functions"));
		stack.functions = strdup(functions ? functions : "");
		if (!stack.functions)
			return err_memory(l->err);
		b->stacks[b->n_stacks++] = stack;
	}
	if (b->n_stacks)
		qsort(b->stacks, b->n_stacks, sizeof(*b->stacks), compare_fingerprints);
	return 0;
}

static int load(struct baseline *b, json_t *document, const struct loading *l)
{
	const char *schema = json_string_value(json_object_get(document, "schema"));
	const char *program = json_string_value(json_object_get(document, "program"));
	if (!schema)
		return broken(l, "it has no \"schema\"");
	if (strcmp(schema, BASELINE_SCHEMA) != 0 && !strncmp(schema, "tidemark/baseline/", 18))
		return err_set(l->err, TIDEMARK_ERR_USAGE,
		    "'%s' is of version %.20s, this tidemark reads version 1; save it anew", l->path, schema + 18);
	if (strcmp(schema, BASELINE_SCHEMA) != 0)
		return err_set(l->err, TIDEMARK_ERR_USAGE,
		    "'%s' is no baseline: its schema is '%.60s'; tidemark baseline save makes one", l->path, schema);
	b->program = strdup(program ? program : "");
	b->n_runs = (uint64_t)number_in(document, "runs", 1);
	if (!b->program)
		return err_memory(l->err);
	int result = load_metrics(b, document, l);
	return result < 0 ? result : load_stacks(b, document, l);
}

int baseline_read(struct baseline *b, const char *path, struct err *err)
{
	json_error_t error;
	*b = (struct baseline){0};
	char magic[sizeof(TIDEMARK_TRACE_MAGIC) - 1];
	FILE *file = fopen(path, "re");
	if (!file)
		return err_errno(err, "cannot open baseline '%s'", path);
	if (fread(magic, sizeof(magic), 1, file) == 1 && !memcmp(magic, TIDEMARK_TRACE_MAGIC, sizeof(magic))) {
		fclose(file);
		return err_set(err, TIDEMARK_ERR_USAGE,
		    "'%s' is no baseline but a recording; tidemark baseline save makes one of it", path);
	}
	rewind(file);
	json_t *document = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
	fclose(file);
	if (!document)
		return err_set(
		    err, TIDEMARK_ERR_USAGE, "'%s' is no baseline: line %d: %s", path, error.line, error.text);
	struct loading loading = {path, err};
	int result = load(b, document, &loading);
	json_decref(document);
	if (result < 0)
		baseline_release(b);
	return result;
}
