/* Text put together without stdio, cut where it does not fit. Any thread; no state. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
	char *at, *end; /* end: the last byte, for the NUL */
};

static inline struct text text_in(char *buffer, size_t bytes)
{
	buffer[0] = 0;
	return (struct text){buffer, buffer + bytes - 1};
}

static inline void text_put(struct text *text, const char *s)
{
	while (*s && text->at < text->end)
		*text->at++ = *s++;
	*text->at = 0;
}

static inline void text_put_number(struct text *text, uint64_t n, unsigned base)
{
	char digits[24], *p = digits + sizeof(digits) - 1;
	*p = 0;
	do {
		*--p = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	text_put(text, p);
}

#endif
