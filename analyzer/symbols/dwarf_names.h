/* The name of a function DIE as people know it. threads: the owner's. */
#ifndef DWARF_NAMES_H
#define DWARF_NAMES_H

#include <elfutils/libdw.h>
#include <stdbool.h>

#include "symbols/dwarf_nest.h"
#include "symbols/strpool.h"

struct dwarf_names {
	struct strpool *pool;
	struct dwarf_nests nests;
};

void dwarf_names_init(struct dwarf_names *names, struct strpool *pool);
void dwarf_names_release(struct dwarf_names *names);

struct dwarf_function {
	const char *linkage; /* DW_AT_linkage_name, or NULL */
	const char *plain;   /* DW_AT_name, or NULL */
	Dwarf_Die die;       /* its declaration: the end of the chain of origins */
	bool is_external;
	bool is_cxx;
};

/* Follow a function or inlined call to its declaration. */
void dwarf_names_describe(Dwarf_Die *die, struct dwarf_function *function);

/* The readable name: the linker name demangled, or composed from the scopes and parameters (C++), or the plain one.
 * returns: a string of the pool; NULL when it has none */
const char *dwarf_names_read(struct dwarf_names *names, const struct dwarf_function *function);

#endif
