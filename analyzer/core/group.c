/* Groups of stacks: see group.h. */
#include "core/group.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/suppress.h"

#define MAX_LEVELS 9

enum group_by { BY_NOTHING, BY_THREAD, BY_MODULE, BY_NAMESPACE };

struct group_rule {
	char *pattern;    /* owned */
	const char *name; /* part of the option's text */
};

/* --- rules --- */

static int set_by(struct groups *g, enum group_by by, unsigned levels, struct err *err)
{
	if (g->by != BY_NOTHING)
		return err_set(err, TIDEMARK_ERR_USAGE, "--group takes only one of thread, module and namespace");
	g->by = (int)by;
	g->levels = levels;
	return 0;
}

static int add_rule(struct groups *g, const char *text, const char *equals, struct err *err)
{
	if (equals == text || !equals[1])
		return err_set(err, TIDEMARK_ERR_USAGE, "'%s' lacks a %s: --group takes PATTERN=NAME", text,
		    equals == text ? "pattern" : "name");
	if (ARRAY_RESERVE(g->rules, g->rules_capacity, g->n_rules + 1) < 0)
		return err_memory(err);
	char *pattern = strndup(text, (size_t)(equals - text));
	if (!pattern)
		return err_memory(err);
	g->rules[g->n_rules++] = (struct group_rule){pattern, equals + 1};
	return 0;
}

static int add_text(struct groups *g, const char *text, struct err *err)
{
	const char *equals = strrchr(text, '='); /* the last one: "operator==*=Comparisons" */
	if (equals)
		return add_rule(g, text, equals, err);
	if (!strcmp(text, "thread"))
		return set_by(g, BY_THREAD, 0, err);
	if (!strcmp(text, "module"))
		return set_by(g, BY_MODULE, 0, err);
	if (!strcmp(text, "namespace"))
		return set_by(g, BY_NAMESPACE, 1, err);
	if (!strncmp(text, "namespace:", 10) && text[10] >= '1' && text[10] <= '0' + MAX_LEVELS && !text[11])
		return set_by(g, BY_NAMESPACE, (unsigned)(text[10] - '0'), err);
	return err_set(err, TIDEMARK_ERR_USAGE, "'%s' is no grouping; there are " GROUP_RULES, text);
}

int groups_init(struct groups *g, const char *const *texts, size_t n_texts, struct err *err)
{
	*g = (struct groups){0};
	int result = 0;
	for (size_t i = 0; i < n_texts && !result; i++)
		result = add_text(g, texts[i], err);
	if (result < 0)
		groups_release(g);
	return result;
}

void groups_release(struct groups *g)
{
	for (size_t i = 0; i < g->n_rules; i++)
		free(g->rules[i].pattern);
	for (size_t i = 0; i < g->n_texts; i++)
		free(g->texts[i]);
	free(g->rules);
	free(g->views);
	free(g->texts);
	free(g->items);
	*g = (struct groups){0};
}

bool groups_need_threads(const struct groups *g)
{
	return g->n_rules || g->by == BY_THREAD;
}

/* --- namespaces --- */

/* Behind a bracket that opens at text: where its partner closes. Arrows and comparisons in names of operators are the
 * caller's affair. */
static const char *skip_bracket(const char *text)
{
	unsigned depth = 0;
	for (; *text; text++) {
		if (strchr("<([{", *text))
			depth++;
		else if (strchr(">)]}", *text) && !(*text == '>' && text[-1] == '-') && !--depth)
			return text + 1;
	}
	return text;
}

static bool is_operator(const char *text)
{
	return !strncmp(text, "operator", 8) && !strchr("_abcdefghijklmnopqrstuvwxyz0123456789", text[8] | 0x20);
}

/* Where the name begins in "int app::f<int>(int)": behind the last blank that no bracket encloses, before the
 * parameters. */
static const char *without_type(const char *function)
{
	const char *start = function;
	for (const char *at = function; *at;) {
		if (is_operator(at))
			break;
		if (*at == ' ' && at[1]) {
			start = ++at;
		} else if (*at == '(' && strncmp(at, "(anonymous namespace)", 21) != 0 &&
		           !(at - start == 8 && !strncmp(start, "decltype", 8))) {
			break;
		} else {
			at = strchr("<([{", *at) ? skip_bracket(at) : at + 1;
		}
	}
	return start;
}

/* "<app::Cache as core::ops::Drop>::drop" is the code of app. */
static const char *inside_angle(const char *name)
{
	while (*name == '<' || *name == '&' || !strncmp(name, "mut ", 4) || !strncmp(name, "dyn ", 4) || *name == '*')
		name += *name == 'm' || *name == 'd' ? 4 : 1;
	return name;
}

/* The end of a component: at "::" that no bracket encloses. NULL: there is none, so that what follows is the function or
 * a type. */
static const char *component_end(const char *at)
{
	while (*at && *at != '(' && *at != ' ' && *at != '>' && *at != ',' && !is_operator(at)) {
		if (at[0] == ':' && at[1] == ':')
			return at;
		at = *at == '<' || *at == '{' || *at == '[' ? skip_bracket(at) : at + 1;
	}
	return NULL;
}

static bool is_language_space(const char *name, size_t length)
{
	static const char *const names[] = {"std", "__gnu_cxx", "__cxxabiv1", "__1", "core", "alloc", "hashbrown",
	    "__rustc", "__rust_alloc", "std_detail", "boost::detail"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && !memcmp(names[i], name, length))
			return true;
	return false;
}

const char *group_namespace(const char *function, unsigned levels, size_t *length)
{
	const char *start = inside_angle(without_type(function)), *end = NULL;
	if (*start == '{' || !strncmp(start, "(anonymous namespace)", 21))
		return NULL;
	const char *next = component_end(start);
	if (!next || next == start || is_language_space(start, (size_t)(next - start)))
		return NULL;
	for (unsigned i = 0; i < levels && next; i++) {
		end = next;
		next = strncmp(end + 2, "(anonymous namespace)", 21) ? component_end(end + 2) : NULL;
	}
	*length = (size_t)(end - start);
	return start;
}

/* --- which group --- */

/* Libraries of the languages: code that allocates for its caller. */
static bool is_runtime_module(const char *module)
{
	static const char *const names[] = {"libc.", "libc-", "libstdc++.", "libc++.", "libc++abi.", "libgcc_s.",
	    "libm.", "libpthread", "ld-linux", "ld.so", "ld-2.", "libdl.", "librt.", "libjemalloc.", "libtcmalloc",
	    "libmimalloc"};
	const char *name = frame_basename(module);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

bool group_is_language(const char *function, const char *module)
{
	const char *start = inside_angle(without_type(function)), *end = component_end(start);
	return is_runtime_module(module) || !strncmp(function, "operator new", 12) ||
	       (end && is_language_space(start, (size_t)(end - start)));
}

static bool rule_takes(const struct group_rule *rule, const struct frame_view *frame)
{
	return suppress_matches(rule->pattern, frame->function) || suppress_matches(rule->pattern, frame->module);
}

#define NO_RULE (-1)
#define UNKNOWN (-2)

/* What is known of a distinct frame. */
struct group_view {
	int rule;          /* UNKNOWN: nothing yet */
	const char *space; /* its namespace; NULL: none */
	size_t length;
};

static int rule_of_frame(const struct groups *g, const struct frame_view *frame)
{
	for (size_t k = 0; k < g->n_rules; k++)
		if (rule_takes(&g->rules[k], frame))
			return (int)k;
	return NO_RULE;
}

static const struct group_view *view_of(struct groups *g, const struct stacks *stacks, uint32_t node)
{
	struct group_view *known = &g->views[stacks->nodes[node].view];
	const struct frame_view *frame = &stacks->views[stacks->nodes[node].view];
	if (known->rule == UNKNOWN) {
		known->rule = rule_of_frame(g, frame);
		known->space =
		    g->by == BY_NAMESPACE ? group_namespace(frame->function, g->levels, &known->length) : NULL;
	}
	return known;
}

static int know_views(struct groups *g, const struct stacks *stacks)
{
	if (g->known == stacks)
		return 0;
	if (ARRAY_RESERVE(g->views, g->views_capacity, stacks->n_views) < 0)
		return -1;
	for (size_t i = 0; i < stacks->n_views; i++)
		g->views[i].rule = UNKNOWN;
	g->known = stacks;
	return 0;
}

static int rule_of_thread(const struct groups *g, const char *thread)
{
	for (size_t k = 0; k < g->n_rules; k++)
		if (suppress_matches(g->rules[k].pattern, thread))
			return (int)k;
	return NO_RULE;
}

static const char *by_module(const struct frame_view *const *frames, size_t n)
{
	const char *runtime = NULL;
	for (size_t i = 0; i < n; i++) {
		if (!frames[i]->module[0])
			continue;
		if (!is_runtime_module(frames[i]->module))
			return frame_basename(frames[i]->module);
		runtime = runtime ? runtime : frame_basename(frames[i]->module);
	}
	return runtime;
}

static size_t find_named(struct groups *g, const char *name, size_t length)
{
	for (size_t i = 0; i < g->n_items; i++)
		if (!strncmp(g->items[i].name, name, length) && !g->items[i].name[length])
			return i;
	if (ARRAY_RESERVE(g->items, g->capacity, g->n_items + 1) < 0 ||
	    ARRAY_RESERVE(g->texts, g->texts_capacity, g->n_texts + 1) < 0)
		return SIZE_MAX;
	char *copy = strndup(name, length);
	if (!copy)
		return SIZE_MAX;
	g->texts[g->n_texts++] = copy;
	g->items[g->n_items] = (struct group){.name = copy};
	return g->n_items++;
}

/* What the frames of a stack say. */
struct taken {
	int rule;
	const char *space;
	size_t length; /* of space */
};

static size_t find_group(
    struct groups *g, struct taken taken, const struct frame_view *const *frames, size_t n, const char *thread)
{
	const char *name = NULL;
	int rule = taken.rule == NO_RULE ? rule_of_thread(g, thread) : taken.rule;
	if (rule != NO_RULE)
		name = g->rules[rule].name;
	else if (taken.space)
		return find_named(g, taken.space, taken.length);
	else if (g->by == BY_THREAD && *thread)
		name = thread;
	else if (g->by == BY_MODULE)
		name = by_module(frames, n);
	if (!name)
		name = GROUP_OTHER;
	return find_named(g, name, strlen(name));
}

/* The innermost frame with a rule or a namespace counts. */
static void take(struct taken *taken, int rule, const char *space, size_t length)
{
	if (taken->rule == NO_RULE)
		taken->rule = rule;
	if (!taken->space) {
		taken->space = space;
		taken->length = length;
	}
}

size_t groups_find(struct groups *g, const struct frame_view *const *frames, size_t n, const char *thread)
{
	struct taken taken = {.rule = NO_RULE};
	for (size_t i = 0; i < n; i++) {
		size_t length = 0;
		const char *space =
		    g->by == BY_NAMESPACE ? group_namespace(frames[i]->function, g->levels, &length) : NULL;
		take(&taken, rule_of_frame(g, frames[i]), space, length);
	}
	return find_group(g, taken, frames, n, thread);
}

size_t groups_add_row(struct groups *g, const struct stacks *stacks, const struct stack_row *row)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0, n = stacks_frames(stacks, row->node, &frames, &capacity), at = SIZE_MAX;
	struct taken taken = {.rule = NO_RULE};
	if ((n || !row->node) && !know_views(g, stacks)) {
		for (uint32_t node = row->node; node && taken.rule == NO_RULE; node = stacks->nodes[node].parent) {
			const struct group_view *view = view_of(g, stacks, node);
			take(&taken, view->rule, view->space, view->length);
		}
		at = find_group(g, taken, frames, n, row->thread ? stacks->threads[row->thread] : "");
	}
	free(frames);
	if (at == SIZE_MAX)
		return at;
	profile_row_add(&g->items[at].sums[0], &row->sums[0]);
	profile_row_add(&g->items[at].sums[1], &row->sums[1]);
	return at;
}

int groups_add(struct groups *g, const struct stacks *stacks, struct err *err)
{
	for (size_t i = 0; i < stacks->n_rows; i++)
		if (groups_add_row(g, stacks, &stacks->rows[i]) == SIZE_MAX)
			return err_memory(err);
	return 0;
}

static bool is_other(const struct group *group)
{
	return !strcmp(group->name, GROUP_OTHER);
}

static int compare(const void *left, const void *right, void *arg)
{
	const struct group *a = left, *b = right;
	enum cost cost = *(const enum cost *)arg;
	uint64_t x = cost_value(&a->sums[0], cost), y = cost_value(&b->sums[0], cost);
	if (is_other(a) != is_other(b))
		return is_other(a) ? 1 : -1;
	if (x != y)
		return x < y ? 1 : -1;
	return strcmp(a->name, b->name);
}

void groups_sort(struct groups *g, enum cost cost)
{
	qsort_r(g->items, g->n_items, sizeof(*g->items), compare, &cost);
}
