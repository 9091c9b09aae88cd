/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the decoder's view of a vector or x87 instruction to what exec_evex.c
 * and exec_stub.c need to know of it.
 */
#ifndef LIKEX_VEC_FORM_H
#define LIKEX_VEC_FORM_H

#include "internal.h"
#include <Zydis/Zydis.h>

/* An entry of stub_rows, made in stubs.S: one opcode. */
struct stub_row {
	u8 kind;		/* enum stub_kind */
	u8 map;
	u8 pfx;			/* mandatory prefix, or 0 */
	u8 w;			/* 2: ignored */
	u8 l;			/* a bit for each L there is; 8: ignored */
	u8 digit;		/* ModRM.reg, if it is part of the opcode; else 0xff */
	u8 imm_bits;		/* 0xff: no immediate */
	u8 op;
	u32 code;		/* offset of the first stub in stub_code */
};

#define STUB_SIZE 8

_Static_assert(sizeof(struct stub_row) == 12, "as stubs.S makes them");

extern const struct stub_row stub_rows[];
extern const u32 stub_row_count;
extern const u8 stub_code[];

/* The stubs that this processor can run, for emul->host. */
u64 stub_host(void);
/* Offset of the stub for these bytes, or -1. */
s64 stub_find(const ZydisDecodedInstruction *z, unsigned int bits, unsigned int *kind);
/* How the mask applies; in->ev is filled in. */
void evex_convert(struct insn *in, const ZydisDecodedInstruction *z,
		  const ZydisDecodedOperand *ops);
/* Find a stub that this processor can run; fill in in->op and in->stub. */
bool stub_convert(const struct likex_emul *e, struct insn *in,
		  const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops);

#endif /* LIKEX_VEC_FORM_H */
