#include "writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "chunk.h"
#include "events.h"
#include "image.h"
#include "symbolizer.h"
#include "tidemark/session.h"
#include "timebase.h"
#include "tracefile.h"

#define SYMBOLS_WAIT_NS 60000000000ull
#define STUCK_NS 15000000000ull /* over one address; libraries of 60 MB are read in 2 s */
#define HOUSEKEEPING_NS 50000000ull

static struct {
	pthread_t thread;
	_Atomic bool stop;
	_Atomic uint32_t n_open, n_root_open; /* files from tracefile_new on to their end */
	_Atomic uint32_t n_pending;           /* addresses without an answer */
	struct tracefile *files;              /* writer thread only */
	pthread_mutex_t lock;
	struct writer_report report;      /* lock */
	struct naming_entry **root_names; /* lock; in the order of the images */
	uint32_t n_root_names;
	uint32_t last_root; /* lock; the latest image's serial in naming.h */
	bool root_went_on;  /* lock; that one ended by exec of a program that is not recorded */
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER};

void writer_file_opened(bool is_root)
{
	atomic_fetch_add(&writer.n_open, 1);
	if (is_root)
		atomic_fetch_add(&writer.n_root_open, 1);
}

/* ---- reports ---- */

static void add_trouble(struct writer_report *report, const struct tracefile *file)
{
	size_t n = strlen(report->text);
	const char *path = file->name && file->name->path ? file->name->path : "a trace file";
	if (n < sizeof(report->text))
		snprintf(report->text + n, sizeof(report->text) - n, "%scannot write '%s': %s", n ? "; " : "", path,
		    strerror(file->error));
}

static void add_unfollowed(struct writer_report *report)
{
	size_t n = strlen(report->text);
	report->done |= TIDEMARK_DONE_LOSSES;
	if (n < sizeof(report->text))
		snprintf(report->text + n, sizeof(report->text) - n,
		    "%sthe process became another program (exec), which could not be recorded", n ? "; " : "");
}

static void add_losses(struct writer_report *report, const struct tracefile *file)
{
	size_t n = strlen(report->text);
	uint64_t lost = file->counters[TIDEMARK_COUNTER_LOST_EVENTS];
	bool detached = file->counters[TIDEMARK_COUNTER_END_REASON] == TIDEMARK_END_DETACHED;
	if (n >= sizeof(report->text) || (!lost && !detached))
		return;
	report->done |= TIDEMARK_DONE_LOSSES;
	if (detached)
		snprintf(report->text + n, sizeof(report->text) - n, "%sprocess %d stopped recording before its end",
		    n ? "; " : "", (int)file->origin.pid);
	else
		snprintf(report->text + n, sizeof(report->text) - n, "%s%llu events of process %d were lost",
		    n ? "; " : "", (unsigned long long)lost, (int)file->origin.pid);
}

/* Images may be finished in another order than they began in. */
static void add_root_name(struct naming_entry *name)
{
	size_t bytes = (writer.n_root_names + 1) * sizeof(*writer.root_names);
	struct naming_entry **names = realloc(writer.root_names, bytes);
	if (!names)
		return;
	uint32_t i = writer.n_root_names++;
	for (; i > 0 && names[i - 1]->serial > name->serial; i--)
		names[i] = names[i - 1];
	names[i] = name;
	writer.root_names = names;
}

static void note_root_end(const struct tracefile *file)
{
	if (!file->name || file->name->serial < writer.last_root)
		return;
	writer.last_root = file->name->serial;
	writer.root_went_on = file->counters[TIDEMARK_COUNTER_END_REASON] == TIDEMARK_END_EXEC &&
	                      file->counters[TIDEMARK_COUNTER_END_VALUE] == 0;
}

static void report_file(const struct tracefile *file)
{
	pthread_mutex_lock(&writer.lock);
	struct writer_report *report = &writer.report;
	if (file->error) {
		report->done |= TIDEMARK_DONE_WRITE;
		add_trouble(report, file);
	}
	add_losses(report, file);
	if (file->origin.is_root) {
		report->n_events += file->n_events;
		if (file->name)
			add_root_name(file->name);
		note_root_end(file);
	}
	pthread_mutex_unlock(&writer.lock);
}

void writer_root_report(struct writer_report *report)
{
	pthread_mutex_lock(&writer.lock);
	*report = writer.report;
	if (writer.root_went_on)
		add_unfollowed(report);
	report->n_paths = writer.n_root_names;
	if (writer.n_root_names)
		snprintf(report->path, sizeof(report->path), "%s", writer.root_names[writer.n_root_names - 1]->path);
	pthread_mutex_unlock(&writer.lock);
}

bool writer_root_is_open(void)
{
	return atomic_load(&writer.n_root_open) > 0;
}

uint32_t writer_open_files(void)
{
	return atomic_load(&writer.n_open);
}

bool writer_is_idle(void)
{
	return atomic_load(&writer.n_open) == 0 && queue_length() == 0;
}

void writer_progress(char *text, size_t capacity)
{
	uint32_t pending = atomic_load(&writer.n_pending);
	text[0] = '\0';
	if (pending)
		snprintf(text, capacity, "resolving addresses: %u left", pending);
	else if (queue_length())
		snprintf(text, capacity, "writing the last events");
}

/* ---- files ---- */

static void know(struct tracefile *file)
{
	if (!file || file->is_known)
		return;
	file->is_known = true;
	file->next = writer.files;
	writer.files = file;
}

static void finish(struct tracefile *file)
{
	bool is_root = file->origin.is_root;
	tracefile_finish(file);
	report_file(file);
	tracefile_free(file);
	if (is_root)
		atomic_fetch_sub(&writer.n_root_open, 1);
	atomic_fetch_sub(&writer.n_open, 1);
	drain_wake();
}

/* Does somebody wait for a file that is closing? For the root's and those of its children when the root is over, and
 * who asks at exit. */
static bool is_awaited(void)
{
	bool has_closing = false, asks = false, root_lives = false;
	for (struct tracefile *file = writer.files; file; file = file->next) {
		has_closing |= file->is_closing;
		asks |= file->is_closing && file->is_awaited;
		root_lives |= file->origin.is_root && !file->is_closing;
	}
	return asks || (has_closing && !root_lives);
}

/* A file waits for its symbols. */
static void limit_wait(const struct tracefile *file, uint64_t now)
{
	uint64_t since = symbolizer_progress_ns();
	if (now - file->closing_since_ns > SYMBOLS_WAIT_NS)
		symbolizer_give_up();
	else if (now - file->closing_since_ns > STUCK_NS && now - since > STUCK_NS)
		symbolizer_skip_module();
}

/* Close what has its symbols, write what is old enough. */
static void look_after_files(void)
{
	uint64_t now = mono_ns();
	if (symbolizer_pending() && is_awaited())
		symbolizer_hurry();
	for (struct tracefile **at = &writer.files; *at;) {
		struct tracefile *file = *at;
		if (!file->is_closing) {
			tracefile_flush(file, now, false);
			at = &file->next;
			continue;
		}
		if (!symbolizer_is_answered(file->last_question))
			limit_wait(file, now);
		if (!file->error && !symbolizer_is_answered(file->last_question)) {
			at = &file->next;
			continue;
		}
		*at = file->next;
		finish(file);
	}
}

static void open_module(const struct module_item *item)
{
	struct tidemark_module module;
	char path[4096];
	if (image_get_module(item->image, item->index, &module)) {
		image_string(item->image, module.path_string, path, sizeof(path));
		symbolizer_module(&module, path, item->pid);
	}
	atomic_fetch_sub(&item->image->n_users, 1);
}

static void handle(struct item *item)
{
	know(item->file);
	switch (item->kind) {
	case ITEM_EVENTS:
		tracefile_add(item->file, (struct chunk *)item);
		chunk_free((struct chunk *)item);
		return;
	case ITEM_MODULE:
		open_module((struct module_item *)item);
		break;
	case ITEM_CLOSE:
		tracefile_begin_close(item->file, ((struct close_item *)item)->counters);
		break;
	}
	free(item);
}

/* ---- the thread ---- */

static void pump_symbols(void)
{
	symbolizer_pump();
	atomic_store(&writer.n_pending, symbolizer_pending());
}

/* As long as nobody waits for the answers of the symbolizer they are taken in passing, many at a time. */
static void wait_for_work(void)
{
	struct pollfd fds[3];
	bool has_blocks = false, in_passing = !is_awaited();
	for (struct tracefile *file = writer.files; file; file = file->next)
		has_blocks |= file->is_closing || file->block.n_events || file->block.n_rares;
	symbolizer_poll(fds);
	if (in_passing)
		fds[0].fd = fds[1].fd = -1;
	fds[2] = (struct pollfd){.fd = queue_fd(), .events = POLLIN};
	poll(fds, 3, in_passing && symbolizer_pending() ? 20 : has_blocks ? 50 : symbolizer_runs() ? 5000 : -1);
}

static void *writer_main(void *arg)
{
	(void)arg;
	uint64_t last_ns = 0;
	for (;;) {
		struct item *item = queue_take();
		if (item)
			handle(item);
		uint64_t now = mono_ns();
		if (item && now - last_ns < HOUSEKEEPING_NS)
			continue;
		last_ns = now;
		pump_symbols();
		look_after_files();
		if (item)
			continue;
		if (atomic_load(&writer.stop) && writer_is_idle())
			return NULL;
		wait_for_work();
	}
}

int writer_start(const struct writer_options *options)
{
	struct naming *naming = &tracefile_session.naming;
	naming->template = options->template;
	naming->named = options->named;
	tracefile_session.rss_interval_ms = options->rss_interval_ms;
	if (getrandom(naming->session_id, sizeof(naming->session_id), 0) != sizeof(naming->session_id)) {
		uint64_t now = clock_ns(CLOCK_REALTIME);
		memcpy(naming->session_id, &now, sizeof(now));
	}
	if (queue_init() < 0)
		return -1;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	int failed = pthread_create(&writer.thread, &attr, writer_main, NULL);
	pthread_attr_destroy(&attr);
	return failed ? -1 : 0;
}

void writer_stop(void)
{
	atomic_store(&writer.stop, true);
	queue_kick();
	pthread_join(writer.thread, NULL);
}
