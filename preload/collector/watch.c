#include "watch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "drain.h"
#include "events.h"

#define MS 1000000ull
#define DORMANT_LOOK_NS (100 * MS)
#define MIN_RING_WORDS 64u
#define MAX_RING_WORDS (1u << 26)

/* ---- arrivals ---- */

static int list_add(void *array, uint32_t n, uint32_t *capacity, size_t item_bytes)
{
	void **items = array;
	if (n < *capacity)
		return 0;
	uint32_t more = *capacity ? 2 * *capacity : 16;
	void *grown = realloc(*items, more * item_bytes);
	if (!grown)
		return -1;
	*items = grown;
	*capacity = more;
	return 0;
}

static bool is_born_after(const struct procfs_stat *st, const struct image *image)
{
	uint64_t tick_ns = 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t boot_offset_ns = clock_ns(CLOCK_BOOTTIME) - mono_ns();
	return (st->start_ticks + 2) * tick_ns >= image->start_mono_ns + boot_offset_ns;
}

/* Is the process `pid` the one that claimed a slot of the image, not one that was given the same pid later, or in
 * another pid namespace? forefather: a process of the image. parent: a pid, 0 unknown */
static bool is_descendant(const struct image *image, pid_t pid, const struct procfs_stat *forefather, pid_t parent)
{
	struct procfs_stat st;
	if (procfs_stat(pid, &st) < 0)
		return false;
	if (parent > 0 && st.parent_pid == parent)
		return true;
	if (!is_born_after(&st, image))
		return false;
	/* A fork has its forefathers' addresses, which are random. */
	if (st.start_code > 1 && forefather->start_code > 1)
		return st.start_code == forefather->start_code && st.start_stack == forefather->start_stack;
	return strcmp(st.comm, forefather->comm) == 0;
}

/* The child in a slot, as seen from here: *pidfd is -1 when there is none. returns: its pid; 0 when it is gone or
 * cannot be found */
static pid_t find_child(const struct image *image, const struct tidemark_proc *shared, int *pidfd)
{
	const struct process *parent =
	    shared->parent_slot < image->slots ? image->processes[shared->parent_slot] : NULL;
	pid_t own = (pid_t)shared->pid, parent_pid = parent ? parent->pid : 0, pid = 0;
	const struct procfs_stat *forefather = parent ? &parent->first_stat : &image->first_stat;
	*pidfd = own > 0 ? procfs_pidfd(own) : -1; /* first: then whom we look at has not been replaced */
	if (own > 0 && is_descendant(image, own, forefather, parent_pid))
		return own;
	if (*pidfd >= 0)
		close(*pidfd);
	if (parent_pid > 0)
		pid = procfs_find_child(parent_pid, own);
	*pidfd = pid > 0 ? procfs_pidfd(pid) : -1;
	return pid > 0 && *pidfd < 0 && errno == ESRCH ? 0 : pid;
}

void watch_pidfd(struct process *p)
{
	if (p->pidfd >= 0)
		p->is_watched = events_add(p->pidfd, EVENT_PIDFD, (void *)(uintptr_t)(p->serial << 3)) == 0;
}

static void add_child(struct image *image, uint32_t slot)
{
	const struct tidemark_proc *shared = image_proc(image, slot);
	uint32_t parent_slot = shared->parent_slot;
	int pidfd;
	pid_t pid = find_child(image, shared, &pidfd);
	struct process *p = process_new(image, slot, pid, pidfd, 0);
	if (!p)
		return;
	image->processes[slot] = p;
	image->n_live++;
	if (p->own_pid == 1 || (pid > 0 && p->own_pid != pid))
		image->shares_pids = false;
	watch_pidfd(p);
	if (parent_slot < image->slots && image->processes[parent_slot])
		process_rare(image->processes[parent_slot], TIDEMARK_RARE_FORK)->v[0] =
		    (uint64_t)(pid ? pid : p->own_pid);
}

static void look_at_slots(struct image *image)
{
	struct tidemark_shm *shm = image->shm;
	uint32_t published = atomic_load_explicit(&shm->n_published, memory_order_acquire);
	if (published == image->slots_published_seen)
		return;
	image->slots_published_seen = published;
	uint32_t n = atomic_load_explicit(&shm->n_procs, memory_order_acquire);
	if (n > image->slots)
		n = image->slots;
	image->procs_seen = n;
	for (uint32_t slot = 1; slot < n; slot++) {
		if (image->processes[slot])
			continue;
		if (atomic_load_explicit(&image_proc(image, slot)->state, memory_order_acquire) == TIDEMARK_PROC_LIVE)
			add_child(image, slot);
	}
}

static uint32_t thread_of(struct process *p, uint32_t shared_thread, uint32_t tid)
{
	uint32_t thread = idmap_get(&p->threads, shared_thread);
	if (thread)
		return thread;
	thread = ++p->n_threads;
	idmap_put(&p->threads, shared_thread, thread);
	struct rare *rare = process_rare(p, RARE_DEFINE_THREAD);
	rare->v[0] = thread;
	rare->v[1] = tid;
	return thread;
}

static int ring_adopt(struct process *p, struct ring *r)
{
	uint32_t heap_capacity = p->rings_capacity;
	if (list_add(&p->rings, p->n_rings, &p->rings_capacity, sizeof(*p->rings)) < 0)
		return -1;
	if (heap_capacity != p->rings_capacity || !p->heap) {
		struct ring **heap = realloc(p->heap, p->rings_capacity * sizeof(*heap));
		if (!heap)
			return -1;
		p->heap = heap;
	}
	r->process = p;
	r->thread = thread_of(p, r->shared_thread, r->tid);
	p->rings[p->n_rings++] = r;
	p->had_rings = true;
	p->next_names_ns = 0;
	p->no_rings_since_ns = 0;
	return 0;
}

/* A descriptor whose state says live. returns: NULL when its fields make no sense or there is no memory */
static struct ring *ring_new(struct image *image, uint32_t index, uint32_t state)
{
	struct tidemark_ring *shared = image_ring(image, index);
	uint64_t offset = shared->data_offset_bytes;
	uint32_t words = shared->data_words;
	if (words < MIN_RING_WORDS || words > MAX_RING_WORDS || words & (words - 1) || offset % 8 ||
	    words * 8ull > image->ring_data.size_bytes || offset > image->ring_data.size_bytes - words * 8ull)
		return NULL;
	struct ring *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->image = image;
	r->shared = shared;
	r->data = image_at(image, &image->ring_data, offset);
	r->mask = words - 1;
	r->position = atomic_load_explicit(&shared->tail, memory_order_relaxed);
	r->published_tail = r->counted = r->ahead = r->named_at = r->position;
	r->index = index;
	r->shared_thread = shared->thread;
	r->tid = shared->tid;
	r->level = shared->level;
	r->raw = state == TIDEMARK_RING_RAW;
	return r;
}

static void add_orphan(struct image *image, struct ring *r)
{
	r->process = NULL;
	if (list_add(&image->orphans, image->n_orphans, &image->orphans_capacity, sizeof(*image->orphans)) == 0)
		image->orphans[image->n_orphans++] = r;
	else
		free(r);
}

/* Look at a descriptor without an owner. returns: true when it has one now, or never will have a usable one */
static bool wake_ring(struct image *image, uint32_t index)
{
	struct tidemark_ring *shared = image_ring(image, index);
	uint32_t state = atomic_load_explicit(&shared->state, memory_order_acquire);
	if (state != TIDEMARK_RING_LIVE && state != TIDEMARK_RING_RAW && state != TIDEMARK_RING_LEFT)
		return false;
	uint32_t slot = shared->proc_slot;
	struct process *p = slot < image->slots ? image->processes[slot] : NULL;
	bool arriving =
	    slot < image->slots && !p &&
	    atomic_load_explicit(&image_proc(image, slot)->state, memory_order_acquire) != TIDEMARK_PROC_FREE;
	if (arriving)
		return false;
	struct ring *r = ring_new(image, index, state);
	if (!r) {
		if (p)
			p->n_lost++;
		return true;
	}
	if (!p || p->state != PROCESS_LIVE)
		add_orphan(image, r);
	else if (ring_adopt(p, r) < 0)
		free(r);
	return true;
}

static void make_dormant(struct image *image, uint32_t index)
{
	if (list_add(&image->dormant, image->n_dormant, &image->dormant_capacity, sizeof(*image->dormant)) == 0)
		image->dormant[image->n_dormant++] = index;
}

static void look_at_rings(struct image *image)
{
	struct tidemark_shm *shm = image->shm;
	uint32_t published = atomic_load_explicit(&shm->n_published, memory_order_acquire);
	uint32_t n = atomic_load_explicit(&shm->n_rings, memory_order_acquire);
	uint32_t free_rings = atomic_load_explicit(&shm->free_rings, memory_order_acquire);
	if (n > image->descriptors)
		n = image->descriptors;
	if (published != image->rings_published_seen || n > image->rings_seen || free_rings != image->free_rings_seen)
		image->dormant_until_ns = drain_state.now_ns + DORMANT_LOOK_NS;
	image->free_rings_seen = free_rings;
	image->rings_published_seen = published;
	for (; image->rings_seen < n; image->rings_seen++)
		make_dormant(image, image->rings_seen);
	if (drain_state.now_ns >= image->dormant_until_ns)
		return;
	for (uint32_t i = 0; i < image->n_dormant;) {
		if (wake_ring(image, image->dormant[i]))
			image->dormant[i] = image->dormant[--image->n_dormant];
		else
			i++;
	}
}

/* Tell the writer of new modules at once, so that it opens their files while they are there. */
static void look_at_modules(struct image *image)
{
	uint32_t n = atomic_load_explicit(&image->shm->n_modules, memory_order_acquire);
	struct tidemark_module module;
	while (image->modules_seen < n && image_get_module(image, image->modules_seen, &module)) {
		uint32_t index = image->modules_seen++;
		struct module_item *item = calloc(1, sizeof(*item));
		if (!item)
			return;
		struct process *p = module.proc_slot < image->slots ? image->processes[module.proc_slot] : NULL;
		item->item.kind = ITEM_MODULE;
		item->image = image;
		item->index = index;
		item->pid = p ? p->pid : image->pid;
		atomic_fetch_add(&image->n_users, 1);
		queue_put(&item->item);
	}
}

void watch_arrivals(struct image *image)
{
	look_at_slots(image);
	look_at_rings(image);
	look_at_modules(image);
}

/* ---- rings whose owner died ---- */

static void ring_recycle(struct image *image, struct ring *r)
{
	atomic_store_explicit(&r->shared->state, TIDEMARK_RING_FREE, memory_order_release);
	image_push_free(&image->shm->free_rings, &r->shared->next_free, r->index);
	make_dormant(image, r->index);
	free(r);
}

static bool is_drained(const struct ring *r)
{
	return atomic_load_explicit(&r->shared->head, memory_order_acquire) == r->position;
}

static void tell_thread_end(struct process *p, const struct ring *gone)
{
	for (uint32_t i = 0; i < p->n_rings; i++)
		if (p->rings[i]->thread == gone->thread)
			return;
	process_rare(p, TIDEMARK_RARE_THREAD_END)->v[0] = gone->thread;
}

static void watch_process_rings(struct process *p)
{
	for (uint32_t i = 0; i < p->n_rings;) {
		struct ring *r = p->rings[i];
		bool left = ring_was_left(r);
		if (!(left || ring_owner_died(r)) || !is_drained(r)) {
			i++;
			continue;
		}
		p->rings[i] = p->rings[--p->n_rings];
		if (!left)
			tell_thread_end(p, r);
		ring_recycle(p->image, r);
	}
	if (p->n_rings == 0 && !p->no_rings_since_ns) {
		p->no_rings_since_ns = drain_state.now_ns;
		p->next_check_ns = 0;
	}
}

void watch_owners(struct image *image)
{
	for (uint32_t slot = 0; slot < image_slots_used(image); slot++)
		if (image->processes[slot] && image->processes[slot]->state == PROCESS_LIVE)
			watch_process_rings(image->processes[slot]);
	for (uint32_t i = 0; i < image->n_orphans;) {
		struct ring *r = image->orphans[i];
		if ((ring_was_left(r) || ring_owner_died(r)) && is_drained(r)) {
			image->orphans[i] = image->orphans[--image->n_orphans];
			ring_recycle(image, r);
		} else {
			i++;
		}
	}
}

void watch_release_rings(struct process *p)
{
	for (uint32_t i = 0; i < p->n_rings; i++) {
		struct ring *r = p->rings[i];
		/* After exec or death nobody writes any more, except tasks that share the memory (vfork, raw clone). */
		if (r->raw || ring_was_left(r) || ring_owner_died(r))
			ring_recycle(p->image, r);
		else
			add_orphan(p->image, r);
	}
	p->n_rings = 0;
}

uint64_t watch_orphans(struct image *image)
{
	uint64_t words = 0;
	for (uint32_t i = 0; i < image->n_orphans; i++)
		words += drain_orphan(image->orphans[i]);
	return words;
}

/* ---- names ---- */

/* Most threads are named by their first instructions, some by their starter a little later. */
static uint64_t next_look(const struct ring *r)
{
	static const uint64_t waits[] = {5 * MS, 30 * MS, 200 * MS};
	return drain_state.now_ns + (r->n_looks < sizeof(waits) / sizeof(*waits) ? waits[r->n_looks] : 1000 * MS);
}

static void read_name(struct process *p, struct ring *r)
{
	char name[16];
	bool is_known = r->n_looks > 1 && r->named_at == r->position;
	r->next_look_ns = next_look(r);
	if (is_known || ring_owner_died(r))
		return;
	r->n_looks += r->n_looks < UINT8_MAX;
	r->named_at = r->position;
	if (procfs_thread_name(p->pid, (pid_t)r->tid, name) < 0 || strcmp(name, r->name) == 0)
		return;
	memcpy(r->name, name, sizeof(name));
	struct rare *rare = process_rare(p, TIDEMARK_RARE_THREAD_NAME);
	rare->v[0] = r->thread;
	rare->text = strdup(name);
}

void watch_names(struct process *p)
{
	if (drain_state.now_ns < p->next_names_ns || p->pid <= 0 || p->pid != p->own_pid || p->state != PROCESS_LIVE)
		return;
	uint32_t budget = 64; /* a name costs 5 us */
	p->next_names_ns = UINT64_MAX;
	for (uint32_t i = 0; i < p->n_rings; i++) {
		struct ring *r = p->rings[i];
		if (r->level != 0)
			continue;
		if (drain_state.now_ns >= r->next_look_ns && budget > 0) {
			budget--;
			read_name(p, r);
		}
		if (r->next_look_ns < p->next_names_ns)
			p->next_names_ns = r->next_look_ns;
	}
}
