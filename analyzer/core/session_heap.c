/* Heaps of several processes summed: see session_heap.h. Each file is a stream of steps in time; the file whose next step
 * comes first moves on. As in replay.c, a row keeps its value at the peak by an epoch, so that a peak costs no walk. */
#include "core/session_heap.h"

#include <stdlib.h>

#include "base/array.h"
#include "core/block.h"
#include "core/live.h"

struct row {
	uint64_t bytes, peak_bytes;
	uint64_t blocks, peak_blocks;
	uint64_t epoch;
};

struct stream {
	struct trace *trace;
	const struct trace_block *block;
	struct block_walk walk;
	uint32_t rare;
	struct live live;
	struct row *rows; /* by node */
	size_t rows_capacity;
	uint64_t heap_bytes, rss_bytes;
	uint64_t next_ns; /* CLOCK_MONOTONIC of the next step; UINT64_MAX: none */
	bool ending;      /* the next step is the end */
};

struct summing {
	struct stream *streams;
	size_t n_streams;
	uint64_t heap_bytes, rss_bytes, epoch;
	struct session_heap *out;
};

static struct row *touch(const struct summing *s, struct stream *stream, uint32_t node)
{
	struct row *row = &stream->rows[node];
	if (row->epoch != s->epoch) {
		row->peak_bytes = row->bytes;
		row->peak_blocks = row->blocks;
		row->epoch = s->epoch;
	}
	return row;
}

static void end_block(struct summing *s, struct stream *stream, uint64_t number)
{
	struct live_block old;
	if (!live_take(&stream->live, number, &old))
		return;
	struct row *row = touch(s, stream, old.node);
	row->bytes -= old.size_bytes;
	row->blocks--;
	stream->heap_bytes -= old.size_bytes;
	s->heap_bytes -= old.size_bytes;
}

static int begin_block(struct summing *s, struct stream *stream, const struct trace_site *site)
{
	struct row *row = touch(s, stream, site->node);
	if (live_add(&stream->live, site->node, site->size_bytes) < 0)
		return -1;
	row->bytes += site->size_bytes;
	row->blocks++;
	stream->heap_bytes += site->size_bytes;
	s->heap_bytes += site->size_bytes;
	if (s->heap_bytes > s->out->peak_heap_bytes) {
		s->out->peak_heap_bytes = s->heap_bytes;
		s->epoch++;
	}
	return 0;
}

static void play_rare(struct summing *s, struct stream *stream, const struct trace_rare *rare)
{
	if (rare->kind == TIDEMARK_RARE_IMPLICIT_FREE)
		end_block(s, stream, stream->live.next - 1 - rare->values[0]);
	if (rare->kind != TIDEMARK_RARE_RSS)
		return;
	s->rss_bytes += rare->values[0] - stream->rss_bytes;
	stream->rss_bytes = rare->values[0];
	if (s->rss_bytes > s->out->peak_rss_bytes)
		s->out->peak_rss_bytes = s->rss_bytes;
}

static uint64_t at_ns(const struct stream *stream, uint64_t tick)
{
	return stream->trace->header.start_mono_ns + tick * TIDEMARK_TICK_NS;
}

/* The tick of the block's next event or rare event. returns: false when there is none */
static bool next_tick(const struct stream *stream, uint64_t *tick)
{
	const struct trace_block *block = stream->block;
	struct block_walk ahead = stream->walk;
	struct block_event event;
	bool rare = stream->rare < block->n_rares;
	if (rare && block->rares[stream->rare].position <= stream->walk.i) {
		*tick = block->rares[stream->rare].tick;
		return true;
	}
	if (!block_walk_next(&ahead, &event))
		return false;
	*tick = event.tick;
	return true;
}

/* Find the next step, in the next block where need be. */
static int advance(struct stream *stream, struct err *err)
{
	uint64_t tick;
	while (!stream->block || !next_tick(stream, &tick)) {
		int result = trace_next(stream->trace, &stream->block, err);
		if (result < 0)
			return result;
		if (!result) {
			stream->block = NULL;
			stream->ending = true;
			stream->next_ns = at_ns(stream, stream->trace->end_tick);
			return 0;
		}
		block_walk_init(&stream->walk, stream->block);
		stream->rare = 0;
		if (ARRAY_RESERVE(stream->rows, stream->rows_capacity, stream->trace->n_nodes) < 0)
			return err_memory(err);
	}
	stream->next_ns = at_ns(stream, tick);
	return 0;
}

static int play_event(struct summing *s, struct stream *stream, struct err *err)
{
	struct block_event event;
	const struct trace_block *block = stream->block;
	if (stream->rare < block->n_rares && block->rares[stream->rare].position <= stream->walk.i) {
		play_rare(s, stream, &block->rares[stream->rare++]);
		return 0;
	}
	if (!block_walk_next(&stream->walk, &event))
		return 0;
	if (!event.born)
		end_block(s, stream, event.number);
	else if (event.moved)
		end_block(s, stream, event.old);
	if (event.born && begin_block(s, stream, &block->site_table[event.site]) < 0)
		return err_memory(err);
	return 0;
}

/* A process that is gone holds nothing; its rows stay for the peak. */
static void play_end(struct summing *s, struct stream *stream)
{
	for (size_t i = 0; i < stream->rows_capacity; i++) {
		struct row *row = touch(s, stream, (uint32_t)i);
		row->bytes = row->blocks = 0;
	}
	s->heap_bytes -= stream->heap_bytes;
	s->rss_bytes -= stream->rss_bytes;
	stream->next_ns = UINT64_MAX;
}

/* Play one file up to the time of the next step of any other. */
static int play_stream(struct summing *s, struct stream *stream, uint64_t until_ns, struct err *err)
{
	while (stream->next_ns <= until_ns && stream->next_ns != UINT64_MAX) {
		if (stream->ending) {
			play_end(s, stream);
			return 0;
		}
		int result = play_event(s, stream, err);
		if (!result)
			result = advance(stream, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int play(struct summing *s, struct err *err)
{
	for (;;) {
		struct stream *first = NULL;
		uint64_t until = UINT64_MAX;
		for (size_t i = 0; i < s->n_streams; i++)
			if (!first || s->streams[i].next_ns < first->next_ns)
				first = &s->streams[i];
		if (!first || first->next_ns == UINT64_MAX)
			return 0;
		for (size_t i = 0; i < s->n_streams; i++)
			if (&s->streams[i] != first && s->streams[i].next_ns < until)
				until = s->streams[i].next_ns;
		int result = play_stream(s, first, until, err);
		if (result < 0)
			return result;
	}
}

/* Hand out what every row held at the peak. */
static int collect_peaks(const struct summing *s, struct err *err)
{
	struct session_heap *out = s->out;
	out->peaks = calloc(s->n_streams, sizeof(*out->peaks));
	out->n_peaks = calloc(s->n_streams, sizeof(*out->n_peaks));
	out->n_files = out->peaks ? s->n_streams : 0;
	if (!out->peaks || !out->n_peaks)
		return err_memory(err);
	for (size_t i = 0; i < s->n_streams; i++) {
		struct stream *stream = &s->streams[i];
		out->peaks[i] = calloc(stream->rows_capacity + 1, sizeof(**out->peaks));
		if (!out->peaks[i])
			return err_memory(err);
		out->n_peaks[i] = (uint32_t)stream->rows_capacity;
		for (uint32_t node = 0; node < stream->rows_capacity; node++) {
			const struct row *row = touch(s, stream, node);
			out->peaks[i][node] = (struct session_peak_row){row->peak_blocks, row->peak_bytes};
		}
	}
	return 0;
}

static void release(struct summing *s)
{
	for (size_t i = 0; i < s->n_streams; i++) {
		trace_free(s->streams[i].trace);
		live_release(&s->streams[i].live);
		free(s->streams[i].rows);
	}
	free(s->streams);
}

int session_heap_read(struct session_heap *heap, const char *const *paths, size_t n_paths,
    void (*waiting)(const char *path), struct err *err)
{
	struct summing s = {.out = heap, .streams = calloc(n_paths, sizeof(*s.streams)), .n_streams = n_paths};
	*heap = (struct session_heap){0};
	if (!s.streams)
		return err_memory(err);
	int result = 0;
	for (size_t i = 0; i < n_paths && !result; i++) {
		result = trace_open(&s.streams[i].trace, paths[i], waiting, err);
		if (!result)
			result = advance(&s.streams[i], err);
	}
	if (!result)
		result = play(&s, err);
	if (!result)
		result = collect_peaks(&s, err);
	release(&s);
	if (result < 0)
		session_heap_release(heap);
	return result;
}

void session_heap_release(struct session_heap *heap)
{
	for (size_t i = 0; i < heap->n_files; i++)
		free(heap->peaks[i]);
	free(heap->peaks);
	free(heap->n_peaks);
	*heap = (struct session_heap){0};
}
