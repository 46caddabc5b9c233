/* Texts that came from anywhere, of which nobody knows that they are UTF-8. threads: any. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>

/* Length of the valid UTF-8 sequence at text, 0 when there is none. */
size_t utf8_length(const char *text);

#endif
