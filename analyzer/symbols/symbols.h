/* Names for addresses: functions (inlined ones too), files and lines of ELF modules and perf maps.
 *
 * Enters: a module (what to open, its name, the build-id that was recorded) and an ELF virtual address in it. Leaves:
 * the functions at that address. Called by the collector's helper (cmd_symbolize.c) and by reports that resolve again.
 * Everything is lazy: a module's file is opened when it is named, its debug information is read when the first address
 * in it is asked for, one compilation unit at a time, and each address is resolved once.
 * A file whose build-id differs from the recorded one gives no names rather than wrong ones.
 * threads: one struct symbols per thread.
 */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tidemark/trace.h"

struct symbols;        /* all modules, caches and settings */
struct symbols_module; /* one file; owned by its struct symbols */

struct symbol_frame {
	const char *function; /* demangled with parameters; never NULL, never empty */
	const char *file;     /* "" when unknown */
	uint32_t line;        /* 0 when unknown */
};

struct symbols_options {
	const char *sysroot;           /* modules and debug files are looked for below it first; NULL: none */
	const char *const *debug_dirs; /* searched before /usr/lib/debug, in this order */
	size_t n_debug_dirs;
	bool search_debug_files; /* build-id folders, .gnu_debuglink, .gnu_debugaltlink; else only the module itself */
	bool use_debuginfod;     /* ask the servers in DEBUGINFOD_URLS, when that is set; never while recording */
	/* The opened file is the very one that was recorded (the collector kept it open), so that a module without a
	 * build-id can be believed. Otherwise such a module gives no names, unless a sysroot was named. */
	bool trust_files;
	void (*warn)(void *arg, const char *text); /* something a user should hear, once each; may be NULL */
	void *warn_arg;
};

/* options is copied, strings included.
 * errors: MEMORY */
int symbols_new(struct symbols **out, const struct symbols_options *options, struct err *err);
void symbols_free(struct symbols *symbols);

/* Name a module. The file is opened here (and only then is `open_path` needed). The same path and build-id named again
 * gives the same module, so that processes of one session share their caches.
 * open_path:      what to open, e.g. /proc/PID/fd/N; NULL: sysroot + path, else path
 * path:           its name for people; "[vdso]" is found in memory
 * build_id:       as recorded; build_id_bytes 0: it had none
 * returns: never NULL but for want of memory; a file that cannot be had makes a module without names */
struct symbols_module *symbols_module(
    struct symbols *symbols, const char *open_path, const char *path, const uint8_t *build_id, size_t build_id_bytes);

/* Name a /tmp/perf-PID.map: addresses in it are raw program counters. Read at the first lookup, and again when an
 * address is not found and the file has grown (code generators write while the program runs).
 * returns: as symbols_module */
struct symbols_module *symbols_perf_map(struct symbols *symbols, const char *path);

/* The functions at an ELF virtual address (in a perf map: a program counter), innermost inlined first, the physical
 * function last. For a return address ask for address - 1.
 * frames:  set to the answer, which stays valid until symbols_free()
 * returns: their number; 0 when nothing is known
 * cost:    a hash lookup for an address asked before; else microseconds, and milliseconds for a unit's first */
size_t symbols_lookup(struct symbols_module *module, uint64_t address, const struct symbol_frame **frames);

/* What kind of names the module can give: opens and checks what symbols_lookup() would. */
enum tidemark_symbol_quality symbols_quality(struct symbols_module *module);

#endif
