/* Verdicts on leak rates, operations_verdict() of operations.h, and how they and rates are written. threads: any. */
#ifndef OP_VERDICT_H
#define OP_VERDICT_H

#include "core/operations.h"

/* A rate in bytes for people: "12.3 kB", "no bound" for infinity, "0.5 B" below 10 bytes. */
#define RATE_TEXT_BYTES 40
const char *rate_text(char text[RATE_TEXT_BYTES], double bytes);

#endif
