/* Where the calling thread's stack begins and ends, found without allocating (pthread_getattr_np allocates). */
#ifndef BOUNDS_H
#define BOUNDS_H

#include <stdint.h>

/* Constructor, main thread. auxv_end: an address in the strings above the auxiliary vector, the stack's last bytes. */
void bounds_init(uintptr_t auxv_end);

/* low..high: everything in between belongs to this thread's stack, and [current stack pointer, high) can be read; 0, 0
 * when unknown. Any thread, async-signal-safe, some 100 ns. */
void bounds_of_self(uintptr_t *low, uintptr_t *high);

#endif
