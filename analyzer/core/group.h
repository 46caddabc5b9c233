/* Stacks put into groups: by the name of the thread, by module, by namespace, or by rules of the user's. Every stack is
 * in exactly one group, so that the groups' sums are the total. docs/metrics.md, "Groups", tells the rules to users.
 * Enters: frames, innermost first, and a thread's name. Leaves: a group's name. threads: one per struct groups. */
#ifndef GROUP_H
#define GROUP_H

#include "base/err.h"
#include "core/stacks.h"

#define GROUP_OTHER "other" /* what no rule takes */

/* How options describe a grouping. */
#define GROUP_RULES "thread, module, namespace, namespace:N or PATTERN=NAME"

struct group {
	const char *name;
	struct profile_row sums[2]; /* as in struct stack_row; filled by groups_add_row */
};

struct groups {
	struct group *items; /* in the order in which they were met, until groups_sort */
	size_t n_items, capacity;
	/* private */
	struct group_rule *rules;
	size_t n_rules, rules_capacity;
	int by;          /* enum group_by, of what no rule takes */
	unsigned levels; /* components of a namespace */
	char **texts;    /* names that the groups own */
	size_t n_texts, texts_capacity;
	struct group_view *views; /* by view of the stacks last added */
	size_t views_capacity;
	const struct stacks *known;
};

/* Take the texts of --group, in their order: PATTERN=NAME rules, tried at each frame in turn from the innermost outward,
 * then at the thread's name; and at most one of the words, for what no rule takes. Patterns are those of suppressions,
 * and look at functions and at modules. The texts must outlive the groups.
 * errors: USAGE, MEMORY */
int groups_init(struct groups *groups, const char *const *texts, size_t n_texts, struct err *err);
void groups_release(struct groups *groups);

/* Whether the names of threads matter: the profile must be read by thread then. */
bool groups_need_threads(const struct groups *groups);

/* The group of a stack, made when it is new.
 * frames: innermost first; thread: its name, "" when unknown
 * returns: its index in items, SIZE_MAX when memory is short */
size_t groups_find(struct groups *groups, const struct frame_view *const *frames, size_t n_frames, const char *thread);

/* The group of a row of stacks, with the row's sums added to the group's. No stacks may be added to `stacks` between
 * calls. returns: as groups_find */
size_t groups_add_row(struct groups *groups, const struct stacks *stacks, const struct stack_row *row);

/* All rows. errors: MEMORY */
int groups_add(struct groups *groups, const struct stacks *stacks, struct err *err);

/* Largest cost of source 0 first; what is in no group last. */
void groups_sort(struct groups *groups, enum cost cost);

/* The first `levels` components of a function's name, in the manner of C++ and Rust, where those are more than the
 * function itself; libraries of the languages themselves (std, core, alloc...) do not count.
 * length: how long it is
 * returns: where it begins in the name, NULL when there is none */
const char *group_namespace(const char *function, unsigned levels, size_t *length);

/* Whether a function is one of the languages' own, which allocate for their caller: by its namespace or its module. */
bool group_is_language(const char *function, const char *module);

#endif
