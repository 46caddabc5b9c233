/* What the generated functions (generate.py) share with driver.cc. */
#ifndef GENERATED_H
#define GENERATED_H

#include <alloca.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef long function(unsigned depth, unsigned seed);
extern function *const functions[];
extern const unsigned n_functions;
extern volatile long sink;
extern volatile int may_throw;

void keep(void *p); /* the compiler must believe that p is used */
void allocate0(unsigned seed);
void allocate1(unsigned seed);
void allocate2(unsigned seed);
void allocate3(unsigned seed);
void allocate4(unsigned seed);

/* asm_frames.S: each calls function(depth, seed) from a frame that only special unwind information describes. */
function asm_rbx, asm_expression, asm_saved_expression, asm_moved, asm_value, asm_switch, asm_restore, asm_big,
    asm_aligned;

#define F(n) function f##n;
#include "functions.h"
#undef F

#ifdef __cplusplus
}
#endif
#endif
