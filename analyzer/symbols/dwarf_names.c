/* Function names from DIEs. gcc gives no linker name to C++ functions with internal linkage (static, anonymous namespace,
 * lambdas): theirs are composed from the namespaces and classes around the declaration. libdw knows no parents, so those
 * units' namespaces and classes are indexed once, when the first such name is needed. */
#include "symbols/dwarf_names.h"

#include "base/array.h"
#include "symbols/mangled.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HOPS 16  /* abstract_origin and specification in a row */
#define MAX_DEPTH 256
#define MAX_PARTS 32 /* namespaces and classes around a function */

/* A DIE whose children are named within it, in the order of their offsets. */
struct nest_entry {
	uint64_t start, end; /* DIE offsets: children lie in (start, end) */
	uint32_t parent;     /* index; UINT32_MAX: none */
};

struct nest {
	struct nest_entry *entries;
	size_t n_entries, capacity;
};

void dwarf_names_init(struct dwarf_names *names, struct strpool *pool)
{
	memset(names, 0, sizeof(*names));
	names->pool = pool;
	keymap_init(&names->nests_by_unit);
}

void dwarf_names_release(struct dwarf_names *names)
{
	for (size_t i = 0; i < names->n_nests; i++)
		free(names->nests[i].entries);
	free(names->nests);
	keymap_release(&names->nests_by_unit);
}

static bool language_is_cxx(int language)
{
	switch (language) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case 0x2b: /* C++17 and C++20, newer than this <dwarf.h> may be */
	case 0x2c:
	case DW_LANG_ObjC_plus_plus:
		return true;
	default:
		return false;
	}
}

static const char *attribute_text(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	const char *text = dwarf_attr(die, name, &attribute) ? dwarf_formstring(&attribute) : NULL;

	return text && text[0] ? text : NULL;
}

void dwarf_names_describe(Dwarf_Die *die, struct dwarf_function *function)
{
	Dwarf_Die unit;

	memset(function, 0, sizeof(*function));
	function->die = *die;
	for (int i = 0; i < MAX_HOPS; i++) {
		Dwarf_Die *here = &function->die;
		Dwarf_Attribute attribute;
		Dwarf_Die next;
		bool external = false;

		if (!function->linkage)
			function->linkage = attribute_text(here, DW_AT_linkage_name);
		if (!function->linkage)
			function->linkage = attribute_text(here, DW_AT_MIPS_linkage_name);
		if (!function->plain)
			function->plain = attribute_text(here, DW_AT_name);
		if (dwarf_attr(here, DW_AT_external, &attribute) && !dwarf_formflag(&attribute, &external))
			function->is_external |= external;
		if (!dwarf_attr(here, DW_AT_abstract_origin, &attribute) &&
		    !dwarf_attr(here, DW_AT_specification, &attribute))
			break;
		if (!dwarf_formref_die(&attribute, &next))
			break;
		function->die = next;
	}
	if (dwarf_diecu(&function->die, &unit, NULL, NULL))
		function->is_cxx = language_is_cxx(dwarf_srclang(&unit));
}

static bool tag_names_children(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	    tag == DW_TAG_union_type || tag == DW_TAG_subprogram;
}

static int nest_add(struct nest *nest, uint64_t start, uint32_t parent)
{
	if (nest->n_entries >= UINT32_MAX - 1 || ARRAY_RESERVE(nest->entries, nest->capacity, nest->n_entries + 1))
		return -1;
	nest->entries[nest->n_entries].start = start;
	nest->entries[nest->n_entries].end = UINT64_MAX;
	nest->entries[nest->n_entries].parent = parent;
	nest->n_entries++;
	return 0;
}

static void nest_walk(struct nest *nest, Dwarf_Die *parent, uint32_t parent_index, int depth)
{
	uint32_t open = UINT32_MAX; /* the sibling before, whose end is not known yet */
	Dwarf_Off last = dwarf_dieoffset(parent);
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		Dwarf_Off offset = dwarf_dieoffset(&die);
		int tag = dwarf_tag(&die);

		if (open != UINT32_MAX)
			nest->entries[open].end = offset;
		open = UINT32_MAX;
		if (offset <= last)
			return;
		last = offset;
		if (tag_names_children(tag) && dwarf_haschildren(&die) > 0) {
			open = (uint32_t)nest->n_entries;
			if (nest_add(nest, offset, parent_index))
				return;
			nest_walk(nest, &die, open, depth + 1);
		} else if (tag == DW_TAG_lexical_block) {
			nest_walk(nest, &die, parent_index, depth + 1);
		}
	} while (!dwarf_siblingof(&die, &die));
	if (open != UINT32_MAX && parent_index != UINT32_MAX)
		nest->entries[open].end = nest->entries[parent_index].end;
}

/* A last child ends where its parent does, which is known only after the parent's next sibling: settled here. */
static void nest_settle(struct nest *nest)
{
	for (size_t i = 0; i < nest->n_entries; i++) {
		struct nest_entry *entry = &nest->entries[i];

		if (entry->parent != UINT32_MAX && nest->entries[entry->parent].end < entry->end)
			entry->end = nest->entries[entry->parent].end;
	}
}

static const struct nest *nest_of(struct dwarf_names *names, Dwarf_Die *unit, uint32_t space)
{
	uint64_t key = (uint64_t)space << 40 ^ dwarf_dieoffset(unit), index;
	struct nest *nest;

	if (keymap_get(&names->nests_by_unit, key, &index))
		return &names->nests[index];
	if (ARRAY_RESERVE(names->nests, names->nests_capacity, names->n_nests + 1) ||
	    keymap_put(&names->nests_by_unit, key, names->n_nests))
		return NULL;
	nest = &names->nests[names->n_nests++];
	nest_walk(nest, unit, UINT32_MAX, 0);
	nest_settle(nest);
	return nest;
}

/* The entry around a DIE. returns: its index, UINT32_MAX when it stands at the unit's top */
static uint32_t nest_around(const struct nest *nest, uint64_t offset)
{
	size_t low = 0, high = nest->n_entries;
	uint32_t at;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (nest->entries[middle].start < offset)
			low = middle + 1;
		else
			high = middle;
	}
	at = low ? (uint32_t)(low - 1) : UINT32_MAX;
	while (at != UINT32_MAX && nest->entries[at].end <= offset)
		at = nest->entries[at].parent;
	return at;
}

static const char *part_name(struct dwarf_names *names, Dwarf_Die *die, const char *member)
{
	const char *name = attribute_text(die, DW_AT_name);
	int tag = dwarf_tag(die);

	if (tag == DW_TAG_subprogram) {
		struct dwarf_function function;

		dwarf_names_describe(die, &function);
		return function.linkage ? mangled_read(function.linkage, names->pool) : function.plain;
	}
	if (name)
		return name;
	if (tag == DW_TAG_namespace)
		return "(anonymous namespace)";
	return strcmp(member, "operator()") ? "{unnamed type}" : "{lambda}";
}

/* A class declared inside a function is named within it; a function nested in a function (GNU C) is not. */
static size_t parts_collect(struct dwarf_names *names, const struct dwarf_function *function, uint32_t space,
    const char *parts[static MAX_PARTS], bool *in_class)
{
	Dwarf_Die unit, around, die = function->die;
	const struct nest *nest;
	size_t n_parts = 0;
	uint32_t at;

	*in_class = false;
	nest = dwarf_diecu(&die, &unit, NULL, NULL) ? nest_of(names, &unit, space) : NULL;
	at = nest ? nest_around(nest, dwarf_dieoffset(&die)) : UINT32_MAX;
	for (; at != UINT32_MAX && n_parts < MAX_PARTS; at = nest->entries[at].parent) {
		int tag;

		if (!dwarf_offdie(dwarf_cu_getdwarf(unit.cu), nest->entries[at].start, &around))
			break;
		tag = dwarf_tag(&around);
		if (tag == DW_TAG_subprogram && !*in_class)
			break;
		*in_class |= tag != DW_TAG_namespace && tag != DW_TAG_subprogram;
		parts[n_parts] = part_name(names, &around, function->plain);
		if (parts[n_parts])
			n_parts++;
		if (tag == DW_TAG_subprogram)
			break; /* its own name is a full one */
	}
	return n_parts;
}

static const char *name_compose(struct dwarf_names *names, const struct dwarf_function *function, uint32_t space)
{
	const char *parts[MAX_PARTS];
	char text[4096];
	bool in_class;
	size_t n_parts = parts_collect(names, function, space, parts, &in_class), used = 0;

	/* extern "C": no linker name although others can link to it. The namespace around it is no part of its name. */
	if (function->is_external && !in_class)
		n_parts = 0;
	while (n_parts-- > 0) {
		int length = snprintf(text + used, sizeof(text) - used, "%s::", parts[n_parts]);

		if (length < 0 || (size_t)length >= sizeof(text) - used)
			return strpool_add(names->pool, function->plain);
		used += (size_t)length;
	}
	if (strlen(function->plain) >= sizeof(text) - used)
		return strpool_add(names->pool, function->plain);
	strcpy(text + used, function->plain);
	return strpool_add(names->pool, text);
}

const char *dwarf_names_read(struct dwarf_names *names, const struct dwarf_function *function, uint32_t space)
{
	const char *name = function->linkage ? mangled_read(function->linkage, names->pool) : NULL;

	if (name)
		return name;
	if (!function->plain)
		return function->linkage ? mangled_symbol(function->linkage, names->pool) : NULL;
	if (function->is_cxx && !function->linkage)
		return name_compose(names, function, space);
	return strpool_add(names->pool, function->plain);
}
