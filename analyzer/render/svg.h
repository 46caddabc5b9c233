/* Texts in SVG pictures. threads: any. */
#ifndef SVG_H
#define SVG_H

#include <stddef.h>
#include <stdio.h>

/* Print text content: see xml_letter; after max_letters an ellipsis. */
void svg_text(FILE *out, const char *text, size_t max_letters);

/* Letters of a UTF-8 text. */
size_t svg_letters(const char *text);

#endif
