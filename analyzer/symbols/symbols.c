/* Modules by name and build-id, answers by address. Enters: the requests of symbols.h. Leaves: frames that stay.
 * Order of belief at an address: debug information, symbol table, PLT; the file's own sections before separate ones. */
#include "symbols/symbols.h"

#include "base/array.h"
#include "symbols/debug_search.h"
#include "symbols/dwarf_info.h"
#include "symbols/elf_image.h"
#include "symbols/keymap.h"
#include "symbols/perf_map.h"
#include "symbols/strpool.h"
#include "symbols/symtab.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BUILD_ID_BYTES 64
#define VDSO_PATH "[vdso]"

enum module_kind { MODULE_ELF, MODULE_PERF_MAP };

/* An answer: the first frame's place in the pool, or NULL. */
struct answer {
	struct symbol_frame *frames;
	size_t n_frames;
};

struct symbols_module {
	struct symbols *symbols;
	enum module_kind kind;
	const char *path;
	uint8_t build_id[MAX_BUILD_ID_BYTES];
	size_t build_id_bytes;
	uint64_t file[3];       /* of struct identity */
	struct elf_image image; /* the file itself; empty when it could not be had or does not match */
	struct elf_image debug; /* a separate debug file, or empty */
	bool is_refused;        /* the user was told that the file is not to be used */
	bool is_prepared;       /* tables and debug information were looked for */
	struct symtab table;
	struct dwarf_info *dwarf;
	struct perf_map map;
	struct answer *answers;
	size_t n_answers, answers_capacity;
	struct keymap answers_by_address; /* address -> index into answers */
};

struct symbols {
	struct symbols_options options;
	struct debug_search search;
	struct strpool pool;
	struct symbols_module **modules;
	size_t n_modules, capacity;
	struct keymap modules_by_hash; /* identity_hash() -> index */
};

static void warn(struct symbols *symbols, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct symbols *symbols, const char *format, ...)
{
	char text[PATH_MAX + 256];
	va_list arguments;

	if (!symbols->options.warn)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	symbols->options.warn(symbols->options.warn_arg, text);
}

static int options_copy(struct symbols *symbols, const struct symbols_options *options)
{
	const char **folders;

	symbols->options = *options;
	symbols->options.sysroot = NULL;
	/* "/" is no sysroot, and PATH/ is PATH: names are appended with their own slash */
	if (options->sysroot) {
		size_t length = strlen(options->sysroot);

		while (length && options->sysroot[length - 1] == '/')
			length--;
		if (length) {
			symbols->options.sysroot = strpool_add_bytes(&symbols->pool, options->sysroot, length);
			if (!symbols->options.sysroot)
				return -1;
		}
	}
	folders = strpool_alloc(&symbols->pool, (options->n_debug_dirs + 1) * sizeof(*folders));
	if (!folders)
		return -1;
	for (size_t i = 0; i < options->n_debug_dirs; i++) {
		folders[i] = strpool_add(&symbols->pool, options->debug_dirs[i]);
		if (!folders[i])
			return -1;
	}
	symbols->options.debug_dirs = folders;
	symbols->search.sysroot = symbols->options.sysroot;
	symbols->search.debug_dirs = folders;
	symbols->search.n_debug_dirs = options->n_debug_dirs;
	symbols->search.use_debuginfod = options->use_debuginfod;
	return 0;
}

int symbols_new(struct symbols **out, const struct symbols_options *options, struct err *err)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));

	*out = NULL;
	if (!symbols)
		return err_memory(err);
	strpool_init(&symbols->pool);
	keymap_init(&symbols->modules_by_hash);
	if (options_copy(symbols, options)) {
		symbols_free(symbols);
		return err_memory(err);
	}
	*out = symbols;
	return 0;
}

static void module_free(struct symbols_module *module)
{
	dwarf_info_free(module->dwarf);
	symtab_release(&module->table);
	perf_map_release(&module->map);
	elf_image_close(&module->debug);
	elf_image_close(&module->image);
	keymap_release(&module->answers_by_address);
	free(module->answers);
	free(module);
}

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	for (size_t i = 0; i < symbols->n_modules; i++)
		module_free(symbols->modules[i]);
	free(symbols->modules);
	keymap_release(&symbols->modules_by_hash);
	strpool_release(&symbols->pool);
	free(symbols);
}

/* Does the opened file stand for the recorded one? A file without a build-id is believed only on somebody's word. */
static bool image_is_recorded(struct symbols_module *module)
{
	const struct symbols_options *options = &module->symbols->options;
	bool told = module->is_refused;

	module->is_refused = true;
	if (!elf_image_has_id(&module->image, module->build_id, module->build_id_bytes)) {
		if (!told)
			warn(module->symbols,
			    "'%s' is not the file that was recorded (its build-id differs): no symbols from it",
			    module->path);
		return false;
	}
	if (module->build_id_bytes || options->trust_files || options->sysroot)
		return true;
	if (!told)
		warn(module->symbols,
		    "'%s' has no build-id, so it cannot be told whether it changed since the recording", module->path);
	return false;
}

static void module_open(struct symbols_module *module, const char *open_path)
{
	const struct symbols_options *options = &module->symbols->options;
	char below[PATH_MAX];
	int result = -1;

	if (!strcmp(module->path, VDSO_PATH)) {
		result = elf_image_open_vdso(&module->image);
		/* Another kernel's vdso is nobody's fault: no warning. */
		if (!result && !elf_image_has_id(&module->image, module->build_id, module->build_id_bytes))
			elf_image_close(&module->image);
		return;
	}
	if (open_path) {
		result = elf_image_open(&module->image, open_path);
	} else if (module->path[0] == '/') {
		if (options->sysroot &&
		    (size_t)snprintf(below, sizeof(below), "%s%s", options->sysroot, module->path) < sizeof(below))
			result = elf_image_open(&module->image, below);
		if (result)
			result = elf_image_open(&module->image, module->path);
	}
	if (!result && !image_is_recorded(module))
		elf_image_close(&module->image);
}

/* What makes two modules of one path the same: the build-id, else the file itself. */
struct identity {
	enum module_kind kind;
	const char *path;
	const uint8_t *build_id;
	size_t build_id_bytes;
	uint64_t file[3]; /* device, inode, time of change; zero with a build-id */
};

static void identity_of_file(struct identity *identity, const char *open_path)
{
	struct stat status;

	if (identity->build_id_bytes || stat(open_path ? open_path : identity->path, &status))
		return;
	identity->file[0] = status.st_dev;
	identity->file[1] = status.st_ino;
	identity->file[2] = (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec;
}

static uint64_t identity_hash(const struct identity *identity)
{
	const uint64_t prime = 0x100000001b3u; /* FNV-1a */
	uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)identity->kind;

	for (const char *at = identity->path; *at; at++)
		hash = (hash ^ (unsigned char)*at) * prime;
	for (size_t i = 0; i < identity->build_id_bytes; i++)
		hash = (hash ^ identity->build_id[i]) * prime;
	for (size_t i = 0; i < 3; i++)
		hash = (hash ^ identity->file[i]) * prime;
	return hash;
}

static struct symbols_module *module_find(struct symbols *symbols, const struct identity *identity)
{
	struct symbols_module *module;
	uint64_t index;

	if (!keymap_get(&symbols->modules_by_hash, identity_hash(identity), &index))
		return NULL;
	module = symbols->modules[index];
	if (module->kind == identity->kind && !strcmp(module->path, identity->path) &&
	    module->build_id_bytes == identity->build_id_bytes &&
	    !memcmp(module->build_id, identity->build_id, identity->build_id_bytes) &&
	    !memcmp(module->file, identity->file, sizeof(module->file)))
		return module;
	return NULL;
}

static struct symbols_module *module_add(struct symbols *symbols, const struct identity *identity)
{
	struct symbols_module *module = calloc(1, sizeof(*module));

	if (!module)
		return NULL;
	module->symbols = symbols;
	module->kind = identity->kind;
	module->path = strpool_add(&symbols->pool, identity->path);
	module->build_id_bytes = identity->build_id_bytes;
	memcpy(module->build_id, identity->build_id, identity->build_id_bytes);
	memcpy(module->file, identity->file, sizeof(module->file));
	symtab_init(&module->table);
	perf_map_init(&module->map);
	keymap_init(&module->answers_by_address);
	if (!module->path || ARRAY_RESERVE(symbols->modules, symbols->capacity, symbols->n_modules + 1)) {
		module_free(module);
		return NULL;
	}
	/* Should memory be short here, or two hashes meet, the module is only not found again. */
	keymap_put(&symbols->modules_by_hash, identity_hash(identity), symbols->n_modules);
	symbols->modules[symbols->n_modules++] = module;
	return module;
}

struct symbols_module *symbols_module(
    struct symbols *symbols, const char *open_path, const char *path, const uint8_t *build_id, size_t build_id_bytes)
{
	static const uint8_t none[1];
	struct identity identity = {MODULE_ELF, path, build_id_bytes ? build_id : none, build_id_bytes, {0}};
	struct symbols_module *module;

	if (identity.build_id_bytes > MAX_BUILD_ID_BYTES)
		identity.build_id_bytes = MAX_BUILD_ID_BYTES; /* no file will match it */
	identity_of_file(&identity, open_path);
	module = module_find(symbols, &identity);
	if (!module)
		module = module_add(symbols, &identity);
	/* A file that could not be had the first time may be offered again by another process. */
	if (module && !module->image.elf && !module->is_prepared)
		module_open(module, open_path);
	return module;
}

struct symbols_module *symbols_perf_map(struct symbols *symbols, const char *path)
{
	static const uint8_t none[1];
	struct identity identity = {MODULE_PERF_MAP, path, none, 0, {0}};
	struct symbols_module *module = module_find(symbols, &identity);

	return module ? module : module_add(symbols, &identity);
}

static void alternate_open(struct symbols_module *module, const struct elf_image *debug)
{
	const uint8_t *build_id;
	size_t build_id_bytes;
	const char *name = dwarf_info_alternate_name(module->dwarf, &build_id, &build_id_bytes);
	struct elf_image alternate;

	if (name &&
	    !debug_search_alternate(&module->symbols->search, debug, name, build_id, build_id_bytes, &alternate))
		dwarf_info_set_alternate(module->dwarf, &alternate);
}

static void dwarf_open(struct symbols_module *module, const struct elf_image *debug)
{
	const struct elf_image *code = module->image.elf ? &module->image : debug;
	struct dwarf_info_source source = {
	    .debug = debug,
	    .code_low = code->code_low,
	    .code_high = code->code_high,
	    .symtab = &module->table,
	    .pool = &module->symbols->pool,
	};

	module->dwarf = dwarf_info_new(&source);
	if (module->dwarf && module->symbols->options.search_debug_files)
		alternate_open(module, debug);
}

/* Look for everything that can name an address of the module; once. */
static void module_prepare(struct symbols_module *module)
{
	const struct symbols_options *options = &module->symbols->options;
	bool has_dwarf;

	if (module->is_prepared)
		return;
	module->is_prepared = true;
	if (module->kind == MODULE_PERF_MAP) {
		perf_map_read(&module->map, module->path, &module->symbols->pool);
		return;
	}
	has_dwarf = module->image.elf && elf_image_has_dwarf(&module->image);
	if (!has_dwarf && options->search_debug_files && (module->image.elf || module->build_id_bytes))
		debug_search_file(&module->symbols->search, &module->image, module->path, module->build_id,
		    module->build_id_bytes, &module->debug);
	/* A stripped file's own table is what was left of the debug file's. */
	if (module->debug.elf)
		symtab_add_image(&module->table, &module->debug);
	if (module->image.elf && (!module->debug.elf || !symtab_is_full(&module->table)))
		symtab_add_image(&module->table, &module->image);
	symtab_finish(&module->table);
	if (has_dwarf)
		dwarf_open(module, &module->image);
	else if (module->debug.elf && elf_image_has_dwarf(&module->debug))
		dwarf_open(module, &module->debug);
}

enum tidemark_symbol_quality symbols_quality(struct symbols_module *module)
{
	module_prepare(module);
	if (module->kind == MODULE_PERF_MAP)
		return module->map.n_entries ? TIDEMARK_SYMBOLS_PERF_MAP : TIDEMARK_SYMBOLS_NONE;
	if (module->dwarf)
		return TIDEMARK_SYMBOLS_DWARF;
	return module->table.n_entries ? TIDEMARK_SYMBOLS_TABLE : TIDEMARK_SYMBOLS_NONE;
}

static size_t elf_lookup(struct symbols_module *module, uint64_t address, struct symbol_frame *frames)
{
	struct strpool *pool = &module->symbols->pool;
	size_t n_frames = module->dwarf ? dwarf_info_lookup(module->dwarf, address, frames) : 0;
	struct symbol_frame *outer;

	if (!n_frames) {
		frames[0].file = "";
		frames[0].line = 0;
		frames[0].function = NULL;
		n_frames = 1;
	}
	outer = &frames[n_frames - 1];
	if (!outer->function)
		outer->function = symtab_find(&module->table, address, pool);
	if (!outer->function)
		outer->function = symtab_find_plt(&module->table, &module->image, address, pool);
	return outer->function ? n_frames : n_frames - 1;
}

static size_t perf_map_lookup(struct symbols_module *module, uint64_t pc, struct symbol_frame *frames)
{
	const char *name = perf_map_find(&module->map, pc);

	if (!name && perf_map_read(&module->map, module->path, &module->symbols->pool) > 0)
		name = perf_map_find(&module->map, pc);
	frames[0].function = name;
	frames[0].file = "";
	frames[0].line = 0;
	return name && name[0];
}

static int answer_keep(struct symbols_module *module, uint64_t address, const struct symbol_frame *frames,
    size_t n_frames, const struct symbol_frame **kept)
{
	struct symbol_frame *copy = strpool_alloc(&module->symbols->pool, n_frames * sizeof(*frames));

	if (!copy || ARRAY_RESERVE(module->answers, module->answers_capacity, module->n_answers + 1))
		return -1;
	memcpy(copy, frames, n_frames * sizeof(*frames));
	*kept = copy;
	module->answers[module->n_answers].frames = copy;
	module->answers[module->n_answers].n_frames = n_frames;
	return keymap_put(&module->answers_by_address, address, module->n_answers++);
}

size_t symbols_lookup(struct symbols_module *module, uint64_t address, const struct symbol_frame **frames)
{
	struct symbol_frame found[DWARF_INFO_MAX_FRAMES];
	size_t n_frames;
	uint64_t index;

	*frames = NULL;
	if (keymap_get(&module->answers_by_address, address, &index)) {
		*frames = module->answers[index].frames;
		return module->answers[index].n_frames;
	}
	module_prepare(module);
	if (module->kind == MODULE_PERF_MAP)
		n_frames = perf_map_lookup(module, address, found);
	else
		n_frames = elf_lookup(module, address, found);
	if (!n_frames && module->kind == MODULE_PERF_MAP)
		return 0; /* it may be there later */
	answer_keep(module, address, found, n_frames, frames);
	return *frames ? n_frames : 0;
}
