/* Linker names made readable: C++, Rust (legacy and v0) and D by libiberty. threads: any. */
#ifndef MANGLED_H
#define MANGLED_H

#include "symbols/strpool.h"

#define MANGLED_MAX_BYTES 16384 /* longer readable names are cut there and end in "..." */

/* The readable form of a mangled name, parameters included.
 * returns: a string of the pool; NULL when `name` is not mangled, does not parse, or memory is short
 * cost:    microseconds; bounded for hostile names that would unfold into gigabytes */
const char *mangled_read(const char *name, struct strpool *pool);

/* A symbol table's name as people know it: without "@VERSION", demangled where it is mangled.
 * returns: a string of the pool, NULL when memory is short */
const char *mangled_symbol(const char *name, struct strpool *pool);

/* Take " [clone .constprop.0]" and the like off the end of a readable name.
 * returns: the length without them */
size_t mangled_clone_start(const char *name);

#endif
