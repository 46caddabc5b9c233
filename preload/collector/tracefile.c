#include "tracefile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "blockout.h"
#include "encode.h"
#include "image.h"
#include "procfs.h"
#include "symbolizer.h"
#include "timebase.h"

#define BLOCK_EVENTS 524288u
#define BLOCK_RARES 32768u
#define BLOCK_AGE_NS 400000000ull /* with the chunk's own age: on disk within a second */
#define OWN_PEAK_NS 200000000ull
#define GATHER_BYTES 32768u
#define FULL_PIPE_MS 5000
#define BRIEF_LIFE_NS 1000000000ull

struct tracefile_session tracefile_session;

struct tracefile *tracefile_new(const struct tracefile_origin *origin)
{
	struct tracefile *file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->origin = *origin;
	file->fd = -1;
	file->defs.pid = origin->pid;
	atomic_fetch_add(&origin->image->n_users, 1);
	return file;
}

void tracefile_free(struct tracefile *file)
{
	encode_release(&file->block);
	defs_release(&file->defs);
	free(file);
}

/* ---- writing ---- */

/* The file ends here: what was not written whole is cut off again. */
static void fail(struct tracefile *file, int error)
{
	file->error = error ? error : EIO;
	if (file->fd >= 0 && file->is_seekable && ftruncate(file->fd, (off_t)file->good_bytes) < 0)
		file->is_seekable = false;
}

/* A pipe that is full: for as long as the targets are patient, too. */
static bool gets_room(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, FULL_PIPE_MS) > 0;
}

static void put_now(struct tracefile *file, const void *data, size_t n)
{
	if (file->error || file->fd < 0)
		return;
	for (size_t done = 0; done < n;) {
		ssize_t wrote = write(file->fd, (const char *)data + done, n - done);
		if (wrote < 0 && (errno == EINTR || (errno == EAGAIN && gets_room(file->fd))))
			continue;
		if (wrote <= 0) {
			fail(file, errno);
			return;
		}
		done += (size_t)wrote;
	}
	file->good_bytes += n;
}

/* What is small is gathered and written together with what comes next: a short life is over with two writes. */
static struct bytes gathered;
static bool gathers;

static void put_gathered(struct tracefile *file)
{
	if (gathered.bad)
		fail(file, ENOMEM);
	else if (gathered.n)
		put_now(file, gathered.data, gathered.n);
	gathered.n = 0;
	gathered.bad = false;
}

static void end_gathering(struct tracefile *file)
{
	gathers = false;
	put_gathered(file);
}

static void put(struct tracefile *file, const void *data, size_t n)
{
	if (gathers && n <= GATHER_BYTES) {
		bytes_add(&gathered, data, n);
		return;
	}
	put_gathered(file);
	put_now(file, data, n);
}

static void put_block(struct tracefile *file, struct blockout *out)
{
	size_t n;
	const uint8_t *data = blockout_finish(out, &n);
	if (data)
		put(file, data, n);
	else
		fail(file, ENOMEM);
}

static void put_header(struct tracefile *file)
{
	const struct tracefile_origin *o = &file->origin;
	struct tidemark_file_header header = {
	    .version = TIDEMARK_TRACE_VERSION,
	    .header_bytes = sizeof(header),
	    .pid = (uint32_t)o->pid,
	    .parent_pid = (uint32_t)o->parent_pid,
	    .start_real_ns = o->start_real_ns,
	    .start_mono_ns = o->start_mono_ns,
	    .flags = o->flags,
	};
	memcpy(header.magic, TIDEMARK_TRACE_MAGIC, sizeof(header.magic));
	memcpy(header.session_id, tracefile_session.naming.session_id, sizeof(header.session_id));
	header.crc32 = (uint32_t)crc32(0, (const uint8_t *)&header, offsetof(struct tidemark_file_header, crc32));
	put(file, &header, sizeof(header));
}

static void add_meta(struct bytes *meta, enum tidemark_meta key, const void *data, size_t n)
{
	if (n > TIDEMARK_MAX_STRING_BYTES)
		n = TIDEMARK_MAX_STRING_BYTES;
	bytes_add_varint(meta, key);
	bytes_add_varint(meta, n);
	bytes_add(meta, data, n);
}

static void add_meta_text(struct bytes *meta, enum tidemark_meta key, const char *text)
{
	add_meta(meta, key, text, strlen(text));
}

static void add_meta_number(struct bytes *meta, enum tidemark_meta key, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	add_meta_text(meta, key, text);
}

static void add_meta_shared(struct bytes *meta, enum tidemark_meta key, const struct image *image, uint32_t offset)
{
	static char text[TIDEMARK_MAX_STRING_BYTES];
	size_t n = image_string(image, offset, text, sizeof(text));
	if (n)
		add_meta(meta, key, text, n);
}

static void add_command_line(struct bytes *meta, const struct tracefile_origin *o)
{
	static char text[TIDEMARK_MAX_STRING_BYTES];
	size_t max = o->cmdline_bytes < sizeof(text) ? o->cmdline_bytes : sizeof(text);
	size_t n = o->cmdline_string ? image_string_bytes(o->image, o->cmdline_string, text, max) : 0;
	if (n)
		add_meta(meta, TIDEMARK_META_CMDLINE, text, n);
}

static void put_meta(struct tracefile *file)
{
	static long n_cpus; /* takes a file to know */
	static const char *const unwinders[] = {"none", "libunwind", "plain", "fast"};
	const struct tracefile_origin *o = &file->origin;
	const struct tidemark_shm *shm = o->image->shm;
	struct blockout out = {.header.type = TIDEMARK_BLOCK_META};
	struct bytes meta = {0};
	char version[sizeof(shm->shim_version) + 1] = "";
	memcpy(version, shm->shim_version, sizeof(shm->shim_version));
	add_meta_shared(&meta, TIDEMARK_META_EXE, o->image, o->exe_string);
	add_command_line(&meta, o);
	add_meta_text(&meta, TIDEMARK_META_SHIM_VERSION, version);
	add_meta_number(&meta, TIDEMARK_META_DEPTH_LIMIT, shm->depth_limit);
	add_meta_text(&meta, TIDEMARK_META_UNWINDER, unwinders[shm->unwinder & 3]);
	add_meta_text(&meta, TIDEMARK_META_CLOCK, o->image->clock == TIDEMARK_CLOCK_TSC ? "tsc" : "counter");
	if (!n_cpus)
		n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	add_meta_number(&meta, TIDEMARK_META_PAGE_BYTES, (uint64_t)sysconf(_SC_PAGESIZE));
	add_meta_number(&meta, TIDEMARK_META_CPUS, (uint64_t)n_cpus);
	add_meta_number(&meta, TIDEMARK_META_RSS_INTERVAL_MS, tracefile_session.rss_interval_ms);
	add_meta_shared(&meta, TIDEMARK_META_SUPPRESSIONS, o->image, shm->suppressions_string);
	if (shm->maps_recorded)
		add_meta_number(&meta, TIDEMARK_META_MAPS_RECORDED, 1);
	blockout_add(&out, TIDEMARK_COLUMN_META, 0, meta.data, meta.n);
	put_block(file, &out);
	bytes_release(&meta);
}

/* Bring the file into being, if nobody tried yet. */
static void create(struct tracefile *file)
{
	const struct tracefile_origin *o = &file->origin;
	char exe[4096];
	struct stat st;
	if (file->fd >= 0 || file->error)
		return;
	image_string(o->image, o->exe_string, exe, sizeof(exe));
	file->fd = naming_open(&tracefile_session.naming, o->pid, o->is_root, exe, &file->name);
	if (file->fd < 0) {
		fail(file, errno);
		return;
	}
	file->is_seekable = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
	put_header(file);
	put_meta(file);
}

/* ---- events ---- */

static void write_block(struct tracefile *file)
{
	struct blockout out;
	gathers = true;
	create(file);
	if (!file->error) {
		if (encode_block(&file->block, &file->defs, &out) < 0)
			fail(file, ENOMEM);
		else
			put_block(file, &out);
	}
	end_gathering(file);
	defs_clear_columns(&file->defs);
	if (file->defs.failed && !file->error)
		fail(file, ENOMEM);
	encode_clear(&file->block);
}

void tracefile_flush(struct tracefile *file, uint64_t now, bool force)
{
	struct tracefile_block *b = &file->block;
	bool is_empty = !b->n_events && !b->n_rares;
	bool may_stay_unwritten = file->fd < 0 && !file->n_events && !file->origin.is_root &&
	                          now - file->origin.start_mono_ns < BRIEF_LIFE_NS;
	if (is_empty || may_stay_unwritten)
		return;
	if (!b->begun_ns)
		b->begun_ns = now;
	if (force || now - b->begun_ns >= BLOCK_AGE_NS)
		write_block(file);
}

void tracefile_add(struct tracefile *file, const struct chunk *chunk)
{
	if (file->error)
		return;
	if (file->origin.is_root)
		create(file);
	if (file->defs.n_sites + chunk->n_allocs > TIDEMARK_MAX_SITES) {
		write_block(file);
		defs_reset_sites(&file->defs);
		file->block.resets_sites = true;
	}
	encode_add(&file->block, &file->defs, file->origin.image, chunk);
	file->n_events += chunk->n_events;
	file->n_allocs += chunk->n_allocs;
	if (file->block.n_events >= BLOCK_EVENTS || file->block.n_rares >= BLOCK_RARES)
		write_block(file);
}

/* ---- the end ---- */

/* Code outside any module has names if the process wrote a perf map. */
static void ask_for_jit(struct tracefile *file)
{
	struct defs *d = &file->defs;
	char path[64];
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)file->origin.own_pid);
	if (!d->n_jit || access(path, R_OK) < 0)
		return;
	uint32_t map = symbolizer_perf_map(file->origin.own_pid, path);
	for (uint32_t i = 0; i < d->n_jit; i++)
		defs_set_question(d, d->jit[i].id, symbolizer_ask_jit(map, d->jit[i].pc, d->jit[i].flags));
}

static _Atomic uint32_t *exit_state(const struct tracefile *file)
{
	return &image_proc(file->origin.image, file->origin.slot)->exit_status_known;
}

static void release_image(struct tracefile *file)
{
	atomic_fetch_sub(&file->origin.image->n_users, 1);
	file->origin.image = NULL;
}

static void tell_awaiting(struct tracefile *file)
{
	uint32_t state = TIDEMARK_EXIT_CLOSING;
	if (!file->is_awaited)
		return;
	atomic_compare_exchange_strong(exit_state(file), &state, TIDEMARK_EXIT_CLOSED);
	release_image(file);
}

void tracefile_begin_close(struct tracefile *file, const uint64_t *counters)
{
	uint64_t now = mono_ns();
	memcpy(file->counters, counters, sizeof(file->counters));
	bool had_a_life = file->n_events || file->origin.is_root || file->fd >= 0;
	if (had_a_life || now - file->origin.start_mono_ns >= BRIEF_LIFE_NS) {
		create(file);
		tracefile_flush(file, now, true);
		ask_for_jit(file);
	}
	for (uint32_t i = 1; i < file->defs.questions_capacity && i <= file->defs.n_frames; i++)
		if (file->defs.questions[i] > file->last_question)
			file->last_question = file->defs.questions[i];
	file->is_closing = true;
	file->closing_since_ns = now;
	file->is_awaited = atomic_load(exit_state(file)) == TIDEMARK_EXIT_CLOSING;
	if (!file->is_awaited)
		release_image(file);
}

static void put_symbols(struct tracefile *file)
{
	struct defs *d = &file->defs;
	struct blockout out = {.header = {.type = TIDEMARK_BLOCK_SYMBOLS}};
	struct bytes symbols = {0}, qualities = {0};
	uint32_t last = 0;
	for (uint32_t frame = 1; frame <= d->n_frames && frame < d->questions_capacity; frame++) {
		uint32_t n;
		const struct symbol *s = symbolizer_answer(d->questions[frame], &n);
		if (!n)
			continue;
		bytes_add_varint(&symbols, frame - last);
		bytes_add_varint(&symbols, n);
		last = frame;
		for (uint32_t i = 0; i < n; i++) {
			bytes_add_varint(&symbols, defs_pooled_string(d, s[i].function));
			bytes_add_varint(&symbols, defs_pooled_string(d, s[i].file));
			bytes_add_varint(&symbols, s[i].line);
		}
	}
	for (uint32_t module = 1; module <= d->n_modules && module < d->asked_modules_capacity; module++) {
		bytes_add_varint(&qualities, module);
		bytes_add_byte(&qualities, (uint8_t)symbolizer_quality(d->asked_modules[module]));
	}
	blockout_add(&out, TIDEMARK_COLUMN_STRINGS, 0, d->strings.data, d->strings.n);
	blockout_add(&out, TIDEMARK_COLUMN_SYMBOLS, 0, symbols.data, symbols.n);
	blockout_add(&out, TIDEMARK_COLUMN_MODULE_SYMBOLS, 0, qualities.data, qualities.n);
	out.header.first_alloc = file->n_allocs;
	out.header.start_tick = file->counters[TIDEMARK_COUNTER_END_TICK];
	if (out.header.n_columns)
		put_block(file, &out);
	defs_clear_columns(d);
	bytes_release(&symbols);
	bytes_release(&qualities);
}

/* Reading it costs as much as writing a small file: once in a while will do. */
static uint64_t own_peak_bytes(uint64_t now)
{
	static uint64_t peak_bytes, read_ns;
	if (now - read_ns > OWN_PEAK_NS) {
		peak_bytes = procfs_peak_bytes(0);
		read_ns = now;
	}
	return peak_bytes;
}

static void put_footer(struct tracefile *file)
{
	struct blockout out = {.header = {.type = TIDEMARK_BLOCK_FOOTER}};
	struct bytes counters = {0};
	file->counters[TIDEMARK_COUNTER_EVENTS] = file->n_events;
	file->counters[TIDEMARK_COUNTER_ALLOCATIONS] = file->n_allocs;
	file->counters[TIDEMARK_COUNTER_COLLECTOR_PEAK_RSS] = own_peak_bytes(mono_ns());
	for (unsigned i = 1; i <= TIDEMARK_COUNTER_PEAK_RSS; i++) {
		bytes_add_varint(&counters, i);
		bytes_add_varint(&counters, file->counters[i]);
	}
	out.header.first_alloc = file->n_allocs;
	out.header.start_tick = file->counters[TIDEMARK_COUNTER_END_TICK];
	blockout_add(&out, TIDEMARK_COLUMN_COUNTERS, 0, counters.data, counters.n);
	put_block(file, &out);
	bytes_release(&counters);
}

void tracefile_finish(struct tracefile *file)
{
	if (file->fd < 0) {
		tell_awaiting(file);
		return;
	}
	/* Without its last events a file must not look complete. */
	gathers = true;
	if (!file->error)
		put_symbols(file);
	if (!file->error)
		put_footer(file);
	end_gathering(file);
	if (close(file->fd) < 0 && !file->error && errno != EINTR)
		file->error = errno;
	file->fd = -1;
	tell_awaiting(file);
}
