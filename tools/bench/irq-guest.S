/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest programs of the interrupt family: real mode, x2APIC. They are copied to IRQ_CODE
 * in the guest's first page. ESI counts rounds, EDI and EBP are parameters; the handler
 * changes EAX, ECX and EDX. A program ends with an OUT to END_PORT.
 */
#define ICR		0x830
#define EOI		0x80b
#define TSC_DEADLINE	0x6e0
#define END_PORT	0x10
#define KICK_PORT	0x30
#define COUNT		0xe00		/* interrupts handled */

	.section .rodata
	.code16
	.globl	irq_guest, irq_guest_end
irq_guest:

	.globl	irq_handler
irq_handler:
	incl	COUNT
	movl	$EOI, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	iret

/* Send interrupts, ICR EBP:EDI, each when the last one has been handled. */
	.globl	irq_ping
irq_ping:
	movl	COUNT, %ebx
	incl	%ebx
	movl	$ICR, %ecx
	movl	%edi, %eax
	movl	%ebp, %edx
	wrmsr
1:	cmpl	%ebx, COUNT
	jne	1b
	decl	%esi
	jnz	irq_ping
	out	%al, $END_PORT

/* Take interrupts without an end. */
	.globl	irq_spin
irq_spin:
	sti
1:	jmp	1b

/* Send an interrupt, halt until one comes. */
	.globl	irq_send_halt
irq_send_halt:
	movl	$ICR, %ecx
	movl	%edi, %eax
	movl	%ebp, %edx
	wrmsr
	sti
	hlt
	cli
	decl	%esi
	jnz	irq_send_halt
	out	%al, $END_PORT

/* Halt until an interrupt comes, send one, without an end. */
	.globl	irq_halt_send
irq_halt_send:
	sti
	hlt
	cli
	movl	$ICR, %ecx
	movl	%edi, %eax
	movl	%ebp, %edx
	wrmsr
	jmp	irq_halt_send

/* Halt until an interrupt comes, write to a port, without an end. */
	.globl	irq_halt_kick
irq_halt_kick:
	sti
	hlt
	cli
	out	%al, $KICK_PORT
	jmp	irq_halt_kick

/* Take an interrupt that waits, leave; for one run after another. */
	.globl	irq_window
irq_window:
	sti
	nop
	cli
	out	%al, $END_PORT
	jmp	irq_window

/* Set a deadline EDI ticks from now, and wait for its interrupt. */
	.globl	irq_timer
irq_timer:
	sti
1:	movl	COUNT, %ebx
	incl	%ebx
	rdtsc
	addl	%edi, %eax
	adcl	$0, %edx
	movl	$TSC_DEADLINE, %ecx
	wrmsr
2:	cmpl	%ebx, COUNT
	jne	2b
	decl	%esi
	jnz	1b
	out	%al, $END_PORT

	.globl	irq_kick
irq_kick:
	out	%al, $KICK_PORT
	decl	%esi
	jnz	irq_kick
	out	%al, $END_PORT

	.globl	irq_eoi
irq_eoi:
	movl	$EOI, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
1:	wrmsr
	decl	%esi
	jnz	1b
	out	%al, $END_PORT

	.globl	irq_empty
irq_empty:
	decl	%esi
	jnz	irq_empty
	out	%al, $END_PORT
irq_guest_end:

	.section .note.GNU-stack, "", @progbits
