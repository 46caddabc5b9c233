/* See chunk.h. One mutex, held for a few instructions; an eventfd is written only when the writer sleeps. */
#include "chunk.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A full chunk is 100 to 300 KB: 96 of them are about a million events that the disk may be behind. */
#define QUEUE_MAX_CHUNKS 96u
#define SMALL_EVENTS (CHUNK_EVENTS / 16) /* the chunks of short-lived children weigh nothing */
#define QUEUE_MAX_ITEMS 8192u
#define SEND_CHUNKS 4u /* a wake-up costs as much as encoding some thousand events */
#define POOL_MAX_CHUNKS (2 * SEND_CHUNKS)
#define BEAT_NS 100000000ull

static struct {
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct item *first, **last; /* lock */
	uint32_t n_items, n_chunks; /* lock */
	struct chunk *pool;         /* lock */
	uint32_t n_pool;            /* lock */
	bool writer_sleeps;         /* lock */
	uint64_t n_taken, taken_at_beat;
	uint32_t n_unsent_chunks; /* drain thread only, as the next */
	bool has_unsent;          /* anything */
	bool is_urgent;           /* something else than full chunks */
	int fd;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER, .last = &queue.first, .fd = -1};

void (*queue_beat)(void);

int queue_init(void)
{
	queue.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return queue.fd < 0 ? -1 : 0;
}

int queue_fd(void)
{
	return queue.fd;
}

void queue_kick(void)
{
	uint64_t one = 1;
	ssize_t n = write(queue.fd, &one, sizeof(one));
	(void)n; /* fails only when it is readable already */
}

struct chunk *chunk_new(struct tracefile *file)
{
	pthread_mutex_lock(&queue.lock);
	struct chunk *chunk = queue.pool;
	if (chunk) {
		queue.pool = (struct chunk *)chunk->item.next;
		queue.n_pool--;
	}
	pthread_mutex_unlock(&queue.lock);
	if (!chunk)
		chunk = malloc(sizeof(*chunk));
	if (!chunk)
		return NULL;
	chunk->item = (struct item){NULL, ITEM_EVENTS, file};
	chunk->n_events = chunk->n_allocs = chunk->n_refs = chunk->n_runs = chunk->n_steps = chunk->n_rares = 0;
	for (uint32_t i = 0; i < CHUNK_EVENTS / 64; i++)
		chunk->ops[i] = chunk->moves[i] = 0;
	return chunk;
}

void chunk_free(struct chunk *chunk)
{
	for (uint32_t i = 0; i < chunk->n_rares; i++)
		free(chunk->rares[i].text);
	pthread_mutex_lock(&queue.lock);
	bool keep = queue.n_pool < POOL_MAX_CHUNKS;
	if (keep) {
		chunk->item.next = (struct item *)queue.pool;
		queue.pool = chunk;
		queue.n_pool++;
	}
	pthread_mutex_unlock(&queue.lock);
	if (!keep)
		free(chunk);
}

/* returns: whether the item counts for QUEUE_MAX_CHUNKS */
static bool is_heavy(const struct item *item)
{
	return item->kind == ITEM_EVENTS && ((const struct chunk *)item)->n_events >= SMALL_EVENTS;
}

/* The writer is behind. As long as it gets on, the targets shall see that somebody lives who will drain them; when it
 * stands still they must not wait for it, because it may be a target that serves the disk. */
static void wait_for_room(void)
{
	struct timespec until;
	if (queue.writer_sleeps) {
		queue.writer_sleeps = false;
		queue_kick();
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)BEAT_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	if (pthread_cond_timedwait(&queue.room, &queue.lock, &until) != ETIMEDOUT ||
	    queue.n_taken == queue.taken_at_beat)
		return;
	queue.taken_at_beat = queue.n_taken;
	pthread_mutex_unlock(&queue.lock);
	if (queue_beat)
		queue_beat();
	pthread_mutex_lock(&queue.lock);
}

void queue_put(struct item *item)
{
	bool heavy = is_heavy(item);
	item->next = NULL;
	pthread_mutex_lock(&queue.lock);
	while (item->kind == ITEM_EVENTS &&
	       ((heavy && queue.n_chunks >= QUEUE_MAX_CHUNKS) || queue.n_items >= QUEUE_MAX_ITEMS))
		wait_for_room();
	*queue.last = item;
	queue.last = &item->next;
	queue.n_items++;
	queue.n_chunks += heavy;
	pthread_mutex_unlock(&queue.lock);
	queue.has_unsent = true;
	queue.is_urgent |= !heavy;
	queue.n_unsent_chunks += heavy;
	if (queue.n_unsent_chunks >= SEND_CHUNKS)
		queue_send(true);
}

void queue_send(bool all)
{
	if (!(all ? queue.has_unsent : queue.is_urgent))
		return;
	pthread_mutex_lock(&queue.lock);
	bool kick = queue.writer_sleeps && queue.first;
	queue.writer_sleeps = queue.writer_sleeps && !kick;
	queue.has_unsent = queue.is_urgent = false;
	queue.n_unsent_chunks = 0;
	pthread_mutex_unlock(&queue.lock);
	if (kick)
		queue_kick();
}

struct item *queue_take(void)
{
	pthread_mutex_lock(&queue.lock);
	struct item *item = queue.first;
	if (item) {
		queue.first = item->next;
		queue.n_taken++;
		if (!queue.first)
			queue.last = &queue.first;
		if (queue.n_items-- == QUEUE_MAX_ITEMS)
			pthread_cond_signal(&queue.room);
		if (is_heavy(item) && queue.n_chunks-- == QUEUE_MAX_CHUNKS)
			pthread_cond_signal(&queue.room);
	} else {
		uint64_t count;
		ssize_t n = read(queue.fd, &count, sizeof(count));
		(void)n;
		queue.writer_sleeps = true;
	}
	pthread_mutex_unlock(&queue.lock);
	return item;
}

uint32_t queue_length(void)
{
	pthread_mutex_lock(&queue.lock);
	uint32_t n = queue.n_items;
	pthread_mutex_unlock(&queue.lock);
	return n;
}
