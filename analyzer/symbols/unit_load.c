/* From a unit's DIE tree to a flat map of addresses. libdw's own dwarf_getscopes() searches the tree anew for each
 * address; here the tree is walked once, its nested address ranges are flattened, and a lookup is a binary search. */
#include "symbols/unit_load.h"

#include "base/array.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 256 /* of DIEs; compilers stay below 40 */

struct interval {
	uint32_t low, high; /* [low, high) */
	uint32_t depth, scope;
};

struct walk {
	struct unit_code *code;
	const struct line_place *place;
	struct interval *intervals;
	size_t n_intervals, capacity;
	size_t first_call_file; /* where the file table that DW_AT_call_file means begins in files */
	bool failed;            /* out of memory */
};

static bool tag_holds_functions(int tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
	case DW_TAG_lexical_block:
	case DW_TAG_namespace:
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
	case DW_TAG_module:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
	case DW_TAG_common_block:
		return true;
	default:
		return false;
	}
}

static uint32_t attribute_number(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) || value >= UINT32_MAX)
		return 0;
	return (uint32_t)value;
}

static const char *attribute_text(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;

	return dwarf_attr(die, name, &attribute) ? dwarf_formstring(&attribute) : NULL;
}

/* Discarded functions keep their debug information, moved to address 0 (ld), 1 or the very end (lld). */
static bool range_is_code(const struct line_place *place, uint64_t low, uint64_t high)
{
	return low >= place->code_low && high <= place->code_high && low < high && high - place->code_low < UINT32_MAX;
}

static uint32_t scope_add(struct walk *walk, Dwarf_Die *die, uint32_t parent)
{
	struct unit_code *code = walk->code;
	struct unit_scope *scope;

	if (!code->n_scopes)
		code->n_scopes = 1; /* 0 is none */
	if (code->n_scopes >= UINT32_MAX ||
	    ARRAY_RESERVE(code->scopes, code->scopes_capacity, code->n_scopes + 1)) {
		walk->failed = true;
		return 0;
	}
	scope = &code->scopes[code->n_scopes];
	scope->die = dwarf_dieoffset(die);
	scope->parent = parent;
	if (parent) {
		scope->call_file = attribute_number(die, DW_AT_call_file) + (uint32_t)walk->first_call_file;
		scope->call_line = attribute_number(die, DW_AT_call_line);
	}
	return (uint32_t)code->n_scopes++;
}

/* returns: the scope that the function or inlined call became, or `parent` when it has no code */
static uint32_t function_add(struct walk *walk, Dwarf_Die *die, int tag, uint32_t parent, uint32_t depth)
{
	uint32_t scope = 0;
	Dwarf_Addr base, low, high;
	ptrdiff_t offset = 0;

	while (!walk->failed && (offset = dwarf_ranges(die, offset, &base, &low, &high)) > 0) {
		struct interval *interval;

		if (!range_is_code(walk->place, low, high))
			continue;
		if (!scope)
			scope = scope_add(walk, die, tag == DW_TAG_inlined_subroutine ? parent : 0);
		if (!scope || ARRAY_RESERVE(walk->intervals, walk->capacity, walk->n_intervals + 1)) {
			walk->failed = true;
			break;
		}
		interval = &walk->intervals[walk->n_intervals++];
		interval->low = (uint32_t)(low - walk->place->code_low);
		interval->high = (uint32_t)(high - walk->place->code_low);
		interval->depth = depth;
		interval->scope = scope;
	}
	if (scope)
		return scope;
	return tag == DW_TAG_inlined_subroutine ? parent : 0;
}

static void walk_children(struct walk *walk, Dwarf_Die *parent, uint32_t scope, uint32_t depth)
{
	Dwarf_Die die;
	Dwarf_Off last = dwarf_dieoffset(parent);

	if (depth > MAX_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		Dwarf_Off offset = dwarf_dieoffset(&die);
		int tag = dwarf_tag(&die);
		uint32_t inner = scope;

		if (offset <= last) /* a forged DW_AT_sibling would lead round in circles */
			return;
		last = offset;
		if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine)
			inner = function_add(walk, &die, tag, scope, depth);
		if (tag_holds_functions(tag))
			walk_children(walk, &die, inner, depth + 1);
	} while (!walk->failed && !dwarf_siblingof(&die, &die));
}

static int interval_compare(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->scope > y->scope ? -1 : x->scope < y->scope; /* of identical functions folded together, the first wins */
}

static int segment_add(struct unit_code *code, uint32_t start, uint32_t scope)
{
	size_t n = code->n_segments;

	if (n && code->segments[n - 1].start == start) {
		code->segments[n - 1].scope = scope;
		return 0;
	}
	if (n && code->segments[n - 1].scope == scope)
		return 0;
	if (ARRAY_RESERVE(code->segments, code->segments_capacity, n + 1))
		return -1;
	code->segments[n].start = start;
	code->segments[n].scope = scope;
	code->n_segments++;
	return 0;
}

/* End the intervals on the stack that end at or before `limit`. returns: the new height, or SIZE_MAX without memory */
static size_t stack_close(struct unit_code *code, struct interval **stack, size_t height, uint64_t limit)
{
	while (height && stack[height - 1]->high <= limit) {
		uint32_t end = stack[--height]->high;

		while (height && stack[height - 1]->high <= end)
			height--;
		if (segment_add(code, end, height ? stack[height - 1]->scope : 0))
			return SIZE_MAX;
	}
	return height;
}

/* Nested ranges to pieces side by side, each with its innermost scope. */
static int flatten(struct unit_code *code, struct interval *intervals, size_t n_intervals)
{
	struct interval **stack = n_intervals ? malloc(n_intervals * sizeof(*stack)) : NULL;
	size_t height = 0;
	int result = -1;

	if (!n_intervals)
		return 0;
	if (!stack)
		return -1;
	qsort(intervals, n_intervals, sizeof(*intervals), interval_compare);
	for (size_t i = 0; i < n_intervals; i++) {
		height = stack_close(code, stack, height, intervals[i].low);
		if (height == SIZE_MAX || segment_add(code, intervals[i].low, intervals[i].scope))
			goto out;
		stack[height++] = &intervals[i];
	}
	if (stack_close(code, stack, height, UINT64_MAX) != SIZE_MAX)
		result = 0;
out:
	free(stack);
	return result;
}

static int lines_read(struct unit_code *code, const struct line_place *place, const struct line_sections *sections,
    Dwarf_Die *unit)
{
	Dwarf_Attribute attribute;
	Dwarf_Word offset;

	if (!dwarf_attr(unit, DW_AT_stmt_list, &attribute) || dwarf_formudata(&attribute, &offset))
		return 0;
	return line_table_read(&code->lines, sections, offset, attribute_text(unit, DW_AT_comp_dir), place);
}

/* A .dwo half may have a file table of its own, which the calls in it mean. Small: libdw may read it. */
static int split_files_add(struct walk *walk, Dwarf_Die *split, const char *folder)
{
	struct line_table *lines = &walk->code->lines;
	size_t n_files, first = lines->n_files;
	Dwarf_Files *files;

	if (dwarf_getsrcfiles(split, &files, &n_files))
		return 0;
	for (size_t i = 0; i < n_files; i++) {
		const char *name = dwarf_filesrc(files, i, NULL, NULL);

		if (line_table_add_file(lines, folder, name && strcmp(name, "???") ? name : "", walk->place->pool))
			return -1;
	}
	if (n_files > 1)
		walk->first_call_file = first;
	return 0;
}

/* Give back what growing arrays took too much. */
static void *trim(void *items, size_t bytes)
{
	void *smaller = bytes ? realloc(items, bytes) : NULL;

	return smaller ? smaller : items;
}

static void code_trim(struct unit_code *code)
{
	code->scopes_capacity = code->n_scopes;
	code->scopes = trim(code->scopes, code->n_scopes * sizeof(*code->scopes));
	code->segments_capacity = code->n_segments;
	code->segments = trim(code->segments, code->n_segments * sizeof(*code->segments));
	code->lines.rows_capacity = code->lines.n_rows;
	code->lines.rows = trim(code->lines.rows, code->lines.n_rows * sizeof(*code->lines.rows));
}

int unit_load(struct unit_code *code, const struct line_place *place, const struct line_sections *sections,
    Dwarf_Die *unit, Dwarf_Die *split)
{
	struct walk walk = {.code = code, .place = place};
	int result = lines_read(code, place, sections, unit);

	if (!result && split)
		result = split_files_add(&walk, split, attribute_text(unit, DW_AT_comp_dir));
	if (!result) {
		walk_children(&walk, split ? split : unit, 0, 0);
		result = walk.failed ? -1 : flatten(code, walk.intervals, walk.n_intervals);
	}
	free(walk.intervals);
	code_trim(code);
	return result;
}

void unit_release(struct unit_code *code)
{
	free(code->scopes);
	free(code->segments);
	line_table_release(&code->lines);
	memset(code, 0, sizeof(*code));
}

uint32_t unit_scope_at(const struct unit_code *code, uint32_t address)
{
	size_t low = 0, high = code->n_segments;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (code->segments[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? code->segments[low - 1].scope : 0;
}
