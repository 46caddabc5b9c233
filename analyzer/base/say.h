/* How commands speak to the user on stderr. Only analyzer/main.c and cmd_* call these. threads: any. */
#ifndef SAY_H
#define SAY_H

#include "base/err.h"

/* Print "tidemark: <text>" and a newline; control characters and broken UTF-8 become '?'. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print err's text the same way. returns: 2, the exit status of trouble (CMD_TROUBLE) */
int say_err(const struct err *err);

/* "tidemark: waiting for 'x.tmk', it is being written"; fits trace_open's `waiting`. */
void say_waiting(const char *path);

#endif
