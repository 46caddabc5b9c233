/* Progress line: see progress.h. */
#include "base/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS 1000000000u /* quick work shows nothing */
#define EVERY_NS 100000000u

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void progress_init(struct progress *progress, const char *what)
{
	*progress = (struct progress){.what = what, .start_ns = now_ns(), .terminal = isatty(STDERR_FILENO)};
}

void progress_show(void *argument, uint64_t done, uint64_t all)
{
	struct progress *progress = argument;
	if (!progress->terminal)
		return;
	uint64_t now = now_ns();
	if (now - progress->start_ns < FIRST_NS || now - progress->last_ns < EVERY_NS)
		return;
	progress->last_ns = now;
	progress->shown = true;
	if (all)
		fprintf(stderr, "\r\033[K%s: %.0f %%", progress->what, 100.0 * (double)done / (double)all);
	else
		fprintf(stderr, "\r\033[K%s: %.0f s", progress->what, (double)(now - progress->start_ns) / 1e9);
}

void progress_release(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
