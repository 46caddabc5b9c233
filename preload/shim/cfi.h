/* Unwind information: from an address to the row of the call frame table that describes it (DWARF 5 section 6.4, LSB
 * .eh_frame, x86-64 psABI 3.6.2). Enters: an object's .eh_frame_hdr and .eh_frame as mapped. Leaves: one row.
 * Called by the unwinder at the first sight of an address, on every thread and in signal handlers: no lock, no system
 * call, no allocation. The bytes are hostile: nothing outside the given ranges is read, and the work is bounded by
 * their length. */
#ifndef CFI_H
#define CFI_H

#include <stdbool.h>
#include <stdint.h>

/* DWARF register numbers of x86-64 (psABI figure 3.36). */
enum {
	CFI_RBX = 3,
	CFI_RBP = 6,
	CFI_RSP = 7,
	CFI_RA = 16,
	CFI_REGS = 17,
};

#define CFI_REMEMBERED 8 /* nested remember_state; compilers use one or two */

/* Where an object keeps its unwind information. */
struct cfi_image {
	const uint8_t *hdr; /* .eh_frame_hdr */
	const uint8_t *hdr_end;
	const uint8_t *low; /* the readable segment that .eh_frame lies in */
	const uint8_t *high;
};

/* How a register of the caller is found. */
enum cfi_how {
	CFI_SAME = 0, /* also where the table says nothing */
	CFI_UNDEFINED,
	CFI_AT,            /* saved at CFA + value */
	CFI_IS,            /* is CFA + value */
	CFI_REGISTER,      /* is in register number value */
	CFI_AT_EXPRESSION, /* saved at the address that the expression yields */
	CFI_IS_EXPRESSION, /* is what the expression yields */
};

struct cfi_place {
	int64_t
	    value; /* an expression: address of its length (ULEB128), checked to lie in the image with all its bytes */
	uint32_t how;
};

struct cfi_row {
	struct cfi_place cfa; /* CFI_REGISTER: register number in cfa_register, value is added; or CFI_IS_EXPRESSION */
	uint32_t cfa_register;
	uint32_t ra_column;
	bool signal_frame; /* the frame below was interrupted, not called: its address is exact */
	struct cfi_place reg[CFI_REGS];
};

/* Room to work in, some 3 KB: too much for the small stacks that signal handlers may have. */
struct cfi_work {
	struct cfi_row row; /* the result */
	struct cfi_row initial;
	struct cfi_row remembered[CFI_REMEMBERED];
};

enum cfi_result {
	CFI_OK = 0,
	CFI_NONE = -1, /* no entry covers the address */
	CFI_BAD = -2,  /* malformed, or beyond what is understood */
};

/* Find the row for the instruction at pc (for a return address give it less one) into work->row.
 * cost: about half a microsecond; O(log n) entries, linear in the entry's length */
enum cfi_result cfi_find(const struct cfi_image *image, uint64_t pc, struct cfi_work *work);

/* Values of the registers in one frame. */
struct cfi_registers {
	uint64_t r[CFI_REGS]; /* r[CFI_RA] is the pc */
	uint32_t known;       /* bit per register */
};

/* Reads 8 bytes of the target's memory; false when that is not possible. */
struct cfi_memory {
	bool (*read)(void *context, uint64_t address, uint64_t *value);
	void *context;
};

/* Apply a row: the registers of the caller. *cfa is set too.
 * returns: false when the row needs what is not known or cannot be read */
bool cfi_step(
    const struct cfi_row *row, struct cfi_registers *registers, const struct cfi_memory *memory, uint64_t *cfa);

/* Evaluate a DWARF expression whose length field is at `expression`; `first`, if not NULL, is pushed before.
 * returns: false when it is malformed, too long, or needs what is not known */
bool cfi_evaluate(const uint8_t *expression, const struct cfi_registers *registers, const struct cfi_memory *memory,
    const uint64_t *first, uint64_t *result);

/* If the expression is `breg n`, or `breg n; deref`: the register, the offset and whether it is dereferenced. */
bool cfi_simple_expression(const uint8_t *expression, uint32_t *reg, int64_t *offset, bool *deref);

/* The bytes that are left of a range. Reading past the end yields zeros and sets bad. */
struct cfi_bytes {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};
uint64_t cfi_get_fixed(struct cfi_bytes *b, unsigned n_bytes);
uint64_t cfi_get_uleb(struct cfi_bytes *b);
int64_t cfi_get_sleb(struct cfi_bytes *b);

#endif
