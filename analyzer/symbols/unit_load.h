/* One compilation unit boiled down to what a lookup needs: which function or inlined call covers which addresses, and
 * the line table. Holds offsets and strings of the pool, no libdw memory, so that libdw's can be dropped at any time.
 * threads: the owner's. */
#ifndef UNIT_LOAD_H
#define UNIT_LOAD_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols/strpool.h"

/* A function or an inlined call; index 0 stands for none. */
struct unit_scope {
	uint64_t die;       /* offset of its DIE in the debug information that holds the unit's DIEs */
	uint32_t parent;    /* the scope it is inlined into; 0: this is the physical function */
	uint32_t call_file; /* of the call that was inlined; into files */
	uint32_t call_line;
};

/* Addresses are offsets from the module's lowest code address. Each piece ends where the next begins. */
struct unit_segment {
	uint32_t start;
	uint32_t scope;
};

#define UNIT_NO_FILE UINT32_MAX

struct unit_row {
	uint32_t start;
	uint32_t file; /* UNIT_NO_FILE: no line here */
	uint32_t line;
};

struct unit_lines {
	struct unit_row *rows;
	size_t n_rows, capacity;
	const char **files; /* of the pool; "" for what is no file */
	size_t n_files, files_capacity;
};

struct unit_code {
	struct unit_scope *scopes;
	struct unit_segment *segments;
	size_t n_scopes, scopes_capacity, n_segments, segments_capacity;
	struct unit_lines lines;
	uint32_t dead_end; /* below it discarded code may shine through the line table: lines are not to be trusted */
};

struct unit_place { /* where a module's code can be */
	uint64_t code_low, code_high;
	struct strpool *pool;
};

/* Boil a unit down.
 * unit:  its DIE; split: the DIE of its .dwo half, NULL without one
 * *code: zeroed; to be released in any case
 * returns: line table rows read by libdw (a measure of the memory it keeps), -1 when memory is short
 * cost:  about 50 ns a DIE and a row */
ptrdiff_t unit_load(struct unit_code *code, const struct unit_place *place, Dwarf_Die *unit, Dwarf_Die *split);
void unit_release(struct unit_code *code);

/* returns: the innermost scope at an address (offset from code_low), 0 for none */
uint32_t unit_scope_at(const struct unit_code *code, uint32_t address);

/* returns: the row that covers an address, or NULL */
const struct unit_row *unit_row_at(const struct unit_code *code, uint32_t address);

#endif
