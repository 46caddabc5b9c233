#include "events.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "timebase.h"

_Atomic uint32_t drain_wake_word;

struct lingering {
	struct lingering *next;
	int pidfd;
	pid_t pid;
	bool is_over;
};

static struct {
	int epoll_fd;       /* what is watched; the drain thread takes from it */
	int helper_fd;      /* an epoll set of the helper's own: epoll_fd, told once for each change, and job_fd */
	int job_fd;         /* eventfd: jobs wait */
	_Atomic bool ready; /* set by the helper, cleared by the drain thread before it takes */
	pthread_mutex_t lock;
	struct smaps_job *asked, *answered; /* lock */
	struct lingering *lingering;        /* drain thread only, as the next */
	uint32_t n_lingering;
} events = {.epoll_fd = -1, .helper_fd = -1, .job_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

void drain_wake(void)
{
	atomic_fetch_add(&drain_wake_word, 1);
	syscall(SYS_futex, &drain_wake_word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
}

/* The kind stands in the low bits of the pointer: objects are aligned, serials shifted. */
static uint64_t pack(enum event_kind kind, void *object)
{
	return (uint64_t)(uintptr_t)object | (uint64_t)kind;
}

static struct event unpack(uint64_t data)
{
	return (struct event){(enum event_kind)(data & 7), (void *)(uintptr_t)(data & ~7ull)};
}

int events_init(void)
{
	events.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	events.helper_fd = epoll_create1(EPOLL_CLOEXEC);
	events.job_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event changes = {.events = EPOLLIN | EPOLLET, .data.fd = events.epoll_fd};
	struct epoll_event jobs = {.events = EPOLLIN, .data.fd = events.job_fd};
	if (epoll_ctl(events.helper_fd, EPOLL_CTL_ADD, events.epoll_fd, &changes) < 0)
		return -1;
	return epoll_ctl(events.helper_fd, EPOLL_CTL_ADD, events.job_fd, &jobs);
}

int events_add(int fd, enum event_kind kind, void *object)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = pack(kind, object)};
	return epoll_ctl(events.epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void events_remove(int fd)
{
	epoll_ctl(events.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int events_linger(int pidfd, pid_t pid)
{
	struct lingering *l = malloc(sizeof(*l));
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = pack(EVENT_LINGER, l)};
	if (!l || epoll_ctl(events.epoll_fd, EPOLL_CTL_MOD, pidfd, &event) < 0) {
		free(l);
		return -1;
	}
	*l = (struct lingering){events.lingering, pidfd, pid, false};
	events.lingering = l;
	events.n_lingering++;
	return 0;
}

static void linger_remove(struct lingering *l)
{
	struct lingering **at = &events.lingering;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	events_remove(l->pidfd);
	close(l->pidfd);
	events.n_lingering -= !l->is_over;
	free(l);
}

bool events_linger_end(pid_t pid)
{
	for (struct lingering *l = events.lingering; l; l = l->next) {
		if (l->pid != pid)
			continue;
		l->is_over = true; /* removed when it is dead, so that events already taken stay good */
		l->pid = 0;
		events.n_lingering--;
		return true;
	}
	return false;
}

uint32_t events_lingering(void)
{
	return events.n_lingering;
}

bool events_ready(void)
{
	return atomic_load_explicit(&events.ready, memory_order_acquire);
}

int events_take(struct event *list, int max)
{
	struct epoll_event raw[64];
	atomic_store(&events.ready, false);
	int n = epoll_wait(events.epoll_fd, raw, max < 64 ? max : 64, 0), kept = 0;
	if (n == max)
		atomic_store(&events.ready, true); /* there may be more */
	for (int i = 0; i < n; i++) {
		struct event event = unpack(raw[i].data.u64);
		if (event.kind == EVENT_LINGER)
			linger_remove(event.object);
		else
			list[kept++] = event;
	}
	return kept;
}

void events_ask_smaps(uint64_t serial, pid_t pid)
{
	struct smaps_job *job = calloc(1, sizeof(*job));
	uint64_t one = 1;
	if (!job)
		return;
	job->serial = serial;
	job->pid = pid;
	pthread_mutex_lock(&events.lock);
	job->next = events.asked;
	events.asked = job;
	pthread_mutex_unlock(&events.lock);
	ssize_t n = write(events.job_fd, &one, sizeof(one));
	(void)n;
}

struct smaps_job *events_take_smaps(void)
{
	pthread_mutex_lock(&events.lock);
	struct smaps_job *job = events.answered;
	if (job)
		events.answered = job->next;
	pthread_mutex_unlock(&events.lock);
	return job;
}

static void do_jobs(void)
{
	uint64_t count;
	ssize_t n = read(events.job_fd, &count, sizeof(count));
	(void)n;
	for (;;) {
		pthread_mutex_lock(&events.lock);
		struct smaps_job *job = events.asked;
		if (job)
			events.asked = job->next;
		pthread_mutex_unlock(&events.lock);
		if (!job)
			return;
		job->ok = procfs_smaps(job->pid, &job->smaps) == 0;
		job->ns = mono_ns();
		pthread_mutex_lock(&events.lock);
		job->next = events.answered;
		events.answered = job;
		pthread_mutex_unlock(&events.lock);
		drain_wake();
	}
}

/* Wait until something becomes readable, wake the drain thread. */
static void *helper_main(void *arg)
{
	(void)arg;
	for (;;) {
		struct epoll_event raw[2];
		int n = epoll_wait(events.helper_fd, raw, 2, -1);
		for (int i = 0; i < n; i++) {
			if (raw[i].data.fd != events.epoll_fd)
				continue;
			atomic_store(&events.ready, true);
			drain_wake();
		}
		for (int i = 0; i < n; i++)
			if (raw[i].data.fd == events.job_fd)
				do_jobs();
	}
	return NULL;
}

int events_start(void)
{
	pthread_t thread;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int failed = pthread_create(&thread, &attr, helper_main, NULL);
	pthread_attr_destroy(&attr);
	return failed ? -1 : 0;
}
