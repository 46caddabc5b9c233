/* Function names from symbol tables: .symtab, .dynsym, PLT slots. threads: the owner's. */
#ifndef SYMTAB_H
#define SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols/elf_image.h"
#include "symbols/strpool.h"

struct symtab_entry;

struct symtab {
	struct symtab_entry *entries; /* by start, best name first among equals */
	size_t n_entries, capacity;
	char **owned; /* names that live nowhere else */
	size_t n_owned, owned_capacity;
	bool is_full;
};

void symtab_init(struct symtab *table);
void symtab_release(struct symtab *table);

/* Take in the functions of a file: of its .symtab, or without one of its .dynsym and its packed .gnu_debugdata. The
 * image must outlive the table.
 * returns: 0, or -1 when memory is short (what was read stays usable after symtab_finish) */
int symtab_add_image(struct symtab *table, const struct elf_image *image);

/* Has a .symtab been taken in, rather than a .dynsym? */
bool symtab_is_full(const struct symtab *table);

/* Sort; once, after the last symtab_add_image. */
void symtab_finish(struct symtab *table);

/* Can code be there? false when a full table has no symbol for address: it is padding. */
bool symtab_has_code(const struct symtab *table, uint64_t address);

/* The readable name of the function that address lies in. Sizes count: between functions nothing is found. Labels of a
 * full symbol table without a size reach to the next symbol of their section.
 * returns: a string of the pool, or NULL */
const char *symtab_find(struct symtab *table, uint64_t address, struct strpool *pool);

/* As symtab_find, for a function that starts exactly at address. */
const char *symtab_find_start(struct symtab *table, uint64_t address, struct strpool *pool);

/* "name@plt" for an address in a PLT slot (x86-64). returns: a string of the pool, or NULL */
const char *symtab_find_plt(
    struct symtab *table, const struct elf_image *image, uint64_t address, struct strpool *pool);

#endif
