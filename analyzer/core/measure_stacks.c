/* Stacks by fingerprint: see measure_stacks.h. */
#include "core/measure_stacks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/fingerprint.h"
#include "core/group.h"
#include "tidemark/ring.h"

#define KEPT_FRAMES 64 /* innermost ones; a reader of a report looks at no more */

struct wanted_stack {
	const struct measure *measure;
	uint64_t fingerprint;
};

static bool same_stack(const void *arg, uint32_t id)
{
	const struct wanted_stack *wanted = arg;
	return wanted->measure->stacks[id].fingerprint == wanted->fingerprint;
}

double *measure_cell(const struct measure *measure, uint32_t index, size_t session)
{
	return measure->private_state->cells + ((size_t)index * measure->n_sessions + session) * CELLS;
}

int measure_stack_find(
    struct measure *measure, const struct frame_view *const *frames, size_t n_frames, uint32_t *index)
{
	struct measure_private *p = measure->private_state;
	struct wanted_stack wanted = {measure, fingerprint(frames, n_frames)};
	*index = idtable_find(&p->by_fingerprint, wanted.fingerprint, same_stack, &wanted);
	if (*index != IDTABLE_NONE)
		return 0;
	*index = (uint32_t)measure->n_stacks;
	size_t n = measure->n_stacks + 1;
	if (n >= IDTABLE_NONE || ARRAY_RESERVE(measure->stacks, p->stacks_capacity, n) < 0 ||
	    ARRAY_RESERVE(p->cells, p->cells_capacity, n * measure->n_sessions * CELLS) < 0 ||
	    idtable_add(&p->by_fingerprint, wanted.fingerprint, *index) < 0)
		return -1;
	measure->stacks[*index] = (struct measure_stack){.fingerprint = wanted.fingerprint};
	measure->n_stacks = n;
	return 0;
}

/* --- frames --- */

struct wanted_frame {
	const struct measure *measure;
	struct measure_frame frame;
};

static bool same_frame(const void *arg, uint32_t id)
{
	const struct wanted_frame *wanted = arg;
	const struct measure_frame *a = &wanted->frame, *b = &wanted->measure->frames[id];
	return a->line == b->line && a->main == b->main && !strcmp(a->function, b->function) &&
	       !strcmp(a->file, b->file) && !strcmp(a->module, b->module);
}

/* returns: the frame's index, IDTABLE_NONE when memory is short */
static uint32_t frame_index(struct measure *measure, const struct frame_view *view)
{
	struct measure_private *p = measure->private_state;
	char label[FRAME_LABEL_BYTES];
	struct wanted_frame wanted = {.measure = measure};
	/* Only read, in same_frame. */
	wanted.frame = (struct measure_frame){.function = (char *)(uintptr_t)frame_label(view, label),
	    .file = (char *)(uintptr_t)view->file,
	    .module = (char *)(uintptr_t)view->module,
	    .line = view->line,
	    .main = view->origin && view->origin->flags & TIDEMARK_MODULE_MAIN};
	uint64_t hash = idtable_hash_text(view->line, wanted.frame.function);
	hash = idtable_hash_text(idtable_hash_text(hash, view->file), view->module);
	uint32_t id = idtable_find(&p->by_frame, hash, same_frame, &wanted);
	if (id != IDTABLE_NONE)
		return id;
	if (ARRAY_RESERVE(measure->frames, p->frames_capacity, measure->n_frames + 1) < 0 ||
	    idtable_add(&p->by_frame, hash, (uint32_t)measure->n_frames) < 0)
		return IDTABLE_NONE;
	struct measure_frame *frame = &measure->frames[measure->n_frames++];
	*frame = (struct measure_frame){.function = strdup(wanted.frame.function),
	    .file = strdup(view->file),
	    .module = strdup(view->module),
	    .line = view->line,
	    .main = wanted.frame.main};
	return frame->function && frame->file && frame->module ? (uint32_t)measure->n_frames - 1 : IDTABLE_NONE;
}

int measure_stack_keep(struct measure *measure, uint32_t index, const struct frame_view *const *frames, size_t n_frames)
{
	struct measure_stack *stack = &measure->stacks[index];
	if (stack->frames)
		return 0;
	uint32_t n = (uint32_t)fingerprint_frames(frames, n_frames);
	n = n < KEPT_FRAMES ? n : KEPT_FRAMES;
	uint32_t *kept = calloc((size_t)n + 1, sizeof(*kept));
	for (uint32_t i = 0; i < n && kept; i++) {
		kept[i] = frame_index(measure, frames[i]);
		if (kept[i] == IDTABLE_NONE) {
			free(kept);
			kept = NULL;
		}
	}
	stack->frames = kept;
	stack->n_frames = n;
	return kept ? 0 : -1;
}

/* --- the end --- */

void culprits_add(struct culprit *culprits, size_t *n, struct culprit culprit)
{
	size_t at = *n;
	while (at > 0 && culprits[at - 1].value < culprit.value)
		at--;
	if (at == METRIC_CULPRITS)
		return;
	size_t kept = *n < METRIC_CULPRITS ? (*n)++ : METRIC_CULPRITS - 1;
	memmove(&culprits[at + 1], &culprits[at], (kept - at) * sizeof(culprit));
	culprits[at] = culprit;
}

int measure_stacks_finish(struct measure *measure)
{
	double *runs = calloc(measure->n_sessions, sizeof(*runs));
	if (!runs)
		return -1;
	for (uint32_t i = 0; i < measure->n_stacks; i++) {
		struct measure_stack *stack = &measure->stacks[i];
		for (int kind = 0; kind < CELLS; kind++) {
			for (size_t s = 0; s < measure->n_sessions; s++)
				runs[s] = measure_cell(measure, i, s)[kind];
			double value = measure_median(runs, measure->n_sessions);
			if (kind == CELL_RATE)
				stack->rate = value;
			else if ((stack->values[kind] = value) > 0 && stack->frames)
				culprits_add(measure->metrics[kind].culprits, &measure->metrics[kind].n_culprits,
				    (struct culprit){i, value});
		}
	}
	free(runs);
	return 0;
}

void measure_stacks_release(struct measure *measure)
{
	struct measure_private *p = measure->private_state;
	for (size_t i = 0; i < measure->n_stacks; i++)
		free(measure->stacks[i].frames);
	for (size_t i = 0; i < measure->n_frames; i++) {
		free(measure->frames[i].function);
		free(measure->frames[i].file);
		free(measure->frames[i].module);
	}
	free(measure->stacks);
	free(measure->frames);
	if (!p)
		return;
	idtable_release(&p->by_fingerprint);
	idtable_release(&p->by_frame);
	free(p->cells);
	free(p->added_text);
	free(p);
}

static bool is_own(const struct measure_frame *frame)
{
	bool system = !strncmp(frame->module, "/usr/lib", 8) || !strncmp(frame->module, "/lib", 4);
	return frame->line && (frame->main || !system) && !group_is_language(frame->function, frame->module);
}

uint32_t measure_own_frame(const struct measure *measure, const struct measure_stack *stack)
{
	uint32_t main = UINT32_MAX, lined = UINT32_MAX;
	for (uint32_t i = 0; i < stack->n_frames && stack->frames; i++) {
		const struct measure_frame *frame = &measure->frames[stack->frames[i]];
		if (is_own(frame))
			return i;
		if (frame->main && main == UINT32_MAX)
			main = i;
		if (frame->line && lined == UINT32_MAX)
			lined = i;
	}
	return main != UINT32_MAX ? main : lined != UINT32_MAX ? lined : 0;
}

#define FEW_FRAMES 3 /* not worth leaving out */

uint32_t measure_inner_frames(const struct measure *measure, const struct measure_stack *stack)
{
	uint32_t index = measure_own_frame(measure, stack);
	return index > FEW_FRAMES ? index - 2 : 0;
}
