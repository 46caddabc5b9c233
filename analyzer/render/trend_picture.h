/* A history as an SVG picture: a panel for each figure, with medians, ranges, levels and named changes; light and dark by
 * the reader's preference; no script, no fonts or files from elsewhere. threads: one. */
#ifndef TREND_PICTURE_H
#define TREND_PICTURE_H

#include <stdio.h>

#include "core/history.h"

void trend_picture_write(FILE *out, const struct history_table *table);

#endif
