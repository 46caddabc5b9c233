/* Errors of the analyzer's core: a code to act on and a sentence for people.
 * core and symbols fill a struct err and return its code; only cmd_* prints it. threads: any, each with its own err. */
#ifndef ERR_H
#define ERR_H

#include <stdarg.h>

enum tidemark_err {
	TIDEMARK_OK = 0,
	TIDEMARK_ERR_SYSTEM = -1,    /* a system call failed */
	TIDEMARK_ERR_NOT_TRACE = -2, /* the file is no trace at all */
	TIDEMARK_ERR_VERSION = -3,   /* a trace of a version this build cannot read */
	TIDEMARK_ERR_CORRUPT = -4,   /* a checksum, count or id is wrong */
	TIDEMARK_ERR_MEMORY = -5,
	TIDEMARK_ERR_USAGE = -6, /* the user asked for something that cannot be */
	TIDEMARK_ERR_NOT_FOUND = -7,
};

struct err {
	int code;       /* enum tidemark_err */
	char text[512]; /* problem first, subject quoted, lower case, no full stop */
};

/* Fill err (may be NULL) and return code, so that `return err_set(...)` reads well. */
int err_set(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As err_set with ": " and the text of errno appended; the code is TIDEMARK_ERR_SYSTEM. */
int err_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory is short: the code is TIDEMARK_ERR_MEMORY. */
int err_memory(struct err *err);

#endif
