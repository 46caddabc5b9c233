/* The shared memory between shim and collector: one memfd for a process image and all children it forks.
 *
 * The shim creates it, maps it, and hands it to the collector over the session's socket (session.h). Everything
 * published here survives the target's death by any cause. The shim is not trusted: the collector checks every
 * offset, count and id it reads, and takes the area offsets once, from the checked header.
 * All fields are native-endian; both sides run on one machine and come from one build (version is checked).
 */
#ifndef TIDEMARK_RING_H
#define TIDEMARK_RING_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define TIDEMARK_SHM_MAGIC 0x314d48534b444954ull /* "TIDKSHM1" */
#define TIDEMARK_SHM_VERSION 3u

#define TIDEMARK_MAX_PROCS 4096u  /* process slots: the image and its forked children; recycled */
#define TIDEMARK_MAX_RINGS 16384u /* ring descriptors; recycled */
#define TIDEMARK_MAX_MODULES 16384u
#define TIDEMARK_MAX_BUILD_ID 20u
#define TIDEMARK_TABLE_LEVELS 16u
#define TIDEMARK_NAME_BYTES 256u /* marks and operations, with their NUL */

/* An area of the memfd. Fixed at creation; page aligned. */
struct tidemark_area {
	uint64_t offset_bytes;
	uint64_t size_bytes;
};

enum tidemark_clock {
	TIDEMARK_CLOCK_COUNTER = 0, /* stamps come from shm.counter; times are taken when the collector drains */
	TIDEMARK_CLOCK_TSC = 1,     /* stamps are TSC cycles since shm.start_stamp */
};

/* At offset 0. */
struct tidemark_shm {
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes; /* sizeof(struct tidemark_shm) */
	uint64_t total_bytes;
	uint32_t clock; /* enum tidemark_clock */
	uint32_t depth_limit;
	uint64_t start_stamp;   /* raw TSC at creation */
	uint64_t start_mono_ns; /* CLOCK_MONOTONIC at the same instant */
	uint64_t start_real_ns; /* CLOCK_REALTIME at the same instant */
	uint32_t unwinder;      /* enum tidemark_unwinder */
	uint32_t suppressions_string; /* what __lsan_default_suppressions() returned; 0: none */
	uint32_t maps_recorded; /* 1: mmap and munmap are recorded */
	uint32_t reserved;
	uint64_t argv; /* address of the argument vector, on the initial stack: tells this image from the next of its pid */
	char shim_version[32];

	struct tidemark_area procs;     /* struct tidemark_proc[TIDEMARK_MAX_PROCS] */
	struct tidemark_area rings;     /* struct tidemark_ring[TIDEMARK_MAX_RINGS] */
	struct tidemark_area modules;   /* struct tidemark_module[TIDEMARK_MAX_MODULES] */
	struct tidemark_area strings;   /* NUL-terminated; offset 0 is the empty string */
	struct tidemark_area nodes;     /* struct tidemark_node[]; node 0 is the root of the trie: no frame */
	struct tidemark_area tables;    /* the shim's hash tables over nodes */
	struct tidemark_area ring_data; /* the rings' words */

	/* Claimed by atomic add, shared by all processes; may run past the capacity, then the claim failed. */
	_Alignas(64) _Atomic uint32_t n_procs;
	_Atomic uint32_t n_rings;
	_Atomic uint32_t n_modules;
	_Atomic uint32_t n_nodes;
	_Atomic uint64_t strings_used_bytes;
	_Atomic uint64_t ring_data_used_bytes;
	_Atomic uint64_t tables_used_bytes;
	_Atomic uint32_t free_rings; /* Treiber stack of recyclable rings: low 16 bits index + 1 (0: empty), high 16 bits a tag
	                                that counts up at every change; linked by next_free */
	_Atomic uint32_t free_procs; /* same, of process slots */
	_Atomic uint32_t n_published; /* +1, release, after a process slot or a ring became live: there is something to find */

	/* Stamp source when clock is COUNTER. */
	_Alignas(64) _Atomic uint64_t counter;

	/* Wake-up: a producer that reaches its limit adds 1 to doorbell and, if sleeping is set, wakes that futex. */
	_Alignas(64) _Atomic uint32_t doorbell;
	_Atomic uint32_t sleeping; /* collector only */

	/* Collector only. Producers waiting for room watch both; no change of either in 2 s of waiting means that nobody
	 * drains. */
	_Alignas(64) _Atomic uint32_t heartbeat;
	_Atomic uint64_t progress; /* words drained, all rings */
	_Atomic uint32_t detached; /* set by whoever gives up; no process records from then on */

	/* The shim's hash tables from stacks to node ids: level i is in use when level_offset[i] is not 0. */
	_Alignas(64) _Atomic uint32_t n_levels;
	_Atomic uint32_t n_entries; /* in all levels */
	_Atomic uint64_t level_offset[TIDEMARK_TABLE_LEVELS]; /* in bytes, inside tables; low 6 bits: log2 of its entries */
};

enum tidemark_unwinder {
	TIDEMARK_UNWIND_NONE = 0,
	TIDEMARK_UNWIND_LIBUNWIND = 1,
	TIDEMARK_UNWIND_PLAIN = 2, /* own rules, no shortcuts */
	TIDEMARK_UNWIND_FAST = 3,  /* own rules with verified suffix and memo */
};

enum tidemark_proc_state {
	TIDEMARK_PROC_FREE = 0,
	TIDEMARK_PROC_CLAIMED = 1,
	TIDEMARK_PROC_LIVE = 2, /* release; pairs with the collector's look at new slots */
};

enum tidemark_exit {
	TIDEMARK_EXIT_NO = 0,
	TIDEMARK_EXIT_HANDLERS_RAN = 1, /* the process is about to end */
	/* PID 1 of a pid namespace takes all with it when it ends, the collector too. It sets ASKS and gives the collector 100 ms
	 * to answer by CLOSING, then up to 2 s to set CLOSED once the file is whole; its rings get no more events. */
	TIDEMARK_EXIT_ASKS = 2,
	TIDEMARK_EXIT_CLOSING = 3,
	TIDEMARK_EXIT_CLOSED = 4,
};

/* One process: slot 0 is the image that created the memory, further slots are its forked descendants. */
struct tidemark_proc {
	_Atomic uint32_t state;
	uint32_t pid; /* in the process's own pid namespace */
	uint32_t parent_pid;
	uint32_t parent_slot;
	uint64_t fork_stamp; /* 0 for slot 0 */
	uint32_t exe_string;     /* offset of the path of /proc/self/exe */
	uint32_t cmdline_string; /* offset of the argv strings, each NUL-terminated */
	uint32_t cmdline_bytes;
	uint32_t generation; /* +1 at each reuse of the slot */
	uint64_t start_rss_bytes;        /* of slot 0: memory in use when the shim was set up; 0: unreadable */
	uint64_t start_rss_shared_bytes; /* of it files and shared memory */
	_Atomic uint32_t next_free; /* while FREE and on free_procs: the next one's index + 1, 0 at the end */

	/* Counted by the process, read by the collector at the end (relaxed). */
	_Alignas(64) _Atomic uint64_t lost_events;     /* not recorded for want of a ring, a nesting level or room */
	_Atomic uint64_t early_events;    /* recorded before the constructor, without a stack */
	_Atomic uint64_t cut_stacks;      /* deeper than the limit; root and leaf kept */
	_Atomic uint64_t broken_stacks;   /* the unwinder could not reach the root */
	_Atomic uint64_t lost_stacks;     /* trie full: the event carries node 0 */
	_Atomic uint64_t stalls;          /* waits for room in a full ring */
	_Atomic uint64_t stall_ns;
	_Atomic uint64_t lost_names;      /* mark or operation names that found no room */
	_Atomic uint64_t own_private_bytes; /* the shim's private memory in this process, touched */
	_Atomic uint32_t exit_status_known; /* enum tidemark_exit; release */
	_Atomic uint32_t exit_status;       /* what was given to exit(), 0..255; for when nobody else can tell */
};

enum tidemark_ring_state {
	TIDEMARK_RING_FREE = 0,
	TIDEMARK_RING_LIVE = 1,     /* set by the owner (release) after all fields below stand */
	TIDEMARK_RING_RAW = 2,      /* live, its thread has no robust list: never recycled before the process ends */
	TIDEMARK_RING_LEFT = 3,     /* its thread moved to a larger ring and goes on there (same `thread`); release */
};

/* One producer. The collector recycles it when owner shows FUTEX_OWNER_DIED, or state is LEFT, and all words are drained:
 * it sets state FREE and pushes it on free_rings. The next owner initialises owner anew, adds 1 to serial, and may raise
 * head and tail to a common value before it sets state. */
struct tidemark_ring {
	_Alignas(64) _Atomic uint64_t head; /* words published, counts up for ever; release by the owner */
	_Atomic uint32_t state;
	uint32_t serial;
	uint32_t proc_slot;
	uint32_t tid;    /* in the process's own pid namespace */
	uint32_t thread; /* unique for each thread of the memory's life, from 1; both levels of one thread share it */
	uint32_t level;  /* 0, or 1 for events of signal handlers that interrupted a hook */
	uint64_t data_offset_bytes; /* inside ring_data; fixed for the descriptor's life */
	uint32_t data_words;        /* a power of two; fixed for the descriptor's life */
	_Atomic uint32_t waiting;   /* futex: the owner sleeps while it is 1; the collector sets 0 and wakes it when it freed room */
	_Atomic uint32_t next_free; /* while FREE and on free_rings: the next one's index + 1, 0 at the end */
	_Alignas(64) _Atomic uint64_t tail; /* words consumed; release by the collector */
	_Alignas(64) pthread_mutex_t owner; /* process-shared, robust, locked by the thread for its life */
};

/* One return address in its caller's context. All but child is immutable once its id was published in a record. */
struct tidemark_node {
	uint64_t pc; /* return address as found on the stack; see TIDEMARK_NODE_EXACT */
	uint32_t parent; /* a lower id */
	uint16_t module; /* index into modules; TIDEMARK_NO_MODULE when in none */
	uint16_t flags;
	_Atomic uint32_t child; /* shim only: the youngest of its children, 0: none. Release; pairs with find_child() */
	uint32_t sibling;       /* shim only: the next older child of its parent, 0: none */
};
static_assert(sizeof(struct tidemark_node) == 24, "node size");
#define TIDEMARK_NO_MODULE 0xffffu
#define TIDEMARK_NODE_EXACT 1u   /* pc is the interrupted instruction (below a signal frame), not a return address */
#define TIDEMARK_NODE_CUT 2u     /* pc 0: frames were left out here */
#define TIDEMARK_NODE_BROKEN 4u  /* pc 0: as a root: the unwinder could not go further */
#define TIDEMARK_NODE_EARLY 8u   /* pc 0: before the shim could unwind */
#define TIDEMARK_NODE_GUESS 16u  /* found by frame pointer, without unwind information */

/* One loaded object, published at first sight. A later record that overlaps its range means it was unloaded. */
struct tidemark_module {
	uint64_t start; /* lowest mapped address */
	uint64_t end;
	uint64_t bias;  /* address = bias + the ELF file's virtual address */
	uint64_t stamp; /* when it was seen */
	uint32_t path_string;
	uint32_t proc_slot;
	uint8_t build_id[TIDEMARK_MAX_BUILD_ID]; /* zero-padded */
	uint8_t build_id_bytes;
	uint8_t flags;
	uint16_t reserved;
	_Atomic uint32_t ready; /* 1 when the fields stand; release */
	uint32_t reserved2;
};
#define TIDEMARK_MODULE_MAIN 1u /* the executable */
#define TIDEMARK_MODULE_VDSO 2u

/* Records in a ring, in 8-byte words; a record may wrap from the last word to the first.
 *   word 0: stamp << 8 | op        stamp: cycles since start_stamp (2^56 cycles: over half a year) or the counter
 * Stamps of one ring never decrease. An allocation is stamped after the real call returned, a free before it. */
enum tidemark_op {
	TIDEMARK_OP_FREE = 1,    /* 2 words: address */
	TIDEMARK_OP_ALLOC = 2,   /* 3 words: address | api << 56; size u32 | node << 32 */
	TIDEMARK_OP_ALLOC_BIG = 3, /* 4 words: address | api << 56; node; size */
	/* realloc: RETIRE before the real call takes the old block out of the address map (totals keep it); then, on this
	 * ring before any other realloc, exactly one of REALLOC (success), UNDO (failed: old block stands again) or END
	 * (the old block is gone and no block was born here: realloc(p, 0), or the allocator's own malloc recorded it). */
	TIDEMARK_OP_RETIRE = 4,      /* 2 words: address */
	TIDEMARK_OP_REALLOC = 5,     /* 3 words as ALLOC; the old block of the last RETIRE ends in the same instant */
	TIDEMARK_OP_REALLOC_BIG = 6, /* 4 words as ALLOC_BIG */
	TIDEMARK_OP_UNDO = 7,        /* 1 word */
	TIDEMARK_OP_END = 8,         /* 1 word */
	TIDEMARK_OP_MARK = 9,        /* 2 words: name string offset */
	TIDEMARK_OP_BEGIN = 10,      /* 2 words: name string offset */
	TIDEMARK_OP_FINISH = 11,     /* 1 word: ends the innermost begun operation of this thread */
	TIDEMARK_OP_START = 12,      /* 3 words: name string offset; operation id */
	TIDEMARK_OP_STOP = 13,       /* 2 words: operation id */
	TIDEMARK_OP_MAP = 14,        /* 4 words: address; length in bytes; node */
	TIDEMARK_OP_UNMAP = 15,      /* 3 words: address; length in bytes */
	TIDEMARK_OP_LOSS = 16,       /* 2 words: events lost on this thread just before */
	TIDEMARK_OP_UNLOAD = 17,     /* 2 words: start address of a module that was unloaded */
	TIDEMARK_OP_THREAD_NAME = 18, /* 3 words: the 16 bytes of this thread's new name, NUL-terminated */
};
#define TIDEMARK_RECORD_MAX_WORDS 4u
#define TIDEMARK_ADDRESS_MASK 0x00ffffffffffffffull

/* Which entry point made a block; also the wire value in the trace. */
enum tidemark_api_id {
	TIDEMARK_API_MALLOC = 0,
	TIDEMARK_API_CALLOC = 1,
	TIDEMARK_API_REALLOC = 2,
	TIDEMARK_API_REALLOCARRAY = 3,
	TIDEMARK_API_POSIX_MEMALIGN = 4,
	TIDEMARK_API_ALIGNED_ALLOC = 5,
	TIDEMARK_API_MEMALIGN = 6,
	TIDEMARK_API_VALLOC = 7,
	TIDEMARK_API_PVALLOC = 8,
	TIDEMARK_API_NEW = 9,
	TIDEMARK_API_NEW_ARRAY = 10,
	TIDEMARK_API_MALLOCX = 11,
	TIDEMARK_API_RALLOCX = 12,
	TIDEMARK_API_POOL = 13, /* reported by the program; its address may equal a malloc block's: own address space */
	TIDEMARK_API_COUNT = 14,
};
/* A FREE of a pool block carries TIDEMARK_API_POOL << 56 in its address word; every other FREE carries 0 there. */

static inline uint64_t tidemark_record_head(uint64_t stamp, enum tidemark_op op)
{
	return stamp << 8 | (uint64_t)op;
}

/* The words of a record of this op; 0 for an op that does not exist. */
static inline uint32_t tidemark_record_words(uint32_t op)
{
	static const uint8_t words[19] = {0, 2, 3, 4, 2, 3, 4, 1, 1, 2, 2, 1, 3, 2, 4, 3, 2, 2, 3};
	return op < sizeof(words) ? words[op] : 0;
}

#endif
