/* Unwind rules: what the unwind information says about one return address, packed into 64 bits, in a table that all
 * threads of the process share. Enters: a return address. Leaves: its rule. Called for every frame of every walk; a hit
 * costs some 2 ns, a miss compiles the rule from .eh_frame (cfi.h, modules.h). Lock-free: an entry whose halves do not
 * fit together is a miss. */
#ifndef UNWIND_RULES_H
#define UNWIND_RULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cfi.h"
#include "sys.h"

/* rule: bits 0-2 kind; 3-4 how the caller's rbp is found; 8-31 its offset; 32-63 the CFA's offset; offsets signed, in
 * bytes. With every kind but END, SIGNAL and FULL the return address is at CFA-8 and the caller's rsp is the CFA. */
enum rule_kind {
	RULE_NONE = 0,   /* an empty entry */
	RULE_SP = 1,     /* CFA = rsp + offset */
	RULE_BP = 2,     /* CFA = rbp + offset */
	RULE_GUESS = 3,  /* as BP, but for want of anything better: no unwind information covers the address */
	RULE_DEREF = 4,  /* CFA = *(rbp + offset): functions that align their stack (gcc's DRAP) */
	RULE_END = 5,    /* the outermost frame */
	RULE_SIGNAL = 6, /* the kernel's signal frame starts at rsp */
	RULE_FULL = 7,   /* beyond this packing: take the whole row (cfi_find) */
};

enum rule_bp {
	RULE_BP_SAME = 0,
	RULE_BP_AT_CFA = 1, /* saved at CFA + offset */
	RULE_BP_AT_BP = 2,  /* saved at rbp + offset */
};

static inline unsigned rule_kind(uint64_t rule)
{
	return rule & 7;
}

static inline unsigned rule_bp(uint64_t rule)
{
	return rule >> 3 & 3;
}

static inline int64_t rule_bp_offset(uint64_t rule)
{
	return (int32_t)(uint32_t)rule >> 8;
}

static inline int64_t rule_cfa_offset(uint64_t rule)
{
	return (int64_t)rule >> 32;
}

#define RULES_BITS 16 /* 64 K entries, 1 MiB of address space; clang's own compiler shows 30,000 return addresses */

struct rule_entry {
	_Atomic uint64_t check; /* rules_check(pc, rule) */
	_Atomic uint64_t rule;
};

extern HIDDEN struct rule_entry *rules_table; /* written once by rules_init */
extern HIDDEN _Atomic uint32_t rules_shift;   /* 64 - the bits of an index; falls as the table fills up */

/* The multiplication spreads a difference between two rules over all bits, so that the check of a torn entry (one half
 * from each of two writers) fits no address that a program could have. */
static inline uint64_t rules_check(uint64_t pc, uint64_t rule)
{
	return pc ^ rule * 0x9e3779b97f4a7c15ull;
}

/* Where an address is looked for first; the other places are the rest of this cache line. */
static inline uint64_t rules_slot(uint64_t pc)
{
	return pc * 0x9e3779b97f4a7c15ull >> atomic_load_explicit(&rules_shift, memory_order_relaxed);
}

/* The rule in an entry if it is for this address, else 0. */
static inline uint64_t rules_load(const struct rule_entry *e, uint64_t pc)
{
	uint64_t rule = atomic_load_explicit(&e->rule, memory_order_relaxed);
	return atomic_load_explicit(&e->check, memory_order_relaxed) == rules_check(pc, rule) ? rule : 0;
}

/* Look in the other places, or compile the rule and store it. work: room to work in, of this thread and level. */
uint64_t rules_search(uint64_t pc, struct cfi_work *work);

static inline uint64_t rules_find(uint64_t pc, struct cfi_work *work)
{
	uint64_t rule = rules_load(&rules_table[rules_slot(pc)], pc);
	return likely(rule != 0) ? rule : rules_search(pc, work);
}

/* The whole row for an address: of an interrupted instruction (exact) or of a call that returns there. */
enum cfi_result rules_row(uint64_t pc, bool exact, struct cfi_work *work);

/* In the constructor. returns: false when there is no memory */
bool rules_init(void);

/* Forget all rules. */
void rules_flush(void);

/* Forget the guesses in an address range, because a module was found there. returns: true when there were any */
bool rules_forget_guesses(uint64_t start, uint64_t end);

#endif
