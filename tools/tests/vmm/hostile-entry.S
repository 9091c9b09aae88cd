/* SPDX-License-Identifier: GPL-2.0 */
/* The entry of the hostile kernel, its interrupt handlers, and the code that a started vCPU begins with. */
#define START	0x8000

	.text
	.globl entry
entry:	mov	$stacks + 4096, %esp
	push	$0
	push	%ebx
	push	$0
	jmp	kernel

	/* Exceptions have an error code or get one; what comes from an APIC has none. */
	.globl stubs, stub_end
	.balign	16
stubs:
	vector = 0
	.rept	256
	.balign	16
	.if	!(vector == 8 || vector >= 10 && vector <= 14)
	push	$0
	.endif
	push	$vector
	jmp	common
	vector = vector + 1
	.endr
	.balign	16
stub_end:

common:	pusha
	lea	40(%esp), %eax
	push	%eax
	push	36(%esp)
	call	handle
	add	$8, %esp
	popa
	add	$8, %esp
	/*
	 * As IRET does, which KVM cannot emulate where a processor does not run this mode.
	 * Interrupts are on in all that is interrupted, and come after the return.
	 */
	push	8(%esp)
	andl	$~0x200, (%esp)
	popf
	sti
	lret	$4

	/* Copied to START; a vCPU's stack is that of its APIC ID. */
	.code16
	.globl start_code, start_code_end
start_code:
	cli
	lgdtl	%cs:pointer - start_code
	mov	$0x11, %eax
	mov	%eax, %cr0
	ljmpl	$0x10, $START + flat - start_code
pointer:
	.word	31
	.long	START + table - start_code
	.balign	8
table:	.quad	0, 0, 0xcf9b000000ffff, 0xcf93000000ffff
	.code32
flat:	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$1, %eax
	cpuid
	shr	$24, %ebx
	and	$1, %ebx
	mov	%ebx, %esp
	shl	$12, %esp
	add	$stacks + 4096, %esp
	push	%ebx
	push	$0
	push	$0
	mov	$kernel, %eax
	jmp	*%eax
start_code_end:

	.bss
	.balign	16
stacks:	.skip	2 * 4096

	.section .note.Xen, "a", @note
	.long	4, 4, 18
	.asciz	"Xen"
	.long	entry

	.section .note.GNU-stack, "", @progbits
