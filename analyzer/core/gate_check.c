/* One check in the making: see gate_check.h. */
#include "core/gate_check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/size.h"

struct gate_check *gate_check_add(struct judging *j, enum check_kind kind, const char *prefix, const char *name)
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
	    .baseline = NAN,
	    .detectable = NAN};
	return check;
}

int gate_check_conclude(struct judging *j, struct gate_check *check, enum verdict verdict, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int gate_check_conclude(struct judging *j, struct gate_check *check, enum verdict verdict, const char *format, ...)
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
	return err_memory(j->err);
}

/* Crumbs beside the culprits are none. */
void gate_check_drop_crumbs(struct gate_check *check)
{
	while (check->n_culprits && check->culprits[check->n_culprits - 1].value < check->culprits[0].value / 100)
		check->n_culprits--;
}

void gate_check_take(struct gate_check *check, const struct metric *metric)
{
	check->metric_kind = metric->kind;
	check->operation = metric->operation;
	check->value = metric->value;
	check->low = metric->low;
	check->high = metric->high;
	memcpy(check->culprits, metric->culprits, sizeof(check->culprits));
	check->n_culprits = metric->n_culprits;
	gate_check_drop_crumbs(check);
}

/* "peak heap", "leaked per 100 of 'checkout'" */
const char *gate_check_subject(char text[SUBJECT_BYTES], const struct gate_check *check)
{
	if (!check->operation)
		return metric_label(check->metric_kind);
	snprintf(text, SUBJECT_BYTES, "%s '%s'", metric_label(check->metric_kind), check->operation);
	return text;
}

struct figures gate_check_figures(enum metric_kind kind, double is, double limit)
{
	struct figures f;
	char count[SIZE_TEXT_BYTES];
	metric_text(f.is, kind, is);
	metric_text(f.limit, kind, limit);
	if (is == limit || strcmp(f.is, f.limit) != 0 || !(is >= 0 && limit >= 0 && isfinite(is) && isfinite(limit)))
		return f;
	snprintf(f.is, sizeof(f.is), "%s B", count_text(count, (uint64_t)is));
	snprintf(f.limit, sizeof(f.limit), "%s B", count_text(count, (uint64_t)limit));
	return f;
}
