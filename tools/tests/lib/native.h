/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running one instruction on the real processor, in user mode.
 */
#ifndef NATIVE_H
#define NATIVE_H

#include "rig.h"

/* Registers on the way in; registers and the exception on the way out. */
struct native_state {
	struct likex_regs regs;
	u8 vec[32][64];		/* ZMM0-31; only as much as the processor has */
	u64 mask[8];		/* K0-7 */
	u8 x87[160];		/* as in an FXSAVE image, with MXCSR */
	u64 xstate;		/* XSTATE_BV */
	unsigned int trapno;	/* 1 #DB, 3 #BP after the instruction, or a fault */
	u64 error;
	u64 cr2;
};

/* Code and segments that a case runs with. */
struct native_mode {
	unsigned int bits;
	u16 cs, ss, ds, es, fs, gs;
	u64 code_base;		/* of CS */
	u64 seg_base[6];	/* ES CS SS DS FS GS */
	u64 usable;		/* overrides to generate, a bit each */
	bool stack16;		/* SS has 16-bit offsets */
	struct likex_segment seg[6];
};

/* Returns false, with a message, if this processor cannot run the cases. */
bool native_init(u64 gs_base);
bool native_is_amd(void);
void native_mode(struct native_mode *m, unsigned int bits, struct rng *g,
		 u64 arena, u64 code);
void native_sregs(const struct native_mode *m, struct likex_sregs *s);
void native_run(const struct native_mode *m, struct native_state *s);
/* From now on, play a processor that checks RSP, of so many bits, when it returns to user mode. */
void native_pretend_rsp_checked(unsigned int va_bits);
void native_describe(const struct native_mode *m);
/* The vendor of this processor: enum likex_vendor. */
unsigned int native_vendor(void);
u64 native_xstate(void);
void native_to_xsave(const struct native_state *s, u8 *xsave);
void native_from_xsave(struct native_state *s, const u8 *xsave);

/* native_numbers.c: numbers of any format, @len bytes; one of 80 bits. */
void native_numbers(struct rng *g, u8 *to, unsigned int len);
void native_x87_number(struct rng *g, u8 *to);
/* Vector, mask and x87 registers of chance, with their modes. */
void native_vectors(struct rng *g, struct native_state *s);

#endif /* NATIVE_H */
