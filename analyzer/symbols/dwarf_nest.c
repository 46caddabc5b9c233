/* Namespaces, classes and functions of a unit, in the order of their offsets, each with where it ends. */
#include "symbols/dwarf_nest.h"

#include "base/array.h"
#include "symbols/die_children.h"

#include <dwarf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NO_PARENT UINT32_MAX

/* A DIE whose children are named within it. */
struct nest_entry {
	uint64_t start, end; /* DIE offsets: children lie in (start, end) */
	uint32_t parent;     /* index */
};

struct nest {
	struct nest_entry *entries;
	size_t n_entries, capacity;
};

void dwarf_nests_init(struct dwarf_nests *nests)
{
	memset(nests, 0, sizeof(*nests));
	keymap_init(&nests->by_unit);
}

void dwarf_nests_release(struct dwarf_nests *nests)
{
	for (size_t i = 0; i < nests->n_nests; i++)
		free(nests->nests[i].entries);
	free(nests->nests);
	keymap_release(&nests->by_unit);
}

static bool tag_names_children(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	       tag == DW_TAG_union_type || tag == DW_TAG_subprogram;
}

static int entry_add(struct nest *nest, uint64_t start, uint32_t parent)
{
	struct nest_entry *entry;

	if (nest->n_entries >= NO_PARENT || ARRAY_RESERVE(nest->entries, nest->capacity, nest->n_entries + 1))
		return -1;
	entry = &nest->entries[nest->n_entries++];
	entry->start = start;
	entry->end = UINT64_MAX;
	entry->parent = parent;
	return 0;
}

static void nest_walk(struct nest *nest, Dwarf_Die *parent, uint32_t parent_index, unsigned depth)
{
	uint32_t open = NO_PARENT; /* the sibling before, whose end is not known yet */
	struct die_children child;

	for (bool is = die_children_first(&child, parent, depth); is; is = die_children_next(&child)) {
		int tag = dwarf_tag(&child.die);

		if (open != NO_PARENT)
			nest->entries[open].end = child.offset;
		open = NO_PARENT;
		if (tag_names_children(tag) && dwarf_haschildren(&child.die) > 0) {
			open = (uint32_t)nest->n_entries;
			if (entry_add(nest, child.offset, parent_index))
				return;
			nest_walk(nest, &child.die, open, depth + 1);
		} else if (tag == DW_TAG_lexical_block) {
			nest_walk(nest, &child.die, parent_index, depth + 1);
		}
	}
}

/* A last child ends where its parent does, which is known only after the parent's next sibling: settled here. */
static void nest_settle(struct nest *nest)
{
	for (size_t i = 0; i < nest->n_entries; i++) {
		struct nest_entry *entry = &nest->entries[i];

		if (entry->parent != NO_PARENT && nest->entries[entry->parent].end < entry->end)
			entry->end = nest->entries[entry->parent].end;
	}
}

static const struct nest *nest_of(struct dwarf_nests *nests, Dwarf_Die *unit)
{
	uint64_t key = (uint64_t)(uintptr_t)unit->cu, index;
	struct nest *nest;

	if (keymap_get(&nests->by_unit, key, &index))
		return &nests->nests[index];
	if (ARRAY_RESERVE(nests->nests, nests->capacity, nests->n_nests + 1) ||
	    keymap_put(&nests->by_unit, key, nests->n_nests))
		return NULL;
	nest = &nests->nests[nests->n_nests++];
	nest_walk(nest, unit, NO_PARENT, 0);
	nest_settle(nest);
	return nest;
}

static uint32_t entry_around(const struct nest *nest, uint64_t offset)
{
	size_t n = ARRAY_LEADING(nest->n_entries, i, nest->entries[i].start < offset);
	uint32_t at = n ? (uint32_t)(n - 1) : NO_PARENT;

	while (at != NO_PARENT && nest->entries[at].end <= offset)
		at = nest->entries[at].parent;
	return at;
}

/* Type units of DWARF 4 have a section, and offsets, of their own. */
static bool die_at(Dwarf_CU *unit, uint64_t offset, Dwarf_Die *die)
{
	Dwarf_Half version = 0;
	uint8_t type = 0;
	bool in_types;

	if (dwarf_cu_info(unit, &version, &type, NULL, NULL, NULL, NULL, NULL))
		return false;
	in_types = version < 5 && (type == DW_UT_type || type == DW_UT_split_type);
	if (in_types)
		return dwarf_offdie_types(dwarf_cu_getdwarf(unit), offset, die);
	return dwarf_offdie(dwarf_cu_getdwarf(unit), offset, die);
}

bool dwarf_nests_around(struct dwarf_nests *nests, Dwarf_Die *die, Dwarf_Die *around)
{
	const struct nest *nest;
	Dwarf_Die unit;
	uint32_t at;

	nest = dwarf_diecu(die, &unit, NULL, NULL) ? nest_of(nests, &unit) : NULL;
	at = nest ? entry_around(nest, dwarf_dieoffset(die)) : NO_PARENT;
	return at != NO_PARENT && die_at(unit.cu, nest->entries[at].start, around);
}
