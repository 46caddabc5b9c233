/* The rules of the verdict: see op_verdict.h and docs/metrics.md, "Leak rate". */
#include "core/op_verdict.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/size.h"

const char *rate_text(char text[RATE_TEXT_BYTES], double bytes)
{
	double size = fabs(bytes);
	if (!(size < 9e18))
		snprintf(text, RATE_TEXT_BYTES, "no bound");
	else if (size > 0 && size < 9.95)
		snprintf(text, RATE_TEXT_BYTES, "%.1f B", bytes);
	else if (bytes < 0)
		size_delta_text(text, (int64_t)llround(bytes));
	else
		size_text(text, (uint64_t)llround(size));
	return text;
}

__attribute__((format(printf, 3, 4))) static struct op_judgement say(
    enum op_verdict verdict, double needed, const char *format, ...)
{
	struct op_judgement j = {.verdict = verdict};
	va_list args;
	if (needed > 0 && needed < 1e15)
		j.needed_ops = (uint64_t)ceil(needed);
	va_start(args, format);
	vsnprintf(j.reason, sizeof(j.reason), format, args);
	va_end(args);
	return j;
}

/* Sums of equal blocks often tie with a budget. But a budget of 0 means nothing at all. */
static double with_tolerance(double budget)
{
	return budget > 0 ? budget + 1 : 0;
}

/* Operations after which the interval would not hold the budget any more, if it narrows as intervals do. */
static double needed_by_interval(const struct op_entry *e, double budget)
{
	double distance = fabs(e->estimate - budget), width = e->strict_high - e->low, n = (double)e->count;
	double needed = 2 * n;
	if (distance > 0 && isfinite(width))
		needed = n * pow(width / (2 * distance), 2);
	return fmax(needed, fmax(ESTIMATE_MIN_PASS, 1.5 * n));
}

/* What stands against a PASS, if anything. */
static struct op_judgement judge_pass(const struct op_entry *e, double budget, bool strict)
{
	char a[RATE_TEXT_BYTES], b[RATE_TEXT_BYTES];
	double most = with_tolerance(budget), n = (double)e->count;
	bool few = n < ESTIMATE_MIN_PASS;
	if (n < ESTIMATE_MIN_OPS)
		return say(OP_INCONCLUSIVE, ESTIMATE_MIN_PASS,
		    "%" PRIu64 " operations are too few: a fail needs %.0f, a pass %.0f", e->count, ESTIMATE_MIN_OPS,
		    ESTIMATE_MIN_PASS);
	if (!(e->strict_high <= most))
		return say(OP_INCONCLUSIVE, needed_by_interval(e, budget),
		    "the rate lies between %s and %s, the budget between them", rate_text(a, e->low),
		    rate_text(b, e->strict_high));
	if (!(e->recent <= most))
		return say(OP_INCONCLUSIVE, fmax(ESTIMATE_MIN_PASS, 1.5 * n),
		    "the last operations left at least %s per 100 that are too young to tell", rate_text(a, e->recent));
	if ((strict || few) && !(e->detectable <= most))
		return say(OP_INCONCLUSIVE,
		    fmax(ESTIMATE_MIN_PASS, budget > 0 && !few ? n * e->detectable / budget : 0),
		    "a leak below %s per 100 could not have been seen in so few operations",
		    rate_text(a, e->detectable));
	return say(OP_PASS, 0, "at most %s per 100 operations", rate_text(a, e->strict_high));
}

static struct op_judgement judge(const struct op_entry *e, double budget, bool strict, bool plain)
{
	char a[RATE_TEXT_BYTES], b[RATE_TEXT_BYTES];
	if (!e->count)
		return say(OP_INCONCLUSIVE, ESTIMATE_MIN_PASS, "no operation was completed");
	if (plain)
		return say(e->plain > with_tolerance(budget) ? OP_FAIL : OP_PASS, 0,
		    "%s per 100 operations from the end of the warm-up to the last; plain growth, no statistics",
		    rate_text(a, e->plain));
	if (e->count >= ESTIMATE_MIN_OPS && e->low > with_tolerance(budget))
		return say(OP_FAIL, 0, "at least %s per 100 operations, %s by estimate", rate_text(a, e->low),
		    rate_text(b, e->estimate));
	return judge_pass(e, budget, strict);
}

struct op_judgement operations_verdict(
    const struct operations *o, const struct op_entry *entry, double budget, bool strict, bool plain)
{
	if (o->lost_events)
		return say(
		    OP_INCOMPLETE, 0, "%" PRIu64 " events were lost: a lost free looks like a leak", o->lost_events);
	struct op_judgement j = judge(entry, budget, strict, plain);
	if (j.verdict == OP_FAIL || o->complete || o->live)
		return j;
	return say(OP_INCOMPLETE, 0, "the recording is cut off: it may fail, but not pass");
}
