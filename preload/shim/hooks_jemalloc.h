/* jemalloc's extended interface: mallocx rallocx xallocx sdallocx dallocx. */
#ifndef HOOKS_JEMALLOC_H
#define HOOKS_JEMALLOC_H

/* Where the program has a jemalloc, put the hooks between it and its callers. Constructor only. */
void jemalloc_init(void);

#endif
