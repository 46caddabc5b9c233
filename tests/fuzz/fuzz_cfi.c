/* libFuzzer target: arbitrary bytes as an object's .eh_frame_hdr and .eh_frame, looked up at every address that a table
 * could name, and every row that comes out applied to registers over a small piece of memory. The bytes lie at the end
 * of a page whose neighbours cannot be touched, so that even a read without a sanitizer's eye on it ends the process.
 * The input: 2 bytes length of the header, then the section, which begins with the header. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cfi.h"

#define ROOM (64 * 1024)
#define PAGE 4096
#define MAX_LOOKUPS 32
#define TABLE_OFFSET 12 /* of the sorted table in a header as linkers write it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint64_t stack_words[64];

static bool read_word(void *context, uint64_t address, uint64_t *value)
{
	uint64_t at = address - (uintptr_t)stack_words;
	(void)context;
	if (at > sizeof(stack_words) - 8)
		return false;
	memcpy(value, (const char *)stack_words + at, 8);
	return true;
}

static uint64_t apply(const struct cfi_row *row, uint64_t pc)
{
	struct cfi_memory memory = {read_word, NULL};
	struct cfi_registers registers = {.known = (1u << CFI_REGS) - 1};
	uint64_t cfa = 0;
	uint32_t reg;
	int64_t offset;
	bool deref;
	for (unsigned i = 0; i < CFI_REGS; i++)
		registers.r[i] = (uintptr_t)&stack_words[i * 3];
	registers.r[CFI_RA] = pc;
	for (unsigned i = 0; i < CFI_REGS; i++)
		if (row->reg[i].how >= CFI_AT_EXPRESSION)
			cfi_simple_expression((const uint8_t *)(uintptr_t)row->reg[i].value, &reg, &offset, &deref);
	return cfi_step(row, &registers, &memory, &cfa) ? cfa + registers.r[CFI_RA] : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t *end;
	static struct cfi_work work;
	volatile uint64_t sum = 0;
	if (!end) {
		uint8_t *base = mmap(NULL, ROOM + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (base == MAP_FAILED || mprotect(base + PAGE, ROOM, PROT_READ | PROT_WRITE) != 0)
			abort();
		end = base + PAGE + ROOM;
	}
	if (n < 2 || n - 2 > ROOM)
		return 0;
	uint64_t hdr_bytes = data[0] | data[1] << 8;
	n -= 2;
	uint8_t *section = end - n;
	memcpy(section, data + 2, n);
	struct cfi_image image = {section, section + (hdr_bytes < n ? hdr_bytes : n), section, end};
	for (unsigned i = 0; i < MAX_LOOKUPS && TABLE_OFFSET + i * 8 + 4 <= n; i++) {
		int32_t start;
		memcpy(&start, section + TABLE_OFFSET + i * 8, 4);
		for (unsigned step = 0; step < 4; step++) {
			uint64_t pc = (uintptr_t)section + (uint64_t)(int64_t)start + step * step * 3;
			if (cfi_find(&image, pc, &work) == CFI_OK)
				sum += apply(&work.row, pc);
		}
	}
	return 0;
}
