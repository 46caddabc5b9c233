/* What goes into a history: runs out of recordings and of documents of `tidemark gate --json`, and the commit that they
 * belong to. Called by cmd_history. threads: one. */
#ifndef HISTORY_INPUT_H
#define HISTORY_INPUT_H

#include "base/option.h"
#include "core/history.h"

struct history_input {
	struct history_run *runs; /* texts and figures owned */
	size_t n_runs, capacity;
	bool incomplete; /* why nothing was read: a recording is not whole */
};

/* Take the runs of documents of `tidemark gate --json` and of recordings: each session is a run.
 * benchmark: NULL: the program's name
 * errors:    SYSTEM, CORRUPT when a file is neither or not whole, those of measure_read */
int history_input_read(
    struct history_input *input, char *const *paths, size_t n_paths, const char *benchmark, struct err *err);
void history_input_release(struct history_input *input);

struct commit_text {
	char *text; /* owned */
	struct history_commit commit;
	bool changed; /* HEAD was meant, and files that git tracks differ from it */
	bool unknown; /* in a work tree whose git does not know the name */
};

/* Ask git about a commit. A name that git does not know counts as it is.
 * name:   anything that git takes for a commit; NULL: HEAD
 * errors: USAGE, NOT_FOUND, MEMORY */
int commit_find(struct commit_text *commit, const char *name, struct err *err);
void commit_release(struct commit_text *commit);

/* Where the history lies unless --db says otherwise: .tidemark/history.db at the top of the git work tree, else in the
 * current folder. make: make the folder. returns: to be freed by the caller; NULL when memory is short */
char *history_default_path(bool make);

#endif
