/* What can be said of leak budgets while the recording goes on: see live_verdict.h. */
#include "live_verdict.h"

#include <math.h>
#include <stdio.h>

#include "op_report.h"

bool live_verdict_has_budgets(const struct gate_config *config)
{
	return !isnan(config->rate_budget) || config->n_ops;
}

struct judging {
	const struct operations *operations;
	const struct gate_config *config;
	struct live_verdict *verdict;
	bool failed; /* a budget is broken: nothing is left to find out */
};

static void judge(struct judging *j, const char *name, double budget)
{
	const struct op_entry *entry = operations_find(j->operations, name);
	if (!entry)
		return; /* no operation of that name was seen; the gate will say so */
	struct op_judgement found =
	    operations_verdict(j->operations, entry, budget, j->config->strict, j->config->plain);
	j->failed |= found.verdict == OP_FAIL;
	if (found.verdict != OP_INCONCLUSIVE)
		return;
	struct live_verdict *v = j->verdict;
	/* Operations of one name are a part of all: so many times as many are needed. */
	double part = entry->count ? (double)v->seen_ops / (double)entry->count : 1;
	uint64_t needed = (uint64_t)((double)found.needed_ops * part);
	if (!v->inconclusive)
		snprintf(v->reason, sizeof(v->reason), "%s", found.reason);
	v->inconclusive = true;
	v->needed_ops = needed > v->needed_ops ? needed : v->needed_ops;
}

int live_verdict_read(struct live_verdict *verdict, const char *const *paths, size_t n_paths,
    const struct gate_config *config, const struct report_options *report, struct err *err)
{
	struct report_options options = *report;
	struct op_report read;
	/* What the built-in ones hide is seldom a rate; without them no name need be looked up now. */
	options.no_built_in |= !options.suppression_files.n_items;
	*verdict = (struct live_verdict){0};
	int result = op_report_open_live(&read, paths, n_paths, &options, err);
	if (result < 0)
		return result;
	struct judging j = {.operations = read.operations, .config = config, .verdict = verdict};
	verdict->seen_ops = read.operations->total.count;
	if (!isnan(config->rate_budget))
		judge(&j, NULL, config->rate_budget);
	for (size_t i = 0; i < config->n_ops; i++)
		judge(&j, config->ops[i].name, config->ops[i].budget);
	verdict->inconclusive &= !j.failed;
	op_report_close(&read);
	return 0;
}
