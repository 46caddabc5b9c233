/* A number for a stack that other builds and other machines give it too: made of functions and modules by name, never of
 * lines, addresses or folders. Enters: frames. Leaves: 64 bits. docs/metrics.md tells how it is made. threads: any. */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include "core/stacks.h"

#define FINGERPRINT_TEXT_BYTES 17

/* frames: innermost first, what starts main() or a thread does not count; a function that calls itself counts once */
uint64_t fingerprint(const struct frame_view *const *frames, size_t n_frames);

/* What starts main() or a thread says nothing and differs between machines. returns: how many of the frames, innermost
 * first, there are without it */
size_t fingerprint_frames(const struct frame_view *const *frames, size_t n_frames);

/* 16 hexadecimal digits. returns: text */
const char *fingerprint_text(char text[FINGERPRINT_TEXT_BYTES], uint64_t value);

#endif
