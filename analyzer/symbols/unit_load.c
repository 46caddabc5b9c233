/* From a unit's DIE tree to flat maps of addresses. libdw's own dwarf_getscopes() searches the tree anew for each
 * address; here each part of the tree is walked once, nested address ranges are flattened, and a lookup is a binary
 * search. Bodies and types are most of a tree: bodies are walked when asked for, types only as a last resort. */
#include "symbols/unit_load.h"

#include "base/array.h"
#include "symbols/die_children.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct interval {
	uint32_t low, high; /* [low, high) */
	uint32_t depth, scope;
};

struct intervals {
	struct interval *items;
	size_t n, capacity;
};

struct walk {
	struct unit_code *code;
	struct unit_function *function; /* whose inlined calls are read; NULL: functions are looked for */
	const struct line_place *place;
	struct intervals intervals;
	bool is_deep;
	bool failed; /* out of memory */
};

/* What may hold functions at the first look, */
static bool tag_is_folder(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module;
}

/* inlined calls, */
static bool tag_is_body(int tag)
{
	return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
	       tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt || tag == DW_TAG_common_block;
}

/* or functions in the end. */
static bool tag_is_deep(int tag)
{
	return tag_is_folder(tag) || tag_is_body(tag) || tag == DW_TAG_subprogram || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_class_type || tag == DW_TAG_union_type || tag == DW_TAG_interface_type;
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

/* Add the address ranges of a DIE as intervals of `scope`. returns: whether there are any */
static bool ranges_add(struct walk *walk, Dwarf_Die *die, uint32_t scope, uint32_t depth)
{
	struct intervals *intervals = &walk->intervals;
	Dwarf_Addr base, low, high;
	ptrdiff_t offset = 0;
	bool found = false;

	while ((offset = dwarf_ranges(die, offset, &base, &low, &high)) > 0) {
		struct interval *interval;

		if (!range_is_code(walk->place, low, high))
			continue;
		if (ARRAY_RESERVE(intervals->items, intervals->capacity, intervals->n + 1)) {
			walk->failed = true;
			break;
		}
		interval = &intervals->items[intervals->n++];
		interval->low = (uint32_t)(low - walk->place->code_low);
		interval->high = (uint32_t)(high - walk->place->code_low);
		interval->depth = depth;
		interval->scope = scope;
		found = true;
	}
	return found;
}

static void function_add(struct walk *walk, Dwarf_Die *die, uint32_t depth)
{
	struct unit_code *code = walk->code;
	size_t index = code->n_functions ? code->n_functions : 1; /* 0 is none */
	struct unit_function *function;

	if (!ranges_add(walk, die, (uint32_t)index, depth))
		return;
	if (index >= UINT32_MAX || ARRAY_RESERVE(code->functions, code->capacity, index + 1)) {
		walk->failed = true;
		return;
	}
	function = &code->functions[index];
	if (ARRAY_RESERVE(function->scopes, function->capacity, 1)) {
		walk->failed = true;
		return;
	}
	function->scopes[0].die = dwarf_dieoffset(die);
	function->n_scopes = 1;
	code->n_functions = index + 1;
}

/* returns: the scope that an inlined call became, or `parent` when it has no code */
static uint32_t call_add(struct walk *walk, Dwarf_Die *die, uint32_t parent, uint32_t depth)
{
	struct unit_function *function = walk->function;
	size_t index = function->n_scopes;
	struct unit_scope *scope;

	if (!ranges_add(walk, die, (uint32_t)index, depth))
		return parent;
	if (index >= UINT32_MAX || ARRAY_RESERVE(function->scopes, function->capacity, index + 1)) {
		walk->failed = true;
		return parent;
	}
	scope = &function->scopes[function->n_scopes++];
	scope->die = dwarf_dieoffset(die);
	scope->parent = parent;
	scope->call_file = attribute_number(die, DW_AT_call_file) + (uint32_t)walk->code->first_call_file;
	scope->call_line = attribute_number(die, DW_AT_call_line);
	return (uint32_t)index;
}

static void walk_children(struct walk *walk, Dwarf_Die *parent, uint32_t scope, uint32_t depth)
{
	struct die_children child;

	for (bool is = die_children_first(&child, parent, depth); is && !walk->failed; is = die_children_next(&child)) {
		int tag = dwarf_tag(&child.die);
		uint32_t inner = scope;

		if (walk->function && tag == DW_TAG_inlined_subroutine)
			inner = call_add(walk, &child.die, scope, depth);
		else if (!walk->function && tag == DW_TAG_subprogram)
			function_add(walk, &child.die, depth);
		if (walk->function ? tag_is_body(tag) : walk->is_deep ? tag_is_deep(tag) : tag_is_folder(tag))
			walk_children(walk, &child.die, inner, depth + 1);
	}
}

static int interval_compare(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->scope > y->scope ? -1
	                           : x->scope < y->scope; /* of identical functions folded together, the first wins */
}

static int segment_add(struct unit_map *map, uint32_t start, uint32_t scope)
{
	size_t n = map->n_segments;

	if (n && map->segments[n - 1].start == start) {
		map->segments[n - 1].scope = scope;
		return 0;
	}
	if (n && map->segments[n - 1].scope == scope)
		return 0;
	if (ARRAY_RESERVE(map->segments, map->capacity, n + 1))
		return -1;
	map->segments[n].start = start;
	map->segments[n].scope = scope;
	map->n_segments++;
	return 0;
}

/* End the intervals on the stack that end at or before `limit`. returns: the new height, or SIZE_MAX without memory */
static size_t stack_close(struct unit_map *map, struct interval **stack, size_t height, uint64_t limit)
{
	while (height && stack[height - 1]->high <= limit) {
		uint32_t end = stack[--height]->high;

		while (height && stack[height - 1]->high <= end)
			height--;
		if (segment_add(map, end, height ? stack[height - 1]->scope : 0))
			return SIZE_MAX;
	}
	return height;
}

/* Nested ranges to pieces side by side, each with its innermost scope. */
static int flatten(struct unit_map *map, struct intervals *intervals)
{
	struct interval **stack = intervals->n ? malloc(intervals->n * sizeof(*stack)) : NULL;
	size_t height = 0;
	int result = -1;

	if (!intervals->n)
		return 0;
	if (!stack)
		return -1;
	qsort(intervals->items, intervals->n, sizeof(*intervals->items), interval_compare);
	for (size_t i = 0; i < intervals->n; i++) {
		struct interval *interval = &intervals->items[i];

		height = stack_close(map, stack, height, interval->low);
		if (height == SIZE_MAX || segment_add(map, interval->low, interval->scope))
			goto out;
		stack[height++] = interval;
	}
	if (stack_close(map, stack, height, UINT64_MAX) != SIZE_MAX)
		result = 0;
out:
	free(stack);
	return result;
}

/* Walk below a DIE and flatten what was found into an empty map. */
static int walk_run(struct walk *walk, Dwarf_Die *top, struct unit_map *map)
{
	int result;

	walk_children(walk, top, 0, 0);
	result = walk->failed ? -1 : flatten(map, &walk->intervals);
	free(walk->intervals.items);
	return result;
}

static int lines_read(
    struct unit_code *code, const struct line_place *place, const struct line_sections *sections, Dwarf_Die *unit)
{
	Dwarf_Attribute attribute;
	Dwarf_Word offset;

	if (!dwarf_attr(unit, DW_AT_stmt_list, &attribute) || dwarf_formudata(&attribute, &offset))
		return 0;
	return line_table_read(&code->lines, sections, offset, attribute_text(unit, DW_AT_comp_dir), place);
}

/* A .dwo half may have a file table of its own, which the calls in it mean. Small: libdw may read it. */
static int split_files_add(struct unit_code *code, struct strpool *pool, Dwarf_Die *split, const char *folder)
{
	struct line_table *lines = &code->lines;
	size_t n_files, first = lines->n_files;
	Dwarf_Files *files;

	if (dwarf_getsrcfiles(split, &files, &n_files))
		return 0;
	for (size_t i = 0; i < n_files; i++) {
		const char *name = dwarf_filesrc(files, i, NULL, NULL);

		if (line_table_add_file(lines, folder, name && strcmp(name, "???") ? name : "", pool))
			return -1;
	}
	if (n_files > 1)
		code->first_call_file = first;
	return 0;
}

int unit_load(struct unit_code *code, const struct line_place *place, const struct line_sections *sections,
    Dwarf_Die *unit, Dwarf_Die *split)
{
	struct walk walk = {.code = code, .place = place};
	int result = lines_read(code, place, sections, unit);

	if (!result && split)
		result = split_files_add(code, place->pool, split, attribute_text(unit, DW_AT_comp_dir));
	return result ? result : walk_run(&walk, split ? split : unit, &code->map);
}

static void functions_release(struct unit_code *code)
{
	for (size_t i = 0; i < code->n_functions; i++) {
		free(code->functions[i].scopes);
		free(code->functions[i].map.segments);
	}
	free(code->functions);
	free(code->map.segments);
	code->functions = NULL;
	code->n_functions = code->capacity = 0;
	memset(&code->map, 0, sizeof(code->map));
}

void unit_release(struct unit_code *code)
{
	functions_release(code);
	line_table_release(&code->lines);
	memset(code, 0, sizeof(*code));
}

int unit_deepen(struct unit_code *code, const struct line_place *place, Dwarf_Die *top)
{
	struct walk walk = {.code = code, .place = place, .is_deep = true};

	functions_release(code);
	code->is_deep = true;
	return walk_run(&walk, top, &code->map);
}

int unit_expand(struct unit_code *code, struct unit_function *function, const struct line_place *place, Dwarf_Die *die)
{
	struct walk walk = {.code = code, .function = function, .place = place};

	function->is_expanded = true;
	return walk_run(&walk, die, &function->map);
}

uint32_t unit_map_find(const struct unit_map *map, uint32_t address)
{
	size_t n = ARRAY_LEADING(map->n_segments, i, map->segments[i].start <= address);

	return n ? map->segments[n - 1].scope : 0;
}
