/* The name of a function DIE as people know it. threads: the owner's. */
#ifndef DWARF_NAMES_H
#define DWARF_NAMES_H

#include <elfutils/libdw.h>
#include <stdint.h>

#include "symbols/keymap.h"
#include "symbols/strpool.h"

struct nest;

/* Which functions stand in which namespaces and classes, found lazily for units whose functions have no linker name. */
struct dwarf_names {
	struct strpool *pool;
	struct keymap nests_by_unit; /* key: see nest_key() */
	struct nest *nests;
	size_t n_nests, nests_capacity;
};

void dwarf_names_init(struct dwarf_names *names, struct strpool *pool);
void dwarf_names_release(struct dwarf_names *names);

struct dwarf_function {
	const char *linkage; /* DW_AT_linkage_name, or NULL */
	const char *plain;   /* DW_AT_name, or NULL */
	Dwarf_Die die;       /* where the plain name stands: the declaration */
	bool is_external;
	bool is_cxx;
};

/* Follow a function or inlined call to its declaration. */
void dwarf_names_describe(Dwarf_Die *die, struct dwarf_function *function);

/* The readable name: the linker name demangled, or composed from the scopes around it (C++), or the plain one.
 * space:   tells DIE offsets of different debug files apart
 * returns: a string of the pool; NULL when it has none */
const char *dwarf_names_read(struct dwarf_names *names, const struct dwarf_function *function, uint32_t space);

#endif
