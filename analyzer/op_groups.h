/* What `tidemark ops --group` prints of an operation: groups in place of stacks, whose sums are the operation's figures.
 * threads: one. */
#ifndef OP_GROUPS_H
#define OP_GROUPS_H

#include "op_report.h"

/* A table on the terminal; nothing when nothing is left. errors: MEMORY */
int op_groups_print(const struct term *term, struct op_report *report, const struct op_entry *entry, struct err *err);

/* [{group, bytes_per_100, blocks_per_100, bytes, blocks}]; suppressed stacks are in none. returns: NULL when memory is
 * short */
json_t *op_groups_json(struct op_report *report, const struct op_entry *entry);

#endif
