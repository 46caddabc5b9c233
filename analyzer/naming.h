/* Names for frames that the trace names poorly or not at all: debug files that can be found now, below a sysroot, or from
 * debuginfod. Also finds what a call instruction in a module calls. threads: one per struct naming. */
#ifndef NAMING_H
#define NAMING_H

#include "base/err.h"
#include "core/runtime.h"
#include "core/stacks.h"

struct naming;

struct naming_options {
	const char *sysroot; /* NULL: none */
	const char *const *debug_dirs;
	size_t n_debug_dirs;
	bool no_debug_files;
};

/* errors: MEMORY */
int naming_new(struct naming **out, const struct naming_options *options, struct err *err);
void naming_free(struct naming *naming);

/* Of type frame_lookup and runtime_callee; arg is a struct naming. */
size_t naming_lookup(void *arg, const struct trace *trace, uint32_t frame, struct frame_name names[FRAME_MAX_NAMES]);
const char *naming_callee(void *arg, const struct frame_view *view);

#endif
