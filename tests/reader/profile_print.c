/* Prints a trace's profile as lines of text, the same as tests/reader/tmk_read.py does, for comparison. --window FROM
 * TO adds the window's figures, --points N the timeline, --memory this program's peak. Test program; links
 * analyzer/core. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/profile.h"
#include "tidemark/ring.h"

static void print_totals(const struct profile *p)
{
	const struct profile_totals *t = &p->totals;
	printf("complete %d\nevents %" PRIu64 "\nallocations %" PRIu64 "\nfrees %" PRIu64 "\n", p->trace->complete,
	    t->events, t->allocations, t->frees);
	printf("allocated_bytes %" PRIu64 "\nreallocations %" PRIu64 "\nleaked_bytes %" PRIu64
	       "\nleaked_blocks %" PRIu64 "\n",
	    t->allocated_bytes, t->reallocations, t->leaked_bytes, t->leaked_blocks);
	printf("peak %" PRIu64 " %" PRIu64 " %" PRIu64 "\npeak_rss %" PRIu64 "\ntemporary %" PRIu64 "\n",
	    t->peak_heap_bytes, t->peak_heap_blocks, t->peak_tick, t->peak_rss_bytes, t->temporary);
	printf("unknown %" PRIu64 " inherited %" PRIu64 " implicit %" PRIu64 " lost %" PRIu64 "\n", t->unknown_frees,
	    t->inherited_frees, t->implicit_frees, t->lost_events);
	for (unsigned api = 0; api < 16; api++)
		if (t->by_api[api][0])
			printf("api %u %" PRIu64 " %" PRIu64 "\n", api, t->by_api[api][0], t->by_api[api][1]);
}

static void print_rows(const struct profile *p)
{
	for (uint32_t i = 0; i < p->n_rows; i++) {
		const struct profile_row *r = &p->rows[i];
		if (!r->allocations && !r->live_blocks && !r->peak_blocks)
			continue;
		printf("row %u: %" PRIu64 " %" PRIu64 " live %" PRIu64 " %" PRIu64 " peak %" PRIu64 " %" PRIu64
		       " temporary %" PRIu64 "\n",
		    i, r->allocations, r->allocated_bytes, r->live_blocks, r->live_bytes, r->peak_blocks, r->peak_bytes,
		    r->temporary);
	}
	for (uint32_t i = 0; i < p->n_marks; i++) {
		const struct profile_mark *m = &p->marks[i];
		printf("mark %" PRIu64 " %u ", m->tick, m->thread);
		for (const char *c = p->trace->strings[m->name]; *c; c++)
			printf("%02x", (unsigned char)*c);
		printf(" %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", m->ops, m->event, m->heap_bytes);
	}
}

static void print_points(const struct profile *p)
{
	printf("window %" PRIu64 " %" PRIu64 " heap %" PRIu64 " %" PRIu64 "\n", p->totals.start_tick,
	    p->totals.end_tick, p->totals.first_heap_bytes, p->totals.last_heap_bytes);
	for (uint32_t i = 0; i < p->n_points; i++) {
		const struct profile_point *q = &p->points[i];
		printf("point %" PRIu64 " heap %" PRIu64 " %" PRIu64 " rss %" PRIu64 " %" PRIu64 " mapped %" PRIu64
		       " allocations %" PRIu64 " %" PRIu64 "\n",
		    q->tick, q->heap_bytes, q->heap_max_bytes, q->rss_bytes, q->rss_max_bytes, q->mapped_bytes,
		    q->allocations, q->frees);
	}
}

/* Of this program alone; the rusage of a child would know what forked it. */
static void print_memory(void)
{
	char line[256];
	FILE *status = fopen("/proc/self/status", "r");
	while (status && fgets(line, sizeof(line), status))
		if (!strncmp(line, "VmHWM:", 6))
			printf("memory_kb %ld\n", strtol(line + 6, NULL, 10));
	if (status)
		fclose(status);
}

int main(int argc, char **argv)
{
	struct profile_options options = {0};
	struct profile *profile;
	struct err err;
	bool quiet = false, memory = false;
	int i = 2;
	for (; i < argc; i++) {
		if (!strcmp(argv[i], "--window") && i + 2 < argc) {
			options.from = argv[++i];
			options.to = argv[++i];
		} else if (!strcmp(argv[i], "--points") && i + 1 < argc) {
			options.n_points = (uint32_t)atoi(argv[++i]);
		} else if (!strcmp(argv[i], "--whole-live")) {
			options.whole_live = true;
		} else if (!strcmp(argv[i], "--quiet")) {
			quiet = true;
		} else if (!strcmp(argv[i], "--memory")) {
			memory = true;
		}
	}
	if (argc < 2 || profile_read(&profile, argv[1], &options, &err) < 0) {
		fprintf(stderr, "profile_print: %s\n", argc < 2 ? "which file?" : err.text);
		return 2;
	}
	print_totals(profile);
	if (!quiet)
		print_rows(profile);
	if (options.n_points || options.from)
		print_points(profile);
	if (memory)
		print_memory();
	if (!profile->trace->complete)
		fprintf(stderr, "damage: %s\n", profile->trace->damage);
	profile_free(profile);
	return 0;
}
