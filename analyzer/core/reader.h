/* A trace file opened for reading: its definitions (strings, modules, frames, nodes, threads, symbols) and its blocks
 * in order. Memory grows with the definitions, not with the events. Enters: a path. Leaves: checked blocks for replay.c
 * and definitions for everyone. threads: one per trace. */
#ifndef READER_H
#define READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tidemark/trace.h"

struct trace_module {
	uint32_t path; /* string ids */
	uint64_t start, end, bias;
	uint32_t flags; /* TIDEMARK_MODULE_* of ring.h */
	uint8_t build_id[20];
	uint8_t build_id_bytes;
	uint8_t quality; /* enum tidemark_symbol_quality, of the stored symbols */
};

struct trace_frame {
	uint32_t module;       /* 0: none */
	uint32_t flags;        /* TIDEMARK_NODE_* of ring.h */
	uint64_t offset;       /* ELF virtual address in the module; the raw pc when module is 0 */
	uint32_t first_symbol; /* into symbols */
	uint32_t n_symbols;    /* 0: not resolved */
};

/* One source-level function at a frame; innermost inlined first, the physical function last. */
struct trace_symbol {
	uint32_t function, file; /* string ids; 0: unknown */
	uint32_t line;           /* 0: unknown */
};

struct trace_node {
	uint32_t parent; /* 0: outermost frame */
	uint32_t frame;
};

struct trace_thread {
	uint32_t tid;
	uint32_t name; /* string id, the latest name */
};

struct trace_block; /* decoded columns of one EVENTS block; see block.h */

struct trace {
	struct tidemark_file_header header;
	const char *path;
	/* Arrays by id; element 0 is the "none" of each. Grow while blocks are read. */
	const char **strings;
	struct trace_module *modules;
	struct trace_frame *frames;
	struct trace_node *nodes;
	struct trace_thread *threads;
	struct trace_symbol *symbols;
	uint32_t n_strings, n_modules, n_frames, n_nodes, n_threads, n_symbols;
	const char *meta[16]; /* by enum tidemark_meta; NULL when absent; CMDLINE holds NULs, see meta_bytes */
	size_t meta_bytes[16];
	uint64_t counters[32];            /* by enum tidemark_counter, of the footer */
	bool complete;                    /* a footer was read and agreed with the events */
	char damage[256];                 /* why reading stopped early; empty when it did not */
	uint64_t n_events, n_allocations; /* of the blocks read so far */
	uint64_t end_tick;                /* of the last event or sample read; of the end once the footer was read */
	uint64_t file_bytes, read_bytes;  /* for progress */
	struct trace_private *private_state;
};

/* Open and check the header and META. Waits up to 10 s for a writer's flock, calling `waiting` (may be NULL) once.
 * A file that ends within META or has a bad one opens, with damage set and no blocks.
 * errors: SYSTEM, NOT_TRACE, VERSION, CORRUPT (the header), MEMORY */
int trace_open(struct trace **out, const char *path, void (*waiting)(const char *path), struct err *err);
/* As trace_open, from an open descriptor, which the trace owns from then on, also on failure. path: its name. */
int trace_open_fd(struct trace **out, int fd, const char *path, struct err *err);
void trace_free(struct trace *trace);

/* The program by the name that it was called by: of a program with many names, like busybox, the one that tells most.
 * Without arguments the executable's; "program" when nothing is known. Never empty, without folders. */
const char *trace_program(const struct trace *trace);

/* Start again before the first block, with no definitions. outline: blocks carry times, threads and rare events only:
 * no sites, no references; several times as fast.
 * errors: as trace_open */
int trace_rewind(struct trace *trace, bool outline, struct err *err);

/* From the next rewind on, reading ends before block `index` (trace_block.index) with `damage` as the reason. For what
 * only a replay can see: a reference to a block that is not alive. */
void trace_stop_before(struct trace *trace, uint64_t index, const char *damage);

/* Read the next EVENTS block, taking in all definitions and symbols on the way.
 * returns: 1 with *block set (valid until the next call), 0 at the end. Damage is not an error: reading ends there,
 * trace->damage says why and complete stays false.
 * errors: MEMORY only */
int trace_next(struct trace *trace, const struct trace_block **block, struct err *err);

#endif
