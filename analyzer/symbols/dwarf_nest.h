/* What a DIE stands in: the namespace, class or function around it. libdw knows no parents, so a unit's are indexed
 * once, when the first one is asked for. threads: the owner's. */
#ifndef DWARF_NEST_H
#define DWARF_NEST_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

#include "symbols/keymap.h"

struct nest;

struct dwarf_nests {
	struct keymap by_unit; /* Dwarf_CU pointer -> index into nests */
	struct nest *nests;
	size_t n_nests, capacity;
};

void dwarf_nests_init(struct dwarf_nests *nests);
void dwarf_nests_release(struct dwarf_nests *nests);

/* returns: false when the DIE stands at its unit's top level, or memory is short
 * cost:    a binary search; the first time for a unit about 100 ns for each of its DIEs */
bool dwarf_nests_around(struct dwarf_nests *nests, Dwarf_Die *die, Dwarf_Die *around);

#endif
