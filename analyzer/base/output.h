/* Where a document goes: a file, or standard output, which has no name and is main()'s to close. threads: any. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdio.h>

#include "base/err.h"

/* Open a document's file anew.
 * path:    "": standard output
 * returns: NULL on an error, TIDEMARK_ERR_SYSTEM */
FILE *output_open(const char *path, struct err *err);

/* Close it, and see whether all that was written arrived. errors: SYSTEM */
int output_close(FILE *file, const char *path, struct err *err);

#endif
