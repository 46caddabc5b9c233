/* A random workload that keeps its own books: every call is counted here, before and after, without a look at the
 * recorder. tests/oracle/run compares the books with what the trace says.
 *
 * usage: workload SEED THREADS STEPS      Leaves on stdout: one line of totals, one line per site, one per entry point.
 * threads: each draws from its own generator, works on slots of its own, and hands blocks over through shared slots.
 */
#include "testing.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define N_SITES 12
#define N_OWN 500
#define N_SHARED 64
#define MAX_THREADS 32

enum api { API_MALLOC, API_CALLOC, API_REALLOC, API_REALLOCARRAY, API_POSIX_MEMALIGN, API_ALIGNED_ALLOC, API_MEMALIGN, N_API };
static const char *const api_names[N_API] = {"malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc", "memalign"};

struct block {
	void *p;
	size_t size;
	unsigned site;
};

struct counts {
	uint64_t blocks, bytes;
};

struct worker {
	uint64_t random;
	struct block own[N_OWN];
	struct counts born[N_SITES], died[N_SITES], by_api[N_API];
	uint64_t steps;
} __attribute__((aligned(64)));

/* A shared slot is taken by exchanging its state; whoever holds it owns the block. */
static struct {
	atomic_flag taken;
	struct block block;
} shared[N_SHARED];

static struct worker workers[MAX_THREADS];

/* Bounds of the peak. low: counts a block from after its birth to before its end; high: from before to after. */
static _Atomic int64_t low, high, peak_low, peak_high;

static void raise_to(_Atomic int64_t *peak, int64_t value)
{
	int64_t old = atomic_load(peak);
	while (value > old && !atomic_compare_exchange_weak(peak, &old, value))
		;
}

static void grow(_Atomic int64_t *level, _Atomic int64_t *peak, size_t bytes)
{
	raise_to(peak, atomic_fetch_add(level, (int64_t)bytes) + (int64_t)bytes);
}

static void drop(_Atomic int64_t *level, size_t bytes)
{
	atomic_fetch_sub(level, (int64_t)bytes);
}

static uint64_t draw(struct worker *w, uint64_t below) /* xorshift64* */
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (w->random * 2685821657736338717ull >> 16) % below;
}

static size_t draw_size(struct worker *w)
{
	switch (draw(w, 20)) {
	case 0:
		return 0;
	case 1:
		return draw(w, 100000);
	case 2:
		return draw(w, 40) ? draw(w, 3000) : draw(w, 2000000);
	default:
		return draw(w, 300);
	}
}

static void born(struct worker *w, struct block *b, enum api api)
{
	check(b->p);
	grow(&low, &peak_low, b->size);
	w->born[b->site].blocks++;
	w->born[b->site].bytes += b->size;
	w->by_api[api].blocks++;
	w->by_api[api].bytes += b->size;
	if (b->size) {
		((char *)b->p)[0] = (char)b->site;
		((char *)b->p)[b->size - 1] = (char)b->site;
	}
}

static void died(struct worker *w, const struct block *b)
{
	check(!b->size || (((char *)b->p)[0] == (char)b->site && ((char *)b->p)[b->size - 1] == (char)b->site));
	w->died[b->site].blocks++;
	w->died[b->site].bytes += b->size;
}

static NOINLINE void end_block(struct worker *w, struct block *b)
{
	died(w, b);
	drop(&low, b->size);
	free(b->p);
	drop(&high, b->size);
	b->p = NULL;
}

/* One step at one site: a new block by any entry point, or an old one resized. */
static inline __attribute__((always_inline)) void make(struct worker *w, struct block *b, unsigned site)
{
	struct block old = *b;
	*b = (struct block){NULL, draw_size(w), site};
	enum api api = (enum api)draw(w, N_API);
	if (old.p) {
		b->size += !b->size; /* realloc to zero is a free; end_block has those */
		api = api & 1 ? API_REALLOC : API_REALLOCARRAY;
		died(w, &old);
	}
	size_t align = (size_t)16 << draw(w, 8);
	grow(&high, &peak_high, b->size);
	if (old.p)
		drop(&low, old.size);
	switch (api) {
	case API_MALLOC:
		b->p = malloc(b->size);
		break;
	case API_CALLOC:
		b->p = calloc(1, b->size);
		break;
	case API_REALLOC:
		b->p = realloc(old.p, b->size);
		break;
	case API_REALLOCARRAY:
		b->p = reallocarray(old.p, b->size, 1);
		break;
	case API_POSIX_MEMALIGN:
		check(posix_memalign(&b->p, align, b->size) == 0);
		break;
	case API_ALIGNED_ALLOC:
		b->p = aligned_alloc(align, b->size);
		break;
	default:
		b->p = memalign(align, b->size);
		break;
	}
	if (old.p)
		drop(&high, old.size);
	born(w, b, api);
}

#define SITE(n) \
	static NOINLINE void site_##n(struct worker *w, struct block *b) \
	{ \
		make(w, b, n); \
	}
SITE(0)
SITE(1)
SITE(2)
SITE(3)
SITE(4)
SITE(5)
SITE(6)
SITE(7)
SITE(8)
SITE(9)
SITE(10)
SITE(11)

static void (*const sites[N_SITES])(struct worker *, struct block *) = {site_0, site_1, site_2, site_3, site_4, site_5,
    site_6, site_7, site_8, site_9, site_10, site_11};

static NOINLINE void at_depth(struct worker *w, struct block *b, unsigned depth)
{
	if (depth)
		at_depth(w, b, depth - 1);
	else
		sites[draw(w, N_SITES)](w, b);
	__asm__ volatile("" : : : "memory");
}

static NOINLINE void turn(struct worker *w)
{
	struct block *b = &w->own[draw(w, N_OWN)];
	uint64_t what = draw(w, 10);
	if (what == 0) {
		unsigned i = (unsigned)draw(w, N_SHARED);
		if (atomic_flag_test_and_set_explicit(&shared[i].taken, memory_order_acquire))
			return;
		struct block swap = shared[i].block;
		shared[i].block = *b;
		*b = swap;
		atomic_flag_clear_explicit(&shared[i].taken, memory_order_release);
	} else if (b->p && what < 7) {
		end_block(w, b);
	} else {
		at_depth(w, b, (unsigned)draw(w, 20));
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	for (uint64_t i = 0; i < w->steps; i++)
		turn(w);
	return NULL;
}

static void show(unsigned n_threads, unsigned long seed)
{
	struct counts born_all = {0, 0}, died_all = {0, 0};
	for (unsigned site = 0; site < N_SITES; site++) {
		struct counts b = {0, 0}, d = {0, 0};
		for (unsigned t = 0; t < n_threads; t++) {
			b.blocks += workers[t].born[site].blocks;
			b.bytes += workers[t].born[site].bytes;
			d.blocks += workers[t].died[site].blocks;
			d.bytes += workers[t].died[site].bytes;
		}
		say("site site_%u allocations %llu bytes %llu leaked_blocks %llu leaked_bytes %llu\n", site, (unsigned long long)b.blocks,
		    (unsigned long long)b.bytes, (unsigned long long)(b.blocks - d.blocks), (unsigned long long)(b.bytes - d.bytes));
		born_all.blocks += b.blocks;
		born_all.bytes += b.bytes;
		died_all.blocks += d.blocks;
		died_all.bytes += d.bytes;
	}
	for (unsigned api = 0; api < N_API; api++) {
		struct counts c = {0, 0};
		for (unsigned t = 0; t < n_threads; t++) {
			c.blocks += workers[t].by_api[api].blocks;
			c.bytes += workers[t].by_api[api].bytes;
		}
		say("api %s allocations %llu bytes %llu\n", api_names[api], (unsigned long long)c.blocks, (unsigned long long)c.bytes);
	}
	say("total seed %lu threads %u allocations %llu frees %llu allocated_bytes %llu leaked_bytes %llu leaked_blocks %llu peak_low %lld peak_high %lld\n",
	    seed, n_threads, (unsigned long long)born_all.blocks, (unsigned long long)died_all.blocks, (unsigned long long)born_all.bytes,
	    (unsigned long long)(born_all.bytes - died_all.bytes), (unsigned long long)(born_all.blocks - died_all.blocks),
	    (long long)atomic_load(&peak_low), (long long)atomic_load(&peak_high));
	check(atomic_load(&low) == (int64_t)(born_all.bytes - died_all.bytes) && atomic_load(&high) == atomic_load(&low));
}

int main(int argc, char **argv)
{
	check(argc == 4);
	unsigned long seed = strtoul(argv[1], NULL, 10);
	unsigned n_threads = (unsigned)atoi(argv[2]);
	check(n_threads >= 1 && n_threads <= MAX_THREADS);
	pthread_t threads[MAX_THREADS];
	for (unsigned t = 0; t < n_threads; t++) {
		workers[t].random = (seed + 1) * 0x9e3779b97f4a7c15ull ^ ((uint64_t)t + 1) * 0xbf58476d1ce4e5b9ull;
		workers[t].steps = strtoull(argv[3], NULL, 10);
	}
	for (unsigned t = 1; t < n_threads; t++)
		check(pthread_create(&threads[t], NULL, work, &workers[t]) == 0);
	work(&workers[0]);
	for (unsigned t = 1; t < n_threads; t++)
		check(pthread_join(threads[t], NULL) == 0);
	show(n_threads, seed);
	return 0;
}
