/* The estimator on block tables from standard input, until it ends. A table: "OPERATIONS BATCH IN_FLIGHT STACKS RUNTIME BLOCKS",
 * then a line "STACK SIZE BIRTH DEATH" for each block, sorted by stack and birth; BATCH 0 is the usual size, the first RUNTIME
 * stacks are the C runtime's, DEATH inf is alive at the end. An answer: "RATE LOW HIGH STRICT_HIGH RECENT", and the class of each stack. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/estimate.h"

static void need(int good)
{
	if (!good) {
		fputs("estimate_stream: no table\n", stderr);
		exit(2);
	}
}

static void answer(const struct estimate_input *in)
{
	struct estimate e = {.stacks = calloc(in->n_stacks + 1, sizeof(*e.stacks))};
	need(e.stacks && estimate_run(in, &e) == 0);
	printf("%.17g %.17g %.17g %.17g %.17g", e.rate, e.low, e.high, e.strict_high, e.recent);
	for (uint32_t i = 0; i < in->n_stacks; i++)
		printf(" %s", rate_class_name(e.stacks[i].rate_class));
	putchar('\n');
	fflush(stdout);
	free(e.stacks);
}

int main(void)
{
	double n_ops, batch, in_flight, death;
	unsigned n_stacks, n_runtime, stack;
	size_t n_rows;
	while (scanf("%lf %lf %lf %u %u %zu", &n_ops, &batch, &in_flight, &n_stacks, &n_runtime, &n_rows) == 6) {
		struct estimate_plan plan;
		struct estimate_block *blocks = calloc(n_rows + 1, sizeof(*blocks));
		struct estimate_deaths *deaths = calloc(n_stacks + 1, sizeof(*deaths));
		bool *runtime = calloc(n_stacks + 1, sizeof(*runtime));
		size_t n = 0;
		need(blocks && deaths && runtime);
		for (unsigned i = 0; i < n_runtime && i < n_stacks; i++)
			runtime[i] = true;
		estimate_plan(&plan, n_ops, batch);
		plan.in_flight = in_flight;
		for (size_t i = 0; i < n_rows; i++) {
			struct estimate_block *b = &blocks[n];
			need(scanf("%u %lf %lf %lf", &stack, &b->size_bytes, &b->birth, &death) == 4 &&
			     stack < n_stacks);
			b->stack = stack;
			estimate_count_level(&plan, &deaths[stack], b->birth, fmin(death, n_ops), b->size_bytes);
			if (isinf(death))
				n++;
			else
				estimate_count_death(&plan, &deaths[stack], b->birth, death - b->birth);
		}
		answer(&(struct estimate_input){.plan = &plan,
		    .n_stacks = n_stacks,
		    .blocks = blocks,
		    .n_blocks = n,
		    .deaths = deaths,
		    .runtime = runtime});
		free(runtime);
		free(blocks);
		free(deaths);
	}
	return 0;
}
