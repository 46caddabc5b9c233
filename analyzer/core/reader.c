/* Walks a trace file from block to block: header, checksums, definitions, footer. Enters: bytes of a file, all hostile.
 * Leaves: struct trace and decoded blocks for replay.c, window.c and cmd_dump.c. See reader.h. */
#include "core/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/array.h"
#include "core/source.h"
#include "core/state.h"

#define MAX_HEADER_BYTES 4096 /* a later version may add fields */
#define CRC_OFFSET 12

/* A fuzzer would never get past checksums. */
static bool is_sum(uLong sum, uint32_t said)
{
#ifdef TIDEMARK_FUZZING
	(void)sum;
	(void)said;
	return true;
#else
	return sum == said;
#endif
}

static int check_header(const struct trace *trace, struct err *err)
{
	const struct tidemark_file_header *h = &trace->header;
	if (memcmp(h->magic, TIDEMARK_TRACE_MAGIC, sizeof(h->magic)) != 0)
		return err_set(err, TIDEMARK_ERR_NOT_TRACE, "'%s' is no Tidemark trace", trace->path);
	if (h->version != TIDEMARK_TRACE_VERSION)
		return err_set(err, TIDEMARK_ERR_VERSION,
		    "'%s' is a trace of version %u, this tidemark reads version %u; "
		    "read it with the tidemark that recorded it",
		    trace->path, h->version, TIDEMARK_TRACE_VERSION);
	if (!is_sum(crc32(0, (const unsigned char *)h, offsetof(struct tidemark_file_header, crc32)), h->crc32) ||
	    h->header_bytes < sizeof(*h) || h->header_bytes > MAX_HEADER_BYTES)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "'%s' has a damaged header", trace->path);
	return 0;
}

static int read_header(struct trace *trace, struct err *err)
{
	struct trace_private *state = trace->private_state;
	int64_t size = source_size(state->fd, err);
	if (size < 0)
		return (int)size;
	trace->file_bytes = (uint64_t)size;
	if (size == 0)
		return err_set(err, TIDEMARK_ERR_NOT_TRACE, "'%s' is empty", trace->path);
	size_t bytes = size < (int64_t)sizeof(trace->header) ? (size_t)size : sizeof(trace->header);
	int result = source_read(state->fd, &trace->header, bytes, 0, err);
	if (result < 0)
		return result;
	if (bytes < sizeof(trace->header) && bytes >= 8 && !memcmp(trace->header.magic, TIDEMARK_TRACE_MAGIC, 8))
		return err_set(err, TIDEMARK_ERR_CORRUPT, "'%s' ends within its header", trace->path);
	result = check_header(trace, err);
	state->offset = trace->read_bytes = trace->header.header_bytes;
	return result;
}

/* Note why reading ends here; the first reason stands. */
__attribute__((format(printf, 2, 3))) static void damage(struct trace *trace, const char *format, ...)
{
	trace->private_state->ended = true;
	trace->complete = false;
	if (trace->damage[0])
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(trace->damage, sizeof(trace->damage), format, arguments);
	va_end(arguments);
}

/* returns: 1 with a checked header and its body in state->body, 0 when the file ended (damage or footer noted) */
static int read_block(struct trace *trace, struct tidemark_block_header *header, struct err *err)
{
	struct trace_private *state = trace->private_state;
	uint64_t left = trace->file_bytes > state->offset ? trace->file_bytes - state->offset : 0;
	unsigned long long number = state->n_blocks, offset = state->offset;
	if (state->n_blocks == state->stop_index)
		return damage(trace, "%s", state->stop_text), 0;
	if (left == 0)
		return damage(trace, "the file ends without a footer: the recording was cut off or still runs"), 0;
	if (left < sizeof(*header))
		return damage(trace, "the file ends within the header of block %llu at offset %llu", number, offset), 0;
	if (source_read(state->fd, header, sizeof(*header), state->offset, err) < 0)
		return err->code;
	if (header->magic != TIDEMARK_BLOCK_MAGIC || header->body_bytes > TIDEMARK_MAX_BODY_BYTES)
		return damage(trace, "block %llu at offset %llu has a damaged header", number, offset), 0;
	if (header->body_bytes > left - sizeof(*header))
		return damage(trace, "the file ends within block %llu at offset %llu", number, offset), 0;
	/* Never NULL: crc32() takes that for a wish to start anew. */
	if (ARRAY_RESERVE(state->body, state->body_capacity, header->body_bytes + 1u) < 0)
		return err_memory(err);
	if (source_read(state->fd, state->body, header->body_bytes, state->offset + sizeof(*header), err) < 0)
		return err->code;
	const unsigned char *bytes = (const unsigned char *)header;
	uLong sum = crc32(0, bytes, CRC_OFFSET);
	sum = crc32(sum, bytes + CRC_OFFSET + 4, sizeof(*header) - CRC_OFFSET - 4);
	sum = crc32(sum, state->body, header->body_bytes);
	if (!is_sum(sum, header->crc32))
		return damage(trace, "block %llu at offset %llu has a wrong checksum", number, offset), 0;
	return 1;
}

static int take_footer(struct trace *trace, struct err *err)
{
	struct trace_private *state = trace->private_state;
	int result = define_counters(trace, err);
	if (result < 0)
		return result;
	uint64_t events = trace->counters[TIDEMARK_COUNTER_EVENTS], end = trace->counters[TIDEMARK_COUNTER_END_TICK];
	uint64_t allocations = trace->counters[TIDEMARK_COUNTER_ALLOCATIONS];
	if (events != state->n_events || allocations != state->n_allocs)
		return err_set(err, TIDEMARK_ERR_CORRUPT,
		    "the footer counts %" PRIu64 " events and %" PRIu64 " allocations, the blocks hold %" PRIu64
		    " and %" PRIu64,
		    events, allocations, state->n_events, state->n_allocs);
	if (end < state->last_tick || end > TIDEMARK_MAX_TICK)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "the footer's end lies before the last event or nowhere");
	trace->end_tick = end;
	trace->complete = true;
	state->footer = true;
	return 0;
}

/* Take in one whole block. returns: 1 when it is an EVENTS block, 0 when not */
static int take_block(struct trace *trace, const struct tidemark_block_header *header, struct err *err)
{
	struct trace_private *state = trace->private_state;
	bool known = header->type >= TIDEMARK_BLOCK_META && header->type <= TIDEMARK_BLOCK_FOOTER;
	if ((state->n_blocks == 0) != (header->type == TIDEMARK_BLOCK_META))
		return err_set(err, TIDEMARK_ERR_CORRUPT, "the meta block is not the first");
	if (!known)
		return 0;
	bool events = header->type == TIDEMARK_BLOCK_EVENTS;
	if (columns_parse(&state->columns, state->body, header->body_bytes, header->n_columns, err) < 0 ||
	    define_take(trace, events && header->flags & TIDEMARK_BLOCK_RESET_SITES, err) < 0)
		return err->code;
	if (header->type == TIDEMARK_BLOCK_META)
		return define_meta(trace, err);
	if (header->type == TIDEMARK_BLOCK_FOOTER)
		return take_footer(trace, err);
	if (!events)
		return 0;
	int result = block_decode(trace, header, err);
	return result < 0 ? result : 1;
}

/* returns: 1 after an EVENTS block, 0 after another, with state->ended set at the end */
static int step(struct trace *trace, struct err *err)
{
	struct trace_private *state = trace->private_state;
	struct tidemark_block_header header;
	int result = read_block(trace, &header, err);
	if (result <= 0)
		return result;
	result = take_block(trace, &header, err);
	if (result == TIDEMARK_ERR_CORRUPT) {
		damage(trace, "block %" PRIu64 " at offset %" PRIu64 ": %s", state->n_blocks, state->offset, err->text);
		return 0;
	}
	if (result < 0)
		return result;
	state->n_blocks++;
	state->offset += sizeof(header) + header.body_bytes;
	trace->read_bytes = state->offset;
	trace->n_events = state->n_events;
	trace->n_allocations = state->n_allocs;
	if (state->footer) {
		state->ended = true;
		if (state->offset < trace->file_bytes)
			damage(trace, "%" PRIu64 " bytes follow the footer", trace->file_bytes - state->offset);
	} else {
		trace->end_tick = state->last_tick > state->seen_tick ? state->last_tick : state->seen_tick;
	}
	return result;
}

int trace_next(struct trace *trace, const struct trace_block **block, struct err *err)
{
	struct trace_private *state = trace->private_state;
	struct err local;
	err = err ? err : &local;
	while (!state->ended) {
		int result = step(trace, err);
		if (result < 0 && result != TIDEMARK_ERR_MEMORY) {
			/* An unreadable sector or a file that shrank: what was read before still counts. */
			damage(trace, "block %" PRIu64 " at offset %" PRIu64 ": %s", state->n_blocks, state->offset,
			    err->text);
			return 0;
		}
		if (result < 0)
			return result;
		if (result == 1) {
			*block = &state->block;
			return 1;
		}
	}
	return 0;
}

/* Start from the first byte; the state is empty but for descriptor and name. */
static int start(struct trace *trace, struct err *err)
{
	int result = columns_init(&trace->private_state->columns, err);
	if (result < 0 || (result = define_init(trace, err)) < 0 || (result = read_header(trace, err)) < 0)
		return result;
	result = step(trace, err);
	return result == TIDEMARK_ERR_SYSTEM || result == TIDEMARK_ERR_MEMORY ? result : 0;
}

static void release(struct trace *trace)
{
	struct trace_private *state = trace->private_state;
	define_release(trace);
	block_free_arrays(state);
	columns_release(&state->columns);
	free(state->body);
}

int trace_rewind(struct trace *trace, bool outline, struct err *err)
{
	struct err local;
	struct trace_private *state = trace->private_state;
	release(trace);
	struct trace_private fresh = {
	    .fd = state->fd, .path = state->path, .outline = outline, .stop_index = state->stop_index};
	memcpy(fresh.stop_text, state->stop_text, sizeof(fresh.stop_text));
	*state = fresh;
	*trace = (struct trace){.path = state->path, .private_state = state};
	return start(trace, err ? err : &local);
}

void trace_stop_before(struct trace *trace, uint64_t index, const char *reason)
{
	struct trace_private *state = trace->private_state;
	state->stop_index = index;
	snprintf(state->stop_text, sizeof(state->stop_text), "%s", reason);
}

int trace_open_fd(struct trace **out, int fd, const char *path, struct err *err)
{
	struct err local;
	struct trace *trace = calloc(1, sizeof(*trace));
	struct trace_private *state = calloc(1, sizeof(*state));
	char *name = strdup(path);
	if (!trace || !state || !name) {
		free(trace);
		free(state);
		free(name);
		close(fd);
		return err_memory(err);
	}
	*state = (struct trace_private){.fd = fd, .path = name, .stop_index = UINT64_MAX};
	*trace = (struct trace){.path = name, .private_state = state};
	int result = start(trace, err ? err : &local);
	if (result < 0) {
		trace_free(trace);
		return result;
	}
	*out = trace;
	return 0;
}

int trace_open(struct trace **out, const char *path, void (*waiting)(const char *path), struct err *err)
{
	int fd = source_open(path, waiting, err);
	return fd < 0 ? fd : trace_open_fd(out, fd, path, err);
}

static const char *last_part(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash ? slash + 1 : path;
}

const char *trace_program(const struct trace *trace)
{
	const char *called = last_part(trace->meta[TIDEMARK_META_CMDLINE]),
	           *exe = last_part(trace->meta[TIDEMARK_META_EXE]);
	if (called && *called == '-') /* a login shell */
		called++;
	return called && *called ? called : exe && *exe ? exe : "program";
}

void trace_free(struct trace *trace)
{
	if (!trace)
		return;
	release(trace);
	close(trace->private_state->fd);
	free(trace->private_state->path);
	free(trace->private_state);
	free(trace);
}
