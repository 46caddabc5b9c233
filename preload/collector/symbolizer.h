/* Names for addresses, for the whole session: each module and each address in it is asked for once, of one child
 * process (resolver.h) that is started with the first question and answers while the recording goes on. When it dies
 * over a question, another goes on behind it; a module that killed two is asked about no more. Without any, everything
 * is answered with nothing. Writer thread only. */
#ifndef SYMBOLIZER_H
#define SYMBOLIZER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/ring.h"

struct symbol {
	uint32_t function, file; /* of stringpool.h */
	uint32_t line;
};

/* The session's number of a module, from 1; its file is opened now, unless a file of the same path and build-id was
 * before. pid: in whose root folder the path is; 0: ours. returns: 0 without memory */
uint32_t symbolizer_module(const struct tidemark_module *module, const char *path, pid_t pid);

/* Which names its answers have; valid once its frames are answered. */
enum tidemark_symbol_quality symbolizer_quality(uint32_t module);

/* Ask for an address. offset: in the ELF file's virtual addresses; flags: TIDEMARK_NODE_*. returns: the question's
 * number, from 1; the same for the same question; 0 without memory */
uint32_t symbolizer_ask(uint32_t module, uint64_t offset, unsigned flags);

/* Ask for an address in the code that a process made itself and wrote to a perf map. */
uint32_t symbolizer_ask_jit(uint32_t perf_map, uint64_t pc, unsigned flags);

/* The session's number of a perf map, from 1; 0 without memory. path: what to open now or later */
uint32_t symbolizer_perf_map(pid_t pid, const char *path);

bool symbolizer_is_answered(uint32_t question);

/* The functions at an address, innermost inlined first; valid until the next call into this part. */
const struct symbol *symbolizer_answer(uint32_t question, uint32_t *n);

/* Questions without an answer. */
uint32_t symbolizer_pending(void);

/* What to poll for: fills two entries (fd -1 when there is nothing to wait for). */
void symbolizer_poll(struct pollfd *fds);

/* Send and receive what can be without waiting. */
void symbolizer_pump(void);

/* Is the child there? Then pump it every few seconds also when nothing happens, so that it can be sent home. */
bool symbolizer_runs(void);

/* Somebody waits for answers: the child shall work at normal priority from now on. May be called often. */
void symbolizer_hurry(void);

/* When the last answer came. */
uint64_t symbolizer_progress_ns(void);

/* Ask no more about the module that the child is busy with. */
void symbolizer_skip_module(void);

/* Stop asking: all open questions are answered with nothing. */
void symbolizer_give_up(void);

#endif
