/* Sizes, counts and times between text and numbers. Text is for people; machine output prints exact numbers itself.
 * threads: any. */
#ifndef SIZE_H
#define SIZE_H

#include <stdbool.h>
#include <stdint.h>

#define SIZE_TEXT_BYTES 32

/* Read a size: "1500", "64k" (2^10 steps: k M G T), "10MB" (10^3 steps: kB MB GB TB), "10MiB" (2^20: KiB MiB GiB TiB),
 * a trailing B for bytes; letters of either case, fractions allowed ("1.5MB"), one blank before the unit too.
 * returns: false when it is no size, or more than 2^63 */
bool size_parse(const char *text, uint64_t *bytes);

/* The same where half a byte counts: "5.5" is 5.5, for size_parse 6. */
bool size_parse_exact(const char *text, double *bytes);

/* Read a whole decimal number without sign or blanks. returns: false when it is none or more than max */
bool count_parse(const char *text, uint64_t max, uint64_t *count);

/* Bytes in decimal units with three digits: "0 B", "999 B", "1.23 kB", "45.6 MB", "789 GB". returns: text */
const char *size_text(char text[SIZE_TEXT_BYTES], uint64_t bytes);

/* As size_text with a sign: "+1.23 kB", "-45.6 MB", "0 B". */
const char *size_delta_text(char text[SIZE_TEXT_BYTES], int64_t bytes);

/* A count with thousands set apart: "1,234,567". returns: text */
const char *count_text(char text[SIZE_TEXT_BYTES], uint64_t count);

/* What the noun behind a count ends with: "1 block", "2 blocks". */
static inline const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* A figure that is bytes or a count, and its change with a sign. */
const char *amount_text(char text[SIZE_TEXT_BYTES], uint64_t amount, bool bytes);
const char *amount_delta_text(char text[SIZE_TEXT_BYTES], int64_t delta, bool bytes);

/* Seconds for people: "0.3 ms", "12.3 ms", "1.23 s", "2 min 05 s", "3 h 02 min". returns: text */
const char *time_text(char text[SIZE_TEXT_BYTES], uint64_t time_ns);

#endif
