/* See modules.h. The table only grows; an entry that was overlapped by another object is retired and comes back to life
 * when the same object returns to the same place, so a program that loads two plug-ins in turn does not fill the table.
 */
#include "modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>

#include "exe.h"
#include "hooks.h"
#include "shm.h"
#include "sys.h"
#include "unwind_probe.h"
#include "unwind_rules.h"

#define MAX_KNOWN 4096u
#define PATH_BYTES 4096u
#define CLAIM_SPINS 20000u /* a publication takes some microseconds; its thread may be preempted or gone (fork) */

enum module_state {
	EMPTY = 0,
	CLAIMED = 1,
	ACTIVE = 2,
	RETIRED = 3,
};

/* What the loader says about one object. */
struct object {
	uint64_t
	    start; /* of the part that holds the address that was asked for, until find_headers has found the whole */
	uint64_t end;
	uint64_t bias;
	const char *name;
	const ElfW(Phdr) * phdr; /* NULL: not looked for yet (find_headers), or they cannot be seen */
	uint32_t n_phdrs;
};

static struct module *known;
static _Atomic uint32_t n_known;
static uint64_t main_phdr;
static uint32_t main_phdrs;
static uint64_t main_bias; /* 0 also where there is no PT_PHDR: not position independent */
static uint64_t vdso_start;

_Atomic uint32_t modules_generation = 1;
_Atomic uint64_t modules_seed = 0x6a09e667f3bcc909ull; /* any value will do: the fraction of the square root of 2 */

static const ElfW(Phdr) * segment_of(const struct object *o, uint64_t address, uint32_t flags)
{
	for (uint32_t i = 0; o->phdr && i < o->n_phdrs; i++) {
		const ElfW(Phdr) *p = &o->phdr[i];
		if (p->p_type == PT_LOAD && (p->p_flags & flags) == flags &&
		    address - o->bias - p->p_vaddr < p->p_filesz)
			return p;
	}
	return NULL;
}

/* The executable may have no ELF header in memory, and any distance between its segments: known by its headers. */
static bool is_main(const struct object *o)
{
	struct object whole = {0, 0, o->bias, NULL, (const ElfW(Phdr) *)(uintptr_t)main_phdr, main_phdrs};
	return main_phdr && o->bias == main_bias && segment_of(&whole, o->start, 0);
}

/* Program headers behind an ELF header at this address. */
static bool read_headers(struct object *o, uint64_t address)
{
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)(uintptr_t)address;
	/* Only the first page can be there as far as is known before the headers have been read; packers hide even
	 * that. */
	if (!probe_readable(address) || !probe_readable(address + 4088))
		return false;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phentsize != sizeof(ElfW(Phdr)))
		return false;
	if (header->e_phoff > 4096 || header->e_phoff + (uint64_t)header->e_phnum * sizeof(ElfW(Phdr)) > 4096)
		return false;
	o->phdr = (const ElfW(Phdr) *)(uintptr_t)(address + header->e_phoff);
	o->n_phdrs = header->e_phnum;
	return true;
}

/* From the headers, the whole range. */
static void widen(struct object *o)
{
	for (uint32_t i = 0; i < o->n_phdrs; i++) {
		if (o->phdr[i].p_type != PT_LOAD)
			continue;
		uint64_t low = (o->bias + o->phdr[i].p_vaddr) & ~4095ull;
		uint64_t high = o->bias + o->phdr[i].p_vaddr + o->phdr[i].p_memsz;
		o->start = low < o->start ? low : o->start;
		o->end = high > o->end ? high : o->end;
	}
}

static void find_headers(struct object *o)
{
	if (o->phdr)
		return;
	if (is_main(o)) {
		o->phdr = (const ElfW(Phdr) *)(uintptr_t)main_phdr;
		o->n_phdrs = main_phdrs;
	} else if (!read_headers(o, o->start) && (o->bias == o->start || o->bias & 4095 || !read_headers(o, o->bias)))
		return;
	widen(o);
}

struct search {
	uint64_t address;
	struct object *object;
};

static int match_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;
	struct object o = {UINT64_MAX, 0, info->dlpi_addr, info->dlpi_name, info->dlpi_phdr, info->dlpi_phnum};
	(void)size;
	widen(&o);
	if (search->address < o.start || search->address >= o.end)
		return 0;
	*search->object = o;
	return 1;
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
#pragma weak _dl_find_object
static bool ask_loader(uint64_t address, struct object *o)
{
	struct dl_find_object found;
	if (!_dl_find_object)
		return dl_iterate_phdr(match_object, &(struct search){address, o}) != 0;
	if (_dl_find_object((void *)(uintptr_t)address, &found) != 0)
		return false;
	o->start = (uintptr_t)found.dlfo_map_start;
	o->end = (uintptr_t)found.dlfo_map_end;
	o->bias = found.dlfo_link_map->l_addr;
	o->name = found.dlfo_link_map->l_name;
	return true;
}
#else
static bool ask_loader(uint64_t address, struct object *o)
{
	return dl_iterate_phdr(match_object, &(struct search){address, o}) != 0;
}
#endif

static void find_unwind_information(const struct object *o, struct cfi_image *image)
{
	*image = (struct cfi_image){0};
	for (uint32_t i = 0; o->phdr && i < o->n_phdrs; i++) {
		if (o->phdr[i].p_type != PT_GNU_EH_FRAME)
			continue;
		uint64_t hdr = o->bias + o->phdr[i].p_vaddr;
		const ElfW(Phdr) *segment = segment_of(o, hdr, PF_R);
		if (!segment)
			return;
		image->low = (const uint8_t *)(uintptr_t)(o->bias + segment->p_vaddr);
		image->high = image->low + segment->p_filesz;
		image->hdr = (const uint8_t *)(uintptr_t)hdr;
		image->hdr_end = image->hdr + o->phdr[i].p_memsz;
		if (image->hdr_end > image->high)
			image->hdr_end = image->high;
		/* .eh_frame may lie in another segment than its header (separate read-only data). */
		if (image->hdr_end - image->hdr >= 8 && image->hdr[1] == 0x1b) {
			int32_t distance;
			memcpy(&distance, image->hdr + 4, 4);
			segment = segment_of(o, hdr + 4 + (uint64_t)(int64_t)distance, PF_R);
		}
		if (!segment) {
			image->hdr = NULL;
			return;
		}
		image->low = (const uint8_t *)(uintptr_t)(o->bias + segment->p_vaddr);
		image->high = image->low + segment->p_filesz;
		return;
	}
}

/* The build-id among the notes; its length, 0 when there is none. */
static uint32_t find_build_id(const struct object *o, uint8_t id[TIDEMARK_MAX_BUILD_ID])
{
	for (uint32_t i = 0; o->phdr && i < o->n_phdrs; i++) {
		const ElfW(Phdr) *p = &o->phdr[i];
		const ElfW(Phdr) *segment = p->p_type == PT_NOTE ? segment_of(o, o->bias + p->p_vaddr, PF_R) : NULL;
		if (!segment || p->p_filesz > segment->p_filesz - (p->p_vaddr - segment->p_vaddr))
			continue;
		struct cfi_bytes b = {(const uint8_t *)(uintptr_t)(o->bias + p->p_vaddr), NULL, false};
		uint64_t align = p->p_align == 8 ? 8 : 4;
		b.end = b.at + p->p_filesz;
		while (b.end - b.at >= 12) {
			uint64_t name = (cfi_get_fixed(&b, 4) + align - 1) & -align;
			uint64_t size = cfi_get_fixed(&b, 4);
			uint64_t padded = (size + align - 1) & -align;
			uint64_t type = cfi_get_fixed(&b, 4);
			if (name > (uint64_t)(b.end - b.at) || padded > (uint64_t)(b.end - b.at) - name)
				break;
			if (type == NT_GNU_BUILD_ID && name == 4 && memcmp(b.at, "GNU", 4) == 0 &&
			    size <= TIDEMARK_MAX_BUILD_ID) {
				memcpy(id, b.at + name, size);
				return (uint32_t)size;
			}
			b.at += name + padded;
		}
	}
	return 0;
}

static bool is_vdso(const struct object *o)
{
	return vdso_start >= o->start && vdso_start < o->end;
}

/* A relative name behind the current folder. One buffer for all, because stacks of signal handlers are small. */
static uint32_t put_relative(const char *name, size_t length)
{
	static char path[PATH_BYTES];
	static atomic_flag busy = ATOMIC_FLAG_INIT;
	uint32_t string = 0;
	if (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
		return 0;
	/* getcwd(3) may allocate; the system call does not, and says how many bytes it wrote, with the NUL. */
	long got = SYS2(getcwd, path, sizeof(path));
	if (got > 1 && path[0] == '/' && (size_t)got + length <= sizeof(path)) {
		path[got - 1] = '/';
		memcpy(path + got, name, length);
		string = shm_put_string(path, (size_t)got + length);
	}
	atomic_flag_clear_explicit(&busy, memory_order_release);
	return string;
}

static uint32_t put_path(const struct object *o)
{
	if (is_main(o))
		return shm_put_string(exe_path(), strlen(exe_path()));
	if (is_vdso(o))
		return shm_put_string("[vdso]", 6);
	size_t length = strnlen(o->name, PATH_BYTES);
	uint32_t string = o->name[0] == '/' ? 0 : put_relative(o->name, length);
	return string ? string : shm_put_string(o->name, length);
}

static uint64_t stamp_now(void)
{
#if defined(__x86_64__)
	if (shm->clock == TIDEMARK_CLOCK_TSC)
		return __builtin_ia32_rdtsc() - shm->start_stamp;
#endif
	return atomic_load_explicit(&shm->counter, memory_order_relaxed);
}

static void write_record(struct tidemark_module *record, const struct object *o)
{
	record->start = o->start;
	record->end = o->end;
	record->bias = o->bias;
	record->stamp = stamp_now();
	record->path_string = put_path(o);
	record->proc_slot = proc_slot;
	record->build_id_bytes = (uint8_t)find_build_id(o, record->build_id);
	if (is_main(o))
		record->flags |= TIDEMARK_MODULE_MAIN;
	if (is_vdso(o))
		record->flags |= TIDEMARK_MODULE_VDSO;
	atomic_store_explicit(&record->ready, 1, memory_order_release);
}

static struct tidemark_module *record_at(uint32_t index)
{
	return (struct tidemark_module *)shm_at(&shm->modules, 0) + index;
}

static bool is_ready(const struct tidemark_module *record)
{
	return atomic_load_explicit(&record->ready, memory_order_acquire) != 0;
}

/* Does the record describe this object? */
static bool same_identity(const struct tidemark_module *record, const struct object *o)
{
	uint8_t id[TIDEMARK_MAX_BUILD_ID] = {0};
	if (record->start != o->start || record->end != o->end || record->bias != o->bias)
		return false;
	uint32_t id_bytes = find_build_id(o, id);
	if (id_bytes != record->build_id_bytes || memcmp(id, record->build_id, sizeof(id)) != 0)
		return false;
	if (is_main(o) || record->flags & TIDEMARK_MODULE_VDSO)
		return true;
	/* A relative name was stored behind the folder of its time. */
	const char *path = shm_at(&shm->strings, record->path_string);
	size_t path_bytes = strlen(path);
	size_t name_bytes = strnlen(o->name, PATH_BYTES);
	if (name_bytes > path_bytes || (o->name[0] == '/' && name_bytes < path_bytes))
		return false;
	return memcmp(path + path_bytes - name_bytes, o->name, name_bytes) == 0;
}

/* Write the object's record into shared memory, unless a relative of this process (fork) did so.
 * *contested: its range is, or may be, another object's in some record; then addresses there have two meanings
 * returns: its index, TIDEMARK_NO_MODULE when there is no room */
static uint32_t publish(const struct object *o, bool *contested)
{
	uint32_t mine = TIDEMARK_NO_MODULE;
	uint32_t n = atomic_load_explicit(&shm->n_modules, memory_order_acquire);
	for (uint32_t i = 0; i < n && i < TIDEMARK_MAX_MODULES && mine == TIDEMARK_NO_MODULE; i++)
		if (shm_ensure(&shm->modules, (uint64_t)(i + 1) * sizeof(struct tidemark_module)) &&
		    is_ready(record_at(i)) && same_identity(record_at(i), o))
			mine = i;
	if (mine == TIDEMARK_NO_MODULE) {
		mine = atomic_fetch_add_explicit(&shm->n_modules, 1, memory_order_acq_rel);
		if (mine >= TIDEMARK_MAX_MODULES ||
		    !shm_ensure(&shm->modules, (uint64_t)(mine + 1) * sizeof(struct tidemark_module)))
			return TIDEMARK_NO_MODULE;
		write_record(record_at(mine), o);
	}
	/* Looked for afterwards: of two processes that publish at once, one at least sees the other. */
	n = atomic_load_explicit(&shm->n_modules, memory_order_acquire);
	for (uint32_t i = 0; i < n && i < TIDEMARK_MAX_MODULES && !*contested; i++) {
		const struct tidemark_module *other = record_at(i);
		if (i != mine && shm_ensure(&shm->modules, (uint64_t)(i + 1) * sizeof(struct tidemark_module)))
			*contested = !is_ready(other) || (other->start < o->end && other->end > o->start);
	}
	return mine;
}

static uint64_t seed_of(const struct module *m)
{
	uint64_t x = (m->index + 1) * 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
	return m->tagged ? x ^ x >> 32 : 0;
}

static void forget_addresses(void)
{
	rules_flush();
	atomic_fetch_add_explicit(&modules_generation, 1, memory_order_release);
}

static void retire(struct module *m)
{
	uint32_t active = ACTIVE;
	if (!atomic_compare_exchange_strong(&m->state, &active, RETIRED))
		return;
	atomic_fetch_xor_explicit(&modules_seed, seed_of(m), memory_order_relaxed);
	forget_addresses();
}

static bool revive(struct module *m, const struct object *o)
{
	uint32_t retired = RETIRED;
	if (!atomic_compare_exchange_strong(&m->state, &retired, CLAIMED))
		return false;
	m->name = o->name;
	atomic_fetch_xor_explicit(&modules_seed, seed_of(m), memory_order_relaxed);
	atomic_store_explicit(&m->doubtful, 0, memory_order_relaxed);
	atomic_store_explicit(&m->state, ACTIVE, memory_order_release);
	forget_addresses();
	return true;
}

static uint32_t state_of(struct module *m)
{
	uint32_t state = atomic_load_explicit(&m->state, memory_order_acquire);
	for (uint32_t i = 0; state == CLAIMED && i < CLAIM_SPINS; i++)
		state = atomic_load_explicit(&m->state, memory_order_acquire);
	/* Whoever claimed it may not exist in this process (fork), or be what this signal handler interrupted. */
	if (state == CLAIMED)
		atomic_compare_exchange_strong(&m->state, &state, EMPTY);
	return state;
}

static uint32_t count_known(void)
{
	uint32_t n = atomic_load_explicit(&n_known, memory_order_acquire);
	return n < MAX_KNOWN ? n : MAX_KNOWN;
}

static bool fits(const struct module *m, const struct object *o)
{
	return m->start <= o->start && o->end <= m->end && m->bias == o->bias && m->name == o->name;
}

/* The full comparison with what was published. */
static bool is_described(const struct module *m, struct object *o)
{
	find_headers(o);
	return m->index != TIDEMARK_NO_MODULE && same_identity(record_at(m->index), o);
}

/* Its code is on the stack, so it is loaded and relocated. */
static void bind_hooks(const struct object *o)
{
	struct dl_phdr_info info = {
	    .dlpi_addr = o->bias, .dlpi_name = o->name, .dlpi_phdr = o->phdr, .dlpi_phnum = (ElfW(Half))o->n_phdrs};
	if (o->phdr && !is_main(o) && !is_vdso(o))
		hooks_bind(&info);
}

/* Is this active entry still the object that the loader has in its place? */
static bool still_stands(struct module *m, struct object *o)
{
	if (!fits(m, o))
		return false;
	if (!atomic_load_explicit(&m->doubtful, memory_order_acquire))
		return true;
	if (!is_described(m, o))
		return false;
	bind_hooks(o); /* it was loaded anew */
	atomic_store_explicit(&m->doubtful, 0, memory_order_relaxed);
	return true;
}

/* Looks for the object among the known; retires those that it has replaced. *contested: there were such. */
static struct module *find_known(struct object *o, bool *contested)
{
	struct module *back = NULL;
	uint32_t n = count_known();
	for (uint32_t i = 0; i < n; i++) {
		struct module *m = &known[i];
		uint32_t state = state_of(m);
		if (state < ACTIVE || m->start >= o->end || m->end <= o->start)
			continue;
		if (state == ACTIVE && still_stands(m, o))
			return m;
		retire(m);
		*contested = true;
		if (is_described(m, o))
			back = m;
	}
	if (!back || !revive(back, o))
		return NULL;
	bind_hooks(o);
	return back;
}

static struct module *add_known(struct object *o, bool contested)
{
	find_headers(o);
	uint32_t slot = atomic_fetch_add_explicit(&n_known, 1, memory_order_acq_rel);
	if (slot >= MAX_KNOWN) {
		atomic_store_explicit(&n_known, MAX_KNOWN, memory_order_relaxed);
		return NULL;
	}
	struct module *m = &known[slot];
	m->start = o->start;
	m->end = o->end;
	m->bias = o->bias;
	m->name = o->name;
	atomic_store_explicit(&m->doubtful, 0, memory_order_relaxed);
	atomic_store_explicit(&m->state, CLAIMED, memory_order_release);
	const ElfW(Phdr) *text = NULL;
	for (uint32_t i = 0; o->phdr && i < o->n_phdrs; i++) {
		const ElfW(Phdr) *p = &o->phdr[i];
		if (p->p_type == PT_LOAD && p->p_flags & PF_X && (!text || p->p_filesz > text->p_filesz))
			text = p;
	}
	m->text_low = text ? o->bias + text->p_vaddr : 0;
	m->text_high = text ? m->text_low + text->p_filesz : 0;
	find_unwind_information(o, &m->image);
	m->index = publish(o, &contested);
	bind_hooks(o);
	/* Where addresses in its range had another meaning before, as another object, as no object (generated code), or
	 * in a relative that shares the trie, stacks through it must hash differently. */
	if (rules_forget_guesses(m->start, m->end))
		contested = true;
	m->tagged = contested;
	atomic_fetch_xor_explicit(&modules_seed, seed_of(m), memory_order_relaxed);
	atomic_store_explicit(&m->state, ACTIVE, memory_order_release);
	if (m->tagged)
		atomic_fetch_add_explicit(&modules_generation, 1, memory_order_release);
	return m;
}

static void retire_at(uint64_t address)
{
	uint32_t n = count_known();
	for (uint32_t i = 0; i < n; i++)
		if (atomic_load_explicit(&known[i].state, memory_order_acquire) == ACTIVE &&
		    address - known[i].start < known[i].end - known[i].start)
			retire(&known[i]);
}

const struct module *modules_find(uint64_t address)
{
	struct object o = {0};
	bool contested = false;
	if (!known) /* there was no memory */
		return NULL;
	if (!ask_loader(address, &o)) {
		retire_at(address);
		return NULL;
	}
	struct module *m = find_known(&o, &contested);
	return m ? m : add_known(&o, contested);
}

static bool is_in(const struct module *m, uint64_t address)
{
	return address - m->start < m->end - m->start &&
	       atomic_load_explicit(&m->state, memory_order_acquire) == ACTIVE;
}

const struct module *modules_known(uint64_t address)
{
	static _Atomic uint16_t hints[64]; /* by address: which one it was the last time */
	_Atomic uint16_t *hint = &hints[(address >> 16) % 64];
	uint32_t n = count_known(), at = atomic_load_explicit(hint, memory_order_relaxed);
	if (at < n && is_in(&known[at], address))
		return &known[at];
	for (uint32_t i = 0; i < n; i++) {
		if (!is_in(&known[i], address))
			continue;
		atomic_store_explicit(hint, (uint16_t)i, memory_order_relaxed);
		return &known[i];
	}
	return modules_find(address);
}

bool modules_check_unloaded(void)
{
	uint32_t n = count_known();
	bool unloaded = false;
	for (uint32_t i = 0; i < n; i++) {
		struct object o = {0};
		struct module *m = &known[i];
		if (atomic_load_explicit(&m->state, memory_order_acquire) != ACTIVE ||
		    atomic_load_explicit(&m->doubtful, memory_order_relaxed))
			continue;
		if (ask_loader(m->start, &o) && fits(m, &o) && is_described(m, &o))
			continue;
		/* Not retired yet: if the same object comes back to this place, its stacks are the same stacks. */
		atomic_store_explicit(&m->doubtful, 1, memory_order_release);
		unloaded = true;
	}
	if (unloaded)
		forget_addresses();
	return unloaded;
}

void modules_new_seed(void)
{
	uint64_t seed = atomic_load_explicit(&modules_seed, memory_order_relaxed);
	atomic_store_explicit(
	    &modules_seed, (seed ^ seed >> 31) * 0x9e3779b97f4a7c15ull + proc_slot + 1, memory_order_relaxed);
}

bool modules_init(void)
{
	known = shm_private(MAX_KNOWN * sizeof(*known));
	if (!known)
		return false;
	main_phdr = getauxval(AT_PHDR);
	main_phdrs = (uint32_t)getauxval(AT_PHNUM);
	for (uint32_t i = 0; i < main_phdrs; i++) {
		const ElfW(Phdr) *p = (const ElfW(Phdr) *)(uintptr_t)main_phdr + i;
		if (p->p_type == PT_PHDR)
			main_bias = main_phdr - p->p_vaddr;
	}
	vdso_start = getauxval(AT_SYSINFO_EHDR);
	return true;
}
