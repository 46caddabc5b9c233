/* See unwind_rules.h. */
#include "unwind_rules.h"

#include <string.h>
#include <sys/mman.h>

#include "modules.h"
#include "shm.h"

#define N_ENTRIES (1u << RULES_BITS)
#define WAYS 4u /* entries of a cache line */
#define FIRST_BITS 10u
#define GROW_BITS 2u

struct rule_entry *rules_table;
_Atomic uint32_t rules_shift = 64 - FIRST_BITS;
static _Atomic uint32_t n_stored;  /* since the table grew */
static _Atomic uint32_t any_guess; /* a guess was stored since the table was last searched for guesses */

static uint64_t pack(enum rule_kind kind, int64_t cfa_offset, enum rule_bp bp, int64_t bp_offset)
{
	if (cfa_offset != (int32_t)cfa_offset || bp_offset < -(1 << 23) || bp_offset >= 1 << 23)
		return RULE_FULL;
	return (uint64_t)cfa_offset << 32 | ((uint64_t)bp_offset & 0xffffff) << 8 | (uint64_t)bp << 3 | (uint64_t)kind;
}

static uint64_t guess(void)
{
	return pack(RULE_GUESS, 16, RULE_BP_AT_CFA, -16);
}

/* Code that is known by its bytes, because unwind information for it is missing or says too little. */
static bool is_code(const struct module *m, uint64_t pc, const uint8_t *code, uint64_t n_bytes)
{
	return pc >= m->text_low && pc + n_bytes <= m->text_high &&
	       memcmp((const void *)(uintptr_t)pc, code, n_bytes) == 0;
}

/* mov $15, %rax; syscall: what a handler returns to (rt_sigreturn). */
static bool is_sigreturn(const struct module *m, uint64_t pc)
{
	static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
	return is_code(m, pc, code, sizeof(code));
}

/* mov %rbx, %rsp; mov (%rsp), %rdi; test %rdi, %rdi: glibc's __start_context, what the function that makecontext was
 * given returns to: there is nothing above. */
static bool is_start_context(const struct module *m, uint64_t pc)
{
	static const uint8_t code[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff};
	return is_code(m, pc, code, sizeof(code));
}

static bool find_cfa(const struct cfi_row *row, enum rule_kind *kind, int64_t *offset)
{
	uint32_t reg = row->cfa_register;
	bool deref = false;
	*offset = row->cfa.value;
	if (row->cfa.how == CFI_IS_EXPRESSION) {
		if (!cfi_simple_expression((const uint8_t *)(uintptr_t)row->cfa.value, &reg, offset, &deref))
			return false;
	} else if (row->cfa.how != CFI_REGISTER)
		return false;
	if (reg == CFI_RSP && !deref)
		*kind = RULE_SP;
	else if (reg == CFI_RBP)
		*kind = deref ? RULE_DEREF : RULE_BP;
	else
		return false;
	return true;
}

static bool find_bp(const struct cfi_place *place, enum rule_bp *bp, int64_t *offset)
{
	uint32_t reg;
	bool deref;
	*offset = 0;
	*bp = RULE_BP_SAME;
	switch (place->how) {
	case CFI_SAME:
	case CFI_UNDEFINED:
		return true;
	case CFI_AT:
		*bp = RULE_BP_AT_CFA;
		*offset = place->value;
		return true;
	case CFI_AT_EXPRESSION:
		*bp = RULE_BP_AT_BP;
		return cfi_simple_expression((const uint8_t *)(uintptr_t)place->value, &reg, offset, &deref) &&
		       reg == CFI_RBP && !deref;
	default:
		return false;
	}
}

static uint64_t compile_row(const struct cfi_row *row)
{
	const struct cfi_place *ra = &row->reg[row->ra_column];
	enum rule_kind kind;
	enum rule_bp bp;
	int64_t cfa_offset;
	int64_t bp_offset;
	if (ra->how == CFI_UNDEFINED)
		return RULE_END;
	if (row->signal_frame || ra->how != CFI_AT || ra->value != -8 || row->reg[CFI_RSP].how != CFI_SAME)
		return RULE_FULL;
	if (!find_cfa(row, &kind, &cfa_offset) || !find_bp(&row->reg[CFI_RBP], &bp, &bp_offset))
		return RULE_FULL;
	return pack(kind, cfa_offset, bp, bp_offset);
}

enum cfi_result rules_row(uint64_t pc, bool exact, struct cfi_work *work)
{
	uint64_t at = exact ? pc : pc - 1;
	const struct module *m = modules_find(at);
	return m && m->image.hdr ? cfi_find(&m->image, at, work) : CFI_NONE;
}

static uint64_t compile(uint64_t pc, struct cfi_work *work)
{
	const struct module *m = modules_find(pc - 1);
	if (m && is_sigreturn(m, pc))
		return RULE_SIGNAL;
	if (m && is_start_context(m, pc))
		return RULE_END;
	if (m && m->image.hdr && cfi_find(&m->image, pc - 1, work) == CFI_OK)
		return compile_row(&work->row);
	atomic_store_explicit(&any_guess, 1, memory_order_relaxed);
	return guess();
}

static uint32_t count_entries(void)
{
	return 1u << (64 - atomic_load_explicit(&rules_shift, memory_order_relaxed));
}

/* In an empty place of the line; else the first place's entry makes room for one, and so do the others in turn. */
static void place(uint64_t pc, uint64_t rule)
{
	static _Atomic uint32_t turn;
	uint64_t slot = rules_slot(pc);
	uint64_t way = 0;
	while (way < WAYS && atomic_load_explicit(&rules_table[slot ^ way].rule, memory_order_relaxed))
		way++;
	if (way == WAYS)
		way = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) % WAYS;
	struct rule_entry *e = &rules_table[slot ^ way];
	atomic_store_explicit(&e->check, rules_check(pc, rule), memory_order_relaxed);
	atomic_store_explicit(&e->rule, rule, memory_order_relaxed);
}

/* After the table grew: what it held goes to its new places. What another thread writes meanwhile may be lost. */
static void spread(uint32_t n_old)
{
	uint32_t generation = atomic_load_explicit(&modules_generation, memory_order_acquire);
	for (uint32_t i = 0; i < n_old; i++) {
		uint64_t rule = atomic_load_explicit(&rules_table[i].rule, memory_order_relaxed);
		uint64_t check = atomic_load_explicit(&rules_table[i].check, memory_order_relaxed);
		if (!rule || (rules_slot(rules_check(check, rule)) ^ i) < WAYS)
			continue;
		atomic_store_explicit(&rules_table[i].rule, 0, memory_order_relaxed);
		if (generation != atomic_load_explicit(&modules_generation, memory_order_acquire))
			return;
		place(rules_check(check, rule), rule);
	}
}

/* The table begins with 16 KiB: every page that is touched costs a short program more than the rules in it. */
static void make_room(void)
{
	uint32_t shift = atomic_load_explicit(&rules_shift, memory_order_relaxed), n = 1u << (64 - shift);
	if (atomic_fetch_add_explicit(&n_stored, 1, memory_order_relaxed) < n / 2 || shift <= 64 - RULES_BITS ||
	    !atomic_compare_exchange_strong(&rules_shift, &shift, shift - GROW_BITS))
		return;
	spread(n);
}

static void store(uint64_t pc, uint64_t rule)
{
	make_room();
	place(pc, rule);
}

uint64_t rules_search(uint64_t pc, struct cfi_work *work)
{
	for (uint64_t way = 1; way < WAYS; way++) {
		uint64_t rule = rules_load(&rules_table[rules_slot(pc) ^ way], pc);
		if (rule)
			return rule;
	}
	uint32_t generation = atomic_load_explicit(&modules_generation, memory_order_acquire);
	uint64_t rule = compile(pc, work);
	/* Do not bring back what a flush meanwhile threw away. */
	if (generation == atomic_load_explicit(&modules_generation, memory_order_acquire))
		store(pc, rule);
	return rule;
}

bool rules_init(void)
{
	rules_table = shm_private(N_ENTRIES * sizeof(*rules_table));
	return rules_table != NULL;
}

void rules_flush(void)
{
	if (!rules_table)
		return;
	uint32_t n = count_entries();
	for (uint32_t i = 0; i < n; i++)
		if (atomic_load_explicit(&rules_table[i].rule, memory_order_relaxed))
			atomic_store_explicit(&rules_table[i].rule, 0, memory_order_relaxed);
}

bool rules_forget_guesses(uint64_t start, uint64_t end)
{
	bool found = false;
	if (!atomic_exchange_explicit(&any_guess, 0, memory_order_relaxed))
		return false;
	uint32_t n = count_entries();
	for (uint32_t i = 0; i < n; i++) {
		uint64_t rule = atomic_load_explicit(&rules_table[i].rule, memory_order_relaxed);
		uint64_t check = atomic_load_explicit(&rules_table[i].check, memory_order_relaxed);
		if (rule_kind(rule) != RULE_GUESS)
			continue;
		if (rules_check(check, rule) - start < end - start) {
			atomic_store_explicit(&rules_table[i].rule, 0, memory_order_relaxed);
			found = true;
		} else
			atomic_store_explicit(&any_guess, 1, memory_order_relaxed);
	}
	return found;
}
