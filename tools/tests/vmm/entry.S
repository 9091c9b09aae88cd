/* SPDX-License-Identifier: GPL-2.0 */
/* The PVH entry of the kernel, the note that names it, and its interrupt handler. */
	.text
	.globl entry
entry:	mov	$stack, %esp
	push	%ebx
	call	kernel

	.globl handler
handler:
	pusha
	call	handle
	popa
	iret

	.bss
	.balign	16
	.skip	4096
stack:

	.section .note.Xen, "a", @note
	.long	4, 4, 18
	.asciz	"Xen"
	.long	entry

	.section .note.GNU-stack, "", @progbits
