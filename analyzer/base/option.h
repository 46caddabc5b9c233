/* Command-line options from a table: long and short names, --name=value or --name value, options anywhere among the
 * operands, "--" ends them; --help comes for free. threads: any. */
#ifndef OPTION_H
#define OPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum option_kind {
	OPTION_FLAG,     /* no argument; value: bool *, set true */
	OPTION_TEXT,     /* value: const char ** */
	OPTION_LIST,     /* may come again; value: struct option_list * */
	OPTION_NUMBER,   /* value: uint64_t *; min..max */
	OPTION_SIZE,     /* value: uint64_t *, bytes; base/size.h */
	OPTION_OPTIONAL, /* --name or --name=TEXT, as --json[=F]; value: const char **, "" without a text */
};

struct option_list {
	const char **items; /* grown by option_parse; the owner frees it, not the texts */
	size_t n_items, capacity;
};

struct option {
	const char *name; /* long name without dashes; NULL ends a table */
	char letter;      /* short name; 0: none */
	enum option_kind kind;
	void *value;
	const char *argument;   /* what help calls it: "FILE"; NULL for flags */
	const char *help;       /* one line, lower case, no full stop */
	unsigned long min, max; /* of NUMBER; max 0: no limit */
};

struct option_table {
	const char *synopsis; /* "leaks [OPTION...] FILE" */
	const char *purpose;  /* one sentence */
	const struct option *options;
	bool stop_at_operand; /* options end at the first operand, as in `record CMD --its-own` */
};

#define OPTION_HELP_SHOWN (-100)

/* Take the options out of argv; operands move to argv[1...] in order, argv[n + 1] = NULL.
 * returns: how many operands there are; OPTION_HELP_SHOWN after --help printed the table on stdout
 * errors:  USAGE, MEMORY */
int option_parse(const struct option_table *table, int argc, char **argv, struct err *err);

#endif
