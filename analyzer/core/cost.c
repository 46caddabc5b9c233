/* Costs: see cost.h. */
#include "core/cost.h"

#include <string.h>

static const char *const names[COST_COUNT] = {"leaked", "peak", "allocated", "allocations", "temporary"};

bool cost_parse(const char *name, enum cost *cost)
{
	for (int i = 0; i < COST_COUNT; i++)
		if (!strcmp(name, names[i])) {
			*cost = (enum cost)i;
			return true;
		}
	return false;
}

const char *cost_name(enum cost cost)
{
	return names[cost];
}

bool cost_is_bytes(enum cost cost)
{
	return cost != COST_ALLOCATIONS && cost != COST_TEMPORARY;
}

uint64_t cost_value(const struct profile_row *row, enum cost cost)
{
	switch (cost) {
	case COST_LEAKED:
		return row->live_bytes;
	case COST_PEAK:
		return row->peak_bytes;
	case COST_ALLOCATED:
		return row->allocated_bytes;
	case COST_ALLOCATIONS:
		return row->allocations;
	case COST_TEMPORARY:
		return row->temporary;
	case COST_COUNT:
		break;
	}
	return 0;
}
