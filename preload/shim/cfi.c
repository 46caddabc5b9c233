/* Reads .eh_frame_hdr, CIEs, FDEs and their instructions. See cfi.h; expressions are in cfi_expression.c.
 * Encodings and opcodes by their numbers in DWARF 5 table 7.29 and LSB 5.0 core, 10.6. */
#include "cfi.h"

#include <string.h>

enum {
	PE_OMIT = 0xff,
	PE_FORMAT = 0x0f,
	PE_BASE = 0x70,
	PE_INDIRECT = 0x80,
	PE_ULEB = 0x01,
	PE_SLEB = 0x09,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_ALIGNED = 0x50,
	PE_SORTED_TABLE = PE_DATAREL | 0x0b, /* what every linker writes: pairs of signed 32-bit offsets */
};

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint32_t ra_column;
	uint8_t fde_encoding;
	bool has_augmentation;
	bool signal_frame;
	struct cfi_bytes code;
};

struct fde {
	uint64_t start;
	uint64_t size;
	struct cfi_bytes code;
};

uint64_t cfi_get_fixed(struct cfi_bytes *b, unsigned n_bytes)
{
	uint64_t value = 0;
	if ((uint64_t)(b->end - b->at) < n_bytes) {
		b->bad = true;
		b->at = b->end;
		return 0;
	}
	memcpy(&value, b->at, n_bytes);
	b->at += n_bytes;
	return value;
}

static uint64_t get_leb(struct cfi_bytes *b, bool is_signed)
{
	uint64_t value = 0;
	for (unsigned shift = 0;; shift += 7) {
		uint64_t byte = cfi_get_fixed(b, 1);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (is_signed && byte & 0x40 && shift + 7 < 64)
			value |= ~0ull << (shift + 7);
		return value;
	}
}

uint64_t cfi_get_uleb(struct cfi_bytes *b)
{
	return get_leb(b, false);
}

int64_t cfi_get_sleb(struct cfi_bytes *b)
{
	return (int64_t)get_leb(b, true);
}

static int64_t sign_extend(uint64_t value, unsigned n_bytes)
{
	unsigned shift = 64 - 8 * n_bytes;
	return (int64_t)(value << shift) >> shift;
}

/* The value of a pointer in the given encoding; indirect ones are not followed. */
static uint64_t get_encoded(struct cfi_bytes *b, uint8_t encoding, uint64_t data_base)
{
	static const uint8_t width[8] = {8, 0, 2, 4, 8, 0, 0, 0};
	uint64_t place = (uintptr_t)b->at;
	uint64_t value;
	if (encoding == PE_ALIGNED) {
		uint64_t skip = -place & 7;
		if ((uint64_t)(b->end - b->at) < skip)
			b->bad = true;
		else
			b->at += skip;
		return cfi_get_fixed(b, 8);
	}
	uint8_t format = encoding & PE_FORMAT;
	if (format == PE_ULEB)
		value = cfi_get_uleb(b);
	else if (format == PE_SLEB)
		value = (uint64_t)cfi_get_sleb(b);
	else if (!width[format & 7]) {
		b->bad = true;
		return 0;
	} else {
		value = cfi_get_fixed(b, width[format & 7]);
		if (format & 8)
			value = (uint64_t)sign_extend(value, width[format & 7]);
	}
	switch (encoding & PE_BASE) {
	case 0:
		return value;
	case PE_PCREL:
		return value ? value + place : 0;
	case PE_DATAREL:
		return value + data_base;
	default:
		b->bad = true;
		return 0;
	}
}

/* One length-prefixed entry of .eh_frame at `at`: b becomes what follows the length. false at the terminator or garbage
 */
static bool open_entry(const struct cfi_image *image, const uint8_t *at, struct cfi_bytes *b)
{
	if (at < image->low || at >= image->high)
		return false;
	*b = (struct cfi_bytes){at, image->high, false};
	uint64_t length = cfi_get_fixed(b, 4);
	if (length == 0xffffffff)
		length = cfi_get_fixed(b, 8);
	if (b->bad || length < 4 || length > (uint64_t)(b->end - b->at))
		return false;
	b->end = b->at + length;
	return true;
}

static bool read_augmentation(struct cfi_bytes *b, const char *letters, struct cie *cie)
{
	uint64_t length = cfi_get_uleb(b);
	if (b->bad || length > (uint64_t)(b->end - b->at))
		return false;
	struct cfi_bytes data = {b->at, b->at + length, false};
	b->at = data.end;
	cie->has_augmentation = true;
	for (; *letters; letters++) {
		if (*letters == 'R')
			cie->fde_encoding = (uint8_t)cfi_get_fixed(&data, 1);
		else if (*letters == 'P')
			get_encoded(&data, (uint8_t)cfi_get_fixed(&data, 1) & ~PE_INDIRECT, 0);
		else if (*letters == 'L')
			cfi_get_fixed(&data, 1);
		else if (*letters == 'S')
			cie->signal_frame = true;
		else
			break; /* the length tells where the rest ends; what an unknown letter means is anybody's guess
			        */
	}
	return !data.bad;
}

static bool read_cie(const struct cfi_image *image, const uint8_t *at, struct cie *cie)
{
	struct cfi_bytes b;
	if (!open_entry(image, at, &b) || cfi_get_fixed(&b, 4) != 0)
		return false;
	uint64_t version = cfi_get_fixed(&b, 1);
	const char *letters = (const char *)b.at;
	while (cfi_get_fixed(&b, 1) != 0)
		;
	if (b.bad || (version != 1 && version != 3))
		return false;
	*cie = (struct cie){0};
	cie->code_align = cfi_get_uleb(&b);
	cie->data_align = cfi_get_sleb(&b);
	cie->ra_column = (uint32_t)(version == 1 ? cfi_get_fixed(&b, 1) : cfi_get_uleb(&b));
	if (*letters == 'z' && !read_augmentation(&b, letters + 1, cie))
		return false;
	if (*letters != 'z' && *letters != 0)
		return false;
	cie->code = b;
	return !b.bad && cie->ra_column < CFI_REGS && cie->fde_encoding != PE_OMIT &&
	       !(cie->fde_encoding & PE_INDIRECT);
}

static bool read_fde(const struct cfi_image *image, const uint8_t *at, struct fde *fde, struct cie *cie)
{
	struct cfi_bytes b;
	if (!open_entry(image, at, &b))
		return false;
	const uint8_t *place = b.at;
	uint64_t back = cfi_get_fixed(&b, 4);
	if (back == 0 || back > (uint64_t)(place - image->low) || !read_cie(image, place - back, cie))
		return false;
	fde->start = get_encoded(&b, cie->fde_encoding, 0);
	fde->size = get_encoded(&b, cie->fde_encoding & PE_FORMAT, 0);
	if (cie->has_augmentation) {
		uint64_t length = cfi_get_uleb(&b);
		if (b.bad || length > (uint64_t)(b.end - b.at))
			return false;
		b.at += length;
	}
	fde->code = b;
	return !b.bad;
}

/* Last entry of the sorted table whose address is not above pc; NULL when there is none. */
static const uint8_t *search_table(const struct cfi_image *image, const uint8_t *table, uint64_t count, uint64_t pc)
{
	uint64_t base = (uintptr_t)image->hdr;
	uint64_t low = 0;
	uint64_t high = count;
	int32_t pair[2];
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		memcpy(pair, table + middle * 8, 8);
		if (base + (uint64_t)(int64_t)pair[0] <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	memcpy(pair, table + (low - 1) * 8, 8);
	return (const uint8_t *)(uintptr_t)(base + (uint64_t)(int64_t)pair[1]);
}

static enum cfi_result scan_entries(
    const struct cfi_image *image, const uint8_t *at, uint64_t pc, struct fde *fde, struct cie *cie)
{
	struct cfi_bytes b;
	for (; open_entry(image, at, &b); at = b.end)
		if (read_fde(image, at, fde, cie) && pc - fde->start < fde->size)
			return CFI_OK;
	return CFI_NONE;
}

static enum cfi_result find_fde(const struct cfi_image *image, uint64_t pc, struct fde *fde, struct cie *cie)
{
	struct cfi_bytes b = {image->hdr, image->hdr_end, false};
	uint64_t version = cfi_get_fixed(&b, 1);
	uint8_t frame_encoding = (uint8_t)cfi_get_fixed(&b, 1);
	uint8_t count_encoding = (uint8_t)cfi_get_fixed(&b, 1);
	uint8_t table_encoding = (uint8_t)cfi_get_fixed(&b, 1);
	if (b.bad || version != 1 || frame_encoding == PE_OMIT)
		return CFI_BAD;
	uint64_t base = (uintptr_t)image->hdr;
	uint64_t frame = get_encoded(&b, frame_encoding, base);
	if (b.bad)
		return CFI_BAD;
	if (count_encoding == PE_OMIT || table_encoding != PE_SORTED_TABLE)
		return scan_entries(image, (const uint8_t *)(uintptr_t)frame, pc, fde, cie);
	uint64_t count = get_encoded(&b, count_encoding, base);
	if (b.bad || count > (uint64_t)(b.end - b.at) / 8)
		return CFI_BAD;
	const uint8_t *entry = search_table(image, b.at, count, pc);
	if (!entry)
		return CFI_NONE;
	if (!read_fde(image, entry, fde, cie))
		return CFI_BAD;
	return pc - fde->start < fde->size ? CFI_OK : CFI_NONE;
}

/* The instructions of one CIE or FDE, up to the row that holds for `pc`. */
struct program {
	struct cfi_bytes b;
	const struct cie *cie;
	struct cfi_work *work;
	uint64_t location;
	uint64_t pc;
	unsigned n_remembered;
};

static void set_place(struct program *p, uint64_t reg, enum cfi_how how, int64_t value)
{
	/* Registers beyond the return address (vector ones) are nobody's business here. */
	if (reg < CFI_REGS)
		p->work->row.reg[reg] = (struct cfi_place){value, how};
}

/* An expression in the instruction stream: remembered by its address, skipped. */
static int64_t get_expression(struct cfi_bytes *b)
{
	int64_t place = (int64_t)(uintptr_t)b->at;
	uint64_t length = cfi_get_uleb(b);
	/* Ten bytes hold any 64-bit length; more would be padding, which open_expression() does not look for. */
	if (b->bad || b->at - (const uint8_t *)(uintptr_t)place > 10 || length > (uint64_t)(b->end - b->at)) {
		b->bad = true;
		return 0;
	}
	b->at += length;
	return place;
}

static void set_cfa(struct program *p, uint64_t reg, int64_t offset)
{
	if (reg >= CFI_REGS)
		p->b.bad = true;
	p->work->row.cfa = (struct cfi_place){offset, CFI_REGISTER};
	p->work->row.cfa_register = (uint32_t)reg;
}

static void restore(struct program *p, uint64_t reg)
{
	if (reg < CFI_REGS)
		p->work->row.reg[reg] = p->work->initial.reg[reg];
}

static void remember(struct program *p, bool push)
{
	if (push && p->n_remembered < CFI_REMEMBERED)
		p->work->remembered[p->n_remembered++] = p->work->row;
	else if (!push && p->n_remembered > 0)
		p->work->row = p->work->remembered[--p->n_remembered];
	else
		p->b.bad = true;
}

static void run_register(struct program *p, uint8_t op)
{
	struct cfi_bytes *b = &p->b;
	int64_t align = p->cie->data_align;
	uint64_t reg = cfi_get_uleb(b);
	switch (op) {
	case 0x05: /* offset_extended */
		set_place(p, reg, CFI_AT, (int64_t)(cfi_get_uleb(b) * (uint64_t)align));
		break;
	case 0x06: /* restore_extended */
		restore(p, reg);
		break;
	case 0x07: /* undefined */
		set_place(p, reg, CFI_UNDEFINED, 0);
		break;
	case 0x08: /* same_value */
		set_place(p, reg, CFI_SAME, 0);
		break;
	case 0x09: /* register */
		set_place(p, reg, CFI_REGISTER, (int64_t)cfi_get_uleb(b));
		break;
	case 0x10: /* expression */
		set_place(p, reg, CFI_AT_EXPRESSION, get_expression(b));
		break;
	case 0x11: /* offset_extended_sf */
		set_place(p, reg, CFI_AT, (int64_t)((uint64_t)cfi_get_sleb(b) * (uint64_t)align));
		break;
	case 0x14: /* val_offset */
		set_place(p, reg, CFI_IS, (int64_t)(cfi_get_uleb(b) * (uint64_t)align));
		break;
	case 0x15: /* val_offset_sf */
		set_place(p, reg, CFI_IS, (int64_t)((uint64_t)cfi_get_sleb(b) * (uint64_t)align));
		break;
	case 0x16: /* val_expression */
		set_place(p, reg, CFI_IS_EXPRESSION, get_expression(b));
		break;
	case 0x2f: /* GNU_negative_offset_extended */
		set_place(p, reg, CFI_AT, (int64_t)(0 - cfi_get_uleb(b) * (uint64_t)align));
		break;
	default:
		b->bad = true;
	}
}

static void run_cfa(struct program *p, uint8_t op)
{
	struct cfi_bytes *b = &p->b;
	struct cfi_row *row = &p->work->row;
	uint64_t reg = op == 0x0c || op == 0x0d || op == 0x12 ? cfi_get_uleb(b) : row->cfa_register;
	bool by_register = row->cfa.how == CFI_REGISTER;
	switch (op) {
	case 0x0c: /* def_cfa */
		set_cfa(p, reg, (int64_t)cfi_get_uleb(b));
		break;
	case 0x0d: /* def_cfa_register */
		set_cfa(p, reg, row->cfa.value);
		break;
	case 0x0e: /* def_cfa_offset */
		set_cfa(p, reg, (int64_t)cfi_get_uleb(b));
		break;
	case 0x0f: /* def_cfa_expression */
		row->cfa = (struct cfi_place){get_expression(b), CFI_IS_EXPRESSION};
		return;
	case 0x12: /* def_cfa_sf */
	case 0x13: /* def_cfa_offset_sf */
		set_cfa(p, reg, (int64_t)((uint64_t)cfi_get_sleb(b) * (uint64_t)p->cie->data_align));
		break;
	}
	/* Changing half of a CFA that is an expression means nothing. */
	if (!by_register && op != 0x0c && op != 0x12)
		b->bad = true;
}

static void advance(struct program *p, uint64_t delta)
{
	p->location += delta * p->cie->code_align;
}

static void run_one(struct program *p, uint8_t op)
{
	struct cfi_bytes *b = &p->b;
	switch (op) {
	case 0x00: /* nop */
		break;
	case 0x01: /* set_loc */
		p->location = get_encoded(b, p->cie->fde_encoding, 0);
		break;
	case 0x02: /* advance_loc1, 2, 4 */
	case 0x03:
	case 0x04:
		advance(p, cfi_get_fixed(b, 1u << (op - 2)));
		break;
	case 0x0a: /* remember_state */
		remember(p, true);
		break;
	case 0x0b: /* restore_state */
		remember(p, false);
		break;
	case 0x0c:
	case 0x0d:
	case 0x0e:
	case 0x0f:
	case 0x12:
	case 0x13:
		run_cfa(p, op);
		break;
	case 0x2e: /* GNU_args_size */
		cfi_get_uleb(b);
		break;
	default:
		run_register(p, op);
	}
}

static void run_any(struct program *p, uint8_t op)
{
	if (op >> 6 == 1)
		advance(p, op & 0x3f);
	else if (op >> 6 == 2)
		set_place(p, op & 0x3f, CFI_AT, (int64_t)(cfi_get_uleb(&p->b) * (uint64_t)p->cie->data_align));
	else if (op >> 6 == 3)
		restore(p, op & 0x3f);
	else
		run_one(p, op);
}

/* Run the instructions that large functions have hundreds of, one after the other: advance_loc, advance_loc1 and
 * def_cfa_offset. returns: how far p->b got; p->location is beyond p->pc when the row stands */
static void run_common(struct program *p)
{
	struct cfi_place *cfa = &p->work->row.cfa;
	const uint8_t *at = p->b.at, *end = p->b.end;
	uint64_t location = p->location, align = p->cie->code_align, pc = p->pc;
	while (end - at >= 2 && location <= pc) {
		if (at[0] >> 6 == 1)
			location += (*at++ & 0x3f) * align;
		else if (at[0] == 0x02)
			location += at[1] * align, at += 2;
		else if (at[0] == 0x0e && at[1] < 0x80 && cfa->how == CFI_REGISTER)
			cfa->value = at[1], at += 2;
		else
			break;
	}
	p->b.at = at;
	p->location = location;
}

/* Every instruction consumes a byte at least, so this ends. */
static bool run(struct program *p)
{
	struct cfi_bytes *b = &p->b;
	for (;;) {
		run_common(p);
		if (p->location > p->pc || b->at >= b->end || b->bad)
			return !b->bad;
		uint8_t op = *b->at++;
		run_any(p, op);
	}
}

enum cfi_result cfi_find(const struct cfi_image *image, uint64_t pc, struct cfi_work *work)
{
	struct fde fde;
	struct cie cie;
	enum cfi_result result = find_fde(image, pc, &fde, &cie);
	if (result != CFI_OK)
		return result;
	memset(&work->row, 0, sizeof(work->row));
	memset(&work->initial, 0, sizeof(work->initial));
	struct program p = {cie.code, &cie, work, 0, UINT64_MAX, 0};
	if (!run(&p))
		return CFI_BAD;
	work->initial = work->row;
	p = (struct program){fde.code, &cie, work, fde.start, pc, 0};
	if (!run(&p))
		return CFI_BAD;
	work->row.ra_column = cie.ra_column;
	work->row.signal_frame = cie.signal_frame;
	return CFI_OK;
}
