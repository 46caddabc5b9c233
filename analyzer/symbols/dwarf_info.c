/* Which unit covers an address, loaded when first needed; then the chain of inlined calls out of its map. All that is
 * kept is offsets and strings of the pool. */
#include "symbols/dwarf_info.h"

#include "base/array.h"
#include "symbols/dwarf_names.h"
#include "symbols/mangled.h"
#include "symbols/unit_load.h"
#include "symbols/unpack.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOADED_BYTES (512u << 20) /* of all units together; then all are dropped, to be loaded again if needed */

/* Spaces of DIE offsets: a unit with a .dwo half has its own. */
enum { SPACE_MAIN = 0, SPACE_SPLIT = 1 };

struct unit {
	uint64_t die; /* offset of its DIE */
	struct unit_code code;
	bool is_loaded, is_split;
};

struct unit_range {
	uint64_t low, high, max_high; /* max_high: of this and all ranges before it */
	uint32_t unit;
};

struct dwarf_info {
	struct dwarf_info_source source;
	Dwarf *dwarf, *alternate;
	struct elf_image alternate_image;
	struct unpacked unpacked, alternate_unpacked;
	size_t loaded_bytes;
	struct line_sections sections;
	struct unit *units;
	size_t n_units, units_capacity;
	struct unit_range *ranges;
	size_t n_ranges, ranges_capacity;
	uint32_t *rangeless; /* units that do not say what they cover: loaded when nothing else fits */
	size_t n_rangeless, rangeless_capacity;
	bool is_indexed;
	struct dwarf_names names;
	struct keymap functions; /* space << 40 | DIE offset -> name (a pointer; 0: none) */
};

static Dwarf *open_dwarf(Elf *elf, struct unpacked *unpacked)
{
	return dwarf_begin_elf(unpack_debug(unpacked, elf) ? elf : unpacked->elf, DWARF_C_READ, NULL);
}

struct dwarf_info *dwarf_info_new(const struct dwarf_info_source *source)
{
	struct dwarf_info *info = calloc(1, sizeof(*info));

	if (!info)
		return NULL;
	info->source = *source;
	info->dwarf = open_dwarf(source->debug->elf, &info->unpacked);
	if (!info->dwarf || !source->code_high) {
		dwarf_info_free(info);
		return NULL;
	}
	line_sections_find(&info->sections, &(struct elf_image){.elf = dwarf_getelf(info->dwarf)});
	dwarf_names_init(&info->names, source->pool);
	keymap_init(&info->functions);
	return info;
}

void dwarf_info_free(struct dwarf_info *info)
{
	if (!info)
		return;
	for (size_t i = 0; i < info->n_units; i++)
		unit_release(&info->units[i].code);
	dwarf_names_release(&info->names);
	keymap_release(&info->functions);
	free(info->units);
	free(info->ranges);
	free(info->rangeless);
	dwarf_end(info->dwarf);
	dwarf_end(info->alternate);
	unpack_release(&info->unpacked);
	unpack_release(&info->alternate_unpacked);
	elf_image_close(&info->alternate_image);
	free(info);
}

const char *dwarf_info_alternate_name(struct dwarf_info *info, const uint8_t **build_id, size_t *build_id_bytes)
{
	const char *name = NULL;
	const void *id = NULL;
	ssize_t id_bytes = dwelf_dwarf_gnu_debugaltlink(info->dwarf, &name, &id);

	if (id_bytes <= 0 || !name)
		return NULL;
	*build_id = id;
	*build_id_bytes = (size_t)id_bytes;
	return name;
}

void dwarf_info_set_alternate(struct dwarf_info *info, struct elf_image *alternate)
{
	info->alternate_image = *alternate;
	memset(alternate, 0, sizeof(*alternate));
	info->alternate = open_dwarf(info->alternate_image.elf, &info->alternate_unpacked);
	if (info->alternate)
		dwarf_setalt(info->dwarf, info->alternate);
}

static int range_add(struct dwarf_info *info, uint64_t low, uint64_t high, uint32_t unit)
{
	struct unit_range *range;

	/* Discarded code is left behind at address 0, or 1 in a list of ranges. */
	if (low >= high || low < info->source.code_low || high > info->source.code_high)
		return 0;
	if (ARRAY_RESERVE(info->ranges, info->ranges_capacity, info->n_ranges + 1))
		return -1;
	range = &info->ranges[info->n_ranges++];
	range->low = low;
	range->high = high;
	range->unit = unit;
	return 0;
}

/* Link-time optimisation leaves for each source file a unit that says what was declared, and for all of them together
 * units that hold the code. */
static bool unit_is_without_code(const struct dwarf_info *info, Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	Dwarf_Word offset;

	return dwarf_attr(die, DW_AT_stmt_list, &attribute) && !dwarf_formudata(&attribute, &offset) &&
	       line_table_is_empty(&info->sections, offset);
}

static int unit_add(struct dwarf_info *info, Dwarf_Die *die)
{
	uint32_t index = (uint32_t)info->n_units;
	Dwarf_Addr base, low, high;
	ptrdiff_t offset = 0;
	bool has_ranges = false;

	if (index == UINT32_MAX || ARRAY_RESERVE(info->units, info->units_capacity, info->n_units + 1))
		return -1;
	info->n_units++;
	info->units[index].die = dwarf_dieoffset(die);
	while ((offset = dwarf_ranges(die, offset, &base, &low, &high)) > 0) {
		has_ranges = true;
		if (range_add(info, low, high, index))
			return -1;
	}
	if (has_ranges || unit_is_without_code(info, die))
		return 0;
	if (ARRAY_RESERVE(info->rangeless, info->rangeless_capacity, info->n_rangeless + 1))
		return -1;
	info->rangeless[info->n_rangeless++] = index;
	return 0;
}

static int range_compare(const void *a, const void *b)
{
	const struct unit_range *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static void ranges_sort(struct dwarf_info *info)
{
	uint64_t max_high = 0;

	if (info->n_ranges)
		qsort(info->ranges, info->n_ranges, sizeof(*info->ranges), range_compare);
	for (size_t i = 0; i < info->n_ranges; i++) {
		if (info->ranges[i].high > max_high)
			max_high = info->ranges[i].high;
		info->ranges[i].max_high = max_high;
	}
}

/* All units' own ranges: complete, unlike .debug_aranges, which clang leaves out. */
static void units_index(struct dwarf_info *info)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	uint8_t type;
	Dwarf_Half version;

	info->is_indexed = true;
	while (!dwarf_get_units(info->dwarf, unit, &unit, &version, &type, &die, NULL)) {
		int tag = dwarf_tag(&die);

		if (tag != DW_TAG_compile_unit && tag != DW_TAG_skeleton_unit)
			continue;
		if (unit_add(info, &die))
			break;
	}
	ranges_sort(info);
}

static void units_drop(struct dwarf_info *info)
{
	for (size_t i = 0; i < info->n_units; i++) {
		unit_release(&info->units[i].code);
		info->units[i].is_loaded = false;
	}
	info->loaded_bytes = 0;
}

static size_t function_bytes(const struct unit_function *function)
{
	return function->capacity * sizeof(*function->scopes) +
	       function->map.capacity * sizeof(*function->map.segments);
}

static size_t code_bytes(const struct unit_code *code)
{
	return code->capacity * (sizeof(*code->functions) + 16 * sizeof(*code->functions->scopes)) +
	       code->map.capacity * sizeof(*code->map.segments) +
	       code->lines.rows_capacity * sizeof(*code->lines.rows) +
	       code->lines.files_capacity * sizeof(*code->lines.files);
}

static Dwarf_Die *unit_split(Dwarf_Die *die, Dwarf_Die *split)
{
	memset(split, 0, sizeof(*split));
	if (dwarf_cu_info(die->cu, NULL, NULL, NULL, split, NULL, NULL, NULL) || !split->addr)
		return NULL;
	return split;
}

static struct line_place info_place(const struct dwarf_info *info)
{
	return (struct line_place){info->source.code_low, info->source.code_high, info->source.pool};
}

/* Should memory run short in what follows, what was read is used; the rest stays without names. */
static void unit_read(struct dwarf_info *info, struct unit *unit)
{
	struct line_place place = info_place(info);
	Dwarf_Die die, split_die, *split;

	if (info->loaded_bytes > MAX_LOADED_BYTES)
		units_drop(info);
	unit->is_loaded = true;
	if (!dwarf_offdie(info->dwarf, unit->die, &die))
		return;
	split = unit_split(&die, &split_die);
	unit->is_split = split;
	unit_load(&unit->code, &place, &info->sections, &die, split);
	info->loaded_bytes += code_bytes(&unit->code);
}

/* The DIE that holds a unit's functions. returns: false when it is not to be had (any more) */
static bool unit_top(struct dwarf_info *info, const struct unit *unit, Dwarf_Die *top)
{
	Dwarf_Die die;

	if (!dwarf_offdie(info->dwarf, unit->die, &die))
		return false;
	if (unit->is_split)
		return unit_split(&die, top);
	*top = die;
	return true;
}

static bool scope_die(struct dwarf_info *info, const struct unit *unit, const struct unit_scope *scope, Dwarf_Die *die)
{
	Dwarf_Die top;
	Dwarf *dwarf = info->dwarf;

	if (unit->is_split)
		dwarf = unit_top(info, unit, &top) ? dwarf_cu_getdwarf(top.cu) : NULL;
	return dwarf && dwarf_offdie(dwarf, scope->die, die);
}

/* Functions without a linker name take the symbol's that starts where they do: it tells overloads apart. */
static const char *function_symbol(struct dwarf_info *info, Dwarf_Die *die)
{
	struct strpool *pool = info->source.pool;
	const char *name;
	Dwarf_Addr entry;

	if (dwarf_entrypc(die, &entry))
		return NULL;
	name = symtab_find_start(info->source.symtab, entry, pool);
	return name ? strpool_add_bytes(pool, name, mangled_clone_start(name)) : NULL;
}

static const char *function_read(
    struct dwarf_info *info, const struct unit *unit, const struct unit_scope *scope, bool is_inlined)
{
	struct dwarf_function function;
	const char *name = NULL;
	Dwarf_Die die;

	if (!scope_die(info, unit, scope, &die))
		return NULL;
	dwarf_names_describe(&die, &function);
	if (!is_inlined && !function.linkage && (function.is_cxx || !function.plain))
		name = function_symbol(info, &die);
	return name ? name : dwarf_names_read(&info->names, &function);
}

static const char *function_name(
    struct dwarf_info *info, const struct unit *unit, const struct unit_scope *scope, bool is_inlined)
{
	uint64_t space = unit->is_split ? SPACE_SPLIT + (uint64_t)(unit - info->units) : SPACE_MAIN;
	uint64_t key = space << 40 ^ scope->die, known;
	const char *name;

	if (keymap_get(&info->functions, key, &known))
		return (const char *)(uintptr_t)known;
	name = function_read(info, unit, scope, is_inlined);
	keymap_put(&info->functions, key, (uint64_t)(uintptr_t)name);
	return name;
}

static const char *file_name(const struct unit_code *code, uint32_t file)
{
	return file < code->lines.n_files ? code->lines.files[file] : "";
}

static struct unit_function *unit_function_at(struct dwarf_info *info, struct unit *unit, uint32_t offset)
{
	struct line_place place = info_place(info);
	uint32_t index = unit_map_find(&unit->code.map, offset);
	struct unit_function *function;
	Dwarf_Die die;

	if (!index && !unit->code.is_deep && symtab_has_code(info->source.symtab, info->source.code_low + offset) &&
	    unit_top(info, unit, &die)) {
		unit_deepen(&unit->code, &place, &die);
		index = unit_map_find(&unit->code.map, offset);
	}
	if (!index || index >= unit->code.n_functions)
		return NULL;
	function = &unit->code.functions[index];
	if (!function->is_expanded && scope_die(info, unit, &function->scopes[0], &die)) {
		unit_expand(&unit->code, function, &place, &die);
		info->loaded_bytes += function_bytes(function);
	}
	return function;
}

/* Each level's line is where the level inside it was called. returns: frames */
static size_t scopes_lookup(struct dwarf_info *info, struct unit *unit, const struct unit_function *function,
    uint32_t offset, const struct symbol_frame *innermost, struct symbol_frame *frames)
{
	uint32_t scope = unit_map_find(&function->map, offset);
	struct symbol_frame frame = *innermost;
	size_t n_frames = 0;

	while (n_frames < DWARF_INFO_MAX_FRAMES && scope < function->n_scopes) {
		const struct unit_scope *at = &function->scopes[scope];

		frame.function = function_name(info, unit, at, scope);
		if (frame.function || !scope)
			frames[n_frames++] = frame;
		if (!scope)
			break;
		frame.file = file_name(&unit->code, at->call_file);
		frame.line = at->call_line;
		scope = at->parent;
	}
	return n_frames;
}

/* returns: frames; *in_scope: a function covers address */
static size_t unit_lookup(
    struct dwarf_info *info, struct unit *unit, uint64_t address, struct symbol_frame *frames, bool *in_scope)
{
	uint32_t offset = (uint32_t)(address - info->source.code_low);
	struct symbol_frame innermost = {NULL, "", 0};
	const struct unit_function *function;
	const struct line_row *row;

	if (!unit->is_loaded)
		unit_read(info, unit);
	row = line_table_find(&unit->code.lines, offset);
	if (row) {
		innermost.file = file_name(&unit->code, row->file);
		innermost.line = row->line;
	}
	function = unit_function_at(info, unit, offset);
	*in_scope = function;
	if (function)
		return scopes_lookup(info, unit, function, offset, &innermost, frames);
	frames[0] = innermost;
	return row ? 1 : 0;
}

/* The last range that starts at or before address; SIZE_MAX when there is none. */
static size_t range_before(const struct dwarf_info *info, uint64_t address)
{
	return ARRAY_LEADING(info->n_ranges, i, info->ranges[i].low <= address) - 1;
}

static size_t rangeless_lookup(struct dwarf_info *info, uint64_t address, struct symbol_frame *frames)
{
	bool in_scope;

	for (size_t i = 0; i < info->n_rangeless; i++) {
		size_t n_frames = unit_lookup(info, &info->units[info->rangeless[i]], address, frames, &in_scope);

		if (in_scope)
			return n_frames;
	}
	return 0;
}

size_t dwarf_info_lookup(struct dwarf_info *info, uint64_t address, struct symbol_frame *frames)
{
	size_t n_frames = 0, found;
	uint32_t tried = UINT32_MAX;
	bool in_scope;

	if (address < info->source.code_low || address - info->source.code_low >= UINT32_MAX)
		return 0;
	if (!info->is_indexed)
		units_index(info);
	for (size_t i = range_before(info, address); i != SIZE_MAX && info->ranges[i].max_high > address; i--) {
		const struct unit_range *range = &info->ranges[i];

		if (range->high <= address || range->unit == tried)
			continue;
		tried = range->unit;
		found = unit_lookup(info, &info->units[range->unit], address, frames, &in_scope);
		if (in_scope)
			return found;
		if (found)
			n_frames = found; /* a line, but no function: assembler */
	}
	return n_frames ? n_frames : rangeless_lookup(info, address, frames);
}
