/* Round numbers for the axes of charts. threads: any. */
#ifndef AXIS_H
#define AXIS_H

#include <stdint.h>

#define AXIS_TEXT_BYTES 32

/* The step of 1, 2 or 5 times a power of ten with which at most max_ticks reach from 0 to `largest`; never 0. */
uint64_t axis_step(uint64_t largest, unsigned max_ticks);

/* The lowest multiple of a step of axis_step() that holds all values up to `largest`; one step at the least. */
uint64_t axis_top(uint64_t largest, uint64_t step);

/* A byte count that is a multiple of `step`, in the unit that suits `largest`: "0", "250 kB", "1.5 MB". */
const char *axis_size(char text[AXIS_TEXT_BYTES], uint64_t bytes, uint64_t largest);

/* The step for times, in ticks: 1, 2, 5 times a power of ten of seconds; then minutes and hours. */
uint64_t axis_time_step(uint64_t largest_ticks, unsigned max_ticks);

/* A time that is a multiple of the step, in the unit that suits the largest: "0", "20 ms", "1.5 s", "10 min". */
const char *axis_time(char text[AXIS_TEXT_BYTES], uint64_t ticks, uint64_t largest_ticks);

#endif
