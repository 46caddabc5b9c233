/* From registers to a stack id: walk the stack, intern its frames in the shared trie, publish modules at first sight.
 * Enters: pc, sp and bp of the caller of a hooked function. Leaves: a node id. Called by the hooks on every thread,
 * also in signal handlers; takes no lock, makes no system call in steady state, never allocates from the target's heap.
 */
#ifndef STACK_H
#define STACK_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/ring.h"

struct stack_state; /* of one thread and nesting level; lives in memory that the caller gives */

/* Once, in the constructor, after shm stands. mode: what the user asked for; depth: frames kept of a stack.
 * returns: the mode in force */
enum tidemark_unwinder stack_init(enum tidemark_unwinder mode, uint32_t depth);

size_t stack_state_bytes(void);

/* memory: zeroed, stack_state_bytes() long, 64-byte aligned. low, high: the known bounds of the thread's stack; 0, 0
 * when unknown (then nothing is assumed to be readable beyond what unwind information implies). */
struct stack_state *stack_state_init(void *memory, uintptr_t low, uintptr_t high);

/* The id of the stack whose innermost frame is the caller at pc (a return address) with its sp and bp at the call.
 * returns: a node id, 0 when the trie is full (counted in lost_stacks) */
uint32_t stack_capture(struct stack_state *s, uint64_t pc, uint64_t sp, uint64_t bp);

/* The stack that is nothing but a mark: flags is TIDEMARK_NODE_EARLY, for events from before the shim could unwind. */
uint32_t stack_special(uint32_t flags);

/* The program's main is about to be called: libc and the loader are ready for a dlopen. Loads libunwind if that is the
 * engine; until then stacks are walked by own rules, or consist of their leaf. Called by the hook of __libc_start_main.
 */
void stack_main_begins(void);

/* A library may have been unloaded (after the real dlclose): forget what was known by address. */
void stack_unloaded(void);

#endif
