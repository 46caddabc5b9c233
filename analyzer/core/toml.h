/* Reads the part of TOML that a file of thresholds needs: tables, bare and quoted and dotted keys, strings on one line,
 * numbers, true and false, lists of strings. What lies outside (dates, inline tables, lists of tables, strings of several
 * lines) is an error that says so: nothing is skipped. Enters: a file. Leaves: its keys in order. threads: any. */
#ifndef TOML_H
#define TOML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum toml_kind { TOML_TEXT, TOML_NUMBER, TOML_BOOL, TOML_LIST };

struct toml_item {
	char *table; /* "gate.op"; "" at the top */
	char *key;   /* the last part alone */
	unsigned line;
	enum toml_kind kind;
	char *text;  /* TEXT: decoded; NUMBER: as written, without underscores; BOOL: "true" or "false"; else NULL */
	char **list; /* LIST: texts */
	size_t n_list, list_capacity;
};

struct toml {
	char *path;
	struct toml_item *items;
	size_t n_items, capacity;
};

/* errors: SYSTEM when the file cannot be read; USAGE, with path and line, for what is not understood or comes twice;
 * MEMORY */
int toml_read(struct toml *toml, const char *path, struct err *err);
void toml_release(struct toml *toml);

#endif
