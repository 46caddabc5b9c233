/* Verdicts: see gate.h. */
#include "core/gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/gate_check.h"
#include "core/gate_noise.h"
#include "core/gate_rate.h"

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {[VERDICT_PASS] = "pass",
	    [VERDICT_WARN] = "warn",
	    [VERDICT_INCONCLUSIVE] = "inconclusive",
	    [VERDICT_INCOMPLETE] = "incomplete",
	    [VERDICT_FAIL] = "fail"};
	return names[verdict];
}

const char *check_kind_name(enum check_kind kind)
{
	static const char *const names[] = {[CHECK_BUDGET] = "budget",
	    [CHECK_REGRESSION] = "regression",
	    [CHECK_SUPPRESSION] = "suppression",
	    [CHECK_RECORDING] = "recording"};
	return names[kind];
}

enum verdict gate_counts_as(const struct gate *gate, enum verdict verdict)
{
	static const enum verdict as[] = {[GATE_KEEP] = VERDICT_INCONCLUSIVE,
	    [GATE_PASS] = VERDICT_PASS,
	    [GATE_WARN] = VERDICT_WARN,
	    [GATE_FAIL] = VERDICT_FAIL};
	return verdict == VERDICT_INCONCLUSIVE ? as[gate->config->on_inconclusive] : verdict;
}

/* --- what can be known of a figure --- */

/* A figure of the heap of a session that lost events may be wrong either way; of one that was torn it may still grow, and
 * what was alive then need not have been left. */
static bool is_exact(const struct measure_session *session, enum metric_kind kind)
{
	if (session->torn)
		return false;
	return kind == METRIC_PEAK_RSS || (!session->lost_events && !session->empty);
}

/* What the value in this session is at least. */
static double at_least(const struct measure_session *session, const struct metric *metric, double value)
{
	bool leaks = metric->kind == METRIC_PROGRAM || metric->kind == METRIC_LEAKED;
	if (isnan(value) || (metric->kind != METRIC_PEAK_RSS && session->lost_events) || (session->torn && leaks))
		return 0;
	return value;
}

/* Whether the median is known; *floor: what it is at least. */
static bool median_known(struct judging *j, const struct metric *metric, double *floor)
{
	const struct measure *m = j->gate->measure;
	bool known = !isnan(metric->value);
	for (size_t i = 0; i < m->n_sessions; i++) {
		known = known && is_exact(&m->sessions[i], metric->kind);
		j->values[i] = at_least(&m->sessions[i], metric, metric->runs[i]);
	}
	*floor = measure_median(j->values, m->n_sessions);
	return known;
}

/* Why a median is not known. */
static int unknown(struct judging *j, struct gate_check *check, const struct metric *metric)
{
	const struct measure *m = j->gate->measure;
	char text[SUBJECT_BYTES];
	check->n_culprits = 0;
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct measure_session *s = &m->sessions[i];
		if (s->lost_events && metric->kind != METRIC_PEAK_RSS)
			return gate_check_conclude(j, check, VERDICT_INCOMPLETE,
			    "%s: '%s' lost %llu events, so it is not known", gate_check_subject(text, check),
			    s->paths[0], (unsigned long long)s->lost_events);
		if (s->torn)
			return gate_check_conclude(j, check, VERDICT_INCOMPLETE, "%s: '%s' is incomplete, so %s",
			    gate_check_subject(text, check), s->paths[0],
			    metric->kind == METRIC_PROGRAM ? "what was alive then need not have been left"
			                                   : "it may have been larger");
	}
	if (metric->kind == METRIC_PEAK_RSS)
		return gate_check_conclude(j, check, VERDICT_INCONCLUSIVE, "peak RSS was never sampled");
	return gate_check_conclude(j, check, VERDICT_INCONCLUSIVE,
	    "%s: not one allocation was seen, so nothing is known", gate_check_subject(text, check));
}

/* --- sizes --- */

/* By how much the peak RSS may have been larger than what was seen. */
static double rss_slack(struct judging *j, enum metric_kind kind)
{
	const struct measure *m = j->gate->measure;
	for (size_t i = 0; i < m->n_sessions; i++)
		j->values[i] = m->sessions[i].rss_slack;
	return kind == METRIC_PEAK_RSS ? measure_median(j->values, m->n_sessions) : 0;
}

static int judge_size(struct judging *j, enum metric_kind kind, const struct gate_limit *limit)
{
	const struct metric *metric = &j->gate->measure->metrics[kind];
	if (isnan(limit->critical))
		return 0;
	struct gate_check *check = gate_check_add(j, CHECK_BUDGET, "", metric->name);
	if (!check)
		return err_memory(j->err);
	gate_check_take(check, metric);
	bool warns = !isnan(limit->target);
	check->budget = warns ? limit->target : limit->critical;
	check->critical = limit->critical;
	double floor;
	bool known = median_known(j, metric, &floor);
	double value = known ? metric->value : floor;
	struct figures target = gate_check_figures(kind, value, check->budget),
	               critical = gate_check_figures(kind, value, check->critical);
	const char *what = metric_label(kind);
	if (floor > limit->critical)
		return gate_check_conclude(j, check, VERDICT_FAIL, "%s: %s is over the %s %s", what, critical.is,
		    warns ? "critical" : "budget of", critical.limit);
	if (!known)
		return unknown(j, check, metric);
	if (value <= check->budget && value + rss_slack(j, kind) > check->budget)
		return gate_check_conclude(j, check, VERDICT_INCONCLUSIVE,
		    "%s: %s was seen, but the run was too short to see its peak for certain; the budget is %s", what,
		    target.is, target.limit);
	if (warns && value > limit->target)
		return gate_check_conclude(j, check, VERDICT_WARN, "%s: %s is over %s; %s would be critical", what,
		    target.is, target.limit, critical.limit);
	return gate_check_conclude(j, check, VERDICT_PASS, "%s: %s is within %s", what, target.is, target.limit);
}

/* --- regressions --- */

/* What grew most since the baseline, stack by stack. The baseline does not know the stacks of single operations: these are
 * shown as they are. */
static void find_growth(struct judging *j, struct gate_check *check)
{
	const struct gate *gate = j->gate;
	if (check->metric_kind == METRIC_PEAK_RSS || check->metric_kind == METRIC_RATE_OF)
		return;
	check->n_culprits = 0;
	check->grown = true;
	for (uint32_t i = 0; i < gate->measure->n_stacks; i++) {
		const struct measure_stack *stack = &gate->measure->stacks[i];
		const struct baseline_stack *old = baseline_find_stack(gate->baseline, stack->fingerprint);
		bool rate = check->metric_kind == METRIC_RATE;
		double is = rate ? stack->rate : stack->values[check->metric_kind];
		double was = !old ? 0 : rate ? old->rate : old->values[check->metric_kind];
		if (stack->frames && is > was)
			culprits_add(check->culprits, &check->n_culprits, (struct culprit){i, is - was});
	}
	gate_check_drop_crumbs(check);
}

static const char *change_text(char text[64], double is, double was)
{
	if (is == was)
		snprintf(text, 64, "unchanged");
	else if (was <= 0)
		snprintf(text, 64, "none before");
	else if (fabs(is / was - 1) < 0.0005)
		snprintf(text, 64, "less than 0.1 %% away");
	else
		snprintf(text, 64, "%+.1f %%", (is / was - 1) * 100);
	return text;
}

static int judge_figure(
    struct judging *j, struct gate_check *check, const struct metric *metric, const struct baseline_metric *was)
{
	char is[METRIC_TEXT_BYTES], old[METRIC_TEXT_BYTES], most[METRIC_TEXT_BYTES], change[64];
	double floor;
	bool known = median_known(j, metric, &floor);
	const char *what = metric_label(metric->kind);
	metric_text(is, metric->kind, known ? metric->value : floor);
	metric_text(old, metric->kind, was->value);
	metric_text(most, metric->kind, check->budget);
	change_text(change, known ? metric->value : floor, was->value);
	if (floor > check->budget)
		return gate_check_conclude(j, check, noise_only_warns(metric->kind) ? VERDICT_WARN : VERDICT_FAIL,
		    "%s: %s, baseline %s: %s, over the limit of %s", what, is, old, change, most);
	if (!known)
		return unknown(j, check, metric);
	return gate_check_conclude(j, check, VERDICT_PASS, "%s: %s, baseline %s: %s", what, is, old, change);
}

static int judge_regression(struct judging *j, const struct baseline_metric *was)
{
	const struct metric *metric = measure_find(j->gate->measure, was->name);
	static const char rate[] = "leaked_bytes_per_100";
	if (metric && metric->kind == METRIC_LEAKED)
		return 0; /* its part that is the program's is judged */
	if (!metric && strncmp(was->name, rate, sizeof(rate) - 1) != 0)
		return 0; /* of a later version */
	struct gate_check *check = gate_check_add(j, CHECK_REGRESSION, "regression/", was->name);
	if (!check)
		return err_memory(j->err);
	check->baseline = was->value;
	if (!metric) {
		check->metric_kind = was->name[sizeof(rate) - 1] ? METRIC_RATE_OF : METRIC_RATE;
		const char *slash = strchr(was->name, '/');
		return gate_rate_missing(j, check, slash ? slash + 1 : NULL);
	}
	gate_check_take(check, metric);
	check->budget = check->critical = noise_limit(metric->kind, was, j->gate->config->regression_percent);
	find_growth(j, check);
	if (metric->kind >= METRIC_FIXED)
		return gate_rate_change(j, check, metric, was);
	return judge_figure(j, check, metric, was);
}

/* --- the rest --- */

/* Whether one of the same pattern has expired before it in the list: one check tells of both. */
static bool told_before(const struct suppressions *list, size_t index, time_t now)
{
	for (size_t i = 0; i < index; i++)
		if (!strcmp(list->items[i].pattern, list->items[index].pattern) &&
		    suppression_expired(&list->items[i], now))
			return true;
	return false;
}

static int judge_suppressions(struct judging *j, time_t now)
{
	const struct suppressions *list = &j->gate->measure->suppressions;
	for (size_t i = 0; i < list->n_items; i++) {
		const struct suppression *s = &list->items[i];
		if (!suppression_expired(s, now) || told_before(list, i, now))
			continue;
		struct gate_check *check = gate_check_add(j, CHECK_SUPPRESSION, "suppression/", s->pattern);
		char hides[METRIC_TEXT_BYTES];
		if (!check)
			return err_memory(j->err);
		metric_text(hides, METRIC_PROGRAM, (double)s->bytes);
		if (gate_check_conclude(j, check, VERDICT_FAIL,
		        "suppression 'leak:%s' (%s:%u%s%s) expired on %s; %s%s%s", s->pattern, s->source, s->line,
		        s->owner ? ", owner " : "", s->owner ? s->owner : "", s->until,
		        s->stacks ? "it hides " : "it hides nothing at the end of the recording",
		        s->stacks ? hides : "", s->stacks ? " at the end of the recording" : "") < 0)
			return TIDEMARK_ERR_MEMORY;
	}
	return 0;
}

static int judge_wholeness(struct judging *j)
{
	const struct measure *m = j->gate->measure;
	const char *missing = j->gate->config->missing;
	if (!j->gate->config->strict && !missing)
		return 0;
	struct gate_check *check = gate_check_add(j, CHECK_RECORDING, "", "recording");
	if (!check)
		return err_memory(j->err);
	if (missing)
		return gate_check_conclude(j, check, VERDICT_INCOMPLETE, "%s", missing);
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct measure_session *s = &m->sessions[i];
		if (s->torn || s->lost_events)
			return gate_check_conclude(j, check, VERDICT_INCOMPLETE, "the recording '%s' %s", s->paths[0],
			    s->lost_events ? "lost events" : "is incomplete");
	}
	return gate_check_conclude(j, check, VERDICT_PASS, "the recordings are whole");
}

/* Worst first; what is alike stays in order. */
static void sort_checks(struct gate *gate)
{
	for (size_t i = 1; i < gate->n_checks; i++) {
		struct gate_check check = gate->checks[i];
		size_t at = i;
		for (; at > 0 && gate->checks[at - 1].verdict < check.verdict; at--)
			gate->checks[at] = gate->checks[at - 1];
		gate->checks[at] = check;
	}
}

static int judge_all(struct judging *j, time_t now)
{
	const struct gate *gate = j->gate;
	const struct gate_config *c = gate->config;
	int result = judge_wholeness(j);
	if (!result && !isnan(c->rate_budget))
		result = gate_rate_budget(j, NULL, c->rate_budget);
	for (size_t i = 0; i < c->n_ops && !result; i++)
		result = gate_rate_budget(j, c->ops[i].name, c->ops[i].budget);
	if (!result)
		result = judge_size(j, METRIC_PEAK_HEAP, &c->peak_heap);
	if (!result)
		result = judge_size(j, METRIC_PEAK_RSS, &c->peak_rss);
	if (!result)
		result = judge_size(j, METRIC_PROGRAM, &c->leaked);
	for (size_t i = 0; gate->baseline && i < gate->baseline->n_metrics && !result; i++)
		result = judge_regression(j, &gate->baseline->metrics[i]);
	return result ? result : judge_suppressions(j, now);
}

int gate_judge(struct gate *gate, const struct measure *measure, const struct gate_config *config,
    const struct baseline *baseline, time_t now, struct err *err)
{
	*gate = (struct gate){.measure = measure, .config = config, .baseline = baseline};
	struct judging judging = {gate, err, calloc(measure->n_sessions, sizeof(double))};
	int result = judging.values ? judge_all(&judging, now) : err_memory(err);
	free(judging.values);
	if (result < 0) {
		gate_release(gate);
		return result;
	}
	sort_checks(gate);
	for (size_t i = 0; i < gate->n_checks; i++) {
		enum verdict counts = gate_counts_as(gate, gate->checks[i].verdict);
		gate->verdict = counts > gate->verdict ? counts : gate->verdict;
	}
	return 0;
}

void gate_release(struct gate *gate)
{
	for (size_t i = 0; i < gate->n_checks; i++) {
		free(gate->checks[i].name);
		free(gate->checks[i].reason);
	}
	free(gate->checks);
	gate->checks = NULL;
	gate->n_checks = 0;
}

const struct measure_frame *gate_frame(const struct measure *measure, uint32_t index)
{
	const struct measure_stack *stack = &measure->stacks[index];
	if (!stack->frames || !stack->n_frames)
		return NULL;
	return &measure->frames[stack->frames[measure_own_frame(measure, stack)]];
}
