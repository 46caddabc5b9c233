/* Verdicts on leak rates: see gate_rate.h. */
#include "core/gate_rate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"

struct votes {
	size_t n, pass, fail, incomplete;
	uint64_t needed_ops;
	char reasons[4][256]; /* by op_verdict: of the first session with it */
};

static void vote(struct votes *votes, const struct op_judgement *judgement)
{
	votes->n++;
	votes->pass += judgement->verdict == OP_PASS;
	votes->fail += judgement->verdict == OP_FAIL;
	votes->incomplete += judgement->verdict == OP_INCOMPLETE;
	if (judgement->needed_ops > votes->needed_ops)
		votes->needed_ops = judgement->needed_ops;
	char *reason = votes->reasons[judgement->verdict];
	if (!*reason)
		memcpy(reason, judgement->reason, sizeof(judgement->reason));
}

/* The verdict of most runs; one that cannot be judged counts for none. */
static enum op_verdict outcome(const struct votes *votes)
{
	if (2 * votes->fail > votes->n)
		return OP_FAIL;
	if (votes->incomplete)
		return OP_INCOMPLETE;
	return 2 * votes->pass > votes->n ? OP_PASS : OP_INCONCLUSIVE;
}

static enum verdict verdict_of(enum op_verdict verdict)
{
	static const enum verdict is[] = {[OP_PASS] = VERDICT_PASS,
	    [OP_FAIL] = VERDICT_FAIL,
	    [OP_INCONCLUSIVE] = VERDICT_INCONCLUSIVE,
	    [OP_INCOMPLETE] = VERDICT_INCOMPLETE};
	return is[verdict];
}

static void poll_sessions(struct judging *j, const char *operation, double budget, struct votes *votes)
{
	const struct gate *gate = j->gate;
	const struct gate_config *config = gate->config;
	*votes = (struct votes){0};
	for (size_t i = 0; i < gate->measure->n_sessions; i++) {
		const struct operations *operations = gate->measure->sessions[i].operations;
		const struct op_entry *entry = operations_find(operations, operation);
		struct op_judgement judgement = {.verdict = OP_INCONCLUSIVE, .reason = "a run has none of them"};
		if (entry)
			judgement = operations_verdict(operations, entry, budget, config->strict, config->plain);
		vote(votes, &judgement);
	}
}

/* The names that there are, for a message. */
static void list_names(const struct measure *m, char *text, size_t n)
{
	size_t used = 0;
	text[0] = 0;
	for (size_t i = METRIC_FIXED; i < m->n_metrics && used < n; i++)
		if (m->metrics[i].operation)
			used += (size_t)snprintf(
			    text + used, n - used, "%s'%s'", used ? ", " : "", m->metrics[i].operation);
}

static bool all_are_whole(const struct measure *m)
{
	for (size_t i = 0; i < m->n_sessions; i++)
		if (m->sessions[i].torn || m->sessions[i].lost_events)
			return false;
	return true;
}

int gate_rate_missing(struct judging *j, struct gate_check *check, const char *operation)
{
	char names[400];
	bool any = j->gate->measure->n_metrics > METRIC_FIXED;
	list_names(j->gate->measure, names, sizeof(names));
	if (!all_are_whole(j->gate->measure))
		return gate_check_conclude(j, check, VERDICT_INCOMPLETE,
		    "leaked per 100 %s%s%s: none of them in what there is of the recording", operation ? "'" : "",
		    operation ? operation : "operations", operation ? "'" : "");
	if (!any)
		return gate_check_conclude(j, check, VERDICT_INCONCLUSIVE,
		    "leaked per 100 operations: no operation was recorded; "
		    "mark them with tidemark mark --ops, tidemark drive, or tidemark_op_begin() of tidemark.h");
	return gate_check_conclude(j, check, VERDICT_INCONCLUSIVE,
	    "leaked per 100 '%s': no such operation was recorded%s%s", operation, *names ? "; there are " : "", names);
}

/* What the runs could have seen, the worst of them: no verdict is better than that. */
static void take_sight(struct judging *j, struct gate_check *check, const char *operation, uint64_t *least_ops)
{
	const struct measure *m = j->gate->measure;
	*least_ops = 0;
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct op_entry *entry = operations_find(m->sessions[i].operations, operation);
		if (!entry || entry->count < ESTIMATE_MIN_OPS)
			continue;
		check->detectable = fmax(check->detectable, entry->detectable);
		if (!*least_ops || entry->count < *least_ops)
			*least_ops = entry->count;
	}
}

/* The plain rule goes by another figure. */
static void take_plain(struct judging *j, struct gate_check *check, const struct metric *metric)
{
	const char *operation = metric->operation;
	const struct measure *m = j->gate->measure;
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct op_entry *entry = operations_find(m->sessions[i].operations, operation);
		j->values[i] = entry ? entry->plain : NAN;
	}
	check->value = measure_median(j->values, m->n_sessions);
	check->low = check->high = NAN;
	memcpy(check->culprits, metric->plain_culprits, sizeof(check->culprits));
	check->n_culprits = metric->n_plain_culprits;
}

/* The reason, and what else a reader must know: how much more would decide, or what a pass could not have seen. */
static int conclude_budget(
    struct judging *j, struct gate_check *check, enum op_verdict verdict, const struct votes *votes)
{
	char budget[METRIC_TEXT_BYTES], count[SIZE_TEXT_BYTES], about[SUBJECT_BYTES], more[160] = "";
	uint64_t least_ops;
	metric_text(budget, check->metric_kind, check->budget);
	take_sight(j, check, check->operation, &least_ops);
	if (verdict == OP_INCONCLUSIVE)
		check->needed_ops = votes->needed_ops;
	if (check->needed_ops)
		snprintf(
		    more, sizeof(more), "; about %s operations would decide", count_text(count, check->needed_ops));
	else if (verdict == OP_PASS && least_ops && !j->gate->config->plain)
		/* A leak in one of k operations is missed with probability exp(-0.69 N/k): 1 % at N = 6.7 k. */
		snprintf(more, sizeof(more), "; sees a leak in one of %s operations",
		    count_text(count, (uint64_t)((double)least_ops / 6.7)));
	return gate_check_conclude(j, check, verdict_of(verdict), "%s, budget %s: %s%s",
	    gate_check_subject(about, check), budget,
	    votes->reasons[verdict][0] ? votes->reasons[verdict] : "the runs disagree", more);
}

int gate_rate_budget(struct judging *j, const char *operation, double budget)
{
	char name[400];
	snprintf(name, sizeof(name), "leaked_bytes_per_100%s%s", operation ? "/" : "", operation ? operation : "");
	const struct metric *metric = measure_find(j->gate->measure, name);
	struct gate_check *check = gate_check_add(j, CHECK_BUDGET, "", name);
	struct votes votes;
	if (!check)
		return err_memory(j->err);
	check->metric_kind = operation ? METRIC_RATE_OF : METRIC_RATE;
	check->budget = check->critical = budget;
	if (!metric)
		return gate_rate_missing(j, check, operation);
	gate_check_take(check, metric);
	if (j->gate->config->plain)
		take_plain(j, check, metric);
	poll_sessions(j, operation, budget, &votes);
	enum op_verdict verdict = outcome(&votes);
	return conclude_budget(j, check, verdict, &votes);
}

int gate_rate_change(
    struct judging *j, struct gate_check *check, const struct metric *metric, const struct baseline_metric *was)
{
	char is[METRIC_TEXT_BYTES], old[METRIC_TEXT_BYTES], most[METRIC_TEXT_BYTES], about[SUBJECT_BYTES];
	struct votes votes;
	poll_sessions(j, metric->operation, check->budget, &votes);
	enum op_verdict verdict = outcome(&votes);
	const char *what = gate_check_subject(about, check);
	metric_text(is, metric->kind, metric->value);
	metric_text(old, metric->kind, was->value);
	metric_text(most, metric->kind, check->budget);
	if (verdict == OP_INCOMPLETE)
		return gate_check_conclude(j, check, VERDICT_INCOMPLETE, "%s: %s", what, votes.reasons[verdict]);
	if (isnan(metric->value))
		return gate_check_conclude(j, check, VERDICT_INCONCLUSIVE, "%s: %s", what,
		    votes.reasons[OP_INCONCLUSIVE][0] ? votes.reasons[OP_INCONCLUSIVE]
		                                      : "too few operations to compare with the baseline");
	if (verdict == OP_FAIL)
		return gate_check_conclude(
		    j, check, VERDICT_FAIL, "%s: %s, baseline %s: certainly over the limit of %s", what, is, old, most);
	if (metric->value > check->budget)
		return gate_check_conclude(j, check, VERDICT_WARN,
		    "%s: %s, baseline %s: over the limit of %s, but not certainly; more operations would tell", what,
		    is, old, most);
	return gate_check_conclude(
	    j, check, VERDICT_PASS, "%s: %s, baseline %s: not shown to be over the limit of %s", what, is, old, most);
}
