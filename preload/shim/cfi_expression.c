/* DWARF expressions in unwind information, and the application of one row to a set of registers (cfi.h).
 * Opcodes by their numbers in DWARF 5 table 7.9. */
#include <stddef.h>

#include "cfi.h"

#define MAX_STACK 16 /* the deepest in glibc and in what gcc and clang write is 4 */
#define MAX_OPS 256  /* expressions may branch backwards */

struct machine {
	struct cfi_bytes b;
	const uint8_t *start;
	const struct cfi_registers *registers;
	const struct cfi_memory *memory;
	uint64_t stack[MAX_STACK];
	unsigned depth;
};

static struct cfi_bytes open_expression(const uint8_t *expression)
{
	/* The parser saw that length and bytes lie inside the image; ten bytes hold any length. */
	struct cfi_bytes b = {expression, expression + 10, false};
	uint64_t length = cfi_get_uleb(&b);
	b.end = b.at + length;
	return b;
}

static void push(struct machine *m, uint64_t value)
{
	if (m->depth < MAX_STACK)
		m->stack[m->depth++] = value;
	else
		m->b.bad = true;
}

static uint64_t pop(struct machine *m)
{
	if (m->depth == 0) {
		m->b.bad = true;
		return 0;
	}
	return m->stack[--m->depth];
}

static void push_register(struct machine *m, uint64_t reg, int64_t offset)
{
	if (reg >= CFI_REGS || !(m->registers->known & 1u << reg))
		m->b.bad = true;
	else
		push(m, m->registers->r[reg] + (uint64_t)offset);
}

static void push_memory(struct machine *m, unsigned n_bytes)
{
	uint64_t value = 0;
	if (!m->memory->read(m->memory->context, pop(m), &value) || n_bytes == 0 || n_bytes > 8)
		m->b.bad = true;
	push(m, n_bytes < 8 ? value & ((1ull << 8 * (n_bytes & 7)) - 1) : value);
}

static void copy_from(struct machine *m, uint64_t depth)
{
	if (depth >= m->depth)
		m->b.bad = true;
	else
		push(m, m->stack[m->depth - 1 - depth]);
}

static void jump(struct machine *m, bool taken)
{
	int64_t distance = (int16_t)cfi_get_fixed(&m->b, 2);
	if (!taken || m->b.bad)
		return;
	if (distance < m->start - m->b.at || distance > m->b.end - m->b.at)
		m->b.bad = true;
	else
		m->b.at += distance;
}

static void swap_or_rotate(struct machine *m, unsigned n)
{
	uint64_t top = pop(m);
	uint64_t second = pop(m);
	uint64_t third = n == 3 ? pop(m) : 0;
	push(m, top);
	if (n == 3)
		push(m, third);
	push(m, second);
}

static void binary(struct machine *m, uint8_t op)
{
	uint64_t b = pop(m);
	uint64_t a = pop(m);
	int64_t sa = (int64_t)a;
	int64_t sb = (int64_t)b;
	switch (op) {
	case 0x1a:
		push(m, a & b);
		break;
	case 0x1c:
		push(m, a - b);
		break;
	case 0x1e:
		push(m, a * b);
		break;
	case 0x21:
		push(m, a | b);
		break;
	case 0x22:
		push(m, a + b);
		break;
	case 0x24:
		push(m, b < 64 ? a << b : 0);
		break;
	case 0x25:
		push(m, b < 64 ? a >> b : 0);
		break;
	case 0x26:
		push(m, (uint64_t)(sa >> (b < 64 ? b : 63)));
		break;
	case 0x27:
		push(m, a ^ b);
		break;
	case 0x29:
		push(m, sa == sb);
		break;
	case 0x2a:
		push(m, sa >= sb);
		break;
	case 0x2b:
		push(m, sa > sb);
		break;
	case 0x2c:
		push(m, sa <= sb);
		break;
	case 0x2d:
		push(m, sa < sb);
		break;
	case 0x2e:
		push(m, sa != sb);
		break;
	default:
		m->b.bad = true; /* division: nobody divides to find a stack */
	}
}

static void constant(struct machine *m, uint8_t op)
{
	static const uint8_t width[8] = {1, 1, 2, 2, 4, 4, 8, 8};
	if (op == 0x10)
		push(m, cfi_get_uleb(&m->b));
	else if (op == 0x11)
		push(m, (uint64_t)cfi_get_sleb(&m->b));
	else {
		unsigned n = width[op - 0x08];
		uint64_t value = cfi_get_fixed(&m->b, n);
		unsigned shift = 64 - 8 * n;
		push(m, op & 1 ? (uint64_t)((int64_t)(value << shift) >> shift) : value);
	}
}

/* Operations on the stack alone. */
static void rearrange(struct machine *m, uint8_t op)
{
	switch (op) {
	case 0x12:
		copy_from(m, 0);
		break;
	case 0x13:
		pop(m);
		break;
	case 0x14:
		copy_from(m, 1);
		break;
	case 0x15:
		copy_from(m, cfi_get_fixed(&m->b, 1));
		break;
	case 0x16:
		swap_or_rotate(m, 2);
		break;
	case 0x17:
		swap_or_rotate(m, 3);
		break;
	}
}

/* Operations whose number holds no operand. */
static void run_single(struct machine *m, uint8_t op)
{
	switch (op) {
	case 0x03:
		push(m, cfi_get_fixed(&m->b, 8));
		break;
	case 0x06:
		push_memory(m, 8);
		break;
	case 0x1f:
		push(m, 0 - pop(m));
		break;
	case 0x20:
		push(m, ~pop(m));
		break;
	case 0x23:
		push(m, pop(m) + cfi_get_uleb(&m->b));
		break;
	case 0x28:
		jump(m, pop(m) != 0);
		break;
	case 0x2f:
		jump(m, true);
		break;
	case 0x92: {
		uint64_t reg = cfi_get_uleb(&m->b);
		push_register(m, reg, cfi_get_sleb(&m->b));
		break;
	}
	case 0x94:
		push_memory(m, (unsigned)cfi_get_fixed(&m->b, 1));
		break;
	case 0x96:
		break;
	default:
		binary(m, op);
	}
}

static void run_one(struct machine *m, uint8_t op)
{
	if (op >= 0x30 && op <= 0x4f)
		push(m, op - 0x30u);
	else if (op >= 0x50 && op <= 0x6f)
		push_register(m, op - 0x50u, 0);
	else if (op >= 0x70 && op <= 0x8f)
		push_register(m, op - 0x70u, cfi_get_sleb(&m->b));
	else if (op >= 0x08 && op <= 0x11)
		constant(m, op);
	else if (op >= 0x12 && op <= 0x17)
		rearrange(m, op);
	else
		run_single(m, op);
}

bool cfi_evaluate(const uint8_t *expression, const struct cfi_registers *registers, const struct cfi_memory *memory,
    const uint64_t *first, uint64_t *result)
{
	struct machine m = {.b = open_expression(expression), .registers = registers, .memory = memory};
	m.start = m.b.at;
	if (first)
		push(&m, *first);
	for (unsigned n = 0; m.b.at < m.b.end; n++) {
		if (n == MAX_OPS)
			return false;
		run_one(&m, *m.b.at++);
		if (m.b.bad)
			return false;
	}
	*result = pop(&m);
	return !m.b.bad;
}

bool cfi_simple_expression(const uint8_t *expression, uint32_t *reg, int64_t *offset, bool *deref)
{
	struct cfi_bytes b = open_expression(expression);
	uint8_t op = (uint8_t)cfi_get_fixed(&b, 1);
	if (op < 0x70 || op > 0x8f)
		return false;
	*reg = op - 0x70u;
	*offset = cfi_get_sleb(&b);
	*deref = b.at < b.end;
	if (*deref && cfi_get_fixed(&b, 1) != 0x06)
		return false;
	return !b.bad && b.at == b.end;
}

static bool get_register(const struct cfi_registers *registers, uint64_t reg, uint64_t *value)
{
	if (reg >= CFI_REGS || !(registers->known & 1u << reg))
		return false;
	*value = registers->r[reg];
	return true;
}

/* One register of the caller; false when it cannot be known. */
static bool find_place(const struct cfi_place *place, const struct cfi_registers *registers,
    const struct cfi_memory *memory, uint64_t cfa, uint64_t *value)
{
	uint64_t address;
	const uint8_t *expression = (const uint8_t *)(uintptr_t)place->value;
	switch (place->how) {
	case CFI_AT:
		return memory->read(memory->context, cfa + (uint64_t)place->value, value);
	case CFI_IS:
		*value = cfa + (uint64_t)place->value;
		return true;
	case CFI_REGISTER:
		return get_register(registers, (uint64_t)place->value, value);
	case CFI_AT_EXPRESSION:
		return cfi_evaluate(expression, registers, memory, &cfa, &address) &&
		       memory->read(memory->context, address, value);
	case CFI_IS_EXPRESSION:
		return cfi_evaluate(expression, registers, memory, &cfa, value);
	default:
		return false;
	}
}

bool cfi_step(
    const struct cfi_row *row, struct cfi_registers *registers, const struct cfi_memory *memory, uint64_t *cfa)
{
	struct cfi_registers caller = {.known = 0};
	if (row->cfa.how == CFI_IS_EXPRESSION) {
		if (!cfi_evaluate((const uint8_t *)(uintptr_t)row->cfa.value, registers, memory, NULL, cfa))
			return false;
	} else {
		if (row->cfa.how != CFI_REGISTER || !get_register(registers, row->cfa_register, cfa))
			return false;
		*cfa += (uint64_t)row->cfa.value;
	}
	for (uint32_t i = 0; i < CFI_REGS; i++) {
		bool known;
		if (row->reg[i].how != CFI_SAME)
			known = find_place(&row->reg[i], registers, memory, *cfa, &caller.r[i]);
		else
			known = get_register(registers, i, &caller.r[i]);
		caller.known |= (uint32_t)known << i;
	}
	/* The ABI's rule where the table is silent: the caller's stack pointer is the CFA. */
	if (row->reg[CFI_RSP].how == CFI_SAME) {
		caller.r[CFI_RSP] = *cfa;
		caller.known |= 1u << CFI_RSP;
	}
	if (row->reg[row->ra_column].how == CFI_SAME || !(caller.known & 1u << row->ra_column))
		return false;
	caller.r[CFI_RA] = caller.r[row->ra_column];
	*registers = caller;
	registers->known |= 1u << CFI_RA;
	return true;
}
