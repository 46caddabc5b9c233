/* libFuzzer target: arbitrary bytes as the recording of a service, alone and as two processes of one session: its
 * operations, rates and verdicts. Checksums are not checked in this build. Run by `make fuzz`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/operations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What holds for every entry, whatever the file says. */
static void check(const struct operations *o, const struct op_entry *e)
{
	if (isnan(e->estimate) || isnan(e->low) || isnan(e->high) || isnan(e->detectable) || isnan(e->plain))
		abort();
	if (e->low < 0 || e->low > e->high || e->batch_ops < 0)
		abort();
	for (size_t i = 0; i < e->n_stacks; i++) {
		const struct op_stack *s = &e->stacks[i];
		if (s->file >= o->n_traces || s->node >= o->traces[s->file]->n_nodes || isnan(s->bytes_per_100))
			abort();
	}
	struct op_judgement j = operations_verdict(o, e, 1000, false, false);
	if (o->lost_events && (j.verdict == OP_PASS || j.verdict == OP_FAIL))
		abort();
}

static void read_all(const char *const *paths, size_t n_paths, bool live)
{
	struct operations *o;
	const struct operations_options options = {.live = live};
	if (operations_read(&o, paths, n_paths, &options, NULL) < 0)
		return;
	check(o, &o->total);
	for (size_t i = 0; i < o->n_names; i++)
		check(o, &o->names[i]);
	operations_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char path[64];
	int fd = memfd_create("fuzz", 0);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	const char *paths[] = {path, path};
	read_all(paths, 1, false);
	read_all(paths, 1, true);
	read_all(paths, 2, false);
	close(fd);
	return 0;
}
