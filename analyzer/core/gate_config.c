/* Thresholds: see gate_config.h. */
#include "core/gate_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/size.h"
#include "core/toml.h"

#define MAX_PATH 4096

static const char size_help[] = "sizes are written 500000, 64k, 500MB, 1.5GiB";

void gate_config_init(struct gate_config *config)
{
	struct gate_limit none = {NAN, NAN};
	*config = (struct gate_config){.rate_budget = NAN,
	    .peak_heap = none,
	    .peak_rss = none,
	    .leaked = none,
	    .regression_percent = GATE_REGRESSION_PERCENT};
}

void gate_config_release(struct gate_config *config)
{
	for (size_t i = 0; i < config->n_ops; i++)
		free(config->ops[i].name);
	for (size_t i = 0; i < config->n_suppressions; i++)
		free(config->suppressions[i]);
	free(config->ops);
	free(config->suppressions);
	free(config->baseline);
	free(config->path);
}

/* --- values --- */

static int set_size(double *out, const char *text, const char *what, struct err *err)
{
	double bytes;
	if (!size_parse_exact(text, &bytes))
		return err_set(err, TIDEMARK_ERR_USAGE, "%s: '%s' is no size; %s", what, text, size_help);
	*out = bytes;
	return 0;
}

static int set_limit(struct gate_limit *limit, const char *text, const char *what, struct err *err)
{
	const char *colon = strchr(text, ':');
	struct gate_limit parsed = {NAN, NAN};
	if (!colon) {
		int result = set_size(&parsed.critical, text, what, err);
		*limit = result < 0 ? *limit : parsed;
		return result;
	}
	char *target = strndup(text, (size_t)(colon - text));
	if (!target)
		return err_memory(err);
	int result = set_size(&parsed.target, target, what, err);
	free(target);
	if (!result)
		result = set_size(&parsed.critical, colon + 1, what, err);
	if (!result && parsed.critical < parsed.target)
		result = err_set(err, TIDEMARK_ERR_USAGE,
		    "%s: the critical size of '%s' is below the other; it reads SIZE:CRITICAL", what, text);
	*limit = result < 0 ? *limit : parsed;
	return result;
}

static int add_op(struct gate_config *config, const char *name, size_t length, double budget, struct err *err)
{
	for (size_t i = 0; i < config->n_ops; i++)
		if (strlen(config->ops[i].name) == length && !memcmp(config->ops[i].name, name, length)) {
			config->ops[i].budget = budget;
			return 0;
		}
	if (ARRAY_RESERVE(config->ops, config->ops_capacity, config->n_ops + 1) < 0)
		return err_memory(err);
	char *copy = strndup(name, length);
	if (!copy)
		return err_memory(err);
	config->ops[config->n_ops++] = (struct gate_op_budget){copy, budget};
	return 0;
}

static int set_op(struct gate_config *config, const char *text, const char *what, struct err *err)
{
	const char *equals = strrchr(text, '=');
	double budget = 0;
	if (!equals || equals == text)
		return err_set(err, TIDEMARK_ERR_USAGE, "%s: '%s' is no NAME=SIZE", what, text);
	int result = set_size(&budget, equals + 1, what, err);
	return result < 0 ? result : add_op(config, text, (size_t)(equals - text), budget, err);
}

static int set_percent(double *out, const char *text, const char *what, struct err *err)
{
	char *end;
	double value = strtod(text, &end);
	if (*end == '%')
		end++;
	if (end == text || *end || !(value >= 0) || value > 1e6)
		return err_set(err, TIDEMARK_ERR_USAGE, "%s: '%s' is no percentage", what, text);
	*out = value;
	return 0;
}

static int set_text(char **out, const char *text, struct err *err)
{
	char *copy = strdup(text);
	if (!copy)
		return err_memory(err);
	free(*out);
	*out = copy;
	return 0;
}

static int add_suppressions(struct gate_config *config, const char *text, struct err *err)
{
	if (ARRAY_RESERVE(config->suppressions, config->suppressions_capacity, config->n_suppressions + 1) < 0)
		return err_memory(err);
	int result = set_text(&config->suppressions[config->n_suppressions], text, err);
	config->n_suppressions += !result;
	return result;
}

static int set_policy(enum gate_policy *policy, const char *text, const char *what, struct err *err)
{
	static const char *const names[] = {[GATE_PASS] = "pass", [GATE_WARN] = "warn", [GATE_FAIL] = "fail"};
	for (int i = GATE_PASS; i <= GATE_FAIL; i++)
		if (!strcmp(text, names[i])) {
			*policy = (enum gate_policy)i;
			return 0;
		}
	return err_set(err, TIDEMARK_ERR_USAGE, "%s: '%s' is none of fail, warn, pass", what, text);
}

static int set_method(bool *plain, const char *text, const char *what, struct err *err)
{
	*plain = !strcmp(text, "plain");
	if (*plain || !strcmp(text, "interval"))
		return 0;
	return err_set(err, TIDEMARK_ERR_USAGE, "%s: '%s' is none of interval, plain", what, text);
}

int gate_config_set(struct gate_config *c, const char *name, const char *text, const char *what, struct err *err)
{
	if (!strcmp(name, "leak-per-100-ops"))
		return set_size(&c->rate_budget, text, what, err);
	if (!strcmp(name, "op"))
		return set_op(c, text, what, err);
	if (!strcmp(name, "peak-heap"))
		return set_limit(&c->peak_heap, text, what, err);
	if (!strcmp(name, "peak-rss"))
		return set_limit(&c->peak_rss, text, what, err);
	if (!strcmp(name, "leaked"))
		return set_limit(&c->leaked, text, what, err);
	if (!strcmp(name, "baseline"))
		return set_text(&c->baseline, text, err);
	if (!strcmp(name, "regression"))
		return set_percent(&c->regression_percent, text, what, err);
	if (!strcmp(name, "suppressions"))
		return add_suppressions(c, text, err);
	if (!strcmp(name, "on-inconclusive"))
		return set_policy(&c->on_inconclusive, text, what, err);
	if (!strcmp(name, "method"))
		return set_method(&c->plain, text, what, err);
	return err_set(err, TIDEMARK_ERR_NOT_FOUND, "%s: unknown", what);
}

bool gate_config_judges(const struct gate_config *c)
{
	return !isnan(c->rate_budget) || c->n_ops || !isnan(c->peak_heap.critical) || !isnan(c->peak_rss.critical) ||
	       !isnan(c->leaked.critical) || c->baseline;
}

/* --- the file --- */

static const char known_keys[] = "leak-per-100-ops, peak-heap, peak-rss, leaked, baseline, regression, suppressions, "
                                 "on-inconclusive, method, strict, and the table [gate.op]";

/* A path in the file is meant from the file's folder. returns: to be freed; NULL when memory is short */
static char *beside(const char *file, const char *path)
{
	char *full = NULL;
	const char *slash = strrchr(file, '/');
	if (*path == '/' || !slash)
		return strdup(path);
	return asprintf(&full, "%.*s/%s", (int)(slash - file), file, path) < 0 ? NULL : full;
}

static int set_path(struct gate_config *config, const struct toml_item *item, const char *text, const char *what,
    const char *file, struct err *err)
{
	char *full = beside(file, text);
	int result = full ? gate_config_set(config, item->key, full, what, err) : err_memory(err);
	free(full);
	return result;
}

static int set_list(
    struct gate_config *config, const struct toml_item *item, const char *what, const char *file, struct err *err)
{
	int result = 0;
	if (strcmp(item->key, "suppressions") != 0)
		return err_set(err, TIDEMARK_ERR_USAGE, "%s: one value is wanted, not a list", what);
	for (size_t i = 0; i < item->n_list && !result; i++)
		result = set_path(config, item, item->list[i], what, file, err);
	return result;
}

static int set_item(struct gate_config *config, const struct toml_item *item, const char *file, struct err *err)
{
	char what[320];
	snprintf(what, sizeof(what), "%s:%u: %s", file, item->line, item->key);
	if (!strcmp(item->table, "gate.op")) {
		double budget = 0;
		int result = item->text ? set_size(&budget, item->text, what, err)
		                        : err_set(err, TIDEMARK_ERR_USAGE, "%s: a size is wanted", what);
		return result < 0 ? result : add_op(config, item->key, strlen(item->key), budget, err);
	}
	if (!item->table[0])
		return err_set(err, TIDEMARK_ERR_USAGE, "%s:%u: '%s' stands outside of a table; write [gate] above it",
		    file, item->line, item->key);
	if (!strncmp(item->table, "gate.op.", 8))
		return err_set(err, TIDEMARK_ERR_USAGE, "%s:%u: a name with a dot in it stands in quotes: \"%s.%s\"",
		    file, item->line, item->table + 8, item->key);
	if (strcmp(item->table, "gate") != 0)
		return err_set(err, TIDEMARK_ERR_USAGE, "%s:%u: unknown table [%s]; there are [gate] and [gate.op]",
		    file, item->line, item->table);
	if (!strcmp(item->key, "strict")) {
		config->strict = item->text && !strcmp(item->text, "true");
		return item->kind == TOML_BOOL ? 0
		                               : err_set(err, TIDEMARK_ERR_USAGE, "%s: true or false is wanted", what);
	}
	if (item->kind == TOML_LIST)
		return set_list(config, item, what, file, err);
	bool path = !strcmp(item->key, "baseline") || !strcmp(item->key, "suppressions");
	if (path && item->kind == TOML_TEXT)
		return set_path(config, item, item->text, what, file, err);
	bool known = strcmp(item->key, "op") != 0; /* a table here, not a text */
	int result = known ? gate_config_set(config, item->key, item->text, what, err) : TIDEMARK_ERR_NOT_FOUND;
	if (result == TIDEMARK_ERR_NOT_FOUND)
		return err_set(err, TIDEMARK_ERR_USAGE, "%s:%u: unknown key '%s'; there are %s", file, item->line,
		    item->key, known_keys);
	return result;
}

int gate_config_read(struct gate_config *config, const char *path, struct err *err)
{
	struct toml toml;
	int result = toml_read(&toml, path, err);
	for (size_t i = 0; i < toml.n_items && !result; i++)
		result = set_item(config, &toml.items[i], path, err);
	toml_release(&toml);
	return result < 0 ? result : set_text(&config->path, path, err);
}

/* --- where it is --- */

static bool has(const char *folder, const char *name)
{
	char path[MAX_PATH + sizeof(GATE_CONFIG_FILE)];
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
	return n > 0 && (size_t)n < sizeof(path) && !access(path, F_OK);
}

/* Cut the last part of a path off. returns: false at the root */
static bool go_up(char *folder)
{
	char *slash = strrchr(folder, '/');
	if (!slash || !folder[1])
		return false;
	slash[slash == folder] = 0;
	return true;
}

/* returns: whether there is a repository */
static bool find_root(const char *folder, char *root)
{
	strcpy(root, folder);
	do {
		if (has(root, ".git"))
			return true;
	} while (go_up(root));
	strcpy(root, folder);
	return false;
}

void gate_config_root(char *root)
{
	char folder[MAX_PATH];
	*root = 0;
	if (getcwd(folder, sizeof(folder)))
		find_root(folder, root);
}

int gate_config_find(char **path, struct err *err)
{
	char folder[MAX_PATH], root[MAX_PATH], up[2 * MAX_PATH] = ""; /* "../" for each "/x" */
	*path = NULL;
	if (!getcwd(folder, sizeof(folder)))
		return 0;
	find_root(folder, root);
	while (!has(folder, GATE_CONFIG_FILE)) {
		if (!strcmp(folder, root) || !go_up(folder))
			return 0;
		strcat(up, "../");
	}
	return asprintf(path, "%s" GATE_CONFIG_FILE, up) < 0 ? err_memory(err) : 0;
}
