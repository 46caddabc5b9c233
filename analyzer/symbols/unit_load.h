/* One compilation unit boiled down to what a lookup needs: which function or inlined call covers which addresses, and
 * the line table. Holds offsets and strings of the pool, nothing of libdw.
 * threads: the owner's. */
#ifndef UNIT_LOAD_H
#define UNIT_LOAD_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols/line_table.h"

/* A function, or a call inlined into it. */
struct unit_scope {
	uint64_t die;       /* offset of its DIE in the debug information that holds the unit's DIEs */
	uint32_t parent;    /* the scope it is inlined into */
	uint32_t call_file; /* of the call that was inlined; into lines.files */
	uint32_t call_line;
};

/* Addresses are offsets from the module's lowest code address. Each piece ends where the next begins. */
struct unit_segment {
	uint32_t start;
	uint32_t scope;
};

struct unit_map {
	struct unit_segment *segments;
	size_t n_segments, capacity;
};

/* A function with code. Its inlined calls are read when it is first asked for. */
struct unit_function {
	struct unit_scope *scopes; /* [0] is the function itself; others once it is expanded */
	size_t n_scopes, capacity;
	struct unit_map map; /* address -> scope */
	bool is_expanded;
};

struct unit_code {
	struct unit_function *functions; /* [0] is none */
	size_t n_functions, capacity;
	struct unit_map map; /* address -> function */
	struct line_table lines;
	size_t first_call_file; /* where the file table that DW_AT_call_file means begins in lines.files */
	bool is_deep;           /* functions inside of classes and of other functions were looked for */
};

/* Read a unit's line table and find the functions at its top and in its namespaces, which are all but a few.
 * unit:  its DIE; split: the DIE of its .dwo half, NULL without one
 * *code: zeroed; to be released in any case
 * returns: 0, -1 when memory is short
 * cost:  about 50 ns for each of those DIEs, 20 ns a row of the line table */
int unit_load(struct unit_code *code, const struct line_place *place, const struct line_sections *sections,
    Dwarf_Die *unit, Dwarf_Die *split);
void unit_release(struct unit_code *code);

/* Find the functions in all other places too, when an address of the unit lies in none.
 * top: the DIE that holds the functions: split, or unit without one. returns: as unit_load
 * cost: about 100 ns for each DIE of the unit */
int unit_deepen(struct unit_code *code, const struct line_place *place, Dwarf_Die *top);

/* Read the inlined calls of a function. die: its DIE. returns: as unit_load */
int unit_expand(struct unit_code *code, struct unit_function *function, const struct line_place *place, Dwarf_Die *die);

/* returns: the scope (or function) at an address (offset from code_low); 0 for none */
uint32_t unit_map_find(const struct unit_map *map, uint32_t address);

#endif
