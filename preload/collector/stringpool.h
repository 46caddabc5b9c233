/* All strings of the session, each once: names, paths, symbols. Writer thread only. */
#ifndef STRINGPOOL_H
#define STRINGPOOL_H

#include <stddef.h>
#include <stdint.h>

/* The number of a string, from 1; 0 for the empty string, for one too long for a trace, and without memory.
 * cost: one hash of its bytes */
uint32_t string_put(const char *text, size_t n_bytes);

/* Its bytes, valid until the next string_put; n_bytes may be NULL. */
const char *string_get(uint32_t string, size_t *n_bytes);

#endif
