/* What top, leaks and diff print with --group: groups in place of stacks, whose sums are the totals. threads: one. */
#ifndef GROUP_REPORT_H
#define GROUP_REPORT_H

#include <jansson.h>

#include "core/group.h"
#include "core/leaks.h"
#include "render/term.h"

/* --- by one cost: top --- */

/* limit: groups; the others are summed up in a line */
void group_report_print(const struct term *term, const struct groups *groups, enum cost cost, size_t limit);

/* {group, value, and all figures of source 0} */
json_t *group_report_json(const struct group *group, enum cost cost);

/* --- what is alive at the end: leaks --- */

struct group_leaks {
	struct groups groups;
	struct leak_sum (*sums)[LEAK_KINDS]; /* by group */
};

/* Put the leaks into groups, and order them by what is the program's. groups: initialised. errors: MEMORY */
int group_leaks_collect(struct group_leaks *g, const struct stacks *stacks, const struct leaks *leaks, struct err *err);
void group_leaks_release(struct group_leaks *g);
void group_leaks_print(const struct term *term, const struct group_leaks *g, bool with_runtime, size_t limit);
json_t *group_leaks_json(const struct group_leaks *g, size_t i);

/* --- between two sides: diff --- */

/* Those that grew most first. */
void group_diff_sort(struct groups *groups, enum cost cost);
void group_diff_print(const struct term *term, const struct groups *groups, enum cost cost, size_t limit);
json_t *group_diff_json(const struct group *group, enum cost cost);

#endif
