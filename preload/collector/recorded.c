#include "recorded.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracefile.h"
#include "writer.h"

#define MS 1000000ull
#define PEAK_NS (50 * MS) /* /proc/PID/status costs ten times as much as statm; a peak stays there to be read */
#define YOUNG_NS (100 * MS)

#define BUSY_ALLOCATIONS 50u /* half a million a second */
#define BUSY_STEP_TICKS 10u

struct drain_state drain_state;

/* Takes the events of all processes for which there is no memory; never sent. */
static struct chunk sink;

static void chunk_begin(struct process *p)
{
	struct chunk *chunk = chunk_new(p->file);
	if (!chunk) {
		chunk = &sink;
		memset(chunk, 0, offsetof(struct chunk, size_api));
	}
	chunk->first_alloc = p->next_number;
	chunk->start_tick = p->tick;
	p->chunk = chunk;
	p->run_start = 0;
	p->chunk_since_ns = 0;
}

void process_end_run(struct process *p)
{
	struct chunk *chunk = p->chunk;
	uint32_t n = chunk->n_events - p->run_start;
	p->run_start = chunk->n_events;
	if (!n)
		return;
	struct run *last = chunk->n_runs ? &chunk->runs[chunk->n_runs - 1] : NULL;
	if (last && last->thread == p->thread)
		last->n_events += n;
	else
		chunk->runs[chunk->n_runs++] = (struct run){p->thread, n};
}

void process_flush(struct process *p)
{
	struct chunk *chunk = p->chunk;
	process_end_run(p);
	if (!chunk->n_events && !chunk->n_rares)
		return;
	p->n_events += chunk->n_events;
	drain_state.n_events += chunk->n_events;
	if (chunk == &sink) {
		p->n_lost += chunk->n_events;
		for (uint32_t i = 0; i < chunk->n_rares; i++)
			free(chunk->rares[i].text);
	} else {
		queue_put(&chunk->item);
	}
	chunk_begin(p);
}

struct rare *process_rare(struct process *p, enum tidemark_rare_kind kind)
{
	if (p->chunk->n_rares == CHUNK_RARES)
		process_flush(p);
	struct rare *rare = &p->chunk->rares[p->chunk->n_rares++];
	memset(rare, 0, sizeof(*rare));
	rare->position = p->chunk->n_events;
	rare->kind = kind;
	rare->tick = p->tick;
	return rare;
}

uint64_t process_tick(const struct process *p, uint64_t ns)
{
	return ns > p->start_ns ? (ns - p->start_ns) / TIDEMARK_TICK_NS : 0;
}

/* How far time moves on at least before the next event is told a time of its own. While more than BUSY_ALLOCATIONS come
 * in a tick, a step for each tick would be most of a trace that is otherwise all repetition. */
static uint64_t least_step(struct process *p, uint64_t ticks)
{
	uint64_t n = p->next_number - p->step_number;
	p->step_number = p->next_number;
	return n > BUSY_ALLOCATIONS * ticks ? BUSY_STEP_TICKS : 1;
}

void process_time(struct process *p, uint64_t stamp)
{
	const struct timebase *tb = &drain_state.time;
	const struct image *image = p->image;
	uint64_t ns = drain_state.now_ns;
	if (image->clock == TIDEMARK_CLOCK_TSC) {
		/* One pass over many thousands of rings can take longer than a thread waits for a sign of life. */
		atomic_fetch_add_explicit(&image->shm->heartbeat, 1, memory_order_relaxed);
		ns = timebase_ns(tb, image->start_stamp + stamp);
		if (ns > drain_state.now_ns) { /* the pass began a while ago: on a busy machine, long ago */
			uint64_t now = mono_ns();
			ns = ns < now ? ns : now;
		}
	}
	uint64_t tick = process_tick(p, ns);
	struct chunk *chunk = p->chunk;
	uint64_t step = 1;
	if (tick > p->tick) {
		struct tick_step *last = chunk->n_steps ? &chunk->steps[chunk->n_steps - 1] : NULL;
		uint64_t ticks = tick - p->tick;
		if (ticks > UINT32_MAX)
			ticks = UINT32_MAX;
		if (last && last->position == chunk->n_events)
			last->ticks += (uint32_t)ticks;
		else
			chunk->steps[chunk->n_steps++] = (struct tick_step){chunk->n_events, (uint32_t)ticks};
		p->tick += ticks;
		step = least_step(p, ticks);
	}
	p->next_tick_stamp = UINT64_MAX;
	if (image->clock == TIDEMARK_CLOCK_TSC) {
		uint64_t next =
		    timebase_cycles(tb, p->start_ns + (p->tick + step) * TIDEMARK_TICK_NS) - image->start_stamp;
		p->next_tick_stamp = next > stamp && next < 1ull << 60 ? next : stamp + 1000;
	}
}

/* How the shim's memory counts in this process: its private pages, and the shared ones as far as any are resident. */
static uint64_t own_bytes(const struct process *p, uint64_t rss, uint64_t shared)
{
	uint64_t own = atomic_load_explicit(&image_proc(p->image, p->slot)->own_private_bytes, memory_order_relaxed);
	uint64_t common = image_resident_bytes(p->image);
	if (own > rss - shared)
		own = rss - shared;
	return own + (common < shared ? common : shared);
}

static void put_sample(struct process *p, uint64_t tick, uint64_t rss, uint64_t shared)
{
	if (shared > rss)
		shared = rss;
	if (rss == p->rss_bytes && shared == p->rss_shared_bytes)
		return;
	uint64_t own = own_bytes(p, rss, shared);
	struct rare *rare = process_rare(p, TIDEMARK_RARE_RSS);
	rare->tick = tick;
	rare->v[0] = p->rss_bytes = rss;
	rare->v[1] = p->rss_shared_bytes = shared;
	rare->v[2] = own;
	drain_state.active_ns = drain_state.now_ns;
}

/* The shim's own reading, when it was set up. */
static void put_first_sample(struct process *p)
{
	const struct tidemark_proc *shared = image_proc(p->image, p->slot);
	uint64_t rss = shared->start_rss_bytes;
	if (!p->forked && rss && rss < 1ull << 56)
		put_sample(p, 0, rss, shared->start_rss_shared_bytes);
}

bool ring_was_left(const struct ring *r)
{
	return atomic_load_explicit(&r->shared->state, memory_order_acquire) == TIDEMARK_RING_LEFT;
}

bool ring_owner_died(const struct ring *r)
{
	return !r->raw && __atomic_load_n(&r->shared->owner.__data.__lock, __ATOMIC_ACQUIRE) & FUTEX_OWNER_DIED;
}

/* Is it still the image that we think of? Not after an exec; of raw threads it cannot be told. */
static bool has_owner(const struct process *p)
{
	for (uint32_t i = 0; i < p->n_rings; i++)
		if (!p->rings[i]->raw && !ring_was_left(p->rings[i]) && !ring_owner_died(p->rings[i]))
			return true;
	return false;
}

/* The kernel's own high-water mark sees what happens between two samples. It is the next image's when an exec came
 * before the reading, and then all rings have lost their owners. */
static void note_peak(struct process *p)
{
	uint64_t peak = procfs_peak_bytes(p->pid);
	if (peak > p->peak_rss_bytes && has_owner(p))
		p->peak_rss_bytes = peak;
}

void process_sample(struct process *p)
{
	uint64_t rss, shared, now = drain_state.now_ns;
	if (p->pid <= 0 || now < p->next_rss_ns)
		return;
	p->next_rss_ns = now + drain_state.rss_interval_ns;
	if (p->statm_fd < 0)
		p->statm_fd = procfs_statm_open(p->pid);
	if (procfs_statm(p->statm_fd, &rss, &shared) == 0)
		put_sample(p, process_tick(p, now), rss, shared);
	if (now < p->next_peak_ns)
		return;
	note_peak(p);
	p->next_peak_ns = now + (now - p->start_ns < YOUNG_NS ? drain_state.rss_interval_ns : PEAK_NS);
}

void process_add_smaps(struct process *p, const struct procfs_smaps *smaps, uint64_t ns)
{
	struct rare *rare = process_rare(p, TIDEMARK_RARE_SMAPS);
	rare->tick = process_tick(p, ns);
	rare->v[0] = smaps->rss;
	rare->v[1] = smaps->pss;
	rare->v[2] = smaps->private_clean;
	rare->v[3] = smaps->private_dirty;
	rare->v[4] = smaps->anonymous;
	rare->v[5] = smaps->swap;
}

static uint64_t shared_count(const _Atomic uint64_t *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

static void fill_counters(const struct process *p, uint64_t *counters)
{
	const struct tidemark_proc *shared = image_proc(p->image, p->slot);
	uint64_t lost = shared_count(&shared->lost_events),
	         end_ns = p->dead_since_ns ? p->dead_since_ns : drain_state.now_ns;
	uint64_t end_tick = process_tick(p, end_ns);
	counters[TIDEMARK_COUNTER_END_TICK] = end_tick > p->tick ? end_tick : p->tick;
	counters[TIDEMARK_COUNTER_END_REASON] = p->end_reason;
	counters[TIDEMARK_COUNTER_END_VALUE] = p->end_value;
	counters[TIDEMARK_COUNTER_LOST_EVENTS] = (lost > p->n_loss_records ? lost : p->n_loss_records) + p->n_lost;
	counters[TIDEMARK_COUNTER_EARLY_EVENTS] = shared_count(&shared->early_events);
	counters[TIDEMARK_COUNTER_CUT_STACKS] = shared_count(&shared->cut_stacks);
	counters[TIDEMARK_COUNTER_BROKEN_STACKS] = shared_count(&shared->broken_stacks);
	counters[TIDEMARK_COUNTER_LOST_STACKS] = shared_count(&shared->lost_stacks);
	counters[TIDEMARK_COUNTER_STALLS] = shared_count(&shared->stalls);
	counters[TIDEMARK_COUNTER_STALL_NS] = shared_count(&shared->stall_ns);
	counters[TIDEMARK_COUNTER_LOST_NAMES] = shared_count(&shared->lost_names);
	counters[TIDEMARK_COUNTER_UNKNOWN_FREES] = p->n_unknown_frees;
	counters[TIDEMARK_COUNTER_INHERITED_FREES] = p->n_inherited_frees;
	counters[TIDEMARK_COUNTER_IMPLICIT_FREES] = p->n_implicit_frees;
	counters[TIDEMARK_COUNTER_REORDERED] = p->n_reordered;
	counters[TIDEMARK_COUNTER_PEAK_RSS] = p->peak_rss_bytes;
	counters[TIDEMARK_COUNTER_SHIM_BYTES] =
	    shared_count(&shared->own_private_bytes) + image_resident_bytes(p->image);
}

void process_close(struct process *p)
{
	struct close_item *item = p->close_item;
	process_flush(p);
	if (p->chunk != &sink)
		chunk_free(p->chunk);
	p->chunk = &sink;
	p->close_item = NULL;
	item->item = (struct item){NULL, ITEM_CLOSE, p->file};
	fill_counters(p, item->counters);
	queue_put(&item->item);
}

static struct tracefile *make_file(const struct process *p)
{
	const struct tidemark_proc *shared = image_proc(p->image, p->slot);
	struct tracefile_origin origin = {
	    .image = p->image,
	    .slot = p->slot,
	    .pid = p->pid ? p->pid : p->own_pid,
	    .own_pid = p->own_pid,
	    .parent_pid = (pid_t)shared->parent_pid,
	    .start_mono_ns = p->start_ns,
	    .start_real_ns = p->image->start_real_ns + (p->start_ns - p->image->start_mono_ns),
	    .flags = (p->forked ? TIDEMARK_FILE_FORKED : 0u) | (p->flags & PROCESS_EXECED ? TIDEMARK_FILE_EXECED : 0u),
	    .exe_string = shared->exe_string,
	    .cmdline_string = shared->cmdline_string,
	    .cmdline_bytes = shared->cmdline_bytes,
	    .is_root = p->flags & PROCESS_ROOT,
	};
	return tracefile_new(&origin);
}

/* Tick 0: the image's start, or the fork. */
static uint64_t start_of(const struct image *image, uint32_t slot)
{
	uint64_t stamp = image_proc(image, slot)->fork_stamp;
	if (slot == 0 || image->clock != TIDEMARK_CLOCK_TSC || stamp >> 56)
		return slot == 0 ? image->start_mono_ns : drain_state.now_ns;
	uint64_t ns = timebase_ns(&drain_state.time, image->start_stamp + stamp);
	return ns >= image->start_mono_ns && ns <= drain_state.now_ns ? ns : drain_state.now_ns;
}

struct process *process_new(struct image *image, uint32_t slot, pid_t pid, int pidfd, unsigned flags)
{
	struct process *p = calloc(1, sizeof(*p));
	if (!p) {
		if (pidfd >= 0)
			close(pidfd);
		return NULL;
	}
	static uint64_t last_serial;
	p->serial = ++last_serial;
	p->image = image;
	p->slot = slot;
	p->flags = flags;
	p->forked = slot != 0;
	p->end_reason = TIDEMARK_END_UNKNOWN;
	p->pid = pid;
	p->own_pid = (pid_t)image_proc(image, slot)->pid;
	p->pidfd = pidfd;
	p->statm_fd = -1;
	p->next_rss_ns = slot == 0 ? drain_state.now_ns + drain_state.rss_interval_ns : 0;
	p->start_ns = start_of(image, slot);
	p->smaps_wait_ns = SMAPS_FIRST_WAIT_NS;
	p->next_smaps_ns = drain_state.now_ns + SMAPS_FIRST_WAIT_NS;
	if (pid > 0)
		procfs_stat(pid, &p->first_stat);
	p->close_item = calloc(1, sizeof(*p->close_item));
	if (p->close_item && addrmap_init(&p->map, p->forked) == 0)
		p->file = make_file(p);
	if (!p->file) {
		process_free(p);
		return NULL;
	}
	writer_file_opened(p->flags & PROCESS_ROOT);
	chunk_begin(p);
	put_first_sample(p);
	return p;
}

void process_free(struct process *p)
{
	for (uint32_t i = 0; i < p->n_rings; i++)
		free(p->rings[i]);
	free(p->rings);
	free(p->heap);
	free(p->close_item);
	idmap_release(&p->threads);
	addrmap_release(&p->map);
	if (p->pidfd >= 0)
		close(p->pidfd);
	if (p->statm_fd >= 0)
		close(p->statm_fd);
	free(p);
}
