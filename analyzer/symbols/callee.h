/* Which libc function a call instruction names: read from the caller's code, through its PLT or GOT. Serves where the
 * called function has no name of its own, because libc is stripped and a tail call left an inner function on the stack.
 * x86-64 only; elsewhere nothing is found. threads: one per module. */
#ifndef CALLEE_H
#define CALLEE_H

#include <stddef.h>
#include <stdint.h>

struct callee_module;

/* Open the caller's file. returns: NULL when it is not there, or not the build that was recorded */
struct callee_module *callee_open(const char *path, const uint8_t *build_id, size_t build_id_bytes);
void callee_close(struct callee_module *module);

/* The function that is called by the instruction before `return_address` (an ELF virtual address).
 * returns: its name, valid while the module is open; NULL when that is no direct call, or not into libc
 * cost:    linear in the module's relocations */
const char *callee_name(const struct callee_module *module, uint64_t return_address);

#endif
