/* A program of known truth: `planted MODE SEED OPERATIONS` performs that many operations, leaks as MODE says, and prints
 * what it did: the bytes per 100 operations that are never freed in the long run, and exactly what it left at the end.
 * Enters: the arguments. Leaves: one line of JSON. All bookkeeping is static: the heap holds what the mode put there.
 * The modes stand in a table at the end; each behaviour is a function of its own, so that stacks bear its name.
 * The file is long because it is a list: the behaviours side by side, each on its own, and the table that names them. */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "blocks.h"
#include "tidemark.h"

#define N_THREADS 4u

static uint32_t seed;

/* ---- behaviours: what one operation does */
static NOINLINE void scratch(uint32_t i)
{
	void *blocks[8];
	for (int k = 0; k < 8; k++)
		check(blocks[k] = keep(malloc(16 + (i * 8 + (uint32_t)k) * 7919 % 2000)));
	for (int k = 0; k < 8; k++)
		free(blocks[k]);
}

static NOINLINE void steady(uint32_t i)
{
	(void)i;
	take(100);
}

static NOINLINE void steady_large(uint32_t i)
{
	(void)i;
	take(16384);
}

/* 100 bytes on average. */
static NOINLINE void steady_varied(uint32_t i)
{
	(void)i;
	take(50 + below(101));
}

static NOINLINE void sparse_50(uint32_t i)
{
	(void)i;
	if (happens(1. / 50))
		take(4096);
}

static NOINLINE void sparse_400(uint32_t i)
{
	(void)i;
	if (happens(1. / 400))
		take(65536);
}

static NOINLINE void fifo_cache(uint32_t i)
{
	static void *entries[500];
	if (entries[i % 500])
		give(entries[i % 500], 1024);
	entries[i % 500] = take(1024);
}

/* The last requests, as many as come in 19 of 20 parts of the run. */
static NOINLINE void history(uint32_t i)
{
	static void *entries[MAX_OPERATIONS];
	uint32_t room = (uint32_t)(n_operations * 19ull / 20);
	if (i >= room)
		give(entries[i % room], 512);
	entries[i % room] = take(512);
}

/* Least recently used goes first; keys by Zipf's law, sizes by key, at most 512 kB. */
enum { LRU_KEYS = 4000 };
static double lru_upto[LRU_KEYS];
static uint32_t lru_size[LRU_KEYS], lru_older[LRU_KEYS + 1], lru_newer[LRU_KEYS + 1]; /* key + 1; 0: the list's head */
static void *lru_block[LRU_KEYS];
static uint64_t lru_bytes;

static void lru_prepare(void)
{
	double sum = 0;
	for (int k = 0; k < LRU_KEYS; k++) {
		lru_upto[k] = sum += pow(k + 1, -.8);
		lru_size[k] = (uint32_t)exp(7 + normal()) + 1;
	}
}

static uint32_t lru_key(void)
{
	double at = chance() * lru_upto[LRU_KEYS - 1];
	uint32_t low = 0, high = LRU_KEYS - 1;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (lru_upto[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void lru_unlink(uint32_t at)
{
	lru_newer[lru_older[at]] = lru_newer[at];
	lru_older[lru_newer[at]] = lru_older[at];
}

static void lru_link_newest(uint32_t at)
{
	lru_older[at] = lru_older[0];
	lru_newer[at] = 0;
	lru_newer[lru_older[0]] = at;
	lru_older[0] = at;
}

static NOINLINE void lru_cache(uint32_t i)
{
	if (i == 0)
		lru_prepare();
	uint32_t key = lru_key();
	if (lru_block[key]) {
		lru_unlink(key + 1);
		lru_link_newest(key + 1);
		return;
	}
	lru_block[key] = take(lru_size[key]);
	lru_link_newest(key + 1);
	for (lru_bytes += lru_size[key]; lru_bytes > 524288;) {
		uint32_t oldest = lru_newer[0] - 1;
		lru_unlink(oldest + 1);
		give(lru_block[oldest], lru_size[oldest]);
		lru_block[oldest] = NULL;
		lru_bytes -= lru_size[oldest];
	}
}

static NOINLINE void filling_1000(uint32_t i)
{
	static void *entries[1000];
	uint32_t key = below(1000);
	(void)i;
	if (!entries[key])
		entries[key] = take(512);
}

static NOINLINE void filling_5000(uint32_t i)
{
	static void *entries[5000];
	uint32_t key = below(5000);
	(void)i;
	if (!entries[key])
		entries[key] = take(512);
}

static NOINLINE void session_300(uint32_t i)
{
	dies_at(take(1000), 1000, i + 1 - 300 * log(chance()));
}

static NOINLINE void session_1000(uint32_t i)
{
	dies_at(take(1000), 1000, i + 1 - 1000 * log(chance()));
}

static void saw(uint32_t i, uint32_t period, void *block)
{
	static uint32_t phase;
	if (i == 0)
		phase = below(period);
	dies_at(block, 200, ((i + phase) / period + 1) * period - phase);
}

static NOINLINE void saw_250(uint32_t i)
{
	saw(i, 250, take(200));
}

static NOINLINE void saw_5000(uint32_t i)
{
	saw(i, 5000, take(200));
}

/* Capacity doubles; the use grows by 16 bytes an operation. */
static NOINLINE void vector(uint32_t i)
{
	static char *data;
	static size_t capacity;
	if ((i + 1) * 16u <= capacity)
		return;
	size_t more = capacity ? capacity : 1024;
	check(data = keep(realloc(data, capacity + more)));
	live_blocks += capacity == 0;
	live_bytes += more;
	capacity += more;
}

/* The same by a larger copy, as a std::vector grows: what is left is one young table. */
static NOINLINE void table(uint32_t i)
{
	static char *data;
	static size_t capacity;
	if ((i + 1) * 16u <= capacity)
		return;
	size_t larger = capacity ? 2 * capacity : 1024;
	char *copy = take(larger);
	if (data) {
		memcpy(copy, data, capacity);
		give(data, capacity);
	}
	data = copy;
	capacity = larger;
}

/* A state that every operation makes anew, a little larger. */
static NOINLINE void rebuilt(uint32_t i)
{
	static char *state;
	char *next = take(16 * (i + 1));
	if (state)
		give(state, 16 * i);
	state = next;
}

/* A log that realloc lengthens at every operation. */
static NOINLINE void append(uint32_t i)
{
	static char *data;
	check(data = keep(realloc(data, (i + 1) * 16u)));
	live_blocks += i == 0;
	live_bytes += 16;
}

/* What is kept has been grown and shrunk before. */
static NOINLINE void regrow(uint32_t i)
{
	(void)i;
	char *p = keep(malloc(10));
	check(p && (p = keep(realloc(p, 5000))) && (p = keep(realloc(p, 50))));
	count_in(p, 50);
}

static void *exit_list;

static void free_exit_list(void)
{
	while (exit_list) {
		void *next = *(void **)exit_list;
		free(exit_list);
		exit_list = next;
	}
}

static NOINLINE void freed_at_exit(uint32_t i)
{
	if (i == 0)
		check(atexit(free_exit_list) == 0);
	void **block = take(192);
	*block = exit_list;
	exit_list = block;
}

/* The new one takes the old one's place, and nobody frees the old one. */
static NOINLINE void replaced(uint32_t i)
{
	static void *volatile current;
	if (i % 2 == 0)
		current = take(300);
	(void)current;
}

static NOINLINE void starts_late(uint32_t i)
{
	if (i >= n_operations * 6ull / 10)
		take(200);
}

static NOINLINE void starts_half_way(uint32_t i)
{
	if (i >= n_operations / 2)
		take(200);
}

static NOINLINE void stops_early(uint32_t i)
{
	if (i < n_operations * 4ull / 10)
		take(200);
}

static NOINLINE void stops_half_way(uint32_t i)
{
	if (i < n_operations / 2)
		take(200);
}

static NOINLINE void noise(uint32_t i)
{
	static void *slots[4000];
	static uint32_t sizes[4000];
	(void)i;
	for (int k = 0; k < 20; k++) {
		uint32_t at = below(4000);
		if (slots[at])
			give(slots[at], sizes[at]);
		slots[at] = happens(.5) ? take(sizes[at] = below(8000)) : NULL;
	}
}

static NOINLINE void heavy_pareto(uint32_t i)
{
	(void)i;
	if (happens(.1))
		take((size_t)(200 * pareto(1.5)));
}

static NOINLINE void heavy_lognormal(uint32_t i)
{
	(void)i;
	if (happens(.1))
		take((size_t)exp(6 + 2 * normal()));
}

/* ---- ways to run them */
struct truth {
	const char *name;
	uint32_t count;
	double per_100;
};

struct mode {
	const char *name;
	void (*act[2])(uint32_t i);
	double per_100;                               /* bytes that 100 operations leave for ever, in the long run */
	void (*run)(const struct mode *mode);         /* NULL: one thread, one name */
	const char *expected_class;                   /* "": more than one may be right */
};

static struct truth names[8];
static uint32_t n_names;

static struct truth *name_of(const char *name, double per_100)
{
	for (uint32_t i = 0; i < n_names; i++)
		if (strcmp(names[i].name, name) == 0)
			return &names[i];
	names[n_names] = (struct truth){name, 0, per_100};
	return &names[n_names++];
}

static void act(const struct mode *mode, uint32_t i)
{
	for (int k = 0; k < 2 && mode->act[k]; k++)
		mode->act[k](i);
	scratch(i);
	bury(i);
}

static void run_alone(const struct mode *mode)
{
	struct truth *truth = name_of("request", mode->per_100);
	for (uint32_t i = 0; i < n_operations; i++) {
		tidemark_op_begin("request");
		act(mode, i);
		tidemark_op_end();
		truth->count++;
	}
}

/* Four names, one of which leaks in half of its operations. */
static NOINLINE void put_leaks(void)
{
	if (happens(.5))
		take(300);
}

static NOINLINE void get_keeps_a_while(uint32_t i)
{
	dies_at(take(2000), 2000, i + 30);
}

static void run_several(const struct mode *mode)
{
	static const char *const kinds[] = {"get", "put", "list", "delete"};
	(void)mode;
	for (int k = 0; k < 4; k++)
		name_of(kinds[k], k == 1 ? 15000 : 0);
	for (uint32_t i = 0; i < n_operations; i++) {
		double at = chance();
		int kind = at < .3 ? 1 : at < .7 ? 0 : at < .9 ? 2 : 3;
		tidemark_op_begin(kinds[kind]);
		if (kind == 0)
			get_keeps_a_while(i);
		else if (kind == 1)
			put_leaks();
		scratch(i);
		bury(i);
		tidemark_op_end();
		names[kind].count++;
	}
}

/* Four threads, each with a megabyte in flight through nearly all of its operation; durations differ widely. */
static _Atomic uint32_t n_done;
static bool threads_leak, threads_stall, threads_keep;

static void work_for(double microseconds)
{
	struct timespec t = {0, (long)(microseconds * 1000)};
	nanosleep(&t, NULL);
}

static NOINLINE void in_flight_leak(void)
{
	take(100);
}

/* What a thread keeps as long as it serves. */
static __thread void *kept;

static NOINLINE void keep_in_thread(void)
{
	void **block = take(100);
	*block = kept;
	kept = block;
}

static NOINLINE void give_back(void)
{
	while (kept) {
		void *next = *(void **)kept;
		free(kept);
		kept = next;
	}
}

static NOINLINE void in_flight(bool first_thread)
{
	char *buffer = keep(malloc(1 << 20));
	check(buffer);
	buffer[0] = 1;
	double duration = 30 * exp(.6 * normal());
	if (threads_stall && first_thread && happens(4. / 300))
		duration *= 200;
	work_for(duration / 2);
	if (threads_leak)
		in_flight_leak();
	if (threads_keep)
		keep_in_thread();
	work_for(duration / 2);
	free(buffer);
}

static void *serve(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	chance_state = seed * 1000003ull + me;
	while (n_done++ < n_operations) {
		tidemark_op_begin("request");
		in_flight(me == 0);
		tidemark_op_end();
	}
	give_back();
	return NULL;
}

static void run_threaded(const struct mode *mode)
{
	pthread_t threads[N_THREADS];
	threads_keep = strstr(mode->name, "keep") != NULL;
	threads_leak = mode->per_100 > 0 && !threads_keep;
	threads_stall = strstr(mode->name, "stall") != NULL;
	for (uintptr_t k = 0; k < N_THREADS; k++)
		check(pthread_create(&threads[k], NULL, serve, (void *)k) == 0);
	for (uint32_t k = 0; k < N_THREADS; k++)
		check(pthread_join(threads[k], NULL) == 0);
	name_of("request", mode->per_100)->count = n_operations;
}

/* Parent and child take turns, so that they share the load evenly; only the child leaks. */
static NOINLINE void child_leaks(void)
{
	take(200);
}

static void take_turns(int line, bool child)
{
	const char *name = child ? "child-request" : "request";
	char baton = 0;
	if (child)
		check(read(line, &baton, 1) == 1);
	for (uint32_t i = 0; i < n_operations / 2; i++) {
		tidemark_op_begin(name);
		if (child)
			child_leaks();
		scratch(i);
		tidemark_op_end();
		check(write(line, &baton, 1) == 1);
		if (!child || i + 1 < n_operations / 2)
			check(read(line, &baton, 1) == 1);
	}
}

static void run_forked(const struct mode *mode)
{
	int line[2], status;
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, line) == 0);
	pid_t child = fork();
	check(child >= 0);
	take_turns(line[child == 0], child == 0);
	if (child == 0)
		_exit(live_blocks == n_operations / 2 ? 0 : 1);
	check(waitpid(child, &status, 0) == child && status == 0);
	name_of("request", 0)->count = n_operations / 2;
	name_of("child-request", 2 * mode->per_100)->count = n_operations / 2;
	live_blocks = n_operations / 2;
	live_bytes = n_operations / 2 * 200u;
}

/* Fifteen functions, of which the seed chooses one: a stack that no other process has. */
#define TENANT(n) \
	static NOINLINE void tenant_##n(void) \
	{ \
		take(1000 + n); \
	}
TENANT(0) TENANT(1) TENANT(2) TENANT(3) TENANT(4) TENANT(5) TENANT(6) TENANT(7)
TENANT(8) TENANT(9) TENANT(10) TENANT(11) TENANT(12) TENANT(13) TENANT(14)

static void run_tenant(const struct mode *mode)
{
	static void (*const tenants[])(void) = {tenant_0, tenant_1, tenant_2, tenant_3, tenant_4, tenant_5, tenant_6, tenant_7,
		tenant_8, tenant_9, tenant_10, tenant_11, tenant_12, tenant_13, tenant_14};
	(void)mode;
	static char name[16];
	check(seed < 15);
	snprintf(name, sizeof(name), "tenant_%u", seed);
	struct truth *truth = name_of(name, (1000 + seed) * 100.);
	for (uint32_t i = 0; i < n_operations; i++) {
		tidemark_op_begin(name);
		tenants[seed]();
		scratch(i);
		tidemark_op_end();
		truth->count++;
		work_for(100);
	}
}

/* The means of the heavy tails: .1 x 200 x 1.5 / .5 x 100, and .1 x e^(6 + 4 / 2) x 100. */
#define LOGNORMAL_PER_100 29809.58

static const struct mode modes[] = {
	{"clean", {scratch}, 0, NULL, "none"},
	{"steady", {steady}, 10000, NULL, "steady"},
	{"steady-large", {steady_large}, 1638400, NULL, "steady"},
	{"steady-varied", {steady_varied}, 10000, NULL, ""},
	{"sparse-50", {sparse_50}, 8192, NULL, ""},
	{"sparse-400", {sparse_400}, 16384, NULL, ""},
	{"cache", {fifo_cache}, 0, NULL, "none"},
	{"history", {history}, 0, NULL, "turnover"},
	{"lru", {lru_cache}, 0, NULL, ""},
	{"filling", {filling_1000}, 0, NULL, ""},
	{"filling-5000", {filling_5000}, 0, NULL, ""},
	{"filling-steady", {filling_1000, steady}, 10000, NULL, ""},
	{"sessions-300", {session_300}, 0, NULL, ""},
	{"sessions-1000", {session_1000}, 0, NULL, ""},
	{"saw-250", {saw_250}, 0, NULL, ""},
	{"saw-5000", {saw_5000}, 0, NULL, ""},
	{"vector", {vector}, 1600, NULL, "once"},
	{"table", {table}, 1600, NULL, "turnover"},
	{"rebuilt", {rebuilt}, 1600, NULL, "turnover"},
	{"append", {append}, 1600, NULL, "steady"},
	{"regrow", {regrow}, 5000, NULL, "steady"},
	{"freed-at-exit", {freed_at_exit}, 19200, NULL, "steady"},
	{"replaced", {replaced}, 15000, NULL, "steady"},
	{"starts-late", {starts_late}, 20000, NULL, ""},
	{"starts-half-way", {starts_half_way}, 20000, NULL, ""},
	{"stops-early", {stops_early}, 0, NULL, ""},
	{"stops-half-way", {stops_half_way}, 0, NULL, ""},
	{"noise", {noise}, 0, NULL, ""},
	{"noise-steady", {noise, steady}, 10000, NULL, ""},
	{"heavy-pareto", {heavy_pareto}, 6000, NULL, ""},
	{"heavy-lognormal", {heavy_lognormal}, LOGNORMAL_PER_100, NULL, ""},
	{"several", {NULL}, 4500, run_several, ""},
	{"threads", {NULL}, 0, run_threaded, "none"},
	{"threads-leak", {NULL}, 10000, run_threaded, "steady"},
	{"threads-stall", {NULL}, 0, run_threaded, "none"},
	{"threads-keep", {NULL}, 10000, run_threaded, "steady"},
	{"forked", {NULL}, 10000, run_forked, "steady"},
	{"tenant", {NULL}, 0, run_tenant, "steady"},
};

static void print_truth(const struct mode *mode)
{
	double total = 0;
	for (uint32_t i = 0; i < n_names; i++)
		total += names[i].per_100 * names[i].count / n_operations;
	say("{\"mode\": \"%s\", \"operations\": %u, \"per_100\": %.2f, \"class\": \"%s\", \"live_blocks\": %lu, \"live_bytes\": %lu, \"names\": {",
	    mode->name, n_operations, n_names > 1 ? mode->per_100 : total, mode->expected_class, (unsigned long)live_blocks,
	    (unsigned long)live_bytes);
	for (uint32_t i = 0; i < n_names; i++)
		say("%s\"%s\": {\"count\": %u, \"per_100\": %.2f}", i ? ", " : "", names[i].name, names[i].count, names[i].per_100);
	say("}}\n");
}

int main(int argc, char **argv)
{
	if (argc != 4 || (n_operations = (uint32_t)atoi(argv[3])) == 0 || n_operations > MAX_OPERATIONS) {
		say("usage: planted MODE SEED OPERATIONS\n");
		return 2;
	}
	seed = (uint32_t)atoi(argv[2]);
	chance_state = seed * 1000003ull;
	for (size_t k = 0; k < sizeof(modes) / sizeof(*modes); k++) {
		if (strcmp(modes[k].name, argv[1]) != 0)
			continue;
		(modes[k].run ? modes[k].run : run_alone)(&modes[k]);
		print_truth(&modes[k]);
		return 0;
	}
	say("planted: no mode '%s'\n", argv[1]);
	return 2;
}
