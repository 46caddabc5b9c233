/* Finding separate debug files: build-id folders, .gnu_debuglink, .gnu_debugaltlink (dwz), debuginfod.
 * threads: the owner's. */
#ifndef DEBUG_SEARCH_H
#define DEBUG_SEARCH_H

#include <stdbool.h>

#include "symbols/elf_image.h"

struct debug_search {
	const char *sysroot;           /* NULL: none */
	const char *const *debug_dirs; /* before /usr/lib/debug */
	size_t n_debug_dirs;
	bool use_debuginfod;
};

/* Open the debug file that belongs to a module.
 * image:    the module's file, or empty when it cannot be had (then the build-id alone decides)
 * path:     the module's name as recorded
 * build_id: what the debug file must carry; build_id_bytes 0: the .gnu_debuglink checksum decides
 * returns:  0 with *found open, -1 when there is none
 * cost:     some dozen failed opens; a checksum over the whole file for .gnu_debuglink without build-ids */
int debug_search_file(const struct debug_search *search, const struct elf_image *image, const char *path,
    const uint8_t *build_id, size_t build_id_bytes, struct elf_image *found);

/* Open the supplementary file (dwz) that a debug file shares strings and types with.
 * name: as .gnu_debugaltlink says; relative to the folder of the debug file
 * returns: as debug_search_file */
int debug_search_alternate(const struct debug_search *search, const struct elf_image *debug, const char *name,
    const uint8_t *build_id, size_t build_id_bytes, struct elf_image *found);

#endif
