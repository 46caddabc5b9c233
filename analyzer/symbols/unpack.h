/* Compressed debug information (SHF_COMPRESSED), unpacked at once and only as far as it is read here. libdw would unpack
 * every section, by zlib, which takes most of a short recording's end: 30 ms for libc6-dbg. threads: the owner's. */
#ifndef UNPACK_H
#define UNPACK_H

#include <libelf.h>
#include <stddef.h>

struct unpacked {
	Elf *elf; /* NULL: nothing was unpacked */
	void *memory;
	size_t n_bytes;
};

/* Make an ELF file in memory of the debug sections of `elf`, which may be closed before it.
 * *unpacked: zeroed; to be released in any case
 * returns:   0 when there is one; -1 when nothing is compressed, or in a way not known here, or damaged, or memory is
 *            short: then libdw may try the file itself */
int unpack_debug(struct unpacked *unpacked, Elf *elf);
void unpack_release(struct unpacked *unpacked);

#endif
