/* LEB128 variable-length integers, as in the trace file: 7 bits a byte, lowest first, high bit: more follows.
 * Used by the collector (put) and the analyzer (get); no state, any thread. */
#ifndef TIDEMARK_VARINT_H
#define TIDEMARK_VARINT_H

#include <stdbool.h>
#include <stdint.h>

#define TIDEMARK_VARINT_MAX_BYTES 10

/* Write v at p, which has room for TIDEMARK_VARINT_MAX_BYTES. returns: the end of what was written */
static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/* Read a varint at *p, not beyond end, and advance *p. returns: false when it is cut off or has more than 64 bits */
static inline bool get_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
		uint8_t byte = *(*p)++;
		if (shift == 63 && byte > 1)
			return false;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*v = value;
			return true;
		}
	}
	return false;
}

/* Signed values near zero as small unsigned ones: 0 -1 1 -2 2 ... */
static inline uint64_t zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

#endif
