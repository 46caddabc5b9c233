/* The bytes of a trace file: opening, waiting for its writer, reading at an offset. A pipe is copied to memory first.
 * threads: one at a time. */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdint.h>

#include "base/err.h"

/* Open `path` and wait up to 10 s for its writer to release the lock, calling `waiting` (may be NULL) once before. A
 * file that stays locked is read as it is: it will lack its footer.
 * returns: a descriptor, close() it; errors: SYSTEM */
int source_open(const char *path, void (*waiting)(const char *path), struct err *err);

/* Read `bytes` at `offset`. errors: SYSTEM; CORRUPT when the file ends before */
int source_read(int fd, void *buffer, uint64_t bytes, uint64_t offset, struct err *err);

/* returns: the file's size now, or a negative error */
int64_t source_size(int fd, struct err *err);

#endif
