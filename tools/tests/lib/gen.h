/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random instructions, of the kinds that the emulator knows, with registers
 * such that their memory operand falls where the test wants it.
 */
#ifndef GEN_H
#define GEN_H

#include "rig.h"

/* gen_case.undefined is made from this and the count of a shift. */
enum undef {
	U_NONE, U_LOGIC, U_SHIFT, U_ROTATE, U_SHIFTD, U_BT, U_MUL, U_DIV, U_SCAN, U_COUNT,
	U_BMI, U_BEXTR,
};

struct tmpl;

/* Choices of the cases to generate: set by the test. */
struct gen {
	struct rng rng;
	unsigned int bits;	/* 16, 32 or 64 */
	bool vectors;		/* SSE, and AVX outside 16-bit code */
	bool invalid_lock;	/* LOCK where it is not allowed, too */
	bool no_movbe, no_branches;
	bool no_recent;		/* not what came after Skylake's time */
	bool ports;		/* INS and OUTS */
	bool rows;		/* instructions that the library has stubs for, see gen_row.c */
	/* Chooses where an operand shall be, as a linear address. */
	u64 (*target)(struct gen *g, unsigned int len);
	u64 seg_base[6];	/* ES CS SS DS FS GS: subtracted from the target */
	u64 segs;		/* segment overrides that may be used, a bit each */
	u64 code;		/* RIP of the instruction */
	unsigned int va_bits;	/* for target(): bits of a linear address in 64-bit code */
};

struct gen_case {
	const struct tmpl *t;
	char row[32];		/* the name, if it is one of gen_row.c's; else empty */
	u8 code[16];
	unsigned int len;
	unsigned int bits;
	struct likex_regs regs;
	u64 undefined;		/* flags that the manual leaves undefined */
	bool result_undefined;
	bool string32;		/* string with 32-bit addresses in 64-bit code */
	bool rip_relative;
	bool branches;		/* RIP comes from a register or memory */
	u64 operand;		/* linear address aimed at */
	unsigned int operand_len;
};

void gen_make(struct gen *g, struct gen_case *c);
const char *gen_name(const struct gen_case *c);
unsigned int gen_templates(void);

#endif /* GEN_H */
