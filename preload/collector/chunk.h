/* What the drain thread hands to the writer thread: batches of merged events and other items, in a bounded queue.
 * A chunk belongs to one process; its columns are filled by the drain thread and never touched by it after chunk_send.
 */
#ifndef CHUNK_H
#define CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/trace.h"

#define CHUNK_EVENTS 8192u
#define CHUNK_RARES 256u
#define CHUNK_API_BITS 4

struct image;
struct tracefile;

enum item_kind {
	ITEM_EVENTS, /* struct chunk */
	ITEM_MODULE, /* struct module_item: open the file of a module at first sight */
	ITEM_CLOSE,  /* struct close_item */
};

struct item {
	struct item *next;
	enum item_kind kind;
	struct tracefile *file;
};

/* Kinds of rare items that exist only between the two threads; the others are enum tidemark_rare_kind. Values of an
 * item stand in v as the payload of its kind has them in the trace, except: names are offsets of shared strings (or
 * text, if that is not NULL), nodes are those of the shared memory, MODULE_UNLOAD has the module's start address. */
#define RARE_DEFINE_THREAD 128u /* thread, tid */

struct rare {
	uint32_t position; /* before this event of the chunk */
	uint32_t kind;
	uint64_t tick;
	uint64_t v[6];
	char *text; /* malloc, owned by the item */
};

struct run {
	uint32_t thread;
	uint32_t n_events;
};

struct tick_step {
	uint32_t position; /* before this event of the chunk */
	uint32_t ticks;    /* time moves on by so much */
};

struct chunk {
	struct item item;
	/* Counters that grow together stand apart: merged into one access they would wait for each other's stores. */
	uint32_t n_events, n_runs, n_allocs, n_steps, n_refs, n_rares;
	uint64_t first_alloc;
	uint64_t start_tick;               /* before its first step */
	uint64_t ops[CHUNK_EVENTS / 64];   /* bits, by event: 1 an allocation */
	uint64_t moves[CHUNK_EVENTS / 64]; /* bits, by allocation: 1 ends a block */
	uint64_t size_api[CHUNK_EVENTS];   /* by allocation: size << CHUNK_API_BITS | api */
	uint32_t node[CHUNK_EVENTS];       /* by allocation */
	uint64_t number[CHUNK_EVENTS];     /* by free or move: of the block that ends */
	uint64_t age[CHUNK_EVENTS]; /* by free or move: how many were born since that block, a move's own not counted */
	struct run runs[CHUNK_EVENTS];
	struct tick_step steps[CHUNK_EVENTS];
	struct rare rares[CHUNK_RARES];
};

struct module_item {
	struct item item;
	struct image *image; /* holds a reference */
	uint32_t index;
	int32_t pid; /* whose /proc/PID/root its path is in; 0: unknown */
};

struct close_item {
	struct item item;
	uint64_t counters[32]; /* by enum tidemark_counter; what the drain thread knows */
};

int queue_init(void);

/* An empty chunk for events of file. returns: NULL without memory. Drain thread. */
struct chunk *chunk_new(struct tracefile *file);

/* Give a chunk back after it was written. Writer thread. */
void chunk_free(struct chunk *chunk);

/* Hand an item over; a writer that sleeps hears of it by queue_send. Waits while the queue is full: then the writer has
 * stood still for some ten million bytes of events. Drain thread. */
void queue_put(struct item *item);

/* Wake the writer if it sleeps and has enough to do; all: for whatever was put. Drain thread, after each pass; at a beat
 * all. */
void queue_send(bool all);

/* Called every 100 ms while queue_put waits: the targets watch for a sign of life. Set before the first item. */
extern void (*queue_beat)(void);

/* Take the next item; NULL when there is none. Writer thread. */
struct item *queue_take(void);

/* A descriptor that becomes readable when items were sent after queue_take returned NULL; queue_take clears it. */
int queue_fd(void);

/* Items put and not yet taken. Any thread. */
uint32_t queue_length(void);

/* Make queue_fd readable. Any thread. */
void queue_kick(void);

#endif
