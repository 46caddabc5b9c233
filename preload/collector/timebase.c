/* See timebase.h. The rate is taken over the whole time since the start, so that the error of a single reading (about
 * 50 ns) fades; a jump of one clock against the other (a suspended machine) starts it anew. */
#include "timebase.h"

/* A reading of both clocks at one instant: the tightest of three. */
static void read_pair(uint64_t *cycles, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;
	for (int i = 0; i < 3; i++) {
		uint64_t before = clock_cycles();
		uint64_t now = mono_ns();
		uint64_t after = clock_cycles();
		if (after - before < best) {
			best = after - before;
			*cycles = before + best / 2;
			*ns = now;
		}
	}
}

void timebase_init(struct timebase *tb)
{
	read_pair(&tb->first_cycles, &tb->first_ns);
	uint64_t until = tb->first_ns + 200000;
	do
		read_pair(&tb->last_cycles, &tb->last_ns);
	while (tb->last_ns < until);
	tb->ns_per_cycle = (double)(tb->last_ns - tb->first_ns) / (double)(tb->last_cycles - tb->first_cycles);
}

uint64_t timebase_update(struct timebase *tb)
{
	uint64_t cycles, ns;
	read_pair(&cycles, &ns);
	if (ns - tb->last_ns < 1000000)
		return ns;
	double recent = (double)(ns - tb->last_ns) / (double)(cycles - tb->last_cycles);
	if (recent < tb->ns_per_cycle * 0.99 || recent > tb->ns_per_cycle * 1.01) {
		tb->first_cycles = tb->last_cycles;
		tb->first_ns = tb->last_ns;
	}
	tb->last_cycles = cycles;
	tb->last_ns = ns;
	double rate = (double)(ns - tb->first_ns) / (double)(int64_t)(cycles - tb->first_cycles);
	if (rate > 0.001 && rate < 1000)
		tb->ns_per_cycle = rate;
	return ns;
}
