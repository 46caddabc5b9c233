/* Text in XML: pictures, JUnit. threads: any. */
#ifndef XML_H
#define XML_H

#include <stddef.h>
#include <stdio.h>

/* Print one letter of a text, as content or within quotes: markup escaped; `instead` for broken UTF-8 and for what XML 1.0
 * forbids (section 2.2: control characters other than tab and line end, U+FFFE, U+FFFF).
 * returns: how many bytes of the text it was, at least 1 */
size_t xml_letter(FILE *out, const char *text, const char *instead);

#endif
