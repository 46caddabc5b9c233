/* What can be said of leak rates while the recording goes on: see live_verdict.h. */
#include "live_verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/baseline.h"
#include "core/gate_noise.h"
#include "op_report.h"

static const char rate_name[] = "leaked_bytes_per_100";

static bool is_rate(const struct baseline_metric *metric)
{
	return !strncmp(metric->name, rate_name, sizeof(rate_name) - 1);
}

bool live_verdict_wanted(const struct gate_command *gate)
{
	const struct gate_config *config = gate_command_config(gate);
	const struct baseline *baseline = gate_command_baseline(gate);
	bool wanted = !isnan(config->rate_budget) || config->n_ops;
	for (size_t i = 0; baseline && i < baseline->n_metrics && !wanted; i++)
		wanted = is_rate(&baseline->metrics[i]);
	return wanted;
}

struct judging {
	const struct operations *operations;
	const struct gate_config *config;
	struct live_verdict *verdict;
	bool failed; /* a limit is broken: nothing is left to find out */
};

static void go_on(struct judging *j, const struct op_entry *entry, const struct op_judgement *found)
{
	struct live_verdict *v = j->verdict;
	/* Operations of one name are a part of all: so many times as many are needed. */
	double part = entry->count ? (double)v->seen_ops / (double)entry->count : 1;
	uint64_t needed = (uint64_t)((double)found->needed_ops * part);
	if (!v->inconclusive)
		snprintf(v->reason, sizeof(v->reason), "%s", found->reason);
	v->inconclusive = true;
	v->needed_ops = needed > v->needed_ops ? needed : v->needed_ops;
}

static void judge_budget(struct judging *j, const char *name, double budget)
{
	const struct op_entry *entry = operations_find(j->operations, name);
	if (!entry)
		return; /* no operation of that name was seen; the gate will say so */
	struct op_judgement found =
	    operations_verdict(j->operations, entry, budget, j->config->strict, j->config->plain);
	j->failed |= found.verdict == OP_FAIL;
	if (found.verdict == OP_INCONCLUSIVE)
		go_on(j, entry, &found);
}

/* A rate passes unless it is over the limit, so more operations are wanted where it is, but not for certain. */
static void judge_change(struct judging *j, const struct baseline_metric *was)
{
	const char *name = was->name[sizeof(rate_name) - 1] ? was->name + sizeof(rate_name) : NULL;
	const struct op_entry *entry = operations_find(j->operations, name);
	if (!entry)
		return;
	double limit = noise_limit(name ? METRIC_RATE_OF : METRIC_RATE, was, j->config->regression_percent);
	struct op_judgement found = operations_verdict(j->operations, entry, limit, false, false);
	j->failed |= found.verdict == OP_FAIL;
	if (found.verdict == OP_INCONCLUSIVE && (entry->count < ESTIMATE_MIN_OPS || entry->estimate > limit))
		go_on(j, entry, &found);
}

static void judge_all(struct judging *j, const struct baseline *baseline)
{
	if (!isnan(j->config->rate_budget))
		judge_budget(j, NULL, j->config->rate_budget);
	for (size_t i = 0; i < j->config->n_ops; i++)
		judge_budget(j, j->config->ops[i].name, j->config->ops[i].budget);
	for (size_t i = 0; baseline && i < baseline->n_metrics; i++)
		if (is_rate(&baseline->metrics[i]))
			judge_change(j, &baseline->metrics[i]);
	j->verdict->inconclusive &= !j->failed;
}

int live_verdict_read(struct live_verdict *verdict, const char *const *paths, size_t n_paths,
    const struct gate_command *gate, struct err *err)
{
	struct report_options options = *gate_command_report(gate);
	struct op_report read;
	/* What the built-in ones hide is seldom a rate; without them no name need be looked up now. */
	options.no_built_in |= !options.suppression_files.n_items;
	*verdict = (struct live_verdict){0};
	int result = op_report_open_live(&read, paths, n_paths, &options, err);
	if (result < 0)
		return result;
	struct judging j = {.operations = read.operations, .config = gate_command_config(gate), .verdict = verdict};
	verdict->seen_ops = read.operations->total.count;
	judge_all(&j, gate_command_baseline(gate));
	op_report_close(&read);
	return 0;
}
