/* Frames that compilers do not write, or rarely. Each function calls asm_next(depth, seed) and returns its result. */
	.text

#define ENTER(name) \
	.globl name; .type name, @function; .p2align 4; \
name:	.cfi_startproc
#define LEAVE(name) \
	.cfi_endproc; .size name, . - name

/* The CFA hangs on rbx, which a hook does not hand over. */
ENTER(asm_rbx)
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	mov %rsp, %rbx
	.cfi_def_cfa_register %rbx
	sub $80, %rsp
	and $-64, %rsp
	call asm_next@PLT
	mov %rbx, %rsp
	.cfi_def_cfa_register %rsp
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
LEAVE(asm_rbx)

/* CFA = rsp + 24 by an expression with a branch and arithmetic. */
ENTER(asm_expression)
	sub $24, %rsp
	/* DW_CFA_def_cfa_expression, 11 bytes: breg7 8; lit16; lit0; bra +1; plus; lit8; plus */
	.cfi_escape 0x0f, 0x0b, 0x77, 0x08, 0x40, 0x30, 0x28, 0x01, 0x00, 0x22, 0x38, 0x22, 0x96
	call asm_next@PLT
	add $24, %rsp
	.cfi_def_cfa %rsp, 8
	ret
LEAVE(asm_expression)

/* rbp is saved where an expression says: CFA - 24. */
ENTER(asm_saved_expression)
	sub $24, %rsp
	.cfi_adjust_cfa_offset 24
	mov %rbp, 8(%rsp)
	/* DW_CFA_expression rbp, 3 bytes: lit24; minus (the CFA lies below); nop */
	.cfi_escape 0x10, 0x06, 0x03, 0x48, 0x1c, 0x96
	mov $0x1234567, %ebp
	call asm_next@PLT
	mov 8(%rsp), %rbp
	.cfi_restore %rbp
	add $24, %rsp
	.cfi_adjust_cfa_offset -24
	ret
LEAVE(asm_saved_expression)

/* rbp stays in r12, whose old value is on the stack. */
ENTER(asm_moved)
	push %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	mov %rbp, %r12
	.cfi_register %rbp, %r12
	mov $0x7654321, %ebp
	call asm_next@PLT
	mov %r12, %rbp
	.cfi_restore %rbp
	pop %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	ret
LEAVE(asm_moved)

/* The CFA is rbp itself, far above the frame. */
ENTER(asm_value)
	push %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	lea 16(%rsp), %rbp
	.cfi_def_cfa %rbp, 0
	sub $1024, %rsp
	call asm_next@PLT
	add $1024, %rsp
	.cfi_def_cfa %rsp, 16
	pop %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
LEAVE(asm_value)

/* Goes on on another stack, as split stacks and on_stack libraries do: the CFA by rbp leads back. */
ENTER(asm_switch)
	push %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	mov %rsp, %rbp
	.cfi_def_cfa_register %rbp
	mov asm_other_stack@GOTPCREL(%rip), %rax
	xor %ecx, %ecx
	xchg %rcx, (%rax)
	test %rcx, %rcx
	jz 1f
	mov %rcx, %rsp
	push %rax
	push %rcx
	call asm_next@PLT
	mov %rax, %rdx
	pop %rcx
	pop %rsi
	mov %rcx, (%rsi)
	mov %rdx, %rax
	mov %rbp, %rsp
	.cfi_remember_state
	pop %rbp
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
1:	.cfi_restore_state
	call asm_next@PLT
	pop %rbp
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
LEAVE(asm_switch)

/* Nested remember_state, and a call after restore_state. */
ENTER(asm_restore)
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	.cfi_remember_state
	push %r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	.cfi_remember_state
	sub $40, %rsp
	.cfi_adjust_cfa_offset 40
	test $1, %esi
	jz 2f
	call asm_next@PLT
	add $40, %rsp
	.cfi_restore_state
	pop %r13
	.cfi_restore_state
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
2:	.cfi_def_cfa_offset 64
	.cfi_rel_offset %rbx, 48
	.cfi_rel_offset %r13, 40
	call asm_next@PLT
	add $40, %rsp
	.cfi_adjust_cfa_offset -40
	pop %r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
LEAVE(asm_restore)

/* A frame larger than the packed offset of rbp can say (8 MiB), as far as the stack allows. */
ENTER(asm_big)
	push %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	sub $16384, %rsp
	.cfi_adjust_cfa_offset 16384
	call asm_next@PLT
	add $16384, %rsp
	.cfi_adjust_cfa_offset -16384
	pop %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
LEAVE(asm_big)

/* Aligns its stack as gcc does: the CFA is read from a slot below rbp. Two calls at different heights can have the same
 * rsp, rbp and code, and differ in that slot alone. With seed & 256 it is the outermost frame, as far as one can see:
 * the return address is 0 while it calls, and stays so in memory. */
ENTER(asm_aligned)
	lea 8(%rsp), %r10
	.cfi_def_cfa %r10, 0
	and $-64, %rsp
	push -8(%r10)
	push %rbp
	/* DW_CFA_expression rbp: breg6 0 */
	.cfi_escape 0x10, 0x06, 0x02, 0x76, 0x00
	mov %rsp, %rbp
	push %r10
	/* DW_CFA_def_cfa_expression: breg6 -8; deref */
	.cfi_escape 0x0f, 0x03, 0x76, 0x78, 0x06
	sub $8, %rsp
	test $256, %esi
	jz 3f
	movq $0, -8(%r10)
3:	call asm_next@PLT
	mov -8(%rbp), %r10
	.cfi_def_cfa %r10, 0
	mov 8(%rbp), %rcx
	.cfi_register %rip, %rcx
	mov (%rbp), %rbp
	.cfi_restore %rbp
	mov %r10, %rsp
	.cfi_def_cfa %rsp, 0
	jmp *%rcx
LEAVE(asm_aligned)

	.section .note.GNU-stack, "", @progbits
