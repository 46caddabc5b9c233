/* The debug information of one module: from an address to functions, files and lines. threads: the owner's. */
#ifndef DWARF_INFO_H
#define DWARF_INFO_H

#include <stddef.h>
#include <stdint.h>

#include "symbols/elf_image.h"
#include "symbols/strpool.h"
#include "symbols/symbols.h"
#include "symbols/symtab.h"

struct dwarf_info;

#define DWARF_INFO_MAX_FRAMES 128 /* inlined into each other at one address */

struct dwarf_info_source {
	const struct elf_image *debug; /* holds the debug sections; outlives the dwarf_info */
	uint64_t code_low, code_high;  /* of the module itself */
	struct symtab *symtab;         /* asked for names that the debug information does not give */
	struct strpool *pool;
};

/* returns: NULL when the file holds no usable debug information or memory is short */
struct dwarf_info *dwarf_info_new(const struct dwarf_info_source *source);
void dwarf_info_free(struct dwarf_info *info);

/* What .gnu_debugaltlink asks for. returns: the file's name, or NULL; *build_id points into the file */
const char *dwarf_info_alternate_name(struct dwarf_info *info, const uint8_t **build_id, size_t *build_id_bytes);

/* Hand the supplementary file over, before the first lookup; it is closed with the dwarf_info. */
void dwarf_info_set_alternate(struct dwarf_info *info, struct elf_image *alternate);

/* The functions at address, innermost inlined first.
 * frames: room for DWARF_INFO_MAX_FRAMES; the last one's function is NULL when only file and line are known
 * returns: their number, 0 when nothing is known
 * cost:    as symbols_lookup() */
size_t dwarf_info_lookup(struct dwarf_info *info, uint64_t address, struct symbol_frame *frames);

#endif
