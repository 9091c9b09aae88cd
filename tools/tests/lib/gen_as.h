/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One instruction while it is put together: what gen.c and gen_row.c share.
 */
#ifndef GEN_AS_H
#define GEN_AS_H

#include "gen.h"

#define F_CF 0x1
#define F_PF 0x4
#define F_AF 0x10
#define F_ZF 0x40
#define F_SF 0x80
#define F_OF 0x800

/* Template flags */
#define T_BYTE   0x00001	/* 8-bit operands */
#define T_IMM8   0x00002
#define T_IMMZ   0x00004	/* immediate of the operand size, at most 4 bytes */
#define T_MEM    0x00008	/* memory only */
#define T_LOCK   0x00010	/* may be locked in memory */
#define T_STR    0x00020
#define T_MOFFS  0x00040
#define T_BT     0x00080	/* bit offset in a register */
#define T_PUSH   0x00100	/* writes below RSP */
#define T_POP    0x00200	/* reads at RSP */
#define T_NOMOD  0x00400	/* no ModRM: register in the opcode, or none */
#define T_OPREG  0x00800	/* register in the opcode's low bits */
#define T_CL     0x01000	/* count in CL */
#define T_ONE    0x02000	/* count is 1 */
#define T_O64    0x04000	/* 64-bit operands by default in 64-bit mode */
#define T_BRANCH 0x08000
#define T_VEC    0x10000	/* mandatory prefix; no operand-size prefix */
#define T_VEX    0x20000
#define T_L256   0x40000	/* VEX.L may be set */
#define T_VVVV   0x80000	/* second source in VEX.vvvv */
#define T_W1     0x100000	/* REX.W (VEX.W) wanted, in 64-bit mode only */
#define T_PAIR   0x200000	/* CMPXCHG8B, 16B */
#define T_SREG   0x400000	/* ModRM.reg is a segment register */
#define T_IMM16  0x1000000
#define T_PORT   0x2000000
#define T_CC     0x4000000	/* low opcode bits are a condition */
#define T_VL1    0x8000000	/* VEX.L must be set */
#define T_DIV    0x10000000	/* DX sometimes such that the quotient fits */
#define T_NO66   0x800000	/* no operand-size prefix; VEX.W is the operand's size */
#define T_EVEX   0x20000000
#define T_ALL    0x40000000	/* eight registers on the stack */

struct tmpl {
	const char *name;
	u8 map;			/* 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A */
	u8 op;
	u8 pfx;			/* mandatory prefix */
	signed char digit;	/* ModRM.reg, or -1 for a register */
	u8 undef;		/* enum undef */
	u8 size;		/* memory operand, where it is not the operand size */
	u32 flags;
};

enum { ENC_AX, ENC_CX, ENC_DX, ENC_BX, ENC_SP, ENC_BP, ENC_SI, ENC_DI };
enum { ES, CS, SS, DS, FS, GS };

/* One instruction while it is put together. */
struct as {
	struct gen *g;
	struct gen_case *c;
	const struct tmpl *t;
	u32 flags;
	unsigned int osize, asize;	/* bytes */
	bool p66, p67;
	u8 rep, lock, seg;		/* prefix bytes, or 0 */
	u8 rex;				/* W R X B */
	u8 modrm, sib, vvvv, l256;
	u8 evex[2];			/* R' as in P0; P2 without L */
	bool has_sib, is_mem;
	int disp_len;
	s64 disp;
	int rip_relative_at;		/* 0 if RIP-relative in 64-bit code, else -1 */
	unsigned int seg_used;
	u64 target;
	const struct stub_row *row;	/* or NULL */
	unsigned int l;
};

/* gen_row.c: choose a row, as a template; then fill in what is the row's own. */
void row_choose(struct as *a, struct tmpl *t);
void row_finish(struct as *a);

#endif /* GEN_AS_H */
