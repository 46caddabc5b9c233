/* An ELF file opened for its symbols: checked, mapped, its descriptor closed again. threads: the owner's. */
#ifndef ELF_IMAGE_H
#define ELF_IMAGE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_image {
	Elf *elf;                /* NULL: nothing was opened */
	char *path;              /* what /proc/self/fd says was opened; for files named relative to it */
	const uint8_t *build_id; /* inside the mapping */
	size_t build_id_bytes;
	uint64_t code_low, code_high; /* executable segments lie in [low, high); 0, 0: none. Never below the ELF
	                                 header's end: debug information of discarded code points there */
	uint64_t device, inode;
};

/* Open a regular ELF file. returns: 0, or -1 with errno set (ENOEXEC: no ELF file) and *image empty */
int elf_image_open(struct elf_image *image, const char *path);

/* As elf_image_open for a file that is open; closes fd in any case. */
int elf_image_open_fd(struct elf_image *image, int fd);

/* The running kernel's vdso, from this process's memory. returns: as elf_image_open */
int elf_image_open_vdso(struct elf_image *image);

void elf_image_close(struct elf_image *image);

bool elf_image_has_id(const struct elf_image *image, const uint8_t *build_id, size_t build_id_bytes);

/* The section of that name, or NULL. */
Elf_Scn *elf_image_section(const struct elf_image *image, const char *name);

/* Does the file hold debug information itself (a section with bytes, not one left empty by strip)? */
bool elf_image_has_dwarf(const struct elf_image *image);

#endif
