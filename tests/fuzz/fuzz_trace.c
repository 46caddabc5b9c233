/* libFuzzer target: arbitrary bytes as a trace, read, walked and replayed, with a window and a timeline. Checksums are
 * not checked in this build (TIDEMARK_FUZZING), or no mutation would get past them. Run by `make fuzz`. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/block.h"
#include "core/profile.h"

#define MAX_BLOCKS 64 /* unpacking can be dear: a block of a hundred bytes may hold a million events */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int open_bytes(const uint8_t *data, size_t n)
{
	int fd = memfd_create("fuzz", 0);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	return fd;
}

static uint64_t walk(struct trace *trace)
{
	const struct trace_block *block;
	uint64_t sum = 0;
	for (int i = 0; i < MAX_BLOCKS && trace_next(trace, &block, NULL) == 1; i++) {
		struct block_walk events;
		struct block_event event;
		for (block_walk_init(&events, block); block_walk_next(&events, &event);)
			sum += event.tick + event.number + event.thread +
			       (event.born ? block->site_table[event.site].node : 0);
		for (uint32_t r = 0; r < block->n_rares; r++)
			sum += block->rares[r].position;
	}
	for (uint32_t id = 1; id < trace->n_frames; id++)
		for (uint32_t s = 0; s < trace->frames[id].n_symbols; s++)
			sum +=
			    (unsigned char)*trace->strings[trace->symbols[trace->frames[id].first_symbol + s].function];
	for (uint32_t id = 1; id < trace->n_nodes; id++)
		sum += trace->nodes[trace->nodes[id].parent].frame;
	return sum;
}

static void replay(int fd, const struct profile_options *options)
{
	struct profile *profile;
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (profile_read(&profile, path, options, NULL) < 0)
		return;
	/* What holds for every recording, however damaged, as long as it was replayed. */
	const struct profile_totals *t = &profile->totals;
	if (!options->from && t->allocations - t->frees != t->leaked_blocks)
		abort();
	if (t->peak_heap_bytes < t->last_heap_bytes && t->allocated_bytes < (1ull << 60))
		abort();
	if (!profile->trace->complete == !profile->trace->damage[0])
		abort();
	profile_free(profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct trace *trace;
	int fd = open_bytes(data, n);
	static volatile uint64_t sink;
	if (trace_open_fd(&trace, dup(fd), "fuzz", NULL) == 0) {
		sink += walk(trace);
		trace_free(trace);
		replay(fd, &(struct profile_options){0});
		replay(fd, &(struct profile_options){.from = "20%", .to = "phase", .n_points = 7});
		replay(fd, &(struct profile_options){.from = "0.001s", .n_points = 100, .whole_live = true});
	}
	close(fd);
	return 0;
}
