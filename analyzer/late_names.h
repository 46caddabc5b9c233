/* Names for frames that the trace names poorly or not at all: debug files that can be found now, below a sysroot, or
 * from debuginfod. Also finds what a call instruction in a module calls. threads: one per struct resolver. */
#ifndef LATE_NAMES_H
#define LATE_NAMES_H

#include "base/err.h"
#include "core/runtime.h"
#include "core/stacks.h"

struct resolver;

struct resolver_options {
	const char *sysroot; /* NULL: none */
	const char *const *debug_dirs;
	size_t n_debug_dirs;
	bool no_debug_files;
};

/* errors: MEMORY */
int resolver_new(struct resolver **out, const struct resolver_options *options, struct err *err);
void resolver_free(struct resolver *resolver);

/* Add a profile's stacks with the best names there are, showing progress: names that must be found now can take their
 * time. source, errors: as stacks_add */
int resolver_add_stacks(
    struct resolver *resolver, struct stacks *stacks, const struct profile *profile, unsigned source, struct err *err);

/* Of type frame_lookup and runtime_callee; arg is a struct resolver. */
size_t resolver_lookup(void *arg, const struct trace *trace, uint32_t frame, struct frame_name names[FRAME_MAX_NAMES]);
const char *resolver_callee(void *arg, const struct frame_view *view);

#endif
