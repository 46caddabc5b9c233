/* See ends.h. What tells that a process is gone, the first that applies:
 *   its pidfd, which it sent or which was opened for its pid once that was verified;
 *   without pidfds: its pid and time of birth in /proc;
 *   without a pid (it was dead before it was looked at, or cannot be seen): that its pid is not there, if it shares our
 *   pid namespace; else that the kernel marked all its rings;
 *   without any of these: that nobody but us maps the memory any more. */
#include "ends.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "drain.h"
#include "events.h"
#include "watch.h"

#define MS 1000000ull
#define CHECK_NS (50 * MS)        /* between looks into /proc at one process */
#define STATUS_WAIT_NS (300 * MS) /* for the kernel or the parent to tell how a process ended */
#define ROOT_STATUS_WAIT_NS (5000 * MS)
#define NO_RINGS_NS (20 * MS)
#define EXEC_NEWS_NS (20 * MS)    /* for a next image of a dead child's pid to speak up: then the child ended by exec */
#define NEXT_IMAGE_NS (1000 * MS) /* the same of a live pid that runs another program: loading takes its time */
#define MAX_ARGUMENT_BYTES (8ull << 20) /* above the kernel's limit, far below what the stack's place is random by */
#define NEVER_RINGS_NS (1000 * MS)      /* from the claim of a slot to its first ring are microseconds */
#define MAPPED_FIRST_NS (5 * MS)
#define MAPPED_MAX_NS (200 * MS)
#define UNSEEN_FIRST_NS (200 * MS) /* the same, to find out that unseen processes are gone */
#define UNSEEN_MAX_NS (800 * MS)

/* ---- closing ---- */

static void close_process(struct process *p)
{
	struct image *image = p->image;
	uint32_t slot = p->slot;
	if (atomic_load(&image->shm->detached)) {
		/* Somebody stopped recording, perhaps this process, and nobody counted what is missing. */
		p->end_reason = TIDEMARK_END_DETACHED;
		p->end_value = 0;
	}
	watch_release_rings(p);
	process_close(p);
	if (p->pidfd >= 0)
		events_remove(p->pidfd);
	struct tidemark_proc *shared = image_proc(image, slot);
	atomic_store_explicit(&shared->state, TIDEMARK_PROC_FREE, memory_order_release);
	if (slot != 0)
		image_push_free(&image->shm->free_procs, &shared->next_free, slot);
	image->processes[slot] = NULL;
	image->n_live--;
	process_free(p);
}

static void drain_rest(struct process *p)
{
	watch_arrivals(p->image);
	drain_process(p, DRAIN_ALL);
}

void ends_by_exec(struct process *p, bool is_followed)
{
	drain_rest(p);
	p->end_reason = TIDEMARK_END_EXEC;
	p->end_value = is_followed;
	uint64_t since_ns = p->no_rings_since_ns ? p->no_rings_since_ns : p->execed_since_ns;
	if (since_ns)
		p->dead_since_ns = since_ns;
	if (p->pidfd >= 0 && events_linger(p->pidfd, p->pid) == 0)
		p->pidfd = -1;
	close_process(p);
}

/* ---- the way it ended ---- */

static void set_end(struct process *p, int status)
{
	p->end_reason = WIFSIGNALED(status) ? TIDEMARK_END_SIGNAL : TIDEMARK_END_EXIT;
	p->end_value = (uint32_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* What the process itself said when it was about to end. */
static void set_own_end(struct process *p)
{
	const struct tidemark_proc *shared = image_proc(p->image, p->slot);
	if (atomic_load_explicit(&shared->exit_status_known, memory_order_acquire) == TIDEMARK_EXIT_NO)
		return;
	uint32_t status = atomic_load_explicit(&shared->exit_status, memory_order_relaxed);
	set_end(p, W_EXITCODE((int)(status & 0xff), 0));
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
	if (known == 1)
		set_end(p, status);
	else
		set_own_end(p);
	return true;
}

/* ---- signs of an end ---- */

/* Has it none but rings of which the kernel never marks the owner's death? */
static bool has_raw_rings_only(const struct process *p)
{
	for (uint32_t i = 0; i < p->n_rings; i++)
		if (!p->rings[i]->raw)
			return false;
	return true;
}

/* May the image's program lie at this address? */
static bool is_own_code(const struct image *image, uint64_t address)
{
	struct tidemark_module m;
	uint32_t n = atomic_load_explicit(&image->shm->n_modules, memory_order_acquire);
	for (uint32_t i = 0; i < n && i < TIDEMARK_MAX_MODULES; i++)
		if (image_get_module(image, i, &m) && m.flags & TIDEMARK_MODULE_MAIN)
			return address >= m.start && address < m.end;
	return true;
}

/* May the image's initial stack start at this address? The loader may have moved the arguments. */
static bool is_own_stack(const struct image *image, uint64_t address)
{
	uint64_t argv = image->shm->argv;
	return address <= argv + MAX_ARGUMENT_BYTES && argv <= address + MAX_ARGUMENT_BYTES;
}

/* A live pid whose rings all lost their owners, or whose rings cannot tell: does it run another program by now? It may
 * have done so before, or while, it was looked at first. */
static bool has_execed(const struct process *p)
{
	struct procfs_stat now;
	const struct procfs_stat *first = &p->first_stat;
	if (p->pid <= 0 || !(p->n_rings ? has_raw_rings_only(p) : p->no_rings_since_ns) ||
	    procfs_stat(p->pid, &now) < 0)
		return false;
	if (now.start_code > 1)
		return !is_own_code(p->image, now.start_code) || !is_own_stack(p->image, now.start_stack) ||
		       (first->start_code > 1 && first->start_stack != now.start_stack);
	return !p->n_rings && strcmp(first->comm, now.comm) != 0;
}

/* Is a process that no pidfd tells about still there? */
static bool is_gone(const struct process *p)
{
	struct procfs_stat now;
	if (p->is_watched)
		return false;
	if (p->pidfd >= 0)
		return poll(&(struct pollfd){.fd = p->pidfd, .events = POLLIN}, 1, 0) > 0;
	if (p->pid > 0)
		return procfs_stat(p->pid, &now) < 0 || now.start_ticks != p->first_stat.start_ticks ||
		       now.state == 'Z';
	return p->image->shares_pids && p->own_pid > 0 && kill(p->own_pid, 0) < 0 && errno == ESRCH;
}

static bool is_unseen(const struct process *p)
{
	return p->pid <= 0 && p->pidfd < 0;
}

/* An unseen process ends when no thread of it is left. */
static bool has_no_threads(const struct process *p)
{
	return is_unseen(p) && p->n_rings == 0 && p->no_rings_since_ns &&
	       drain_state.now_ns - p->no_rings_since_ns > (p->had_rings ? NO_RINGS_NS : NEVER_RINGS_NS);
}

/* PID 1 of a pid namespace, which may be ours: it waits for its file before it ends and takes us with it. */
static bool ends_on_request(struct process *p)
{
	struct tidemark_proc *shared = image_proc(p->image, p->slot);
	if (atomic_load_explicit(&shared->exit_status_known, memory_order_acquire) != TIDEMARK_EXIT_ASKS)
		return false;
	atomic_store(&shared->exit_status_known, TIDEMARK_EXIT_CLOSING);
	drain_rest(p);
	set_own_end(p);
	close_process(p);
	return true;
}

enum life { LIFE_ON, LIFE_DEAD, LIFE_CLOSED };

/* Signs of an end other than the pidfd's. */
static enum life look_for_end(struct process *p)
{
	uint64_t now = drain_state.now_ns;
	if (ends_on_request(p))
		return LIFE_CLOSED;
	if (has_no_threads(p))
		return LIFE_DEAD;
	if (now < p->next_check_ns)
		return LIFE_ON;
	p->next_check_ns = now + CHECK_NS;
	if (is_gone(p))
		return LIFE_DEAD;
	if (atomic_load(&p->image->shm->detached)) {
		drain_rest(p);
		close_process(p);
		return LIFE_CLOSED;
	}
	if (!p->execed_since_ns && has_execed(p)) {
		drain_rest(p);
		p->execed_since_ns = now;
	}
	if (p->execed_since_ns && now - p->execed_since_ns >= NEXT_IMAGE_NS) {
		ends_by_exec(p, false);
		return LIFE_CLOSED;
	}
	return LIFE_ON;
}

bool ends_look(struct process *p)
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
	if (p->forked && drain_state.now_ns - p->dead_since_ns < EXEC_NEWS_NS)
		return false;
	if (p->execed_since_ns) {
		ends_by_exec(p, false);
		return true;
	}
	if (!find_end(p))
		return false;
	close_process(p);
	return true;
}

/* ---- the image ---- */

/* Is it time to ask again whether somebody maps the memory? Less and less often. */
static bool mapped_is_due(struct image *image, uint64_t first_ns, uint64_t max_ns)
{
	uint64_t now = drain_state.now_ns, wait = image->mapped_check_wait_ns;
	if (now < image->mapped_check_ns)
		return false;
	wait = wait < first_ns ? first_ns : 2 * wait;
	image->mapped_check_wait_ns = wait < max_ns ? wait : max_ns;
	image->mapped_check_ns = now + image->mapped_check_wait_ns;
	return true;
}

static bool all_are_unseen(const struct image *image)
{
	for (uint32_t slot = 0; slot < image_slots_used(image); slot++) {
		const struct process *p = image->processes[slot];
		if (p && (!is_unseen(p) || p->dead_since_ns))
			return false;
	}
	return true;
}

/* Of the processes that are left none can be seen. They are gone when nobody maps the memory. */
static void look_for_unseen_ends(struct image *image)
{
	if (image->drained_ns + UNSEEN_FIRST_NS > drain_state.now_ns || !all_are_unseen(image) ||
	    !mapped_is_due(image, UNSEEN_FIRST_NS, UNSEEN_MAX_NS) || image_is_mapped_elsewhere(image) != 0)
		return;
	for (uint32_t slot = 0; slot < image_slots_used(image); slot++)
		if (image->processes[slot])
			image->processes[slot]->dead_since_ns = drain_state.now_ns;
}

static bool is_in_use(const struct image *image)
{
	return image->n_live > 0 || atomic_load(&image->n_users) > 0;
}

bool ends_image(struct image *image)
{
	if (image->n_live > 0)
		look_for_unseen_ends(image);
	if (is_in_use(image))
		return false;
	bool asked_before = image->mapped_check_wait_ns != 0;
	if (!mapped_is_due(image, MAPPED_FIRST_NS, MAPPED_MAX_NS))
		return false;
	watch_arrivals(image);
	if (is_in_use(image))
		return false;
	int mapped = image_is_mapped_elsewhere(image);
	return mapped == 0 || (mapped < 0 && asked_before); /* who cannot tell is believed once */
}
