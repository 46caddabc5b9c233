#include "stringpool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "hashing.h"
#include "tidemark/trace.h"

struct pooled {
	uint64_t offset; /* of its NUL-terminated bytes */
	uint32_t n_bytes;
	uint32_t hash;
};

static struct {
	struct bytes text;
	struct pooled *strings; /* [0] is the empty one */
	uint32_t n, capacity;
	uint32_t *table; /* string numbers; 0: empty */
	uint32_t table_capacity;
} pool;

static int grow_table(void)
{
	uint32_t capacity = pool.table_capacity ? 2 * pool.table_capacity : 1024;
	uint32_t *table = calloc(capacity, sizeof(*table));
	if (!table)
		return -1;
	for (uint32_t s = 1; s < pool.n; s++) {
		uint32_t i = pool.strings[s].hash & (capacity - 1);
		while (table[i])
			i = (i + 1) & (capacity - 1);
		table[i] = s;
	}
	free(pool.table);
	pool.table = table;
	pool.table_capacity = capacity;
	return 0;
}

static int grow_strings(void)
{
	uint32_t capacity = pool.capacity ? 2 * pool.capacity : 256;
	struct pooled *strings = realloc(pool.strings, capacity * sizeof(*strings));
	if (!strings)
		return -1;
	pool.strings = strings;
	pool.capacity = capacity;
	if (pool.n == 0)
		pool.strings[pool.n++] = (struct pooled){0};
	return 0;
}

static bool is_equal(uint32_t string, uint32_t hash, const char *text, size_t n)
{
	const struct pooled *s = &pool.strings[string];
	return s->hash == hash && s->n_bytes == n && memcmp(pool.text.data + s->offset, text, n) == 0;
}

uint32_t string_put(const char *text, size_t n)
{
	if (n == 0 || n > TIDEMARK_MAX_STRING_BYTES)
		return 0;
	if (pool.n >= pool.capacity && grow_strings() < 0)
		return 0;
	if (pool.n * 3 >= pool.table_capacity * 2 && grow_table() < 0)
		return 0;
	uint32_t hash = (uint32_t)(hash_bytes(text, n) >> 32), mask = pool.table_capacity - 1, i = hash & mask;
	for (; pool.table[i]; i = (i + 1) & mask)
		if (is_equal(pool.table[i], hash, text, n))
			return pool.table[i];
	uint8_t *at = bytes_room(&pool.text, n + 1);
	if (!at)
		return 0;
	memcpy(at, text, n);
	at[n] = '\0';
	pool.strings[pool.n] = (struct pooled){pool.text.n, (uint32_t)n, hash};
	pool.text.n += n + 1;
	pool.table[i] = pool.n;
	return pool.n++;
}

const char *string_get(uint32_t string, size_t *n_bytes)
{
	if (string == 0 || string >= pool.n) {
		if (n_bytes)
			*n_bytes = 0;
		return "";
	}
	if (n_bytes)
		*n_bytes = pool.strings[string].n_bytes;
	return (const char *)pool.text.data + pool.strings[string].offset;
}
