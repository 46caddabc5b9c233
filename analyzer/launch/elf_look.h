/* A look at an ELF executable: could a preloaded library record it? Reads the headers, the dynamic section and the
 * names of symbols; hostile files give a wrong answer at worst. threads: any. */
#ifndef ELF_LOOK_H
#define ELF_LOOK_H

#include <stdbool.h>

#if defined(__x86_64__)
#define ELF_LOOK_NATIVE "64-bit x86-64"
#define ELF_LOOK_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define ELF_LOOK_NATIVE "64-bit ARM"
#define ELF_LOOK_MACHINE EM_AARCH64
#else
#error "the shim does not know this architecture"
#endif

enum elf_look_kind {
	ELF_LOOK_DYNAMIC,    /* nothing speaks against it */
	ELF_LOOK_STATIC,     /* no loader runs */
	ELF_LOOK_MUSL,       /* the loader is musl's */
	ELF_LOOK_SANITIZED,  /* a sanitizer's runtime owns malloc; text: "built with AddressSanitizer" */
	ELF_LOOK_OWN_MALLOC, /* it defines malloc itself */
};

struct elf_look {
	enum elf_look_kind kind;
	bool foreign;           /* another architecture or word size; text: "a 32-bit program" */
	const char *text;       /* constant; "" when there is nothing to add */
	char interpreter[1024]; /* the loader; empty when there is none */
};

/* returns: false when fd is no ELF file
 * cost:    a pass over .dynsym, and over .symtab when the program does not import malloc */
bool elf_look(struct elf_look *look, int fd);

#endif
