/* Reads the dynamic sections of loaded objects. Enters: dl_iterate_phdr's list. Leaves: addresses of definitions.
 * Called by the constructor, and at the first use of operator new in a program that has no C++ library of its own. */
#include "objects.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "sys.h"

#define MAX_NEEDED 64u /* objects searched on behalf of one caller */
#define VERSION_HIDDEN 0x8000u

extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

/* glibc relocates most of these pointers in place; on objects where it does not (the vdso, read-only sections) they
 * still are offsets. */
static const void *pointer_of(const struct object *object, ElfW(Addr) value)
{
	return (const void *)(value < object->base ? object->base + value : value);
}

static void take_dynamic(struct object *object)
{
	ElfW(Xword) soname = 0, rela_bytes = 0, plt_bytes = 0;
	for (const ElfW(Dyn) *d = object->dynamic; d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB:
			object->symbols = pointer_of(object, d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			object->strings = pointer_of(object, d->d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			object->gnu_hash = pointer_of(object, d->d_un.d_ptr);
			break;
		case DT_VERSYM:
			object->versions = pointer_of(object, d->d_un.d_ptr);
			break;
		case DT_RELA:
			object->relocations[0] = pointer_of(object, d->d_un.d_ptr);
			break;
		case DT_JMPREL:
			object->relocations[1] = pointer_of(object, d->d_un.d_ptr);
			break;
		case DT_RELASZ:
			rela_bytes = d->d_un.d_val;
			break;
		case DT_PLTRELSZ:
			plt_bytes = d->d_un.d_val;
			break;
		case DT_SONAME:
			soname = d->d_un.d_val;
			break;
		}
	}
	object->n_relocations[0] = rela_bytes / sizeof(ElfW(Rela));
	object->n_relocations[1] = plt_bytes / sizeof(ElfW(Rela));
	if (soname && object->strings)
		object->soname = object->strings + soname;
}

bool object_take(const struct dl_phdr_info *info, struct object *object)
{
	memset(object, 0, sizeof(*object));
	object->base = info->dlpi_addr;
	object->path = info->dlpi_name ? info->dlpi_name : "";
	object->headers = info->dlpi_phdr;
	object->n_headers = info->dlpi_phnum;
	for (unsigned i = 0; i < object->n_headers; i++) {
		if (object->headers[i].p_type == PT_DYNAMIC)
			object->dynamic = (const ElfW(Dyn) *)(object->base + object->headers[i].p_vaddr);
	}
	if (!object->dynamic)
		return false;
	take_dynamic(object);
	return object->symbols && object->strings;
}

struct walk {
	bool (*each)(const struct object *object, void *argument);
	void *argument;
};

static int step(struct dl_phdr_info *info, size_t size, void *data)
{
	struct walk *walk = data;
	struct object object;
	(void)size;
	return object_take(info, &object) && walk->each(&object, walk->argument);
}

bool objects_each(bool (*each)(const struct object *object, void *argument), void *argument)
{
	struct walk walk = {each, argument};
	return dl_iterate_phdr(step, &walk) != 0;
}

bool object_is_shim(const struct object *object)
{
	return object->dynamic == _DYNAMIC;
}

bool object_contains(const struct object *object, uintptr_t address)
{
	for (unsigned i = 0; i < object->n_headers; i++) {
		const ElfW(Phdr) *p = &object->headers[i];
		if (p->p_type == PT_LOAD && address - object->base - p->p_vaddr < p->p_memsz)
			return true;
	}
	return false;
}

/* The layout of DT_GNU_HASH: see binutils' and glibc's sources; there is no specification. */
struct gnu_hash {
	uint32_t n_buckets, first_symbol, n_bloom, bloom_shift;
};

static bool may_have(const struct gnu_hash *hash, uint32_t h)
{
	const unsigned bits = 8 * sizeof(ElfW(Addr));
	const ElfW(Addr) *bloom = (const ElfW(Addr) *)(hash + 1);
	ElfW(Addr) word = bloom[h / bits & (hash->n_bloom - 1)];
	return word >> h % bits & word >> (h >> hash->bloom_shift) % bits & 1;
}

static const uint32_t *hash_buckets(const struct gnu_hash *hash)
{
	return (const uint32_t *)((const ElfW(Addr) *)(hash + 1) + hash->n_bloom);
}

static bool is_definition(const struct object *object, uint32_t i, const char *name, bool hidden)
{
	const ElfW(Sym) *symbol = &object->symbols[i];
	unsigned type = ELF64_ST_TYPE(symbol->st_info), bind = ELF64_ST_BIND(symbol->st_info);
	if (symbol->st_shndx == SHN_UNDEF || symbol->st_value == 0 || bind == STB_LOCAL)
		return false;
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	if (!hidden && object->versions && (object->versions[i] & VERSION_HIDDEN))
		return false;
	return strcmp(object->strings + symbol->st_name, name) == 0;
}

void *object_find(const struct object *object, const char *name, bool hidden)
{
	const struct gnu_hash *hash = (const struct gnu_hash *)object->gnu_hash;
	uint32_t h = 5381;
	if (!hash || hash->n_buckets == 0)
		return NULL;
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		h = h * 33 + *p;
	if (!may_have(hash, h))
		return NULL;
	const uint32_t *buckets = hash_buckets(hash), *chains = buckets + hash->n_buckets;
	uint32_t i = buckets[h % hash->n_buckets];
	if (i < hash->first_symbol)
		return NULL;
	for (;; i++) {
		uint32_t entry = chains[i - hash->first_symbol];
		if ((entry | 1) == (h | 1) && is_definition(object, i, name, hidden)) {
			const ElfW(Sym) *symbol = &object->symbols[i];
			uintptr_t address = object->base + symbol->st_value;
			if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC)
				address = ((uintptr_t(*)(void))address)();
			return (void *)address;
		}
		if (entry & 1)
			return NULL;
	}
}

/* Symbols that are not defined stand before those that the hash table covers. */
bool object_imports(const struct object *object, const char *name)
{
	const struct gnu_hash *hash = (const struct gnu_hash *)object->gnu_hash;
	for (uint32_t i = 1; hash && i < hash->first_symbol; i++) {
		if (object->symbols[i].st_shndx == SHN_UNDEF &&
		    strcmp(object->strings + object->symbols[i].st_name, name) == 0)
			return true;
	}
	return false;
}

static bool is_reference(const ElfW(Rela) * r)
{
#if defined(__x86_64__)
	unsigned type = ELF64_R_TYPE(r->r_info);
	return r->r_addend == 0 && (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT || type == R_X86_64_64);
#elif defined(__aarch64__)
	unsigned type = ELF64_R_TYPE(r->r_info);
	return r->r_addend == 0 &&
	       (type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT || type == R_AARCH64_ABS64);
#endif
}

static bool is_protected(const struct object *object, uintptr_t address)
{
	for (unsigned i = 0; i < object->n_headers; i++) {
		const ElfW(Phdr) *p = &object->headers[i];
		if (p->p_type == PT_GNU_RELRO && address - object->base - p->p_vaddr < p->p_memsz)
			return true;
	}
	return false;
}

static void set_slot(const struct object *object, uintptr_t address, void *value)
{
	uintptr_t page_bytes = getauxval(AT_PAGESZ), page = address & -page_bytes;
	if (is_protected(object, address) && SYS3(mprotect, page, page_bytes, PROT_READ | PROT_WRITE) < 0)
		return;
	atomic_store_explicit((void *_Atomic *)address, value, memory_order_relaxed);
}

static void redirect_slot(
    const struct object *object, const ElfW(Rela) * r, const struct redirection *list, unsigned n, bool bound_only)
{
	uintptr_t address = object->base + r->r_offset;
	const char *name = object->strings + object->symbols[ELF64_R_SYM(r->r_info)].st_name;
	for (unsigned i = 0; i < n; i++) {
		void *real = *list[i].real;
		if (real && list[i].hook && (!bound_only || *(void **)address == real) &&
		    strcmp(name, list[i].name) == 0)
			set_slot(object, address, list[i].hook);
	}
}

void object_redirect(const struct object *object, const struct redirection *list, unsigned n, bool bound_only)
{
	for (unsigned table = 0; table < 2; table++) {
		for (size_t i = 0; object->relocations[table] && i < object->n_relocations[table]; i++) {
			const ElfW(Rela) *r = &object->relocations[table][i];
			if (ELF64_R_SYM(r->r_info) != 0 && is_reference(r))
				redirect_slot(object, r, list, n, bound_only);
		}
	}
}

struct search {
	const char *name;
	uintptr_t address;
	void *found;
	struct object *object;
	bool hidden;
	bool passed; /* this library */
};

static bool find_next(const struct object *object, void *argument)
{
	struct search *search = argument;
	if (object_is_shim(object))
		search->passed = true;
	else if (search->passed)
		search->found = object_find(object, search->name, search->hidden);
	return search->found != NULL;
}

void *objects_next(const char *name, bool hidden)
{
	struct search search = {.name = name, .hidden = hidden};
	objects_each(find_next, &search);
	return search.found;
}

static bool find_at(const struct object *object, void *argument)
{
	struct search *search = argument;
	if (!object_contains(object, search->address))
		return false;
	*search->object = *object;
	return true;
}

bool objects_at(uintptr_t address, struct object *object)
{
	struct search search = {.address = address, .object = object};
	return objects_each(find_at, &search);
}

static bool find_named(const struct object *object, void *argument)
{
	struct search *search = argument;
	const char *slash = strrchr(object->path, '/');
	if (strcmp(object->soname ? object->soname : slash ? slash + 1 : object->path, search->name) != 0)
		return false;
	*search->object = *object;
	return true;
}

/* Add the names of what the object needs. */
static unsigned add_needed(const struct object *object, const char **names, unsigned n)
{
	for (const ElfW(Dyn) *d = object->dynamic; d->d_tag != DT_NULL && n < MAX_NEEDED; d++) {
		const char *name = object->strings + d->d_un.d_val;
		bool known = d->d_tag != DT_NEEDED;
		for (unsigned i = 0; i < n && !known; i++)
			known = strcmp(names[i], name) == 0;
		if (!known)
			names[n++] = name;
	}
	return n;
}

void *objects_find_from(uintptr_t caller, const char *name)
{
	const char *names[MAX_NEEDED];
	struct object object;
	unsigned n = 0;
	if (!objects_at(caller, &object))
		return NULL;
	void *found = object_find(&object, name, false);
	n = add_needed(&object, names, n);
	for (unsigned i = 0; i < n && !found; i++) {
		struct search search = {.name = names[i], .object = &object};
		if (!objects_each(find_named, &search) || object_is_shim(&object))
			continue;
		found = object_find(&object, name, false);
		n = add_needed(&object, names, n);
	}
	return found;
}
