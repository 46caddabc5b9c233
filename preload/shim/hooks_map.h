/* mmap and its kin. */
#ifndef HOOKS_MAP_H
#define HOOKS_MAP_H

#include <stdbool.h>

#include "sys.h"

extern HIDDEN bool maps_recorded; /* TIDEMARK_MMAP=1; written once, by the constructor */

#endif
