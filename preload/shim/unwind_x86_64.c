/* The own unwinder for x86-64. Two loops: walk_quick() applies packed rules inside the known bounds of the thread's
 * stack, some 5 ns a frame; step() does one frame of anything else: foreign stacks, signal frames, whole rows, guesses.
 *
 * What may be read: inside the thread's own stack everything from a live stack pointer to the top is mapped. Elsewhere
 * (a coroutine, an alternate signal stack) unwind information that does not fit could lead anywhere, so each page is
 * probed once a walk. A frame's slots lie between its stack pointer and its CFA, and the CFA grows from frame to frame;
 * only a frame that found its CFA by rbp may switch to another stack (split stacks), a bounded number of times. */
#include "unwind_walk.h"

#if UNWIND_OWN_RULES

#include <string.h>

#include "intern.h"
#include "tidemark/ring.h"
#include "unwind_probe.h"
#include "unwind_rules.h"

#define MAX_SWITCHES 64u /* changes of stack in one walk */
#define SLOW_FACTOR 16u  /* steps on foreign stacks, in units of capacity: some 5,000 frames with the default depth */
#define MAX_GUESSED_BYTES (1ull << 20) /* a frame larger than this is no frame */
#define PROVEN 8u

/* Offsets in the kernel's signal frame, from the stack pointer after the handler returned (struct rt_sigframe less its
 * return address): uc_mcontext begins at byte 40 of the ucontext, in the order of <sys/ucontext.h>. */
#define UCONTEXT_GREGS 40u
static const uint8_t gregs_of_dwarf[CFI_REGS] = {13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16};

#define KNOWN_FRAME (1u << CFI_RSP | 1u << CFI_RBP | 1u << CFI_RA)

enum progress {
	GO_ON,
	IRREGULAR, /* the quick loop cannot do this frame */
	DONE,
	BROKEN,
};

struct walker {
	struct unwind_walk *w;
	struct cfi_registers regs; /* of the frame to be done next */
	uint32_t flags;            /* of that frame */
	bool rows_only;            /* track all registers */
	uint64_t floor;            /* lowest address of the own stack that is known to be live; 0: none */
	uint64_t pages[PROVEN];    /* probed in this walk */
	uint32_t n_pages;
	uint32_t n_switches;
	uint64_t n_slow;
};

static bool page_readable(struct walker *k, uint64_t page)
{
	for (uint32_t i = 0; i < PROVEN; i++)
		if (k->pages[i] == page)
			return true;
	if (!probe_readable(page << 12))
		return false;
	k->pages[k->n_pages++ % PROVEN] = page;
	return true;
}

static bool read_word(void *context, uint64_t address, uint64_t *value)
{
	struct walker *k = context;
	bool own = k->floor && address >= k->floor && address <= k->w->high - 8;
	if (!own && (address < 4096 || !page_readable(k, address >> 12) || !page_readable(k, (address + 7) >> 12)))
		return false;
	memcpy(value, (const void *)(uintptr_t)address, 8);
	return true;
}

static bool on_own_stack(const struct unwind_walk *w, uint64_t sp)
{
	return sp >= w->low && sp < w->high;
}

/* Called when the buffer is full: does what an earlier deep walk of this thread found at the root still stand? Frames
 * in the middle are not looked at, and not reported either; see stack.c on deep stacks. */
static bool outer_stands(struct unwind_walk *w, uint64_t sp)
{
	if (w->n_outer < w->half)
		return false;
	for (uint32_t i = 0; i < w->n_outer; i++) {
		const struct unwind_outer *o = &w->outer[i];
		if (o->sp - 8 <= sp || o->sp > w->high)
			return false;
		if (*(const uint64_t *)(uintptr_t)(o->sp - 8) != (o->word & TIDEMARK_ADDRESS_MASK))
			return false;
	}
	return true;
}

/* Count a frame in; false when the walk may stop there because the rest is known. */
static bool push(struct unwind_walk *w, uint64_t pc, uint32_t flags, const struct cfi_registers *regs, uint64_t rule)
{
	uint64_t sp = regs->r[CFI_RSP];
	if (w->n == w->capacity) {
		w->pure = false;
		w->outer_used = on_own_stack(w, sp) && outer_stands(w, sp);
		if (w->outer_used)
			return false;
	}
	*unwind_frame_at(w, w->n++) = (struct unwind_frame){intern_word(pc, flags), sp, regs->r[CFI_RBP], rule};
	return true;
}

/* Go on to the next known frame that is not below sp. returns: its index; -1 when there is none. When its sp is equal,
 * it is the same state as the given one. */
static inline int32_t meet(const struct unwind_walk *w, int32_t join, uint64_t word, uint64_t sp, uint64_t bp)
{
	while (join >= 0 && w->known[join].sp < sp)
		join--;
	if (join >= 0 && w->known[join].sp == sp) {
		const struct unwind_known *k = &w->known[join];
		if (k->word != word || (k->bp_live && k->bp != bp))
			join--;
	}
	return join;
}

/* The CFA by a packed rule; 0 when it is none of those that lead on, or would be read off the stack. */
static inline uint64_t quick_cfa(uint64_t rule, uint64_t sp, uint64_t bp, uint64_t high)
{
	uint64_t offset = (uint64_t)rule_cfa_offset(rule), slot = bp + offset;
	unsigned kind = rule_kind(rule);
	if (kind == RULE_SP)
		return sp + offset;
	if (kind <= RULE_GUESS)
		return bp + offset;
	return kind == RULE_DEREF && slot >= sp && slot <= high - 8 ? *(const uint64_t *)(uintptr_t)slot : 0;
}

/* The caller's bp. returns: false when it would be read off the stack */
static inline bool quick_bp(uint64_t rule, uint64_t cfa, uint64_t sp, uint64_t high, uint64_t *bp)
{
	if (rule_bp(rule) == RULE_BP_SAME)
		return true;
	uint64_t slot = (rule_bp(rule) == RULE_BP_AT_CFA ? cfa : *bp) + (uint64_t)rule_bp_offset(rule);
	if (slot < sp || slot > high - 8)
		return false;
	*bp = *(const uint64_t *)(uintptr_t)slot;
	return true;
}

/* Regular frames on the own stack. Leaves the first frame that it could not do in k->regs. */
static enum progress walk_quick(struct walker *k)
{
	struct unwind_walk *w = k->w;
	struct unwind_frame *frame = w->frames + w->n;
	struct unwind_frame *end = w->frames + w->capacity;
	uint64_t pc = k->regs.r[CFI_RA];
	uint64_t sp = k->regs.r[CFI_RSP];
	uint64_t bp = k->regs.r[CFI_RBP];
	uint64_t high = w->high;
	uint64_t flags = (uint64_t)k->flags << INTERN_FLAGS_SHIFT;
	enum progress progress = IRREGULAR;
	int32_t join = w->join;
	uint64_t join_sp = join >= 0 ? w->known[join].sp : UINT64_MAX;
	if (!on_own_stack(w, sp) || w->n >= w->capacity)
		return IRREGULAR;
	if (!k->floor)
		k->floor = sp;
	while (frame < end) {
		if (sp >= join_sp) {
			join = meet(w, join, pc | flags, sp, bp);
			join_sp = join >= 0 ? w->known[join].sp : UINT64_MAX;
			if (join_sp == sp) {
				w->join = join;
				w->n = (uint64_t)(frame - w->frames);
				return DONE;
			}
		}
		uint64_t rule = rules_find(pc, w->work);
		unsigned kind = rule_kind(rule);
		uint64_t cfa = quick_cfa(rule, sp, bp, high), next_bp = bp;
		if (kind == RULE_END) {
			*frame++ = (struct unwind_frame){pc | flags, sp, bp, rule};
			progress = DONE;
			break;
		}
		if (cfa < sp + 8 || cfa > high || (kind == RULE_GUESS && sp - unwind_entry_sp < 16) ||
		    !quick_bp(rule, cfa, sp, high, &next_bp))
			break;
		*frame++ = (struct unwind_frame){pc | flags, sp, bp, rule};
		flags = kind == RULE_GUESS ? (uint64_t)TIDEMARK_NODE_GUESS << INTERN_FLAGS_SHIFT : 0;
		pc = *(const uint64_t *)(uintptr_t)(cfa - 8);
		sp = cfa;
		bp = next_bp;
		if (pc - 1 >= TIDEMARK_ADDRESS_MASK) {
			progress = pc == 0 ? DONE : BROKEN;
			w->end_sp = sp;
			break;
		}
	}
	w->join = -1;
	w->n = (uint64_t)(frame - w->frames);
	k->flags = (uint32_t)(flags >> INTERN_FLAGS_SHIFT);
	k->regs.r[CFI_RA] = pc;
	k->regs.r[CFI_RSP] = sp;
	k->regs.r[CFI_RBP] = bp;
	k->regs.known = KNOWN_FRAME;
	return progress;
}

/* What the kernel saved when it called the handler. */
static bool read_signal_frame(struct walker *k)
{
	uint64_t sp = k->regs.r[CFI_RSP];
	struct cfi_registers regs = {.known = (1u << CFI_REGS) - 1};
	for (uint32_t i = 0; i < CFI_REGS; i++)
		if (!read_word(k, sp + UCONTEXT_GREGS + 8u * gregs_of_dwarf[i], &regs.r[i]))
			return false;
	k->regs = regs;
	k->flags = TIDEMARK_NODE_EXACT;
	if (on_own_stack(k->w, regs.r[CFI_RSP]))
		k->floor = regs.r[CFI_RSP];
	return true;
}

static bool step_packed(struct walker *k, uint64_t rule)
{
	uint64_t sp = k->regs.r[CFI_RSP];
	uint64_t bp = k->regs.r[CFI_RBP];
	unsigned kind = rule_kind(rule);
	uint64_t cfa = (kind == RULE_SP ? sp : bp) + (uint64_t)rule_cfa_offset(rule);
	uint64_t pc;
	uint64_t next_bp = bp;
	if (kind != RULE_SP && !(k->regs.known & 1u << CFI_RBP))
		return false;
	if (kind == RULE_DEREF && !read_word(k, cfa, &cfa))
		return false;
	if (cfa < sp + 8 && (kind != RULE_BP || k->n_switches++ >= MAX_SWITCHES))
		return false;
	if (kind == RULE_GUESS &&
	    (bp < sp || bp & 7 || cfa - sp > MAX_GUESSED_BYTES || (on_own_stack(k->w, sp) && cfa > k->w->high)))
		return false;
	if (rule_bp(rule) != RULE_BP_SAME &&
	    !read_word(k, (rule_bp(rule) == RULE_BP_AT_CFA ? cfa : bp) + (uint64_t)rule_bp_offset(rule), &next_bp))
		return false;
	if (!read_word(k, cfa - 8, &pc))
		return false;
	k->regs.r[CFI_RA] = pc;
	k->regs.r[CFI_RSP] = cfa;
	k->regs.r[CFI_RBP] = next_bp;
	k->regs.known = KNOWN_FRAME;
	k->flags = kind == RULE_GUESS ? TIDEMARK_NODE_GUESS : 0;
	return true;
}

static enum progress step_row(struct walker *k, const struct cfi_row *row)
{
	struct cfi_memory memory = {read_word, k};
	uint64_t sp = k->regs.r[CFI_RSP];
	uint64_t cfa;
	if (row->reg[row->ra_column].how == CFI_UNDEFINED)
		return DONE;
	if (!cfi_step(row, &k->regs, &memory, &cfa) || !(k->regs.known & 1u << CFI_RSP))
		return BROKEN;
	if (k->regs.r[CFI_RSP] <= sp && k->n_switches++ >= MAX_SWITCHES)
		return BROKEN;
	/* Packed rules need rbp. If it came from a register that only rows keep track of, this is the end for them. */
	if (!k->rows_only && !(k->regs.known & 1u << CFI_RBP))
		return BROKEN;
	k->flags = row->signal_frame ? TIDEMARK_NODE_EXACT : 0;
	return GO_ON;
}

/* One frame, whatever it is. */
static enum progress step(struct walker *k)
{
	static const uint64_t guess =
	    (uint64_t)16 << 32 | (uint64_t)(-16 & 0xffffff) << 8 | RULE_BP_AT_CFA << 3 | RULE_GUESS;
	uint64_t pc = k->regs.r[CFI_RA];
	bool exact = k->flags & TIDEMARK_NODE_EXACT;
	uint64_t rule = exact ? RULE_FULL : rules_find(pc, k->w->work);
	enum progress progress = GO_ON;
	k->w->join = -1;
	if (!push(k->w, pc, k->flags, &k->regs, rule))
		return DONE;
	/* The loader calls constructors from its entry point, which has no unwind information. */
	if (rule == RULE_END || (rule_kind(rule) == RULE_GUESS && k->regs.r[CFI_RSP] - unwind_entry_sp < 16))
		return DONE;
	if (!on_own_stack(k->w, k->regs.r[CFI_RSP]) && ++k->n_slow > (uint64_t)SLOW_FACTOR * k->w->capacity)
		return BROKEN;
	k->w->pure = false;
	if (rule == RULE_SIGNAL)
		return read_signal_frame(k) ? GO_ON : BROKEN;
	if (rule == RULE_FULL || (k->rows_only && rule_kind(rule) != RULE_GUESS)) {
		enum cfi_result result = rules_row(pc, exact, k->w->work);
		if (result == CFI_OK)
			progress = step_row(k, &k->w->work->row);
		else
			progress = step_packed(k, guess) ? GO_ON : BROKEN;
	} else
		progress = step_packed(k, rule) ? GO_ON : BROKEN;
	if (progress == GO_ON && k->regs.r[CFI_RA] - 1 >= TIDEMARK_ADDRESS_MASK)
		progress = k->regs.r[CFI_RA] == 0 && !(k->flags & TIDEMARK_NODE_EXACT) ? DONE : BROKEN;
	return progress;
}

static enum progress walk_on(struct walker *k)
{
	enum progress progress;
	do {
		progress = k->rows_only || k->flags & TIDEMARK_NODE_EXACT ? IRREGULAR : walk_quick(k);
		if (progress == IRREGULAR)
			progress = step(k);
	} while (progress == GO_ON);
	return progress;
}

static void begin(struct walker *k, struct unwind_walk *w, uint64_t pc, uint64_t sp, uint64_t bp)
{
	memset(k, 0, sizeof(*k));
	k->w = w;
	k->regs.r[CFI_RA] = pc;
	k->regs.r[CFI_RSP] = sp;
	k->regs.r[CFI_RBP] = bp;
	k->regs.known = KNOWN_FRAME;
	k->pages[k->n_pages++] = (sp - 8) >> 12; /* the hook's return address was pushed there */
	w->n = 0;
	w->outer_used = false;
	w->pure = true;
	w->end_sp = 0;
}

/* Start over from inside this function with every register known, because a frame is found by one that the hooks did
 * not hand over: up to the frame at sp, then as usual but by whole rows. */
static __attribute__((noinline)) enum progress walk_rows(struct walker *k, uint64_t pc, uint64_t sp)
{
	struct cfi_registers *r = &k->regs;
	begin(k, k->w, pc, sp, 0);
	k->rows_only = true;
	__asm__ volatile("lea 0(%%rip), %%rax\n\t"
	                 "mov %%rax, 128(%0)\n\t"
	                 "mov %%rbx, 24(%0)\n\t"
	                 "mov %%rbp, 48(%0)\n\t"
	                 "mov %%rsp, 56(%0)\n\t"
	                 "mov %%r12, 96(%0)\n\t"
	                 "mov %%r13, 104(%0)\n\t"
	                 "mov %%r14, 112(%0)\n\t"
	                 "mov %%r15, 120(%0)"
	                 :
	                 : "r"(r->r)
	                 : "rax", "memory");
	r->known = KNOWN_FRAME | 1u << CFI_RBX | 0xf000u;
	k->floor = on_own_stack(k->w, r->r[CFI_RSP]) ? r->r[CFI_RSP] : 0;
	while (r->r[CFI_RSP] < sp) {
		if (rules_row(r->r[CFI_RA], false, k->w->work) != CFI_OK || step_row(k, &k->w->work->row) != GO_ON)
			return BROKEN;
	}
	if (r->r[CFI_RSP] != sp || r->r[CFI_RA] != pc)
		return BROKEN;
	return walk_on(k);
}

void unwind_own(struct unwind_walk *w, uint64_t pc, uint64_t sp, uint64_t bp)
{
	struct walker k;
	begin(&k, w, pc, sp, bp);
	enum progress progress = walk_on(&k);
	if (progress == BROKEN && w->n > 0 && unwind_frame_at(w, w->n - 1)->rule == RULE_FULL) {
		uint64_t n = w->n;
		progress = walk_rows(&k, pc, sp);
		if (w->n < n) { /* not even as far */
			begin(&k, w, pc, sp, bp);
			progress = walk_on(&k);
		}
	}
	w->broken = progress == BROKEN;
}

#endif
