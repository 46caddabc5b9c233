/* A map from 32-bit keys to 32-bit values other than 0, for keys that come in clusters: pages of 1024 values under a
 * table of pointers. 4 bytes a key where keys are dense, a page for a lonely one. One owner at a time. */
#ifndef IDPAGES_H
#define IDPAGES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IDPAGES_PAGE 1024u

struct idpages {
	uint32_t **pages;
	uint32_t n_pages;
};

/* returns: the value of key, 0 when it has none */
static inline uint32_t idpages_get(const struct idpages *map, uint32_t key)
{
	uint32_t page = key / IDPAGES_PAGE;
	return page < map->n_pages && map->pages[page] ? map->pages[page][key % IDPAGES_PAGE] : 0;
}

/* returns: 0, -1 without memory */
static inline int idpages_put(struct idpages *map, uint32_t key, uint32_t value)
{
	uint32_t page = key / IDPAGES_PAGE;
	if (page >= map->n_pages) {
		uint32_t n = map->n_pages ? map->n_pages : 8;
		while (n <= page)
			n *= 2;
		uint32_t **pages = realloc(map->pages, n * sizeof(*pages));
		if (!pages)
			return -1;
		memset(pages + map->n_pages, 0, (n - map->n_pages) * sizeof(*pages));
		map->pages = pages;
		map->n_pages = n;
	}
	if (!map->pages[page]) {
		map->pages[page] = calloc(IDPAGES_PAGE, sizeof(**map->pages));
		if (!map->pages[page])
			return -1;
	}
	map->pages[page][key % IDPAGES_PAGE] = value;
	return 0;
}

static inline void idpages_release(struct idpages *map)
{
	for (uint32_t i = 0; i < map->n_pages; i++)
		free(map->pages[i]);
	free(map->pages);
	*map = (struct idpages){0};
}

#endif
