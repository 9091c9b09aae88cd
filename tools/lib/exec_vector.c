// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SSE and AVX moves. Vector state is asked for only here.
 */
#include "internal.h"
#include <errno.h>

/* The standard format of the XSAVE area. */
#define XSAVE_XMM   160
#define XSAVE_BV    512
#define XSAVE_YMMH  576

#define VEC_REGS 16

static u8 *xmm_at(void *xsave, size_t reg)
{
	return (u8 *)xsave + XSAVE_XMM + reg * 16;
}

static u8 *ymmh_at(void *xsave, size_t reg)
{
	return (u8 *)xsave + XSAVE_YMMH + reg * 16;
}

u64 *xstate_bv(void *xsave)
{
	return (u64 *)((u8 *)xsave + XSAVE_BV);
}

/*
 * A component whose bit is clear is in its initial state, zero, whatever the
 * area holds. Before one register of it is changed, the others have to be
 * made what they count as.
 */
void xstate_materialize(void *xsave, u64 component, unsigned int at,
			unsigned int len)
{
	u64 *bv = xstate_bv(xsave);

	if (*bv & component)
		return;
	memset((u8 *)xsave + at, 0, len);
	*bv |= component;
}

void vec_get(void *xsave, unsigned int reg, u8 v[WRITE_MAX])
{
	u64 bv = *xstate_bv(xsave);

	memset(v, 0, WRITE_MAX);
	if (bv & XSTATE_SSE)
		memcpy(v, xmm_at(xsave, reg), 16);
	if (bv & XSTATE_AVX)
		memcpy(v + 16, ymmh_at(xsave, reg), 16);
}

void vec_set_xmm(void *xsave, unsigned int reg, const u8 *v)
{
	xstate_materialize(xsave, XSTATE_SSE, XSAVE_XMM, VEC_REGS * 16);
	memcpy(xmm_at(xsave, reg), v, 16);
}

/* A VEX-encoded instruction clears all of the register that it does not write. */
void vec_set_ymm(const struct likex_emul *e, void *xsave, unsigned int reg,
		 const u8 *v)
{
	vec_set_xmm(xsave, reg, v);
	xstate_materialize(xsave, XSTATE_AVX, XSAVE_YMMH, VEC_REGS * 16);
	memcpy(ymmh_at(xsave, reg), v + 16, 16);
	if (*xstate_bv(xsave) & XSTATE_ZMMH)
		memset((u8 *)xsave + e->zmm_hi256 + (size_t)reg * 32, 0, 32);
}

int fpu_get(struct likex_emul *e, struct likex_fpu *fpu)
{
	int r;

	r = e->ops->fpu_get ? e->ops->fpu_get(e->ctx, fpu) : -EOPNOTSUPP;
	if (r == -EOPNOTSUPP)
		return emul_unsupported(e, LIKEX_WHY_STATE);
	return r > 0 ? -r : r;
}

/*
 * vector_check() - check that the system has the vector unit on
 *
 * Comes before anything that the operands can raise.
 */
int vector_check(struct likex_emul *e, const struct insn *in)
{
	const struct likex_sregs *s = e->sregs;
	u64 need = XSTATE_SSE | XSTATE_AVX | (in->evex ? XSTATE_512 : 0);
	struct likex_fpu fpu = { 0 };
	int r;

	if (in->op->flags & OP_X87)
		return x87_check(e, in);
	if (in->vex || in->evex) {
		if (e->mode.real || !(s->cr4 & X86_CR4_OSXSAVE))
			return emul_fault_noerr(e, VEC_UD);
		r = fpu_get(e, &fpu);
		if (r)
			return r;
		if ((fpu.xcr0 & need) != need)
			return emul_fault_noerr(e, VEC_UD);
	} else if ((s->cr0 & X86_CR0_EM) || !(s->cr4 & X86_CR4_OSFXSR)) {
		return emul_fault_noerr(e, VEC_UD);
	}
	if (s->cr0 & X86_CR0_TS)
		return emul_fault_noerr(e, VEC_NM);
	return 0;
}

/* An operand's bytes, the rest zero. A general register is one, for MOVD. */
static int vec_operand(struct likex_emul *e, const struct insn *in,
		       unsigned int i, void *xsave, u8 v[WRITE_MAX])
{
	const struct opr *o = &in->opr[i];

	memset(v, 0, WRITE_MAX);
	switch (o->type) {
	case OPR_VEC:
		vec_get(xsave, o->reg, v);
		return 0;
	case OPR_GPR:
		memcpy(v, &e->r[o->reg], o->size);
		return 0;
	case OPR_MEM:
		return span_read(e, &e->mem, v);
	default:
		return emul_unsupported(e, LIKEX_WHY_INSN);
	}
}

/* Bytes of the source that count: a scalar's, or as many as the memory has. */
static unsigned int element(const struct insn *in, unsigned int src)
{
	unsigned int size = in->opr[src].size, dst = in->opr[0].size;

	return size < dst ? size : dst;
}

/*
 * Put the source @v into place in @res, which holds what is kept: the
 * destination's old value, or the second source's for three operands.
 */
static void place(const struct insn *in, unsigned int src, u8 *res, const u8 *v)
{
	unsigned int n = element(in, src), at, width = in->opr[0].size;

	switch (in->op->sub) {
	case VEC_LOW:
		memcpy(res, v, 8);
		break;
	case VEC_HIGH:
		memcpy(res + 8, v, 8);
		break;
	case VEC_SCALAR:
		memset(res, 0, 16);
		memcpy(res, v, n);
		break;
	case VEC_DUP:
		for (at = 0; at < width; at += n)
			memcpy(res + at, v, n);
		break;
	default:
		memcpy(res, v, n);
	}
}

static int vec_load(struct likex_emul *e, const struct insn *in, void *xsave)
{
	unsigned int src = in->nopr - 1;
	u8 v[WRITE_MAX], res[WRITE_MAX];
	int r;

	r = vec_operand(e, in, src, xsave, v);
	if (r)
		return r;
	vec_get(xsave, in->opr[src == 2 ? 1 : 0].reg, res);
	place(in, src, res, v);
	if (in->vex) {
		memset(res + in->opr[0].size, 0, WRITE_MAX - in->opr[0].size);
		vec_set_ymm(e, xsave, in->opr[0].reg, res);
	} else {
		vec_set_xmm(xsave, in->opr[0].reg, res);
	}
	e->events |= LIKEX_EVENT_FPU;
	return 0;
}

static int vec_store(struct likex_emul *e, const struct insn *in, void *xsave)
{
	u8 v[WRITE_MAX];
	u64 low;

	vec_get(xsave, in->opr[1].reg, v);
	if (in->op->sub == VEC_HIGH)
		memcpy(v, v + 8, 8);
	if (in->opr[0].type == OPR_MEM) {
		stage_write(e, &e->mem, v);
		return 0;
	}
	memcpy(&low, v, sizeof(low));
	return opr_write(e, in, 0, low);
}

/*
 * exec_vector() - one move to or from a vector register
 *
 * Between registers only whole-register moves, and MOVD and MOVQ, are
 * emulated: the others merge, and never touch memory.
 */
int exec_vector(struct likex_emul *e, const struct insn *in)
{
	struct likex_fpu fpu = { 0 };
	int r;

	if (in->evex)
		return exec_evex(e, in);
	if (in->mem == REG_NONE && in->op->sub != VEC_FULL &&
	    in->opr[0].type == OPR_VEC && in->opr[1].type == OPR_VEC)
		return emul_unsupported(e, LIKEX_WHY_INSN);
	r = fpu_get(e, &fpu);
	if (r)
		return r;
	if (in->opr[0].type == OPR_VEC)
		return vec_load(e, in, fpu.xsave);
	return vec_store(e, in, fpu.xsave);
}
