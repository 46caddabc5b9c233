/* The timeline as an SVG picture for reports and web pages: RSS and its parts as stacked areas, the live heap as a
 * line, marks; light and dark by the reader's preference; no script, no fonts or files from elsewhere. threads: one. */
#ifndef PICTURE_H
#define PICTURE_H

#include <stdio.h>

#include "core/profile.h"

struct picture {
	const struct profile *profile; /* with points */
	const char *title;
	const char *warning; /* NULL: the recording is whole */
};

/* Write the whole document. returns: 0, -1 when memory is short */
int picture_write(FILE *out, const struct picture *picture);

#endif
