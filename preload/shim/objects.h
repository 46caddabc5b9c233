/* Loaded objects and what they define, read from their own tables: no loader lock that a constructor may hold while it
 * waits for us, no allocation, no dlerror() left behind. Any thread; microseconds. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object {
	uintptr_t base;
	const char *path;   /* the loader's; empty for the program itself */
	const char *soname; /* NULL when it has none */
	const ElfW(Phdr) * headers;
	unsigned n_headers;
	const ElfW(Dyn) * dynamic;
	const ElfW(Sym) * symbols;
	const char *strings;
	const ElfW(Half) * versions;       /* NULL when there are none */
	const uint32_t *gnu_hash;          /* NULL when there is none */
	const ElfW(Rela) * relocations[2]; /* DT_RELA, DT_JMPREL */
	size_t n_relocations[2];
};

/* Call `each` for every object in the loader's order, until it returns true.
 * returns: whether it did. The objects' memory is good while the object stays loaded. */
bool objects_each(bool (*each)(const struct object *object, void *argument), void *argument);

/* Read one object's tables. name: the loader's, or NULL. returns: false when it has none */
bool object_take(const struct dl_phdr_info *info, struct object *object);

/* Functions of one name: what references are bound to, and what they are to be bound to. */
struct redirection {
	const char *name;
	void **real; /* NULL in there: nothing to do */
	void *hook;
};

/* Point the object's references to the hooks.
 * bound_only: leave alone those that are not bound to the real function, because they are another's or not bound yet
 * threads: several may be at it at once; pages that were protected stay writable */
void object_redirect(const struct object *object, const struct redirection *list, unsigned n, bool bound_only);

/* Is this library itself that object? */
bool object_is_shim(const struct object *object);

bool object_contains(const struct object *object, uintptr_t address);

/* The address of the function that the object defines for other objects by this name; NULL when it does not.
 * hidden: also versions kept for old programs only */
void *object_find(const struct object *object, const char *name, bool hidden);

/* Does it refer to a definition of this name in another object? */
bool object_imports(const struct object *object, const char *name);

/* The next definition after this library in the loader's order, as RTLD_NEXT finds it while nothing was dlopened. */
void *objects_next(const char *name, bool hidden);

/* The definition that a reference in the object around `caller` is bound to when the program itself has none: in that
 * object or, breadth first, in those it needs. NULL when there is none. */
void *objects_find_from(uintptr_t caller, const char *name);

/* Find the object that contains an address. returns: false when there is none */
bool objects_at(uintptr_t address, struct object *object);

#endif
