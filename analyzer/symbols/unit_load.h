/* One compilation unit boiled down to what a lookup needs: which function or inlined call covers which addresses, and
 * the line table. Holds offsets and strings of the pool, no libdw memory, so that libdw's can be dropped at any time.
 * threads: the owner's. */
#ifndef UNIT_LOAD_H
#define UNIT_LOAD_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols/line_table.h"

/* A function or an inlined call; index 0 stands for none. */
struct unit_scope {
	uint64_t die;       /* offset of its DIE in the debug information that holds the unit's DIEs */
	uint32_t parent;    /* the scope it is inlined into; 0: this is the physical function */
	uint32_t call_file; /* of the call that was inlined; into lines.files */
	uint32_t call_line;
};

/* Addresses are offsets from the module's lowest code address. Each piece ends where the next begins. */
struct unit_segment {
	uint32_t start;
	uint32_t scope;
};

struct unit_code {
	struct unit_scope *scopes;
	struct unit_segment *segments;
	size_t n_scopes, scopes_capacity, n_segments, segments_capacity;
	struct line_table lines;
};

/* Boil a unit down.
 * unit:  its DIE; split: the DIE of its .dwo half, NULL without one
 * *code: zeroed; to be released in any case
 * returns: 0, -1 when memory is short
 * cost:  about 100 ns a DIE, 5 ns a row of the line table */
int unit_load(struct unit_code *code, const struct line_place *place, const struct line_sections *sections,
    Dwarf_Die *unit, Dwarf_Die *split);
void unit_release(struct unit_code *code);

/* returns: the innermost scope at an address (offset from code_low), 0 for none */
uint32_t unit_scope_at(const struct unit_code *code, uint32_t address);

#endif
