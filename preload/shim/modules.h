/* The loaded objects of this process: found by address, published in shared memory at first sight, told apart when one
 * address range is used by several in turn. Called by the unwinder and by intern.c at the first sight of an address
 * only, on every thread and in signal handlers: lock-free, no allocation; a system call only where a path is relative.
 *
 * An object that libc unloads on its own (gconv) is noticed when another one shows up in its range. */
#ifndef MODULES_H
#define MODULES_H

#include <stdbool.h>
#include <stdint.h>

#include "cfi.h"
#include "sys.h"

struct module {
	uint64_t start;
	uint64_t end;
	uint64_t bias;
	uint64_t text_low; /* the executable segment */
	uint64_t text_high;
	struct cfi_image image; /* hdr is NULL when there is no usable unwind information */
	const char *name;       /* the loader's own string: its address is part of the identity */
	_Atomic uint32_t state; /* enum module_state; release once the fields above and index stand */
	_Atomic uint32_t
	    doubtful;    /* 1: was gone after a dlclose; compare the whole identity before believing in it again */
	uint32_t index;  /* in shm->modules, or TIDEMARK_NO_MODULE */
	uint32_t tagged; /* 1: the seed of stack hashes contains this module while it is active */
};

/* In the constructor, after shm stands. returns: false when there is no memory */
bool modules_init(void);

/* The object that contains address; NULL when there is none.
 * cost: 20-100 ns when it is known, some microseconds at first sight */
const struct module *modules_find(uint64_t address);

/* The same for an address whose rule was looked up in this walk: then the loader need not be asked again.
 * cost: a few ns */
const struct module *modules_known(uint64_t address);

/* Look whether any known object is gone; if so, forget what depends on addresses.
 * returns: true when something was unloaded */
bool modules_check_unloaded(void);

/* Give stacks other hashes from now on. For the engine that has no rules, and so does not look at modules while
 * walking. */
void modules_new_seed(void);

/* Grows whenever something known by address became invalid: rules, remembered walks. */
extern HIDDEN _Atomic uint32_t modules_generation;

/* Start value of stack hashes: differs between two sets of modules that share an address range. */
extern HIDDEN _Atomic uint64_t modules_seed;

#endif
