/* See memory.c. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>

bool memory_init(void);

#endif
