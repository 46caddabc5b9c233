/* Measures with names: see measuring.h. */
#include "measuring.h"

#include <string.h>

#include "base/say.h"
#include "base/size.h"
#include "late_names.h"
#include "launch/session_files.h"

static int read_suppressions(struct suppressions *list, const struct report_options *options, struct err *err)
{
	int result = 0;
	for (size_t i = 0; i < options->suppression_files.n_items && !result; i++)
		result = suppressions_add_file(list, options->suppression_files.items[i], err);
	if (!result && !options->no_built_in)
		result =
		    suppressions_add_text(list, suppressions_built_in, strlen(suppressions_built_in), "built-in", err);
	return result;
}

/* What a session left beside the given files may be as much of the service as they are: said, and for documents kept. */
static int find_others(struct measure *m, struct measure_session *session, struct err *err)
{
	char names[SESSION_FILES_TEXT_BYTES];
	struct session_files others;
	int result = session_files_others(&others, session->paths, session->n_paths, err);
	if (!result && others.n_items)
		result = measure_note(m, err, "beside '%s' the same session left %zu more recording%s, not given: %s",
		    session->paths[0], others.n_items, plural(others.n_items), session_files_text(&others, names));
	session->others = others.items;
	session->n_others = others.n_items;
	return result;
}

int measuring_read(struct measure **out, const char *const *paths, size_t n_paths, const struct report_options *options,
    struct err *err)
{
	struct resolver *resolver = NULL;
	struct suppressions suppressions = {0};
	struct progress progress;
	const struct resolver_options names = {.sysroot = options->sysroot,
	    .debug_dirs = options->debug_dirs.items,
	    .n_debug_dirs = options->debug_dirs.n_items,
	    .no_debug_files = options->no_debug_files};
	*out = NULL;
	progress_init(&progress, "reading recordings");
	int result = read_suppressions(&suppressions, options, err);
	if (!result)
		result = resolver_new(&resolver, &names, err);
	if (!result) {
		const struct measure_options wanted = {.lookup = resolver_lookup,
		    .callee = resolver_callee,
		    .lookup_arg = resolver,
		    .callee_arg = resolver,
		    .suppressions = &suppressions,
		    .waiting = say_waiting,
		    .progress = progress_show,
		    .progress_arg = &progress};
		result = measure_read(out, paths, n_paths, &wanted, err);
	}
	for (size_t i = 0; !result && i < (*out)->n_sessions; i++)
		result = find_others(*out, &(*out)->sessions[i], err);
	progress_release(&progress);
	suppressions_release(&suppressions);
	resolver_free(resolver);
	return result;
}
