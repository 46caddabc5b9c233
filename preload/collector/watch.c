#include "watch.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drain.h"
#include "events.h"

#define MS 1000000ull
#define CHECK_NS (50 * MS)        /* between looks into /proc at one process */
#define STATUS_WAIT_NS (300 * MS) /* for the kernel or the parent to tell how a process ended */
#define ROOT_STATUS_WAIT_NS (5000 * MS)
#define NO_RINGS_NS (20 * MS)
#define LOST_PROCESS_NS (10000 * MS)
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

/* Could the process `pid` be the one that claimed this slot? It must be born in the image's life, not before. */
static bool is_plausible_child(const struct image *image, pid_t pid, pid_t parent)
{
	struct procfs_stat st;
	if (procfs_stat(pid, &st) < 0)
		return false;
	if (parent > 0 && st.parent_pid == parent)
		return true;
	uint64_t tick_ns = 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t boot_offset_ns = clock_ns(CLOCK_BOOTTIME) - mono_ns();
	uint64_t born_ns = (st.start_ticks + 2) * tick_ns, image_ns = image->start_mono_ns + boot_offset_ns;
	return born_ns >= image_ns;
}

/* Find the pid, as seen from here, of the child in a slot; 0 when it is gone or cannot be found. */
static pid_t child_pid(const struct image *image, const struct tidemark_proc *shared)
{
	pid_t own = (pid_t)shared->pid, parent = 0;
	if (shared->parent_slot < image->slots && image->processes[shared->parent_slot])
		parent = image->processes[shared->parent_slot]->pid;
	if (own > 0 && is_plausible_child(image, own, parent))
		return own;
	return parent > 0 ? procfs_find_child(parent, own) : 0;
}

static void add_child(struct image *image, uint32_t slot)
{
	const struct tidemark_proc *shared = image_proc(image, slot);
	uint32_t parent_slot = shared->parent_slot;
	pid_t pid = child_pid(image, shared);
	int pidfd = pid ? procfs_pidfd(pid) : -1;
	if (pid && pidfd < 0 && errno != ENOSYS)
		pid = 0;
	struct process *p = process_new(image, slot, pid, pidfd, 0);
	if (!p)
		return;
	image->processes[slot] = p;
	image->n_live++;
	if (p->pidfd >= 0)
		events_add(p->pidfd, EVENT_PIDFD, (void *)(uintptr_t)(p->serial << 3));
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

static void push_free(_Atomic uint32_t *stack, _Atomic uint32_t *link, uint32_t index)
{
	uint32_t top = atomic_load(stack), now;
	do {
		atomic_store(link, top & 0xffff);
		now = ((top >> 16) + 1) << 16 | (index + 1);
	} while (!atomic_compare_exchange_weak(stack, &top, now));
}

static void ring_recycle(struct image *image, struct ring *r)
{
	atomic_store_explicit(&r->shared->state, TIDEMARK_RING_FREE, memory_order_release);
	push_free(&image->shm->free_rings, &r->shared->next_free, r->index);
	make_dormant(image, r->index);
	free(r);
}

/* The thread is on another ring by now. */
static bool owner_left(const struct ring *r)
{
	return atomic_load_explicit(&r->shared->state, memory_order_acquire) == TIDEMARK_RING_LEFT;
}

static bool owner_is_dead(const struct ring *r)
{
	return !r->raw && __atomic_load_n(&r->shared->owner.__data.__lock, __ATOMIC_ACQUIRE) & FUTEX_OWNER_DIED;
}

static bool is_drained(const struct ring *r)
{
	return r->bad || atomic_load_explicit(&r->shared->head, memory_order_acquire) == r->position;
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
		bool left = owner_left(r);
		if (!(left || owner_is_dead(r)) || !is_drained(r)) {
			i++;
			continue;
		}
		p->rings[i] = p->rings[--p->n_rings];
		if (!left)
			tell_thread_end(p, r);
		ring_recycle(p->image, r);
	}
	if (p->n_rings == 0 && !p->no_rings_since_ns)
		p->no_rings_since_ns = drain_state.now_ns;
}

void watch_owners(struct image *image)
{
	for (uint32_t slot = 0; slot < image_slots_used(image); slot++)
		if (image->processes[slot] && image->processes[slot]->state == PROCESS_LIVE)
			watch_process_rings(image->processes[slot]);
	for (uint32_t i = 0; i < image->n_orphans;) {
		struct ring *r = image->orphans[i];
		if ((owner_left(r) || owner_is_dead(r)) && is_drained(r)) {
			image->orphans[i] = image->orphans[--image->n_orphans];
			ring_recycle(image, r);
		} else {
			i++;
		}
	}
}

uint64_t watch_orphans(struct image *image)
{
	uint64_t words = 0;
	for (uint32_t i = 0; i < image->n_orphans; i++)
		words += drain_orphan(image->orphans[i]);
	return words;
}

/* ---- ends ---- */

static void release_rings(struct process *p)
{
	for (uint32_t i = 0; i < p->n_rings; i++) {
		struct ring *r = p->rings[i];
		/* After exec or death nobody writes any more, except tasks that share the memory (vfork, raw clone). */
		if (r->raw || owner_left(r) || owner_is_dead(r))
			ring_recycle(p->image, r);
		else
			add_orphan(p->image, r);
	}
	p->n_rings = 0;
}

static void process_end(struct process *p)
{
	struct image *image = p->image;
	uint32_t slot = p->slot;
	if (atomic_load(&image->shm->detached)) {
		/* Somebody stopped recording, perhaps this process, and nobody counted what is missing. */
		p->end_reason = TIDEMARK_END_DETACHED;
		p->end_value = 0;
	}
	release_rings(p);
	process_close(p);
	if (p->pidfd >= 0)
		events_remove(p->pidfd);
	struct tidemark_proc *shared = image_proc(image, slot);
	atomic_store_explicit(&shared->state, TIDEMARK_PROC_FREE, memory_order_release);
	if (slot != 0)
		push_free(&image->shm->free_procs, &shared->next_free, slot);
	image->processes[slot] = NULL;
	image->n_live--;
	process_free(p);
}

static void drain_rest(struct process *p)
{
	watch_arrivals(p->image);
	drain_process(p, DRAIN_ALL);
}

void watch_exec(struct process *p)
{
	drain_rest(p);
	p->end_reason = TIDEMARK_END_EXEC;
	if (p->pidfd >= 0 && events_linger(p->pidfd, p->pid) == 0)
		p->pidfd = -1;
	process_end(p);
}

static void set_end(struct process *p, int status)
{
	p->end_known = true;
	p->end_reason = WIFSIGNALED(status) ? TIDEMARK_END_SIGNAL : TIDEMARK_END_EXIT;
	p->end_value = (uint32_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* returns: whether the way of the end is known, or will not be */
static bool find_end(struct process *p)
{
	uint64_t waited_ns = drain_state.now_ns - p->dead_since_ns;
	int status = 0, known = p->flags & PROCESS_ROOT ? control_root_status(p->pid, &status) : -1;
	if (known == 0 && waited_ns < ROOT_STATUS_WAIT_NS)
		return false;
	if (known < 1)
		known = procfs_exit_status(p->pid, p->pidfd, &status);
	if (known == 0 && waited_ns <= STATUS_WAIT_NS)
		return false;
	const struct tidemark_proc *shared = image_proc(p->image, p->slot);
	if (known == 1)
		set_end(p, status);
	else if (atomic_load_explicit(&shared->exit_status_known, memory_order_acquire)) /* its own word for it */
		set_end(
		    p, W_EXITCODE((int)(atomic_load_explicit(&shared->exit_status, memory_order_relaxed) & 0xff), 0));
	return true;
}

/* A live pid without any ring: does it run another program by now? */
static bool has_execed(struct process *p)
{
	struct procfs_stat now;
	const struct procfs_stat *first = &p->first_stat;
	if (procfs_stat(p->pid, &now) < 0)
		return false;
	bool both_told = first->start_code > 1 && now.start_code > 1;
	if (both_told)
		return first->start_code != now.start_code || first->start_stack != now.start_stack;
	return strcmp(first->comm, now.comm) != 0;
}

/* Is a process without a pidfd still there? */
static bool is_gone(const struct process *p)
{
	struct procfs_stat now;
	if (p->pidfd >= 0 || p->pid <= 0)
		return false;
	return procfs_stat(p->pid, &now) < 0 || now.start_ticks != p->first_stat.start_ticks || now.state == 'Z';
}

/* A process that cannot be found in /proc (it died before its slot was seen, or lives in a foreign pid namespace) ends
 * when no thread of it is left. */
static bool is_lost(const struct process *p)
{
	if (p->pid > 0 || p->pidfd >= 0 || p->n_rings > 0 || !p->no_rings_since_ns)
		return false;
	return drain_state.now_ns - p->no_rings_since_ns > (p->had_rings ? NO_RINGS_NS : LOST_PROCESS_NS);
}

/* PID 1 of a pid namespace, which may be ours: it waits for its file before it ends and takes us with it. */
static bool ends_on_request(struct process *p)
{
	struct tidemark_proc *shared = image_proc(p->image, p->slot);
	if (atomic_load_explicit(&shared->exit_status_known, memory_order_acquire) != TIDEMARK_EXIT_ASKS)
		return false;
	atomic_store(&shared->exit_status_known, TIDEMARK_EXIT_CLOSING);
	drain_rest(p);
	set_end(p, W_EXITCODE((int)(atomic_load_explicit(&shared->exit_status, memory_order_relaxed) & 0xff), 0));
	process_end(p);
	return true;
}

enum life { LIFE_ON, LIFE_DEAD, LIFE_CLOSED };

/* Signs of an end other than the pidfd's. */
static enum life look_for_end(struct process *p)
{
	uint64_t now = drain_state.now_ns;
	if (ends_on_request(p))
		return LIFE_CLOSED;
	if (is_lost(p))
		return LIFE_DEAD;
	if (now < p->next_check_ns)
		return LIFE_ON;
	p->next_check_ns = now + CHECK_NS;
	if (is_gone(p))
		return LIFE_DEAD;
	if (atomic_load(&p->image->shm->detached)) {
		drain_rest(p);
		p->end_reason = TIDEMARK_END_DETACHED;
		process_end(p);
		return LIFE_CLOSED;
	}
	if (p->n_rings == 0 && p->no_rings_since_ns && p->pid > 0 && has_execed(p)) {
		watch_exec(p);
		return LIFE_CLOSED;
	}
	return LIFE_ON;
}

bool watch_end(struct process *p)
{
	if (!p->dead_since_ns) {
		enum life life = look_for_end(p);
		if (life != LIFE_DEAD)
			return life == LIFE_CLOSED;
		p->dead_since_ns = drain_state.now_ns;
	}
	if (p->state == PROCESS_LIVE) {
		drain_rest(p);
		p->state = PROCESS_ENDING;
	}
	if (!find_end(p))
		return false;
	process_end(p);
	return true;
}

bool watch_image_end(struct image *image)
{
	if (image->n_live > 0 || atomic_load(&image->n_users) > 0 || drain_state.now_ns < image->mapped_check_ns)
		return false;
	watch_arrivals(image);
	if (image->n_live > 0 || atomic_load(&image->n_users) > 0)
		return false;
	if (image_is_mapped_elsewhere(image) != 1)
		return true;
	if (image->mapped_check_wait_ns < 200 * MS)
		image->mapped_check_wait_ns = image->mapped_check_wait_ns ? 2 * image->mapped_check_wait_ns : 5 * MS;
	image->mapped_check_ns = drain_state.now_ns + image->mapped_check_wait_ns;
	return false;
}

/* ---- names ---- */

void watch_names(struct process *p)
{
	if (p->pid <= 0 || p->pid != p->own_pid || p->state != PROCESS_LIVE)
		return;
	uint32_t budget = 64;
	for (uint32_t i = 0; i < p->n_rings && budget > 0; i++) {
		struct ring *r = p->rings[i];
		char name[16];
		if (r->level != 0 || (r->named && r->named_at == r->position))
			continue;
		budget--;
		r->named = true;
		r->named_at = r->position;
		if (procfs_thread_name(p->pid, (pid_t)r->tid, name) < 0 || strcmp(name, r->name) == 0)
			continue;
		memcpy(r->name, name, sizeof(name));
		struct rare *rare = process_rare(p, TIDEMARK_RARE_THREAD_NAME);
		rare->v[0] = r->thread;
		rare->text = strdup(name);
	}
}
