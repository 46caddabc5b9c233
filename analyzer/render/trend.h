/* A figure over a history of commits, in the terminal: as one line, or as a chart. threads: one. */
#ifndef TREND_H
#define TREND_H

#include "core/history.h"
#include "render/term.h"

#define TREND_TEXT_BYTES 80

/* A value for people: "1.52 MB", "1,234", "12.3 kB per 100 operations" without the last three words. returns: text */
const char *trend_value(char text[TREND_TEXT_BYTES], const char *unit, double value);

/* How far the last level has drifted, as trend_change; "" when it does not. returns: text */
const char *trend_drift(char text[TREND_TEXT_BYTES], const struct history_series *series);

/* "+48.1 %", "-3.0 %"; where a percentage would say little, as from 0, "+520 B". returns: text */
const char *trend_change(char text[TREND_TEXT_BYTES], const char *unit, double before, double after);

/* The first letters of a commit's id, as people quote it; it may be any text. returns: text */
#define TREND_COMMIT_LETTERS 10
#define TREND_COMMIT_BYTES (4 * TREND_COMMIT_LETTERS + 1)
const char *trend_commit(char text[TREND_COMMIT_BYTES], const struct history_commit *commit);

/* "2026-11-20", in UTC. returns: text */
#define TREND_DATE_BYTES 16
const char *trend_date(char text[TREND_DATE_BYTES], const struct history_commit *commit);

/* The range that a chart of the series shows: from 0, or, where all values lie far from it, from near the least. */
struct trend_range {
	double low, high, step; /* low and high are multiples of the step */
};
struct trend_range trend_range(const struct history_series *series, size_t first);

/* The level that holds at a point; where it drifts, the line. */
double trend_level(const struct history_series *series, size_t point);

/* The latest medians in one line of at most `columns` block characters. returns: columns printed */
size_t trend_spark(const struct term *term, const struct history_series *series, size_t columns);

/* A chart of medians and levels, changes numbered below; the latest commits when not all have room. returns: the first
 * point that it shows */
size_t trend_chart(const struct term *term, const struct history_table *table, const struct history_series *series);

#endif
