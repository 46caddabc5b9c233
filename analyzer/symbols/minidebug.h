/* MiniDebugInfo: the symbol table that some distributions pack with LZMA into .gnu_debugdata of stripped files.
 * threads: those of the image. */
#ifndef MINIDEBUG_H
#define MINIDEBUG_H

#include "symbols/elf_image.h"

/* Call add(arg, name, symbol) for each symbol that libdwfl finds in an image without .symtab. Names die with the call.
 * returns: 0, or what add returned when that was not 0 */
int minidebug_read(
    const struct elf_image *image, int (*add)(void *arg, const char *name, const GElf_Sym *symbol), void *arg);

#endif
