/* The trace file: constants and wire structs shared by the collector (writes) and the analyzer (reads).
 *
 * docs/format.md tells the whole format in prose, with the meaning of every column; the two change together, with
 * TIDEMARK_TRACE_VERSION. Little-endian. Every length, count and id in a file is hostile until checked.
 */
#ifndef TIDEMARK_TRACE_H
#define TIDEMARK_TRACE_H

#include <assert.h>
#include <stdint.h>

#define TIDEMARK_TRACE_MAGIC "TIDEMARK" /* 8 bytes, no NUL */
#define TIDEMARK_TRACE_VERSION 1u
#define TIDEMARK_BLOCK_MAGIC 0x4b424d54u /* "TMBK" */

#define TIDEMARK_TICK_NS 100000u /* all times in a file are ticks of 100 us since the start of the recording */

/* Limits that a reader enforces and a writer keeps. */
#define TIDEMARK_MAX_BLOCK_EVENTS (1u << 20)
#define TIDEMARK_MAX_BLOCK_RARES (1u << 20)
#define TIDEMARK_MAX_COLUMN_BYTES (1u << 26) /* raw size of one column */
#define TIDEMARK_MAX_BODY_BYTES (1u << 28)
#define TIDEMARK_MAX_SITES (1u << 20) /* then the writer resets the table */
#define TIDEMARK_MAX_STRING_BYTES (1u << 16)
#define TIDEMARK_MAX_IDS (1u << 28) /* of each kind: strings, modules, threads, frames, nodes, symbols */
#define TIDEMARK_MAX_TICK (1ull << 47) /* so that nanoseconds fit 64 bits; 446 years */

struct tidemark_file_header {
	char magic[8];          /*  0 */
	uint32_t version;       /*  8 */
	uint32_t header_bytes;  /* 12: 64 */
	uint8_t session_id[16]; /* 16: random, the same in all files of a session */
	uint32_t pid;           /* 32 */
	uint32_t parent_pid;    /* 36 */
	uint64_t start_real_ns; /* 40: CLOCK_REALTIME at tick 0 of this file */
	uint64_t start_mono_ns; /* 48: CLOCK_MONOTONIC at tick 0 of this file */
	uint32_t flags;         /* 56: enum tidemark_file_flags */
	uint32_t crc32;         /* 60: of bytes 0..59 */
};
static_assert(sizeof(struct tidemark_file_header) == 64, "file header size");

enum tidemark_file_flags {
	TIDEMARK_FILE_FORKED = 1, /* the process was forked: it began with inherited blocks that are not in this file */
	TIDEMARK_FILE_EXECED = 2, /* the same pid ran another recorded image before */
};

enum tidemark_block_type {
	TIDEMARK_BLOCK_META = 1,    /* once, first */
	TIDEMARK_BLOCK_EVENTS = 2,  /* definitions and events */
	TIDEMARK_BLOCK_SYMBOLS = 3, /* names of frames; any number, anywhere after the frames' definitions */
	TIDEMARK_BLOCK_FOOTER = 4,  /* once, last; without it the file is incomplete */
};

struct tidemark_block_header {
	uint32_t magic;       /*  0 */
	uint8_t type;         /*  4: enum tidemark_block_type; readers skip unknown ones */
	uint8_t flags;        /*  5: enum tidemark_block_flags */
	uint16_t n_columns;   /*  6 */
	uint32_t body_bytes;  /*  8: column directory and column data, after this header */
	uint32_t crc32;       /* 12: of bytes 0..11 and 16..end of the body */
	uint32_t n_events;    /* 16 */
	uint32_t reserved;    /* 20 */
	uint64_t first_alloc; /* 24: the number of the block's first allocation; they count from 0 through the file */
	uint64_t start_tick;  /* 32 */
};
static_assert(sizeof(struct tidemark_block_header) == 40, "block header size");

enum tidemark_block_flags {
	TIDEMARK_BLOCK_RESET_SITES = 1, /* forget all sites before this block's definitions; ids start at 0 again */
};

struct tidemark_column {
	uint8_t id;            /* 0: enum tidemark_column_id; readers skip unknown ones */
	uint8_t encoding;      /* 1: enum tidemark_encoding */
	uint8_t mode;          /* 2: enum tidemark_ref_mode, in the REF columns; else 0 */
	uint8_t reserved;      /* 3 */
	uint32_t raw_bytes;    /* 4 */
	uint32_t stored_bytes; /* 8 */
};
static_assert(sizeof(struct tidemark_column) == 12, "column entry size");

enum tidemark_encoding {
	TIDEMARK_ENCODING_RAW = 0,
	TIDEMARK_ENCODING_ZSTD = 1, /* one zstd frame */
};

enum tidemark_column_id {
	/* Definitions: they stand before the block's events, in this order whatever the directory's; a definition refers
	 * to ids below its own or of earlier columns only. Every block type may carry STRINGS. Deltas ("previous") start
	 * anew from 0 in each column. An absent bitmap or byte plane is all zeros. */
	TIDEMARK_COLUMN_STRINGS = 1,     /* {varint length, bytes}...; ids from 1; 0 is the empty string */
	TIDEMARK_COLUMN_MODULES = 2,     /* {varint path string, start, end - start, bias, flags, build-id length, bytes}...; ids from 1 */
	TIDEMARK_COLUMN_THREADS = 3,     /* {varint tid, name string}...; ids from 1 */
	TIDEMARK_COLUMN_FRAMES = 4,      /* {varint module, zigzag offset - previous offset, flags}...; ids from 1 */
	TIDEMARK_COLUMN_NODE_PARENT = 5, /* {varint id - parent}...; parent < id; ids from 1; node 0 is the root */
	TIDEMARK_COLUMN_NODE_FRAME = 6,  /* {varint frame}..., one for each parent */
	TIDEMARK_COLUMN_SITE_NODE = 7,   /* {varint node}...; ids from 0 */
	TIDEMARK_COLUMN_SITE_SIZE = 8,   /* {varint size_bytes}... */
	TIDEMARK_COLUMN_SITE_API = 9,    /* {u8 enum tidemark_api_id}... */
	/* events */
	TIDEMARK_COLUMN_OPS = 16,     /* bitmap over events, low bit first: 1 allocation, 0 free */
	TIDEMARK_COLUMN_MOVES = 17,   /* bitmap over the block's allocations: 1 ends an old block in the same instant (realloc) */
	TIDEMARK_COLUMN_SITE0 = 18,   /* byte planes of the site id, one byte an allocation; 18..21, lowest first */
	TIDEMARK_COLUMN_REF0 = 22,    /* byte planes of the reference, one byte a free or move; 22..29, lowest first */
	TIDEMARK_COLUMN_TICKS = 30,   /* {varint events, varint ticks}...: after that many more events, time moves on by ticks,
	                               * from start_tick; events may be 0 only in the first pair */
	TIDEMARK_COLUMN_RUNS = 31,    /* {varint thread, varint events}...: who did them; covers all events; events >= 1 */
	TIDEMARK_COLUMN_RARE = 32,    /* {varint position - previous, u8 kind, zigzag tick - start_tick, varint length, payload}... */
	/* symbols */
	TIDEMARK_COLUMN_SYMBOLS = 40, /* {varint frame - previous frame, n, n x {function string, file string, line}}..., innermost first */
	TIDEMARK_COLUMN_MODULE_SYMBOLS = 41, /* {varint module, u8 enum tidemark_symbol_quality}... */
	/* meta and footer */
	TIDEMARK_COLUMN_META = 48,     /* {varint enum tidemark_meta, length, bytes}... */
	TIDEMARK_COLUMN_COUNTERS = 49, /* {varint enum tidemark_counter, value}... */
};

/* How a reference names the block that ends; there is one for each free and each move, in the order of the events.
 * next = the number the next allocation of the file will get, seen before the event: for a move its own new number,
 * so that the block born just before has age 0 in both. Wraps modulo 2^64. All present planes carry the mode;
 * without any plane it is AGE, so a writer of all-zero deltas stores REF0 nevertheless. */
enum tidemark_ref_mode {
	TIDEMARK_REF_AGE = 0,   /* next - 1 - number */
	TIDEMARK_REF_DELTA = 1, /* zigzag(number - the previous reference's number); before the first: first_alloc */
};

/* Payloads are varints unless said otherwise. position p: before event p of the block; p = n_events: after all.
 * An IMPLICIT_FREE sees `next` as of its position and counts as an end of its block like any free. */
enum tidemark_rare_kind {
	TIDEMARK_RARE_MARK = 1,           /* thread (0: from outside), name string, operations done (0: a plain mark) */
	TIDEMARK_RARE_OP_BEGIN = 2,       /* thread, name string */
	TIDEMARK_RARE_OP_END = 3,         /* thread */
	TIDEMARK_RARE_OP_START = 4,       /* thread, name string, id */
	TIDEMARK_RARE_OP_FINISH = 5,      /* thread, id */
	TIDEMARK_RARE_RSS = 6,            /* rss_bytes, file_and_shm_bytes (part of rss), tidemark_bytes (part of rss) */
	TIDEMARK_RARE_SMAPS = 7,          /* rss, pss, private_clean, private_dirty, anonymous, swap; in bytes */
	TIDEMARK_RARE_MODULE_UNLOAD = 8,  /* module */
	TIDEMARK_RARE_THREAD_NAME = 9,    /* thread, name string */
	TIDEMARK_RARE_THREAD_END = 10,    /* thread */
	TIDEMARK_RARE_UNKNOWN_FREE = 11,  /* thread, count: of addresses at which no block stood */
	TIDEMARK_RARE_INHERITED_FREE = 12, /* thread, count: of blocks older than the fork */
	TIDEMARK_RARE_IMPLICIT_FREE = 13, /* next - 1 - number: an allocation came at this block's address without its free */
	TIDEMARK_RARE_LOSS = 14,          /* thread (0: unknown), events that were lost about here */
	TIDEMARK_RARE_MAP = 15,           /* thread, node, address, length_bytes */
	TIDEMARK_RARE_UNMAP = 16,         /* thread, address, length_bytes */
	TIDEMARK_RARE_FORK = 17,          /* pid of the child */
};

enum tidemark_symbol_quality {
	TIDEMARK_SYMBOLS_NONE = 0,   /* no symbol table found */
	TIDEMARK_SYMBOLS_TABLE = 1,  /* function names from a symbol table */
	TIDEMARK_SYMBOLS_DWARF = 2,  /* functions, files, lines, inlined frames */
	TIDEMARK_SYMBOLS_PERF_MAP = 3,
};

enum tidemark_meta {
	TIDEMARK_META_EXE = 1,          /* path */
	TIDEMARK_META_CMDLINE = 2,      /* argv strings, each with its NUL */
	TIDEMARK_META_SHIM_VERSION = 3, /* text */
	TIDEMARK_META_DEPTH_LIMIT = 4,  /* decimal text, as all numbers here */
	TIDEMARK_META_UNWINDER = 5,     /* none, libunwind, plain, fast */
	TIDEMARK_META_CLOCK = 6,        /* tsc, counter */
	TIDEMARK_META_PAGE_BYTES = 7,
	TIDEMARK_META_CPUS = 8,
	TIDEMARK_META_RSS_INTERVAL_MS = 9,
	TIDEMARK_META_SUPPRESSIONS = 10, /* what __lsan_default_suppressions() returned */
	TIDEMARK_META_MAPS_RECORDED = 11, /* 1: mmap and munmap were recorded */
};

/* Totals over the file; a reader checks the first three against its own count. */
enum tidemark_counter {
	TIDEMARK_COUNTER_EVENTS = 1,
	TIDEMARK_COUNTER_ALLOCATIONS = 2,
	TIDEMARK_COUNTER_END_TICK = 3,
	TIDEMARK_COUNTER_END_REASON = 4, /* enum tidemark_end */
	TIDEMARK_COUNTER_END_VALUE = 5,  /* exit status or signal number; exec: 1 when the next image is known to be recorded */
	TIDEMARK_COUNTER_LOST_EVENTS = 6,
	TIDEMARK_COUNTER_EARLY_EVENTS = 7,
	TIDEMARK_COUNTER_CUT_STACKS = 8,    /* stacks, not events */
	TIDEMARK_COUNTER_BROKEN_STACKS = 9, /* stacks, not events */
	TIDEMARK_COUNTER_LOST_STACKS = 10,  /* events */
	TIDEMARK_COUNTER_STALLS = 11,
	TIDEMARK_COUNTER_STALL_NS = 12,
	TIDEMARK_COUNTER_LOST_NAMES = 13,
	TIDEMARK_COUNTER_UNKNOWN_FREES = 14,
	TIDEMARK_COUNTER_INHERITED_FREES = 15,
	TIDEMARK_COUNTER_IMPLICIT_FREES = 16,
	TIDEMARK_COUNTER_REORDERED = 17,        /* allocations that waited for the free of their address */
	TIDEMARK_COUNTER_SHIM_BYTES = 18,       /* the shim's memory in the target, shared and private, touched */
	TIDEMARK_COUNTER_COLLECTOR_PEAK_RSS = 19, /* bytes; of the collector, for all its processes */
	TIDEMARK_COUNTER_PEAK_RSS = 20, /* bytes; the kernel's high-water mark of this image, as last seen; 0: never seen */
};

enum tidemark_end {
	TIDEMARK_END_UNKNOWN = 0, /* the process is gone, nobody could say how */
	TIDEMARK_END_EXIT = 1,
	TIDEMARK_END_SIGNAL = 2,
	TIDEMARK_END_EXEC = 3,     /* the next image has a file of its own, if it could be recorded */
	TIDEMARK_END_DETACHED = 5, /* the process stopped recording: nobody drained its rings; 4 is not in use */
};

#endif
