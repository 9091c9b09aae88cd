/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stubs for exec_stub.c: one instruction with normalised operands, and RET.
 *
 * A stub's memory operand is [rdi], its register operands are those below, and
 * its immediate is part of it: there is a stub for each value. All stubs are
 * made when the library is built. exec_stub.c says why it is safe to run them.
 *
 *	ModRM.reg	1: XMM1, MM1, ECX, K1
 *	VEX.vvvv	2: XMM2
 *	imm8[7:4]	3: XMM3, for a fourth operand
 *	EVEX.aaa	1: K1, merging
 *
 * A stub takes eight bytes of stub_code. stub_rows has an entry for each
 * opcode, see struct stub_row.
 */
#define ONE   0
#define M0F   1
#define M0F38 2
#define M0F3A 3
#define MAP5  5
#define MAP6  6
#define W0    0
#define W1    1
#define WIG   2
#define L0    1
#define L1    2
#define L2    4
#define L01   3
#define L12   6
#define L012  7
#define LIG   8

/* In the order of enum stub_kind. */
#define SSE   0
#define MMX   1
#define X87   2
#define VEX   3
#define EVEX  4

/* One instruction. A row that ignores W has it clear. */
.macro insn_legacy map, pfx, w, op, modrm
	.if \pfx
		.byte \pfx
	.endif
	.if \w == W1
		.byte 0x48
	.endif
	.if \map
		.byte 0x0f
	.endif
	.if \map == M0F38
		.byte 0x38
	.endif
	.if \map == M0F3A
		.byte 0x3a
	.endif
	.byte \op, \modrm
.endm

/* The prefix as VEX and EVEX have it. */
.macro set_pp pfx
	.set pp, 0
	.if \pfx == 0x66
		.set pp, 1
	.elseif \pfx == 0xf3
		.set pp, 2
	.elseif \pfx == 0xf2
		.set pp, 3
	.endif
	.set w1, 0
.endm

.macro insn_vex map, pfx, w, l, v, op, modrm
	set_pp \pfx
	.if \w == W1
		.set w1, 0x80
	.endif
	.byte 0xc4, 0xe0 | \map, w1 | (15 - \v) << 3 | \l << 2 | pp, \op, \modrm
.endm

.macro insn_evex map, pfx, w, l, v, k, op, modrm
	set_pp \pfx
	.if \w == W1
		.set w1, 0x80
	.endif
	.byte 0x62, 0xf0 | \map, w1 | (15 - \v) << 3 | 4 | pp
	.byte \l << 5 | 8 | \k, \op, \modrm
.endm

/* The stubs of one opcode at one L: all values of its immediate. */
.macro stubs kind, map, pfx, w, l, v, k, bits, is4, modrm, op
	.set imm, 0
	.set count, 1
	.if \bits > 0
		.set count, 1 << \bits
	.endif
	.rept count
		.if \kind == VEX
			insn_vex \map, \pfx, \w, \l, \v, \op, \modrm
		.elseif \kind == EVEX
			insn_evex \map, \pfx, \w, \l, \v, \k, \op, \modrm
		.else
			insn_legacy \map, \pfx, \w, \op, \modrm
		.endif
		.if \is4
			.byte 0x30
		.elseif \bits >= 0
			.byte imm
		.endif
		ret
		.balign 8, 0xcc
		.set imm, imm + 1
	.endr
.endm

.macro row kind, map, pfx, w, l, v, k, bits, is4, digit, ops
	.set modrm, 1 << 3 | 7
	.if \digit >= 0
		.set modrm, \digit << 3 | 7
	.endif
	.irp op, \ops
		.pushsection .rodata.stub_rows, "a", @progbits
		.byte \kind, \map, \pfx, \w, \l, \digit & 0xff, \bits & 0xff, \op
		.long 1000f - stub_code
		.popsection
1000:
		.irp each, 0, 1, 2
			.if (\l >> \each) & 1
				stubs \kind, \map, \pfx, \w, \each, \v, \k, \bits, \is4, modrm, \op
			.endif
		.endr
		.if \l == LIG
			stubs \kind, \map, \pfx, \w, 0, \v, \k, \bits, \is4, modrm, \op
		.endif
	.endr
.endm

.macro sse map, pfx, w, l, v, bits, digit, ops:vararg
	row SSE, \map, \pfx, \w, \l, \v, 0, \bits, 0, \digit, \ops
.endm
.macro mmx map, pfx, w, l, v, bits, digit, ops:vararg
	row MMX, \map, \pfx, \w, \l, \v, 0, \bits, 0, \digit, \ops
.endm
.macro x87 map, pfx, w, l, v, bits, digit, ops:vararg
	row X87, \map, \pfx, \w, \l, \v, 0, \bits, 0, \digit, \ops
.endm
.macro vex map, pfx, w, l, v, bits, digit, ops:vararg
	row VEX, \map, \pfx, \w, \l, \v, 0, \bits, 0, \digit, \ops
.endm
.macro vex_is4 map, pfx, w, l, v, bits, digit, ops:vararg
	row VEX, \map, \pfx, \w, \l, \v, 0, \bits, 1, \digit, \ops
.endm
.macro evex map, pfx, w, l, v, bits, digit, ops:vararg
	row EVEX, \map, \pfx, \w, \l, \v, 1, \bits, 0, \digit, \ops
.endm
.macro evex_nomask map, pfx, w, l, v, bits, digit, ops:vararg
	row EVEX, \map, \pfx, \w, \l, \v, 0, \bits, 0, \digit, \ops
.endm

	.pushsection .rodata.stub_rows, "a", @progbits
	.balign 4
	.globl stub_rows
	.hidden stub_rows
	.type stub_rows, @object
stub_rows:
	.popsection

	.text
	.balign 64, 0xcc
	.globl stub_code
	.hidden stub_code
	.type stub_code, @function
stub_code:
#include "stub_rows.h"
	.size stub_code, . - stub_code

	.pushsection .rodata.stub_rows, "a", @progbits
	.size stub_rows, . - stub_rows
	.globl stub_row_count
	.hidden stub_row_count
	.type stub_row_count, @object
stub_row_count:
	.long (. - stub_rows) / 12
	.size stub_row_count, . - stub_row_count
	.popsection

/* struct stub_regs; exec_stub.c asserts that these are its offsets. */
#define S_VEC   0
#define S_MEM   256
#define S_RAX   320
#define S_RCX   328
#define S_RDX   336
#define S_FLAGS 344
#define S_K     352
#define S_MXCSR 360
#define S_HOST  364
#define S_FX    384
#define S_SAVED 896

.macro enter
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	mov	%rdi, %rbx
.endm

.macro leave_
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
	.cfi_endproc
.endm

/* NOTRACK: a stub has no room for ENDBR64. */
.macro call_stub
	mov	S_RAX(%rbx), %rax
	mov	S_RCX(%rbx), %rcx
	mov	S_RDX(%rbx), %rdx
	lea	S_MEM(%rbx), %rdi
	notrack call *%rsi
	pushfq
	.cfi_adjust_cfa_offset 8
	popq	S_FLAGS(%rbx)
	.cfi_adjust_cfa_offset -8
	mov	%rcx, S_RCX(%rbx)
.endm

.macro mxcsr_in
	stmxcsr	S_HOST(%rbx)
	ldmxcsr	S_MXCSR(%rbx)
.endm

.macro mxcsr_out
	stmxcsr	S_MXCSR(%rbx)
	ldmxcsr	S_HOST(%rbx)
.endm

.macro function name
	.balign	16, 0xcc
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
.endm

/* void stub_call_*(struct stub_regs *s, const void *stub) */
function stub_call_sse
	enter
	mxcsr_in
	movaps	S_VEC+0x00(%rbx), %xmm0
	movaps	S_VEC+0x40(%rbx), %xmm1
	movaps	S_VEC+0x80(%rbx), %xmm2
	call_stub
	movaps	%xmm0, S_VEC+0x00(%rbx)
	movaps	%xmm1, S_VEC+0x40(%rbx)
	mxcsr_out
	leave_
	.size	stub_call_sse, . - stub_call_sse

function stub_call_avx
	enter
	mxcsr_in
	vmovaps	S_VEC+0x00(%rbx), %ymm0
	vmovaps	S_VEC+0x40(%rbx), %ymm1
	vmovaps	S_VEC+0x80(%rbx), %ymm2
	vmovaps	S_VEC+0xc0(%rbx), %ymm3
	call_stub
	vmovaps	%ymm0, S_VEC+0x00(%rbx)
	vmovaps	%ymm1, S_VEC+0x40(%rbx)
	vmovaps	%ymm2, S_VEC+0x80(%rbx)
	vzeroupper
	mxcsr_out
	leave_
	.size	stub_call_avx, . - stub_call_avx

function stub_call_avx512
	enter
	mxcsr_in
	vmovaps	S_VEC+0x00(%rbx), %zmm0
	vmovaps	S_VEC+0x40(%rbx), %zmm1
	vmovaps	S_VEC+0x80(%rbx), %zmm2
	kmovq	S_K(%rbx), %k1
	call_stub
	vmovaps	%zmm1, S_VEC+0x40(%rbx)
	vmovaps	%zmm2, S_VEC+0x80(%rbx)
	kmovq	%k1, S_K(%rbx)
	vzeroupper
	mxcsr_out
	leave_
	.size	stub_call_avx512, . - stub_call_avx512

/*
 * With all of x87, MMX, XMM0-15 and MXCSR from an FXSAVE image. None of these
 * instructions looks for pending x87 exceptions, and the image has them masked.
 */
function stub_call_fx
	enter
	fxsave64  S_SAVED(%rbx)
	fxrstor64 S_FX(%rbx)
	call_stub
	fxsave64  S_FX(%rbx)
	fxrstor64 S_SAVED(%rbx)
	leave_
	.size	stub_call_fx, . - stub_call_fx

	.section .note.GNU-stack, "", @progbits
