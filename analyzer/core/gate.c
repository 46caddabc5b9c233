/* Verdicts: see gate.h. */
#include "core/gate.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/gate_noise.h"

struct judging {
	struct gate *gate;
	struct err *err;
	double *values; /* one for each session */
};

static int no_memory(struct err *err)
{
	return err_set(err, TIDEMARK_ERR_MEMORY, "out of memory");
}

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

/* --- checks --- */

static struct gate_check *add_check(struct judging *j, enum check_kind kind, const char *prefix, const char *name)
{
	struct gate *gate = j->gate;
	char *full = NULL;
	if (ARRAY_RESERVE(gate->checks, gate->capacity, gate->n_checks + 1) < 0 ||
	    asprintf(&full, "%s%s", prefix, name) < 0)
		return NULL;
	struct gate_check *check = &gate->checks[gate->n_checks++];
	*check = (struct gate_check){.kind = kind,
	    .name = full,
	    .value = NAN,
	    .low = NAN,
	    .high = NAN,
	    .budget = NAN,
	    .critical = NAN,
	    .baseline = NAN};
	return check;
}

static int conclude(struct judging *j, struct gate_check *check, enum verdict verdict, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int conclude(struct judging *j, struct gate_check *check, enum verdict verdict, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int length = vasprintf(&check->reason, format, args);
	va_end(args);
	check->verdict = verdict;
	/* Names of the program's may hold anything; a reason is one line. */
	for (char *c = length >= 0 ? check->reason : NULL; c && *c; c++)
		*c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
	if (length >= 0)
		return 0;
	check->reason = NULL;
	return no_memory(j->err);
}

/* Crumbs beside the culprits are none. */
static void drop_crumbs(struct gate_check *check)
{
	while (check->n_culprits && check->culprits[check->n_culprits - 1].value < check->culprits[0].value / 100)
		check->n_culprits--;
}

static void take_metric(struct gate_check *check, const struct metric *metric)
{
	check->metric_kind = metric->kind;
	check->operation = metric->operation;
	check->value = metric->value;
	check->low = metric->low;
	check->high = metric->high;
	memcpy(check->culprits, metric->culprits, sizeof(check->culprits));
	check->n_culprits = metric->n_culprits;
	drop_crumbs(check);
}

/* "peak heap", "leaked per 100 of 'checkout'" */
static const char *subject(char text[160], const struct gate_check *check)
{
	if (!check->operation)
		return metric_label(check->metric_kind);
	snprintf(text, 160, "%s '%s'", metric_label(check->metric_kind), check->operation);
	return text;
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
	char text[160];
	check->n_culprits = 0;
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct measure_session *s = &m->sessions[i];
		if (s->lost_events && metric->kind != METRIC_PEAK_RSS)
			return conclude(j, check, VERDICT_INCOMPLETE, "%s: '%s' lost %llu events, so it is not known",
			    subject(text, check), s->paths[0], (unsigned long long)s->lost_events);
		if (s->torn)
			return conclude(j, check, VERDICT_INCOMPLETE, "%s: '%s' is incomplete, so %s",
			    subject(text, check), s->paths[0],
			    metric->kind == METRIC_PROGRAM ? "what was alive then need not have been left"
			                                   : "it may have been larger");
	}
	if (metric->kind == METRIC_PEAK_RSS)
		return conclude(j, check, VERDICT_INCONCLUSIVE, "peak RSS was never sampled");
	return conclude(j, check, VERDICT_INCONCLUSIVE, "%s: not one allocation was seen, so nothing is known",
	    subject(text, check));
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
	struct gate_check *check = add_check(j, CHECK_BUDGET, "", metric->name);
	if (!check)
		return no_memory(j->err);
	take_metric(check, metric);
	bool warns = !isnan(limit->target);
	check->budget = warns ? limit->target : limit->critical;
	check->critical = limit->critical;
	char is[METRIC_TEXT_BYTES], target[METRIC_TEXT_BYTES], critical[METRIC_TEXT_BYTES];
	double floor;
	bool known = median_known(j, metric, &floor);
	metric_text(is, kind, known ? metric->value : floor);
	metric_text(target, kind, check->budget);
	metric_text(critical, kind, check->critical);
	const char *what = metric_label(kind);
	if (floor > limit->critical)
		return conclude(j, check, VERDICT_FAIL, "%s: %s is over the %s %s", what, is,
		    warns ? "critical" : "budget of", critical);
	if (!known)
		return unknown(j, check, metric);
	double slack = rss_slack(j, kind);
	if (metric->value <= check->budget && metric->value + slack > check->budget)
		return conclude(j, check, VERDICT_INCONCLUSIVE,
		    "%s: %s was seen, but the run was too short to see its peak for certain; the budget is %s", what,
		    is, target);
	if (warns && metric->value > limit->target)
		return conclude(
		    j, check, VERDICT_WARN, "%s: %s is over %s; %s would be critical", what, is, target, critical);
	return conclude(j, check, VERDICT_PASS, "%s: %s is within %s", what, is, target);
}

/* --- rates --- */

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

static int judge_missing(struct judging *j, struct gate_check *check, const char *operation)
{
	char names[400];
	bool any = j->gate->measure->n_metrics > METRIC_FIXED;
	list_names(j->gate->measure, names, sizeof(names));
	if (!any)
		return conclude(j, check, VERDICT_INCONCLUSIVE,
		    "leaked per 100 operations: no operation was recorded; mark them with tidemark mark --ops, "
		    "tidemark drive, or tidemark_op_begin() of tidemark.h");
	return conclude(j, check, VERDICT_INCONCLUSIVE, "leaked per 100 '%s': no such operation was recorded%s%s",
	    operation, *names ? "; there are " : "", names);
}

/* The plain rule goes by another figure. */
static void take_plain(struct judging *j, struct gate_check *check, const char *operation)
{
	const struct measure *m = j->gate->measure;
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct op_entry *entry = operations_find(m->sessions[i].operations, operation);
		j->values[i] = entry ? entry->plain : NAN;
	}
	check->value = measure_median(j->values, m->n_sessions);
	check->low = check->high = NAN;
}

static int judge_rate(struct judging *j, const char *operation, double budget)
{
	char name[400], wanted[METRIC_TEXT_BYTES], about[160];
	snprintf(name, sizeof(name), "leaked_bytes_per_100%s%s", operation ? "/" : "", operation ? operation : "");
	const struct metric *metric = measure_find(j->gate->measure, name);
	struct gate_check *check = add_check(j, CHECK_BUDGET, "", name);
	struct votes votes;
	if (!check)
		return no_memory(j->err);
	check->metric_kind = operation ? METRIC_RATE_OF : METRIC_RATE;
	check->budget = check->critical = budget;
	if (!metric)
		return judge_missing(j, check, operation);
	take_metric(check, metric);
	if (j->gate->config->plain)
		take_plain(j, check, operation);
	poll_sessions(j, operation, budget, &votes);
	enum op_verdict verdict = outcome(&votes);
	metric_text(wanted, check->metric_kind, budget);
	return conclude(j, check, verdict_of(verdict), "%s, budget %s: %s", subject(about, check), wanted,
	    votes.reasons[verdict][0] ? votes.reasons[verdict] : "the runs disagree");
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
	drop_crumbs(check);
}

static const char *change_text(char text[64], double is, double was)
{
	if (is == was)
		snprintf(text, 64, "unchanged");
	else if (was <= 0)
		snprintf(text, 64, "none before");
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
		return conclude(j, check, noise_only_warns(metric->kind) ? VERDICT_WARN : VERDICT_FAIL,
		    "%s: %s, baseline %s: %s, over the limit of %s", what, is, old, change, most);
	if (!known)
		return unknown(j, check, metric);
	return conclude(j, check, VERDICT_PASS, "%s: %s, baseline %s: %s", what, is, old, change);
}

/* Here growth must be shown: without proof there is none, else a short run could never pass. */
static int judge_rate_change(
    struct judging *j, struct gate_check *check, const struct metric *metric, const struct baseline_metric *was)
{
	char is[METRIC_TEXT_BYTES], old[METRIC_TEXT_BYTES], most[METRIC_TEXT_BYTES], about[160];
	struct votes votes;
	poll_sessions(j, metric->operation, check->budget, &votes);
	enum op_verdict verdict = outcome(&votes);
	const char *what = subject(about, check);
	metric_text(is, metric->kind, metric->value);
	metric_text(old, metric->kind, was->value);
	metric_text(most, metric->kind, check->budget);
	if (verdict == OP_INCOMPLETE)
		return conclude(j, check, VERDICT_INCOMPLETE, "%s: %s", what, votes.reasons[verdict]);
	if (isnan(metric->value))
		return conclude(j, check, VERDICT_INCONCLUSIVE, "%s: not measured in every run", about);
	if (verdict == OP_FAIL)
		return conclude(
		    j, check, VERDICT_FAIL, "%s: %s, baseline %s: certainly over the limit of %s", what, is, old, most);
	if (verdict == OP_INCONCLUSIVE && metric->value > check->budget)
		return conclude(j, check, VERDICT_INCONCLUSIVE,
		    "%s: %s, baseline %s: over the limit of %s, but not certainly; more operations would tell", what,
		    is, old, most);
	return conclude(
	    j, check, VERDICT_PASS, "%s: %s, baseline %s: not shown to be over the limit of %s", what, is, old, most);
}

static int judge_regression(struct judging *j, const struct baseline_metric *was)
{
	const struct metric *metric = measure_find(j->gate->measure, was->name);
	static const char rate[] = "leaked_bytes_per_100";
	if (metric && metric->kind == METRIC_LEAKED)
		return 0; /* its part that is the program's is judged */
	if (!metric && strncmp(was->name, rate, sizeof(rate) - 1) != 0)
		return 0; /* of a later version */
	struct gate_check *check = add_check(j, CHECK_REGRESSION, "regression/", was->name);
	if (!check)
		return no_memory(j->err);
	check->baseline = was->value;
	if (!metric) {
		check->metric_kind = was->name[sizeof(rate) - 1] ? METRIC_RATE_OF : METRIC_RATE;
		const char *slash = strchr(was->name, '/');
		return judge_missing(j, check, slash ? slash + 1 : NULL);
	}
	take_metric(check, metric);
	check->budget = check->critical = noise_limit(metric->kind, was, j->gate->config->regression_percent);
	find_growth(j, check);
	if (metric->kind >= METRIC_FIXED)
		return judge_rate_change(j, check, metric, was);
	return judge_figure(j, check, metric, was);
}

/* --- the rest --- */

static int judge_suppressions(struct judging *j, time_t now)
{
	const struct suppressions *list = &j->gate->measure->suppressions;
	for (size_t i = 0; i < list->n_items; i++) {
		const struct suppression *s = &list->items[i];
		if (!suppression_expired(s, now))
			continue;
		struct gate_check *check = add_check(j, CHECK_SUPPRESSION, "suppression/", s->pattern);
		char hides[METRIC_TEXT_BYTES];
		if (!check)
			return no_memory(j->err);
		metric_text(hides, METRIC_PROGRAM, (double)s->bytes);
		if (conclude(j, check, VERDICT_FAIL, "suppression 'leak:%s' (%s:%u%s%s) expired on %s; %s%s%s",
		        s->pattern, s->source, s->line, s->owner ? ", owner " : "", s->owner ? s->owner : "", s->until,
		        s->stacks ? "it hides " : "it hides nothing at the end of the recording",
		        s->stacks ? hides : "", s->stacks ? " at the end of the recording" : "") < 0)
			return TIDEMARK_ERR_MEMORY;
	}
	return 0;
}

static int judge_wholeness(struct judging *j)
{
	const struct measure *m = j->gate->measure;
	if (!j->gate->config->strict)
		return 0;
	struct gate_check *check = add_check(j, CHECK_RECORDING, "", "recording");
	if (!check)
		return no_memory(j->err);
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct measure_session *s = &m->sessions[i];
		if (s->torn || s->lost_events)
			return conclude(j, check, VERDICT_INCOMPLETE, "the recording '%s' %s", s->paths[0],
			    s->lost_events ? "lost events" : "is incomplete");
	}
	return conclude(j, check, VERDICT_PASS, "the recordings are whole");
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
		result = judge_rate(j, NULL, c->rate_budget);
	for (size_t i = 0; i < c->n_ops && !result; i++)
		result = judge_rate(j, c->ops[i].name, c->ops[i].budget);
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
	int result = judging.values ? judge_all(&judging, now) : no_memory(err);
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
	const struct measure_frame *lined = NULL;
	for (uint32_t i = 0; i < stack->n_frames && stack->frames; i++) {
		const struct measure_frame *frame = &measure->frames[stack->frames[i]];
		if (!strcmp(frame_basename(frame->module), measure->program))
			return frame;
		if (!lined && frame->line)
			lined = frame;
	}
	return lined || !stack->frames || !stack->n_frames ? lined : &measure->frames[stack->frames[0]];
}
