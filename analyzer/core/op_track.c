/* Open operations: see op_track.h. Each thread's are a list, for one that was started may be finished out of order. */
#include "core/op_track.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void op_track_init(struct op_track *track, const uint64_t *endless, size_t n_endless)
{
	*track = (struct op_track){.endless = endless, .n_endless = n_endless};
}

void op_track_release(struct op_track *track)
{
	free(track->slots);
	free(track->buckets);
	free(track->threads);
	free(track->found_endless);
	*track = (struct op_track){0};
}

/* --- slots --- */

/* returns: a slot in use, 0 when memory is short */
static uint32_t take_slot(struct op_track *t)
{
	uint32_t slot = t->free_slot;
	if (slot) {
		t->free_slot = t->slots[slot].next;
	} else {
		size_t fresh = t->n_slots ? t->n_slots : 1;
		if (fresh >= UINT32_MAX || ARRAY_RESERVE(t->slots, t->slots_capacity, fresh + 1) < 0)
			return 0;
		t->n_slots = fresh + 1;
		slot = (uint32_t)fresh;
	}
	t->slots[slot] = (struct op_open){.use = t->slots[slot].use + 1};
	return slot;
}

static void free_slot(struct op_track *t, uint32_t slot)
{
	t->slots[slot].use++;
	t->slots[slot].next = t->free_slot;
	t->free_slot = slot;
}

static uint32_t *bucket_of(const struct op_track *t, uint64_t id)
{
	return &t->buckets[(id * 0x9e3779b97f4a7c15u >> 32) & (t->n_buckets - 1)];
}

static int grow_buckets(struct op_track *t)
{
	size_t n = t->n_buckets ? 2 * t->n_buckets : 64;
	uint32_t *old = t->buckets, *buckets = calloc(n, sizeof(*buckets));
	size_t n_old = t->n_buckets;
	if (!buckets)
		return -1;
	t->buckets = buckets;
	t->n_buckets = n;
	for (size_t i = 0; i < n_old; i++)
		for (uint32_t slot = old[i], next; slot; slot = next) {
			next = t->slots[slot].next;
			uint32_t *bucket = bucket_of(t, t->slots[slot].id);
			t->slots[slot].next = *bucket;
			*bucket = slot;
		}
	free(old);
	return 0;
}

/* Take a started operation out of its bucket. returns: its slot, 0 when the id is not known */
static uint32_t take_started(struct op_track *t, uint64_t id)
{
	if (!t->n_started)
		return 0;
	for (uint32_t *link = bucket_of(t, id); *link; link = &t->slots[*link].next)
		if (t->slots[*link].id == id) {
			uint32_t slot = *link;
			*link = t->slots[slot].next;
			t->n_started--;
			return slot;
		}
	return 0;
}

/* --- threads' lists --- */

static struct op_thread *thread_of(struct op_track *t, uint64_t thread)
{
	return ARRAY_RESERVE(t->threads, t->threads_capacity, (size_t)thread + 1) < 0 ? NULL : &t->threads[thread];
}

static void unlink_slot(struct op_track *t, uint32_t slot)
{
	const struct op_open *op = &t->slots[slot];
	struct op_thread *thread = &t->threads[op->thread];
	if (thread->innermost == slot)
		thread->innermost = op->older;
	if (op->newer)
		t->slots[op->newer].older = op->older;
	if (op->older)
		t->slots[op->older].newer = op->newer;
}

static int open_op(struct op_track *t, const struct trace_rare *rare, uint64_t id)
{
	struct op_thread *thread = thread_of(t, rare->values[0]);
	uint32_t slot = thread ? take_slot(t) : 0;
	if (!slot)
		return -1;
	struct op_open *op = &t->slots[slot];
	op->name = (uint32_t)rare->values[1];
	op->thread = (uint32_t)rare->values[0];
	op->id = id;
	op->order = t->n_opened++;
	op->older = thread->innermost;
	if (op->older)
		t->slots[op->older].newer = slot;
	thread->innermost = slot;
	if (id) {
		if (t->n_started >= t->n_buckets && grow_buckets(t) < 0)
			return -1;
		uint32_t *bucket = bucket_of(t, id);
		op->next = *bucket;
		*bucket = slot;
		t->n_started++;
		return 0;
	}
	op->outer = thread->begun;
	thread->begun = slot;
	op->number = t->n_begun++;
	while (t->n_endless && *t->endless < op->number) {
		t->endless++;
		t->n_endless--;
	}
	op->endless = t->n_endless && *t->endless == op->number;
	return 0;
}

/* The begun operation that was open before this one, is still open, and lies closest around it. returns: 0 for none */
static uint32_t around(const struct op_track *t, uint32_t slot)
{
	uint32_t outer = t->threads[t->slots[slot].thread].begun;
	while (outer && t->slots[outer].order >= t->slots[slot].order)
		outer = t->slots[outer].outer;
	return outer;
}

static void complete(struct op_track *t, uint32_t slot, struct op_done *done)
{
	uint32_t outer = around(t, slot);
	bool nested = outer && !t->slots[outer].endless;
	if (nested)
		t->slots[outer].holds = true;
	*done = (struct op_done){.completed = true, .outermost = !nested, .name = t->slots[slot].name};
	unlink_slot(t, slot);
	free_slot(t, slot);
}

static void end_op(struct op_track *t, struct op_thread *thread, struct op_done *done)
{
	uint32_t slot = thread->begun;
	if (!slot) {
		t->stray_ends++;
		return;
	}
	thread->begun = t->slots[slot].outer;
	complete(t, slot, done);
}

/* --- ends that never come --- */

static int give_up_begun(struct op_track *t, struct op_thread *thread)
{
	while (thread->begun) {
		uint32_t slot = thread->begun;
		struct op_open *op = &t->slots[slot];
		if (ARRAY_RESERVE(t->found_endless, t->found_capacity, t->n_found + 1) < 0)
			return -1;
		t->found_endless[t->n_found++] = op->number;
		t->misjudged |= op->holds;
		t->unfinished++;
		thread->begun = op->outer;
		unlink_slot(t, slot);
		free_slot(t, slot);
	}
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

int op_track_finish(struct op_track *t)
{
	for (size_t i = 0; i < t->threads_capacity; i++)
		if (give_up_begun(t, &t->threads[i]) < 0)
			return -1;
	t->unfinished += t->n_started;
	if (t->n_found)
		qsort(t->found_endless, t->n_found, sizeof(*t->found_endless), compare_numbers);
	return 0;
}

/* --- the door --- */

int op_track_take(struct op_track *t, const struct trace_rare *rare, struct op_done *done)
{
	struct op_thread *thread;
	*done = (struct op_done){0};
	switch (rare->kind) {
	case TIDEMARK_RARE_OP_BEGIN:
		return open_op(t, rare, 0);
	case TIDEMARK_RARE_OP_START:
		return rare->values[2] ? open_op(t, rare, rare->values[2]) : 0;
	case TIDEMARK_RARE_OP_END:
		thread = thread_of(t, rare->values[0]);
		if (thread)
			end_op(t, thread, done);
		return thread ? 0 : -1;
	case TIDEMARK_RARE_OP_FINISH: {
		uint32_t slot = take_started(t, rare->values[1]);
		if (slot)
			complete(t, slot, done);
		else
			t->stray_ends++;
		return 0;
	}
	case TIDEMARK_RARE_THREAD_END:
		thread = thread_of(t, rare->values[0]);
		return thread ? give_up_begun(t, thread) : -1;
	default:
		return 0;
	}
}

uint32_t op_track_current(const struct op_track *t, uint32_t thread, uint32_t *token)
{
	uint32_t slot = thread < t->threads_capacity ? t->threads[thread].innermost : 0;
	*token = OP_NONE;
	if (!slot)
		return 0;
	/* Without a token nobody is told apart; the slot's low half must not be 0 then. */
	*token = (slot <= 0xffff ? slot : 0xffff) | (t->slots[slot].use & 0xffff) << 16;
	return t->slots[slot].name;
}
