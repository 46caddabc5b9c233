/* tidemark-collector: one for a recording session. Started with the session's listening socket as descriptor 3, it
 * takes in the shared memory of every process that connects, drains it, and writes one trace file for each process
 * image. Three threads: this one drains and does nothing that could wait for a disk; writer.c writes; events.c waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/futex.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control.h"
#include "drain.h"
#include "ends.h"
#include "events.h"
#include "tidemark/session.h"
#include "watch.h"
#include "writer.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

#define MS 1000000ull
#define BEAT_NS (10 * MS) /* heartbeat, control, owners, ends */
#define CALM_AFTER_NS (1000 * MS)
#define CALM_BEAT_NS (50 * MS)
#define LOOK_NS (100 * MS)  /* at sockets and pidfds although the helper is silent: it may hang in smaps_rollup */
#define FLUSH_NS (250 * MS) /* events reach the writer after at most that */
#define BRIEF_NS (100 * MS) /* a shorter life has no use for smaps_rollup, which costs a millisecond */
#define MAX_WAITERS 128     /* of futex_waitv */
#define MAX_EMPTY_PASSES 50
#define SPIN_WORDS 1024 /* a pass that found more is followed by a look-out of */
#define SPIN_NS 25000.0

struct options {
	const char *session;
	const char *output;
	uint32_t rss_interval_ms;
	bool named;
};

/* ---- start ---- */

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
	    {"session", required_argument, NULL, 's'},
	    {"output", required_argument, NULL, 'o'},
	    {"rss-interval", required_argument, NULL, 'r'},
	    {"named", no_argument, NULL, 'n'},
	    {"version", no_argument, NULL, 'v'},
	    {NULL, 0, NULL, 0},
	};
	*o = (struct options){.rss_interval_ms = 10};
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		switch (c) {
		case 's':
			o->session = optarg;
			break;
		case 'o':
			o->output = optarg;
			break;
		case 'r':
			o->rss_interval_ms = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			o->named = true;
			break;
		case 'v':
			printf("tidemark-collector %s\n", TIDEMARK_VERSION);
			exit(0);
		default:
			return -1;
		}
	}
	if (o->rss_interval_ms < 1)
		o->rss_interval_ms = 1;
	if (o->rss_interval_ms > 60000)
		o->rss_interval_ms = 60000;
	return o->session && o->output && optind == argc ? 0 : -1;
}

/* A relative template belongs to the folder that the session was started in. It stays relative when that was deleted. */
static const char *absolute(const char *output)
{
	static char path[2 * PATH_MAX];
	char folder[PATH_MAX];
	if (output[0] == '/' || !getcwd(folder, sizeof(folder)))
		return output;
	/* A percent sign in the folder's name is no placeholder. */
	size_t n = 0;
	for (const char *p = folder; *p && n + 2 < sizeof(path); p++) {
		path[n++] = *p;
		if (*p == '%')
			path[n++] = '%';
	}
	snprintf(path + n, sizeof(path) - n, "/%s", output);
	return path;
}

static void raise_limit(int resource)
{
	struct rlimit limit;
	if (getrlimit(resource, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(resource, &limit);
}

/* Be of no consequence to whoever started the target: no inherited descriptor, terminal, folder, signal or limit.
 * template: a relative one must go on to fail in the deleted folder, and not be found in another */
static void settle(const char *template)
{
	static const int ignored[] = {
	    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXFSZ, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2};
	sigset_t none;
	for (unsigned i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	syscall(SYS_close_range, TIDEMARK_LISTEN_FD + 1, ~0u, 0);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	setsid();
	if (template[0] == '/' && chdir("/") < 0)
		_exit(1);
	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_FSIZE);
	raise_limit(RLIMIT_AS);
	raise_limit(RLIMIT_DATA);
	raise_limit(RLIMIT_CPU);
	cpu_set_t all;
	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	unsetenv("LD_PRELOAD");
	unsetenv("LD_AUDIT");
	unsetenv("TIDEMARK_SESSION");
	unsetenv("TIDEMARK_OUTPUT");
	prctl(PR_SET_NAME, "tidemark-coll");
	prctl(PR_SET_TIMERSLACK, 1000); /* waits of tens of microseconds are meant as such */
	/* Big allocations go back when they are freed; what the next short process needs again stays. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 16 * 1024 * 1024);
	mallopt(M_TOP_PAD, 1024 * 1024);
}

/* A page of shared memory is not there: the target cut its file short, or memory ran out. Put zeros in its place; rings
 * then look wrong and are given up, the others go on. */
static void catch_bus_error(int sig, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)4095;
	int saved = errno;
	(void)context;
	void *zeros = mmap((void *)page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (zeros == MAP_FAILED || info->si_code != BUS_ADRERR)
		signal(sig, SIG_DFL);
	errno = saved;
}

static void install_bus_handler(void)
{
	struct sigaction action = {.sa_sigaction = catch_bus_error, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGBUS, &action, NULL);
}

/* ---- the loop ---- */

/* Drain everything once. returns: words */
static uint64_t drain_all(void)
{
	uint64_t all = 0;
	for (struct image *image = control_images; image; image = image->next) {
		image->doorbell_seen = atomic_load(&image->shm->doorbell);
		uint64_t words = 0, limit = drain_limit(image);
		watch_arrivals(
		    image); /* after the clock: an unseen ring must not hold anything that others depend on */
		for (uint32_t slot = 0; slot < image_slots_used(image); slot++)
			if (image->processes[slot])
				words += drain_process(image->processes[slot], limit);
		words += watch_orphans(image);
		if (words) {
			atomic_fetch_add_explicit(&image->shm->progress, words, memory_order_relaxed);
			image->drained_ns = drain_state.now_ns;
		}
		all += words;
	}
	return all;
}

/* Does it run the program that is recorded? */
static bool runs_image(const struct process *p)
{
	return p->state == PROCESS_LIVE && !p->dead_since_ns && !p->execed_since_ns &&
	       !(p->had_rings && p->no_rings_since_ns);
}

static void care_for_process(struct process *p)
{
	uint64_t now = drain_state.now_ns;
	bool exiting = atomic_load_explicit(&image_proc(p->image, p->slot)->exit_status_known, memory_order_relaxed);
	if (runs_image(p))
		process_sample(p);
	watch_names(p);
	if (exiting && !p->smaps_at_exit && now - p->start_ns > BRIEF_NS)
		p->smaps_at_exit = p->wants_smaps = true;
	if ((p->wants_smaps || now >= p->next_smaps_ns) && p->pid > 0 && runs_image(p)) {
		p->wants_smaps = false;
		p->next_smaps_ns = now + p->smaps_wait_ns;
		p->smaps_wait_ns = p->smaps_wait_ns < SMAPS_MAX_WAIT_NS ? 2 * p->smaps_wait_ns : SMAPS_MAX_WAIT_NS;
		events_ask_smaps(p->serial, p->pid);
	}
	if (!p->chunk->n_events && !p->chunk->n_rares)
		p->chunk_since_ns = 0;
	else if (!p->chunk_since_ns)
		p->chunk_since_ns = now;
	else if (now - p->chunk_since_ns >= FLUSH_NS)
		process_flush(p);
}

static void take_smaps(void)
{
	for (struct smaps_job *job; (job = events_take_smaps()); free(job)) {
		struct process *p = control_find_serial(job->serial);
		if (p && job->ok && !p->dead_since_ns && !p->execed_since_ns)
			process_add_smaps(p, &job->smaps, job->ns);
	}
}

static void beat(void)
{
	for (struct image *image = control_images; image; image = image->next)
		atomic_fetch_add_explicit(&image->shm->heartbeat, 1, memory_order_relaxed);
}

static void care(void)
{
	take_smaps();
	beat();
	for (struct image **at = &control_images; *at;) {
		struct image *image = *at;
		watch_owners(image);
		for (uint32_t slot = 0; slot < image_slots_used(image); slot++) {
			struct process *p = image->processes[slot];
			if (p && !ends_look(p))
				care_for_process(p);
		}
		if (ends_image(image)) {
			*at = image->next;
			image_free(image);
		} else {
			at = &image->next;
		}
	}
}

static void set_sleeping(uint32_t value)
{
	for (struct image *image = control_images; image; image = image->next)
		atomic_store(&image->shm->sleeping, value);
}

static bool is_called(uint32_t wake_seen)
{
	if (atomic_load_explicit(&drain_wake_word, memory_order_relaxed) != wake_seen)
		return true;
	for (struct image *image = control_images; image; image = image->next)
		if (atomic_load_explicit(&image->shm->doorbell, memory_order_relaxed) != image->doorbell_seen)
			return true;
	return false;
}

/* A program that does nothing but allocate fills its ring in less time than a sleeper needs to wake. After a pass that
 * found much for the time that went by, look out for the next bell a moment longer; the producers are spared the system
 * call, too. */
static bool spin(uint32_t wake_seen)
{
	uint64_t until = clock_cycles() + (uint64_t)(SPIN_NS / drain_state.time.ns_per_cycle);
	do {
		if (is_called(wake_seen))
			return true;
		for (int i = 0; i < 16; i++)
			cpu_relax();
	} while (clock_cycles() < until);
	return false;
}

/* Sleep until a producer rings, something else happens, or the next beat is due. */
static void wait_for_work(uint32_t wake_seen, uint64_t until_ns)
{
	struct futex_waitv waiters[MAX_WAITERS];
	struct timespec until = {(time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u)};
	unsigned n = 0;
	set_sleeping(1);
	waiters[n++] = (struct futex_waitv){
	    .val = wake_seen, .uaddr = (uintptr_t)&drain_wake_word, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG};
	for (struct image *image = control_images; image && n < MAX_WAITERS; image = image->next)
		waiters[n++] = (struct futex_waitv){
		    .val = image->doorbell_seen, .uaddr = (uintptr_t)&image->shm->doorbell, .flags = FUTEX_32};
	if (syscall(SYS_futex_waitv, waiters, n, 0, &until, CLOCK_MONOTONIC) < 0 && errno == ENOSYS) {
		/* Before Linux 5.16: one word at a time; the first image's bell, and look at the others often. */
		struct image *image = control_images;
		struct timespec ms = {0, MS};
		_Atomic uint32_t *word = image ? &image->shm->doorbell : &drain_wake_word;
		syscall(SYS_futex, word, image ? FUTEX_WAIT : FUTEX_WAIT | FUTEX_PRIVATE_FLAG,
		    image ? image->doorbell_seen : wake_seen, &ms, NULL, 0);
	}
	set_sleeping(0);
}

/* While nobody allocates and nobody's size changes, a slower beat will do: 10 ms would cost half a percent of a
 * processor for nothing. The first record or change brings the usual one back. */
static uint64_t beat_interval_ns(void)
{
	if (drain_state.now_ns - drain_state.active_ns > CALM_AFTER_NS)
		return CALM_BEAT_NS;
	return drain_state.rss_interval_ns < BEAT_NS ? drain_state.rss_interval_ns : BEAT_NS;
}

static void run(void)
{
	uint32_t n_empty = 0; /* passes in a row that found nothing before the beat was due */
	uint64_t next_beat_ns = 0, next_look_ns = 0, last_ns = 0;
	queue_beat = beat;
	for (;;) {
		uint32_t wake_seen = atomic_load(&drain_wake_word);
		drain_state.now_ns = timebase_update(&drain_state.time);
		uint64_t now = drain_state.now_ns;
		bool has_events = events_ready();
		if (has_events || now >= next_look_ns) {
			control_events();
			next_look_ns = now + LOOK_NS;
		}
		uint64_t words = drain_all();
		if (words) {
			drain_state.active_ns = now;
			if (next_beat_ns > now + BEAT_NS)
				next_beat_ns = now + BEAT_NS;
		}
		bool is_beat = has_events || now >= next_beat_ns;
		if (is_beat) {
			care();
			n_empty = 0;
			next_beat_ns = now + beat_interval_ns();
		}
		control_step();
		queue_send(is_beat);
		if (control_is_over())
			return;
		n_empty = words ? 0 : n_empty + 1;
		if (n_empty > MAX_EMPTY_PASSES) /* bells without records: a target gone wild */
			nanosleep(&(struct timespec){0, MS / 2}, NULL);
		bool is_rush = words >= SPIN_WORDS && (double)words * SPIN_NS > (double)(now - last_ns) * SPIN_WORDS;
		last_ns = now;
		if (!is_rush || !spin(wake_seen))
			wait_for_work(wake_seen, next_beat_ns);
	}
}

int main(int argc, char **argv)
{
	struct options options;
	if (parse_options(argc, argv, &options) < 0) {
		fprintf(
		    stderr, "tidemark-collector: started by `tidemark record` and by libtidemark.so; not by hand\n");
		return 2;
	}
	const char *template = absolute(options.output);
	settle(template);
	install_bus_handler();
	timebase_init(&drain_state.time);
	drain_state.now_ns = mono_ns();
	drain_state.rss_interval_ns = options.rss_interval_ms * MS;
	struct writer_options writer = {template, options.named, options.rss_interval_ms};
	if (events_init() < 0 || control_init(TIDEMARK_LISTEN_FD) < 0 || writer_start(&writer) < 0 ||
	    events_start() < 0)
		return 1;
	run();
	writer_stop();
	return 0;
}
