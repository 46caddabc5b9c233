/* preload/collector/addrmap.c: against a model, over the wrap of 32-bit numbers, with odd and huge addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../preload/collector/addrmap.c"

#define N_ADDRESSES 4000u
#define N_STEPS 400000u

static uint64_t state_of_random = 88172645463325252ull;

static uint64_t next_random(void)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	return state_of_random;
}

/* Heap-like, 8-byte aligned, pool, and beyond 2^47. */
static uint64_t address_of(uint32_t i)
{
	switch (i % 4) {
	case 0:
		return 0x7f0000000000ull + 16ull * i;
	case 1:
		return 0x550000000000ull + 40ull * i;
	case 2:
		return ADDRMAP_POOL | (0x1000ull + i);
	default:
		return 1ull << 50 | 64ull * i;
	}
}

/* Every allocation moves the numbers on by `stride`, so that a few steps pass many sweeps. */
static void agrees_with_a_model(uint64_t stride)
{
	static uint64_t model[N_ADDRESSES]; /* number + 1; 0: free */
	struct addrmap map;
	uint64_t next = 1;
	memset(model, 0, sizeof(model));
	assert_int_equal(addrmap_init(&map, false), 0);
	for (uint32_t step = 0; step < N_STEPS; step++) {
		uint32_t i = (uint32_t)(next_random() % N_ADDRESSES);
		uint64_t number = 0, old = 0;
		if (next_random() % 2) {
			int had = addrmap_put(&map, address_of(i), next, &old);
			assert_int_equal(had, model[i] != 0);
			if (had)
				assert_int_equal(old + 1, model[i]);
			model[i] = next + 1;
			uint64_t before = next;
			next += 1 + next_random() % stride;
			if (before / ADDRMAP_SWEEP_PERIOD != next / ADDRMAP_SWEEP_PERIOD) {
				next = next / ADDRMAP_SWEEP_PERIOD * ADDRMAP_SWEEP_PERIOD;
				assert_int_equal(addrmap_sweep(&map, next), 0);
			}
		} else {
			assert_int_equal(addrmap_has(&map, address_of(i)), model[i] != 0);
			enum addrmap_found found = addrmap_take(&map, address_of(i), next, &number);
			assert_int_equal(found, model[i] ? ADDRMAP_LIVE : ADDRMAP_NONE);
			if (found == ADDRMAP_LIVE)
				assert_int_equal(number + 1, model[i]);
			if (model[i] && next_random() % 8 == 0)
				addrmap_restore(&map, address_of(i), number, next);
			else
				model[i] = 0;
		}
	}
	addrmap_release(&map);
}

static void finds_what_was_put(void **state)
{
	(void)state;
	agrees_with_a_model(1);
}

static void keeps_numbers_beyond_32_bits(void **state)
{
	(void)state;
	agrees_with_a_model(1u << 20);
	agrees_with_a_model(1u << 30);
}

static void tells_freed_from_never_seen(void **state)
{
	(void)state;
	struct addrmap map;
	uint64_t number;
	assert_int_equal(addrmap_init(&map, true), 0);
	assert_int_equal(addrmap_take(&map, 0x5000, 7, &number), ADDRMAP_NONE);
	assert_int_equal(addrmap_take(&map, 0x5000, 7, &number), ADDRMAP_FREED);
	assert_int_equal(addrmap_put(&map, 0x6000, 7, &number), 0);
	assert_int_equal(addrmap_take(&map, 0x6000, 8, &number), ADDRMAP_LIVE);
	assert_int_equal(addrmap_take(&map, 0x6000, 8, &number), ADDRMAP_FREED);
	assert_int_equal(addrmap_take(&map, 0x7000, 8, &number), ADDRMAP_NONE);
	addrmap_forget(&map, 0x7000);
	assert_int_equal(addrmap_take(&map, 0x7000, 8, &number), ADDRMAP_NONE);
	addrmap_release(&map);
}

static void refuses_no_address(void **state)
{
	(void)state;
	struct addrmap map;
	uint64_t number;
	assert_int_equal(addrmap_init(&map, false), 0);
	assert_int_equal(addrmap_put(&map, 0, 1, &number), -1);
	assert_int_equal(addrmap_take(&map, 0, 1, &number), ADDRMAP_NONE);
	addrmap_release(&map);
}

/* Memory of small maps is kept for the next ones. */
static void begins_empty_after_another(void **state)
{
	(void)state;
	static const uint64_t regions[] = {1, ADDRMAP_SMALL, ADDRMAP_SMALL + 1, 3};
	for (size_t turn = 0; turn < sizeof(regions) / sizeof(*regions); turn++) {
		struct addrmap map;
		uint64_t number;
		assert_int_equal(addrmap_init(&map, turn % 2), 0);
		for (uint64_t i = 0; i < 2 * ADDRMAP_SMALL * 16; i++)
			assert_false(addrmap_has(&map, 0x7f0000000000ull + (i << 12)));
		for (uint64_t i = 0; i < regions[turn] * 16; i++)
			assert_int_equal(addrmap_put(&map, 0x7f0000000000ull + (i << 12), 100 + i, &number), 0);
		for (uint64_t i = 0; i < regions[turn] * 16; i += 2)
			assert_int_equal(
			    addrmap_take(&map, 0x7f0000000000ull + (i << 12), 1u << 20, &number), ADDRMAP_LIVE);
		addrmap_release(&map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_what_was_put),
	    cmocka_unit_test(keeps_numbers_beyond_32_bits),
	    cmocka_unit_test(tells_freed_from_never_seen),
	    cmocka_unit_test(refuses_no_address),
	    cmocka_unit_test(begins_empty_after_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
