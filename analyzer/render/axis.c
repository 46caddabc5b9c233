/* Round numbers for axes: see axis.h. */
#include "render/axis.h"

#include <stdio.h>

#include "tidemark/trace.h"

#define TICKS_PER_MS (1000000u / TIDEMARK_TICK_NS)
#define TICKS_PER_SECOND (1000u * TICKS_PER_MS)
#define MINUTE (60u * (uint64_t)TICKS_PER_SECOND)
#define HOUR (60u * MINUTE)

uint64_t axis_step(uint64_t largest, unsigned max_ticks)
{
	for (uint64_t power = 1; power < UINT64_MAX / 100; power *= 10)
		for (unsigned i = 0; i < 3; i++) {
			uint64_t step = power * (i == 0 ? 1 : i == 1 ? 2 : 5);
			if (largest / step <= max_ticks)
				return step;
		}
	return UINT64_MAX;
}

uint64_t axis_top(uint64_t largest, uint64_t step)
{
	uint64_t n = largest / step + (largest % step != 0);
	return n ? n * step : step;
}

/* Up to two decimals, none that are zero. */
static const char *scaled(char text[AXIS_TEXT_BYTES], double value, const char *unit)
{
	if (value == 0)
		snprintf(text, AXIS_TEXT_BYTES, "0");
	else
		snprintf(text, AXIS_TEXT_BYTES, "%.4g %s", value, unit);
	return text;
}

const char *axis_size(char text[AXIS_TEXT_BYTES], uint64_t bytes, uint64_t largest)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double scale = 1;
	unsigned unit = 0;
	while ((double)largest >= scale * 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		scale *= 1000;
		unit++;
	}
	return scaled(text, (double)bytes / scale, units[unit]);
}

uint64_t axis_time_step(uint64_t largest_ticks, unsigned max_ticks)
{
	static const uint64_t long_steps[] = {MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE,
	    HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR};
	if (largest_ticks / max_ticks < 30 * TICKS_PER_SECOND) {
		uint64_t step = axis_step(largest_ticks, max_ticks);
		/* 1, 2, 5 and 10 s are round, 20 and 50 s are not quite, but 30 s is. */
		return step > 10 * TICKS_PER_SECOND ? 30 * TICKS_PER_SECOND : step;
	}
	for (unsigned i = 0; i < sizeof(long_steps) / sizeof(long_steps[0]); i++)
		if (largest_ticks / long_steps[i] <= max_ticks)
			return long_steps[i];
	return axis_step(largest_ticks / (24 * HOUR), max_ticks) * 24 * HOUR;
}

const char *axis_time(char text[AXIS_TEXT_BYTES], uint64_t ticks, uint64_t largest_ticks)
{
	if (largest_ticks >= 3 * HOUR)
		return scaled(text, (double)ticks / (double)HOUR, "h");
	if (largest_ticks >= 3 * MINUTE)
		return scaled(text, (double)ticks / (double)MINUTE, "min");
	if (largest_ticks >= TICKS_PER_SECOND)
		return scaled(text, (double)ticks / TICKS_PER_SECOND, "s");
	return scaled(text, (double)ticks / TICKS_PER_MS, "ms");
}
