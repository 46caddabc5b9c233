/* The leak rate. Enters: survivors and late deaths per stack. Leaves: a rate with bounds, a class per stack.
 * Stacks are gathered into groups of one ageing and one class, and only groups get bounds: with one bound for a few dozen
 * groups, not for thousands of stacks, rare flukes of single stacks do not add up to a false verdict. */
#include "core/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "core/batches.h"

#define GROWN 1.5
#define SLIGHT 0.005

static const double ageing_divisor[ESTIMATE_AGEINGS] = {16, 8, 4, 2};

enum { SURVIVORS_PER_LATE_DEATH = 8, ELDEST_DEATHS = 3, POOL_MAX_BATCHES = 3, N_CLASSES = RATE_STEADY + 1 };

struct group {          /* stacks of one ageing and class */
	double *bytes;  /* surviving bytes by batch of birth */
	double *blocks; /* the same, counted */
	double events;  /* operations that left something, summed over the stacks */
	bool used;
};

struct run {
	const struct estimate_input *in;
	const struct estimate_plan *plan;
	double scale; /* from bytes per batch to bytes per 100 operations */
	struct group groups[ESTIMATE_AGEINGS][N_CLASSES];
	struct group pool; /* stacks that never freed and acted in one or two batches: judged together */
	double recent, grown;
	double sum_bytes, sum_later_bytes; /* of what counts, and of those what was freed later */
	double *memory, *bytes, *blocks;   /* memory holds all series; the last two are one stack's */
};

/* The survivors of one stack, by birth. */
struct survivors {
	const struct estimate_block *blocks;
	size_t n;
	const struct estimate_deaths *deaths;
	bool runtime;
};

/* What one stack's survivors are, up to the batch where they become too young. */
struct spread {
	double events[2];          /* operations that left something, in both halves of that time */
	double blocks[2];          /* what they left */
	double bytes, later_bytes; /* after the warm-up */
	double first, last;
};

const char *rate_class_name(enum rate_class rate_class)
{
	static const char *const names[] = {[RATE_NONE] = "none",
	    [RATE_ONCE] = "once",
	    [RATE_TURNOVER] = "turnover",
	    [RATE_FILLING] = "filling",
	    [RATE_SPARSE] = "sparse",
	    [RATE_STEADY] = "steady"};
	return names[rate_class];
}

double estimate_usual_batch(double n_ops)
{
	if (n_ops < 2000)
		return n_ops / 20;
	return 100 * ceil(n_ops / 40000); /* at most 400 batches */
}

void estimate_plan(struct estimate_plan *plan, double n_ops, double batch_ops)
{
	*plan = (struct estimate_plan){.n_ops = n_ops, .coarse = batch_ops > 0};
	plan->batch_ops = batch_ops > 0 ? batch_ops : estimate_usual_batch(n_ops);
	if (!(plan->batch_ops > 0))
		return;
	plan->n_batches = (size_t)(n_ops / plan->batch_ops + 1e-9);
	plan->warm = (size_t)ceil(n_ops / 4 / plan->batch_ops - 1e-9);
	for (int a = 0; a < ESTIMATE_AGEINGS; a++) {
		plan->end[a] = (size_t)((n_ops - n_ops / ageing_divisor[a]) / plan->batch_ops + 1e-9);
		if (plan->end[a] < plan->warm)
			plan->end[a] = plan->warm;
	}
}

static size_t batch_of(const struct estimate_plan *plan, double birth)
{
	size_t j = (size_t)(birth / plan->batch_ops);
	return j < plan->n_batches ? j : plan->n_batches - 1;
}

static bool is_eldest(const struct estimate_plan *plan, double birth, int part)
{
	return birth < plan->n_ops / (2 << part);
}

void estimate_count_death(const struct estimate_plan *plan, struct estimate_deaths *deaths, double birth, double age)
{
	/* It was in use while a mark was put: no sign of a long life. */
	if (plan->coarse)
		age -= plan->batch_ops;
	if (age <= plan->n_ops / 32)
		return;
	deaths->all++;
	size_t j = batch_of(plan, birth);
	for (int a = 0; a < ESTIMATE_AGEINGS; a++)
		deaths->late[a] += j >= plan->warm && j < plan->end[a] && age > plan->n_ops / ageing_divisor[a] / 2;
	for (int part = 0; part < ESTIMATE_ELDEST; part++)
		deaths->eldest[part] += is_eldest(plan, birth, part) && age > plan->n_ops / 2;
}

void estimate_count_level(
    const struct estimate_plan *plan, struct estimate_deaths *deaths, double birth, double death, double size_bytes)
{
	const uint32_t first_early = ESTIMATE_INSTANTS / 4, first_late = ESTIMATE_INSTANTS - ESTIMATE_LATE + 1;
	uint32_t from = estimate_instant(plan, birth) + 1, to = estimate_instant(plan, death);
	for (uint32_t i = from > first_early ? from : first_early; i <= to && i < first_early + ESTIMATE_EARLY; i++)
		deaths->level_early[i - first_early] += size_bytes;
	for (uint32_t i = from > first_late ? from : first_late; i <= to; i++)
		deaths->level_late[i - first_late] += size_bytes;
}

static int allocate_series(struct run *r)
{
	size_t n_series = 2 * (ESTIMATE_AGEINGS * N_CLASSES + 2), n = r->plan->n_batches;
	r->memory = calloc(n_series * n, sizeof(double));
	if (!r->memory)
		return TIDEMARK_ERR_MEMORY;
	double *next = r->memory;
	for (int a = 0; a < ESTIMATE_AGEINGS; a++)
		for (int c = 0; c < N_CLASSES; c++, next += 2 * n)
			r->groups[a][c] = (struct group){.bytes = next, .blocks = next + n};
	r->pool = (struct group){.bytes = next, .blocks = next + n};
	r->bytes = next + 2 * n;
	r->blocks = next + 3 * n;
	return TIDEMARK_OK;
}

static void group_add(struct group *g, const struct run *r, size_t end, double events)
{
	g->used = true;
	g->events += events;
	for (size_t j = 0; j < end; j++) {
		g->bytes[j] += r->bytes[j];
		g->blocks[j] += r->blocks[j];
	}
}

/* Whether the oldest blocks died, and few are as old as they became: a list with room for most of the run, whose entries all
 * die in their turn. The warm-up has to be looked at for it, because what came later has not had the time to die. */
static bool are_still_to_die(const struct run *r, const struct survivors *s)
{
	for (int part = 0; part < ESTIMATE_ELDEST; part++) {
		uint64_t died = s->deaths->eldest[part], stayed = 0;
		while (stayed < s->n && is_eldest(r->plan, s->blocks[stayed].birth, part))
			stayed++;
		if (died >= ELDEST_DEATHS && stayed < SURVIVORS_PER_LATE_DEATH * died)
			return true;
	}
	return false;
}

/* Smallest ageing beyond which deaths are rare beside survivors. *settled: one was found; *n: its survivors. */
static int choose_ageing(const struct run *r, const struct survivors *s, bool *settled, uint64_t *n)
{
	bool doomed = are_still_to_die(r, s);
	for (int a = 0;; a++) {
		*n = 0;
		for (size_t i = 0; i < s->n; i++) {
			size_t j = batch_of(r->plan, s->blocks[i].birth);
			*n += j >= r->plan->warm && j < r->plan->end[a];
		}
		uint64_t late = s->deaths->late[a];
		*settled = !doomed && ((a == 0 && late == 0) || *n >= SURVIVORS_PER_LATE_DEATH * (late + 2));
		if (*settled || a == ESTIMATE_AGEINGS - 1)
			return a;
	}
}

/* Spread the survivors born before batch `end` over r->bytes and r->blocks. Blocks of one operation stand together,
 * because they are sorted by birth within a stack. */
static struct spread spread_out(const struct run *r, const struct survivors *s, size_t end)
{
	struct spread out = {0};
	double last_op = -1;
	memset(r->bytes, 0, r->plan->n_batches * sizeof(double));
	memset(r->blocks, 0, r->plan->n_batches * sizeof(double));
	for (size_t i = 0; i < s->n; i++) {
		const struct estimate_block *b = &s->blocks[i];
		size_t j = batch_of(r->plan, b->birth);
		if (j >= end)
			continue;
		r->bytes[j] += b->size_bytes;
		r->blocks[j]++;
		if (j >= r->plan->warm) {
			out.bytes += b->size_bytes;
			out.later_bytes += b->freed_later ? b->size_bytes : 0;
		}
		double op = floor(b->birth);
		bool later = op >= (double)end * r->plan->batch_ops / 2;
		out.events[later] += op != last_op;
		out.blocks[later]++;
		out.first = last_op < 0 ? b->birth : out.first;
		out.last = b->birth;
		last_op = op;
	}
	return out;
}

static size_t count_batches(const struct run *r, const struct survivors *s)
{
	size_t n = 0, last = SIZE_MAX;
	for (size_t i = 0; i < s->n; i++) {
		size_t j = batch_of(r->plan, s->blocks[i].birth);
		n += j != last;
		last = j;
	}
	return n;
}

/* What the youngest survivors suggest; they are too young to be counted, but a PASS must not overlook them. */
static void add_recent(struct run *r, const struct survivors *s)
{
	double n_ops = r->plan->n_ops, bytes = 0, until = n_ops * 31 / 32 - (r->plan->coarse ? r->plan->batch_ops : 0);
	uint64_t k = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct estimate_block *b = &s->blocks[i];
		if (b->birth >= n_ops * 7 / 8 && b->birth < until) {
			k++;
			bytes += b->size_bytes;
		}
	}
	if (k)
		r->recent += poisson_bound99(k, false) * (bytes / (double)k) / (n_ops * 3 / 32) * 100;
}

static bool fewer(const double counts[2])
{
	return counts[0] - counts[1] > Z99 * sqrt(counts[0] + counts[1]);
}

/* Less is nobody's decline: births run ahead of completions by the operations in flight, now more and now fewer of them; and
 * bytes that are taken in proportion are rounded. */
static double slight(const struct run *r, struct batches b)
{
	return fmax(SLIGHT, 2 * r->plan->in_flight / ((double)b.n / 2 * r->plan->batch_ops));
}

/* The whole, or what came after the warm-up. */
static bool declines(const struct run *r, struct batches all, struct batches later, double errors)
{
	return batches_decline(all, errors, slight(r, all)) || batches_decline(later, errors, slight(r, later));
}

/* What fills takes fewer and fewer blocks. Fewer bytes in as many blocks are a matter of sizes: chance, unless the decline is
 * beyond it. Fewer operations alone are no sign either: those of several threads that fall between the same two completions
 * count as one, and how often that happens drifts with the threads. */
static bool fills(const struct run *r, size_t end, const struct spread *s)
{
	struct batches all = {r->bytes, end}, later = batches_slice(all, r->plan->warm, end);
	struct batches blocks = {r->blocks, end}, later_blocks = batches_slice(blocks, r->plan->warm, end);
	if (fewer(s->blocks) && fewer(s->events))
		return true;
	if (fewer(s->blocks) || declines(r, blocks, later_blocks, 2))
		return declines(r, all, later, 2);
	return declines(r, all, later, 3);
}

static enum rate_class classify(const struct run *r, size_t end, bool settled, const struct spread *s)
{
	struct batches y = {r->bytes + r->plan->warm, end - r->plan->warm};
	if (!settled)
		return RATE_TURNOVER;
	if (batches_nonzero(y) < POOL_MAX_BATCHES)
		return RATE_ONCE;
	return fills(r, end, s) ? RATE_FILLING : RATE_STEADY;
}

/* Sparse is a word for people; the group is that of the steady. */
static enum rate_class public_class(enum rate_class c, struct batches y)
{
	return c == RATE_STEADY && 2 * batches_nonzero(y) <= y.n ? RATE_SPARSE : c;
}

/* Into a group, and into what is said of the stack. */
static struct estimate_stack join(struct run *r, struct group *g, size_t end, const struct spread *s, enum rate_class c)
{
	struct batches y = {r->bytes + r->plan->warm, end - r->plan->warm};
	struct batches blocks = {r->blocks + r->plan->warm, y.n};
	struct estimate_stack stack = {.rate_class = public_class(c, y), .first_op = s->first, .last_op = s->last};
	group_add(g, r, end, s->events[0] + s->events[1]);
	r->sum_bytes += s->bytes;
	r->sum_later_bytes += s->later_bytes;
	if (c == RATE_FILLING) {
		y = batches_second_half(y);
		blocks = batches_second_half(blocks);
	}
	stack.bytes = batches_mean(y) * r->scale;
	stack.blocks = batches_mean(blocks) * r->scale;
	stack.end_op = (double)end * r->plan->batch_ops;
	stack.freed_later = s->later_bytes > s->bytes / 2;
	return stack;
}

static struct estimate_stack add_stack(struct run *r, const struct survivors *s)
{
	bool settled;
	uint64_t n;
	int a = choose_ageing(r, s, &settled, &n);
	bool once = s->deaths->all == 0 && count_batches(r, s) < POOL_MAX_BATCHES;
	if (once && s->runtime)
		return (struct estimate_stack){.rate_class = RATE_ONCE};
	if (a == 0)
		add_recent(r, s);
	if (once) {
		struct spread few = spread_out(r, s, r->plan->end[0]);
		return join(r, &r->pool, r->plan->end[0], &few, RATE_ONCE);
	}
	if (n == 0)
		return (struct estimate_stack){.rate_class = RATE_NONE};
	size_t end = r->plan->end[a];
	struct spread many = spread_out(r, s, end);
	enum rate_class c = classify(r, end, settled, &many);
	return join(r, &r->groups[a][c], end, &many, c);
}

/* A table that is replaced by a larger one leaves no old block, and yet grows: what its stack has alive is never again as
 * little as it was. Half as much again is no coincidence of sessions and buffers.
 * returns: bytes per operation from the end of the warm-up to the end */
static double growth(const struct run *r, const struct estimate_deaths *deaths)
{
	double most = 0, least = INFINITY;
	for (int i = 0; i < ESTIMATE_EARLY; i++)
		most = fmax(most, deaths->level_early[i]);
	for (int i = 0; i < ESTIMATE_LATE; i++)
		least = fmin(least, deaths->level_late[i]);
	if (least <= 0 || least < GROWN * most)
		return 0;
	return (deaths->level_late[ESTIMATE_LATE - 1] - deaths->level_early[0]) / (0.75 * r->plan->n_ops);
}

/* Only where no old block is left to tell. */
static void add_growth(struct run *r, const struct survivors *s, struct estimate_stack *stack)
{
	enum rate_class c = stack->rate_class;
	bool nothing_counts = c == RATE_NONE || (c == RATE_ONCE && stack->bytes == 0);
	if (s->runtime || !(nothing_counts || c == RATE_TURNOVER))
		return;
	stack->grown = fmax(0, growth(r, s->deaths) * 100 - stack->bytes);
	r->grown += stack->grown;
	if (stack->grown > 0)
		stack->rate_class = RATE_TURNOVER;
}

/* Judge the pool as one stack and let it join a group. */
static void settle_pool(struct run *r)
{
	if (!r->pool.used)
		return;
	size_t end = r->plan->end[0];
	struct batches y = {r->pool.bytes + r->plan->warm, end - r->plan->warm};
	struct batches count = {r->pool.blocks, end};
	double n1 = batches_sum(batches_first_half(count)), n2 = batches_sum(batches_second_half(count));
	size_t n = batches_nonzero(y);
	if (n == 0)
		return;
	enum rate_class c = n1 - n2 > 2 * sqrt(n1 + n2) ? RATE_FILLING : n < POOL_MAX_BATCHES ? RATE_ONCE : RATE_STEADY;
	memcpy(r->bytes, r->pool.bytes, end * sizeof(double));
	memcpy(r->blocks, r->pool.blocks, end * sizeof(double));
	group_add(&r->groups[0][c], r, end, r->pool.events);
}

/* Only the later half of a filling group counts; its lower bound only when it has flattened out. */
static struct bounds filling_bounds(struct batches full, struct batches y, double events)
{
	struct batches y2 = batches_second_half(y);
	struct bounds b = batches_bounds(y2);
	double n = (double)y2.n, error;
	b.high = fmax(b.high, poisson_bound99(0, true) / n * batches_sum(full) / events);
	double inside = batches_difference(batches_first_half(y2), batches_second_half(y2), &error);
	double decline = fmax(0, inside + 6 * batches_deviation(y2) / sqrt(n));
	double overall = batches_difference(batches_first_half(full), batches_second_half(full), &error);
	b.low = y2.n >= 8 && 8 * decline <= overall ? fmax(0, b.low - 3 * decline) : 0;
	return b;
}

/* The values are >= 0, so half of the mean of the later half bounds the whole, too; a decline weighs against the leak. */
static struct bounds steady_bounds(struct batches y)
{
	struct batches y1 = batches_first_half(y), y2 = batches_second_half(y);
	struct bounds b = batches_bounds(y);
	double error, d = batches_difference(y1, y2, &error), penalty = 3.5 * fmax(0, d - error);
	double later = batches_bounds(y2).low * (double)y2.n / (double)y.n - penalty;
	b.low = fmax(0, fmax(b.low - penalty, later));
	return b;
}

/* Where the leak rises, the later part rules the upper bound. */
static double rising_high(struct batches y, double high)
{
	for (size_t part = 2; part <= 4; part += 2) {
		struct batches late = batches_slice(y, y.n - y.n / part, y.n);
		struct batches early = batches_slice(y, 0, y.n - y.n / part);
		double error, d = batches_difference(late, early, &error);
		if (late.n >= 4 && d > 2 * error && d > 0)
			high = fmax(high, batches_bounds(late).high);
	}
	return high;
}

/* returns: its rate */
static double add_group(const struct run *r, int a, enum rate_class c, struct estimate *out)
{
	const struct group *g = &r->groups[a][c];
	struct batches full = {g->bytes, r->plan->end[a]}, y = batches_slice(full, r->plan->warm, full.n);
	struct batches counted = c == RATE_FILLING ? batches_second_half(y) : y;
	struct bounds b = {0, 0};
	if (c == RATE_FILLING)
		b = filling_bounds(full, y, g->events);
	else if (c == RATE_STEADY)
		b = steady_bounds(y);
	else
		b.high = batches_bounds(y).high;
	out->low += b.low * r->scale;
	out->strict_high += rising_high(y, b.high) * r->scale;
	out->rate += batches_mean(counted) * r->scale;
	size_t from = (size_t)(counted.y - g->bytes);
	out->blocks += batches_mean((struct batches){g->blocks + from, counted.n}) * r->scale;
	return batches_mean(counted);
}

static void add_groups(const struct run *r, struct estimate *out)
{
	double most = -1;
	for (int a = 0; a < ESTIMATE_AGEINGS; a++)
		for (int c = 0; c < N_CLASSES; c++) {
			if (!r->groups[a][c].used)
				continue;
			double rate = add_group(r, a, (enum rate_class)c, out);
			struct batches y = {r->groups[a][c].bytes + r->plan->warm, r->plan->end[a] - r->plan->warm};
			if (rate < most)
				continue;
			most = rate;
			out->rate_class = public_class((enum rate_class)c, y);
		}
}

static void add_all(struct run *r, struct estimate *out)
{
	const struct estimate_input *in = r->in;
	for (size_t i = 0, end; i < in->n_blocks; i = end) {
		uint32_t stack = in->blocks[i].stack;
		for (end = i; end < in->n_blocks && in->blocks[end].stack == stack; end++)
			;
		if (in->suppressed && in->suppressed[stack] != in->of_suppressed)
			continue;
		struct survivors left = {
		    in->blocks + i, end - i, &in->deaths[stack], in->runtime && in->runtime[stack]};
		struct estimate_stack s = add_stack(r, &left);
		add_growth(r, &left, &s);
		if (out->stacks)
			out->stacks[stack] = s;
	}
	settle_pool(r);
	add_groups(r, out);
	out->grown = r->grown;
	out->strict_high += r->grown;
	if (out->rate_class == RATE_NONE && r->grown > 0)
		out->rate_class = RATE_TURNOVER;
	out->recent = r->recent;
	out->freed_later = r->sum_later_bytes > r->sum_bytes / 2;
}

int estimate_run(const struct estimate_input *in, struct estimate *out)
{
	struct estimate_stack *stacks = out->stacks;
	*out = (struct estimate){.high = INFINITY, .strict_high = INFINITY, .stacks = stacks};
	if (in->plan->n_ops < ESTIMATE_MIN_OPS || in->plan->end[0] < in->plan->warm + ESTIMATE_MIN_BATCHES)
		return TIDEMARK_OK;
	struct run r = {.in = in, .plan = in->plan, .scale = 100 / in->plan->batch_ops};
	if (allocate_series(&r))
		return TIDEMARK_ERR_MEMORY;
	out->strict_high = 0;
	add_all(&r, out);
	if (in->plan->n_ops >= ESTIMATE_MIN_PASS)
		out->high = out->strict_high;
	free(r.memory);
	return TIDEMARK_OK;
}
