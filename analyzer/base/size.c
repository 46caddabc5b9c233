/* Sizes, counts and times between text and numbers: see size.h. */
#include "base/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STEPS "kmgt"

static double power(double base, unsigned exponent)
{
	double value = 1;
	while (exponent--)
		value *= base;
	return value;
}

/* The factor of a unit such as "", "B", "k", "MB" or "GiB"; 0 when there is no such unit. */
static double unit_factor(const char *unit)
{
	if (!*unit || !strcasecmp(unit, "B"))
		return 1;
	const char *step = strchr(STEPS, unit[0] | 0x20);
	if (!step)
		return 0;
	unsigned exponent = (unsigned)(step - STEPS) + 1;
	if (!unit[1] || !strcasecmp(unit + 1, "iB"))
		return power(1024, exponent);
	if (!strcasecmp(unit + 1, "B"))
		return power(1000, exponent);
	return 0;
}

/* Whole numbers stay exact beyond 2^53, where a double would round. */
static bool scale_whole(const char *text, double factor, uint64_t *bytes)
{
	errno = 0;
	unsigned long long whole = strtoull(text, NULL, 10);
	if (errno)
		return false;
	return !__builtin_mul_overflow((uint64_t)whole, (uint64_t)factor, bytes) && *bytes <= INT64_MAX;
}

/* strtod would follow the locale's decimal point. */
static double decimal(const char *text, const char *end)
{
	double value = 0, place = 1;
	for (bool fraction = false; text < end; text++) {
		if (*text == '.') {
			fraction = true;
			continue;
		}
		value = value * 10 + (*text - '0');
		if (fraction)
			place *= 10;
	}
	return value / place;
}

/* whole: rounded where there is a fraction, else exact also where a double is not */
static bool parse(const char *text, double *bytes, uint64_t *whole)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;
	bool fraction = *unit == '.';
	if (fraction)
		unit += 1 + strspn(unit + 1, "0123456789");
	if (unit - text - fraction <= 0)
		return false;
	const char *end = unit;
	if (*unit == ' ')
		unit++;
	double factor = unit_factor(unit);
	if (factor == 0)
		return false;
	if (!fraction) {
		bool fits = scale_whole(text, factor, whole);
		*bytes = fits ? (double)*whole : 0;
		return fits;
	}
	*bytes = decimal(text, end) * factor;
	if (!(*bytes + 0.5 < 9223372036854775808.0))
		return false;
	*whole = (uint64_t)(*bytes + 0.5);
	return true;
}

bool size_parse(const char *text, uint64_t *bytes)
{
	double exact;
	return parse(text, &exact, bytes);
}

bool size_parse_exact(const char *text, double *bytes)
{
	uint64_t whole;
	return parse(text, bytes, &whole);
}

bool count_parse(const char *text, uint64_t max, uint64_t *count)
{
	size_t digits = strspn(text, "0123456789");
	if (!digits || text[digits])
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, NULL, 10);
	if (errno || value > max)
		return false;
	*count = value;
	return true;
}

const char *size_text(char text[SIZE_TEXT_BYTES], uint64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	if (bytes < 1000) {
		snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 " B", bytes);
		return text;
	}
	double value = (double)bytes;
	unsigned unit = 0;
	/* 999.5 would print as 1000: the next unit takes over there. */
	while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	snprintf(text, SIZE_TEXT_BYTES, "%.*f %s", decimals, value, units[unit]);
	return text;
}

const char *size_delta_text(char text[SIZE_TEXT_BYTES], int64_t bytes)
{
	if (bytes == 0)
		return size_text(text, 0);
	text[0] = bytes < 0 ? '-' : '+';
	char size[SIZE_TEXT_BYTES];
	size_text(size, bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes);
	snprintf(text + 1, SIZE_TEXT_BYTES - 1, "%.*s", SIZE_TEXT_BYTES - 2, size);
	return text;
}

const char *count_text(char text[SIZE_TEXT_BYTES], uint64_t count)
{
	char plain[24];
	int digits = snprintf(plain, sizeof(plain), "%" PRIu64, count);
	char *out = text;
	for (int i = 0; i < digits; i++) {
		if (i && (digits - i) % 3 == 0)
			*out++ = ',';
		*out++ = plain[i];
	}
	*out = 0;
	return text;
}

const char *amount_text(char text[SIZE_TEXT_BYTES], uint64_t amount, bool bytes)
{
	return bytes ? size_text(text, amount) : count_text(text, amount);
}

const char *amount_delta_text(char text[SIZE_TEXT_BYTES], int64_t delta, bool bytes)
{
	if (bytes || !delta)
		return bytes ? size_delta_text(text, delta) : count_text(text, 0);
	char count[SIZE_TEXT_BYTES];
	count_text(count, delta < 0 ? 0 - (uint64_t)delta : (uint64_t)delta);
	snprintf(text, SIZE_TEXT_BYTES, "%c%.*s", delta < 0 ? '-' : '+', SIZE_TEXT_BYTES - 2, count);
	return text;
}

const char *time_text(char text[SIZE_TEXT_BYTES], uint64_t time_ns)
{
	double seconds = (double)time_ns / 1e9;
	uint64_t whole = time_ns / 1000000000u;
	if (seconds < 0.9995)
		snprintf(text, SIZE_TEXT_BYTES, "%.1f ms", seconds * 1e3);
	else if (seconds < 59.995)
		snprintf(text, SIZE_TEXT_BYTES, "%.2f s", seconds);
	else if (whole < 3600)
		snprintf(text, SIZE_TEXT_BYTES, "%u min %02u s", (unsigned)(whole / 60), (unsigned)(whole % 60));
	else
		snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 " h %02u min", whole / 3600, (unsigned)(whole / 60 % 60));
	return text;
}
