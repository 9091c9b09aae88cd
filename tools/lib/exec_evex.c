// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * AVX-512: its registers, operands in memory under a mask, and its moves.
 *
 * A device sees only bytes whose element the mask has on, in address order,
 * each run of them in transactions of at most 8 bytes. Memory that is masked
 * off raises no fault.
 */
#include "internal.h"

/* The registers that have a lower part elsewhere. */
#define ZMM_LOW 16

void zmm_get(const struct likex_emul *e, void *xsave, unsigned int reg,
	     u8 v[WRITE_MAX])
{
	u64 bv = *xstate_bv(xsave);

	if (reg < ZMM_LOW) {
		vec_get(xsave, reg, v);
		if (bv & XSTATE_ZMMH)
			memcpy(v + 32, (u8 *)xsave + e->zmm_hi256 + (size_t)reg * 32, 32);
		return;
	}
	memset(v, 0, WRITE_MAX);
	if (bv & XSTATE_ZMM16)
		memcpy(v, (u8 *)xsave + e->zmm_hi16 + (size_t)(reg - ZMM_LOW) * 64, 64);
}

/* zmm_set() - all 64 bytes of a register */
void zmm_set(const struct likex_emul *e, void *xsave, unsigned int reg, const u8 *v)
{
	if (reg < ZMM_LOW) {
		vec_set_ymm(e, xsave, reg, v);
		xstate_materialize(xsave, XSTATE_ZMMH, e->zmm_hi256, ZMM_LOW * 32);
		memcpy((u8 *)xsave + e->zmm_hi256 + (size_t)reg * 32, v + 32, 32);
		return;
	}
	xstate_materialize(xsave, XSTATE_ZMM16, e->zmm_hi16, 16 * 64);
	memcpy((u8 *)xsave + e->zmm_hi16 + (size_t)(reg - ZMM_LOW) * 64, v, 64);
}

u64 opmask_get(const struct likex_emul *e, void *xsave, unsigned int k)
{
	u64 v = 0;

	if (*xstate_bv(xsave) & XSTATE_MASK)
		memcpy(&v, (u8 *)xsave + e->opmask + (size_t)k * 8, sizeof(v));
	return v;
}

void opmask_set(const struct likex_emul *e, void *xsave, unsigned int k, u64 v)
{
	xstate_materialize(xsave, XSTATE_MASK, e->opmask, 8 * 8);
	memcpy((u8 *)xsave + e->opmask + (size_t)k * 8, &v, sizeof(v));
}

static u64 low_bits(unsigned int n)
{
	return n >= 64 ? ~0ull : BIT(n) - 1;
}

/*
 * evex_bytes() - find the bytes of the operand in memory that are accessed
 *
 * Return: a bit for each byte.
 */
u64 evex_bytes(const struct insn *in, u64 mask)
{
	const struct evex_form *f = &in->ev;
	unsigned int i, at;
	u64 bytes = 0;

	if (!f->k || (f->whole && !in->access))
		return low_bits(in->opr[in->mem].size);
	for (i = 0; i < f->count; i++) {
		at = i % f->mem_count * f->mem_elem;
		if (mask >> i & 1)
			bytes |= low_bits(f->mem_elem) << at;
	}
	return bytes;
}

/* The first byte that is accessed, and the number up to the last one. */
static unsigned int first_byte(u64 bytes)
{
	return __builtin_ctzll(bytes);
}

static unsigned int byte_count(u64 bytes)
{
	return 64 - __builtin_clzll(bytes) - first_byte(bytes);
}

/*
 * A fault in the second page is reported for the first byte there that is
 * accessed. The first page has one where the operand begins.
 */
static void fix_cr2(struct likex_emul *e, u64 lin, u64 bytes)
{
	struct likex_fault *f = &e->step->fault;
	u64 at = f->cr2 - lin;

	if (!mode64(e))
		at = (u32)at;
	if (f->vector == VEC_PF && at && at < 64 && bytes >> at)
		f->cr2 += __builtin_ctzll(bytes >> at);
}

/*
 * masked_resolve() - the operand in memory from the first byte in @bytes to the
 * last, as emul->mem
 *
 * Each page that this touches has a byte that is accessed, so every fault is
 * one of the instruction's.
 */
int masked_resolve(struct likex_emul *e, const struct insn *in, u64 bytes)
{
	unsigned int size = in->opr[in->mem].size;
	u64 off = ea_offset(e, in), lin = off, part;
	int r;

	if (in->ev.whole)
		bytes = low_bits(size);
	if (in->seg == SEG_FS || in->seg == SEG_GS || !mode64(e))
		lin += segment(e, in->seg)->base;
	if (!bytes)
		return 0;
	if ((in->op->flags & OP_ALIGN) && (lin & (size - 1)))
		return emul_fault(e, VEC_GP, 0);
	part = off + first_byte(bytes);
	if (!mode64(e))
		part = (u32)part;
	r = mem_resolve_part(e, &e->mem, in->seg, part, first_byte(bytes), byte_count(bytes),
			     in->ev.no_ac ? WRITE_MAX : size, in->access & PF_W);
	if (r == LIKEX_FAULT)
		fix_cr2(e, lin, bytes);
	return r;
}

/* A part of @s that lies on one page. */
static int read_part(struct likex_emul *e, const struct span *s, unsigned int i,
		     unsigned int at, unsigned int len, u8 *to)
{
	struct span part = *s;

	part.gpa[0] = s->gpa[i] + at;
	part.host[0] = s->host[i] ? s->host[i] + at : NULL;
	part.len[0] = len;
	part.len[1] = 0;
	return span_read(e, &part, to);
}

/*
 * masked_read() - read @bytes of the operand, each to its place in @to
 */
int masked_read(struct likex_emul *e, u64 bytes, u8 *to)
{
	const struct span *s = &e->mem;
	unsigned int at, end, i, from;
	int r;

	if (!bytes)
		return 0;
	to += first_byte(bytes);
	bytes >>= first_byte(bytes);
	for (at = 0; at < 64 && bytes >> at; at = end) {
		at += __builtin_ctzll(bytes >> at);
		i = at >= s->len[0];
		from = i ? s->len[0] : 0;
		end = at + 1;
		while (end < from + s->len[i] && (bytes >> end & 1))
			end++;
		r = read_part(e, s, i, at - from, end - at, to + at);
		if (r)
			return r;
	}
	return 0;
}

/*
 * masked_stage() - stage a store of @bytes of @data
 */
void masked_stage(struct likex_emul *e, const struct insn *in, u64 bytes, const u8 *data)
{
	unsigned int first;

	if (!bytes)
		return;
	first = in->ev.whole ? 0 : first_byte(bytes);
	stage_write(e, &e->mem, data + first);
	e->wr.how = STAGED_MASKED;
	e->wr.enable = bytes >> first;
}

/* Elements that the mask has on from @v; the others stay, or become zero. */
static void merge(const struct evex_form *f, u64 mask, u8 *res, const u8 *v)
{
	bool dup = f->count > f->mem_count;
	unsigned int i, at;

	for (i = 0; i < f->count; i++) {
		at = i * f->elem;
		if (mask >> i & 1)
			memcpy(res + at, v + (dup ? i % f->mem_count * f->mem_elem : at), f->elem);
		else if (f->zero)
			memset(res + at, 0, f->elem);
	}
}

/* Make the register's new value from its old one in @res. */
static void place(struct likex_emul *e, const struct insn *in, void *xsave, u64 mask,
		  u8 *res, const u8 *v)
{
	unsigned int width = in->opr[0].size;

	switch (in->op->sub) {
	case VEC_LOW:
	case VEC_HIGH:
		zmm_get(e, xsave, in->opr[1].reg, res);
		memcpy(res + (in->op->sub == VEC_HIGH ? 8 : 0), v, 8);
		break;
	case VEC_SCALAR:
		/* @v has zeros past its one element. */
		if ((mask & 1) || in->ev.zero)
			memcpy(res, v, 16);
		memset(res + in->ev.mem_elem, 0, 16 - in->ev.mem_elem);
		break;
	default:
		merge(&in->ev, mask, res, v);
	}
	memset(res + width, 0, WRITE_MAX - width);
}

static int load(struct likex_emul *e, const struct insn *in, void *xsave, u64 mask)
{
	u8 v[WRITE_MAX] = { 0 }, res[WRITE_MAX];
	u64 bytes;
	int r;

	if (in->mem == REG_NONE) {
		zmm_get(e, xsave, in->opr[1].reg, v);
	} else {
		bytes = evex_bytes(in, mask);
		r = masked_resolve(e, in, bytes);
		if (!r)
			r = masked_read(e, bytes, v);
		if (r)
			return r;
	}
	zmm_get(e, xsave, in->opr[0].reg, res);
	place(e, in, xsave, mask, res, v);
	zmm_set(e, xsave, in->opr[0].reg, res);
	e->events |= LIKEX_EVENT_FPU;
	return 0;
}

static int store(struct likex_emul *e, const struct insn *in, void *xsave, u64 mask)
{
	u64 bytes = evex_bytes(in, mask);
	u8 v[WRITE_MAX];
	int r;

	r = masked_resolve(e, in, bytes);
	if (r)
		return r;
	zmm_get(e, xsave, in->opr[1].reg, v);
	if (in->op->sub == VEC_HIGH)
		memcpy(v, v + 8, 8);
	masked_stage(e, in, bytes, v);
	return 0;
}

/*
 * exec_evex() - a move with an EVEX prefix
 *
 * Between registers only whole-register moves are emulated: the others never
 * touch memory.
 */
int exec_evex(struct likex_emul *e, const struct insn *in)
{
	struct likex_fpu fpu = { 0 };
	u64 mask = ~0ull;
	int r;

	if (in->mem == REG_NONE &&
	    (in->op->sub != VEC_FULL || in->opr[1].type != OPR_VEC))
		return emul_unsupported(e, LIKEX_WHY_INSN);
	r = fpu_get(e, &fpu);
	if (r)
		return r;
	if (in->ev.k)
		mask = opmask_get(e, fpu.xsave, in->ev.k);
	if (in->mem == 0)
		return store(e, in, fpu.xsave, mask);
	return load(e, in, fpu.xsave, mask);
}

/* MOVDIR64B: from [ModRM] to ES:[reg], which must be aligned. */
int exec_movdir64b(struct likex_emul *e, const struct insn *in)
{
	u64 to = e->r[in->opr[0].reg] & size_mask(in->asize), lin = to;
	u8 v[WRITE_MAX];
	struct span dst;
	int r;

	if (!mode64(e))
		lin = (u32)(to + segment(e, SEG_ES)->base);
	r = mem_resolve(e, &e->mem, in->seg, ea_offset(e, in), WRITE_MAX, false);
	if (!r && (lin & (WRITE_MAX - 1)))
		r = emul_fault(e, VEC_GP, 0);
	if (!r)
		r = mem_resolve(e, &dst, SEG_ES, to, WRITE_MAX, true);
	if (!r)
		r = span_read(e, &e->mem, v);
	if (r)
		return r;
	stage_write(e, &dst, v);
	return 0;
}

/* The bits of MXCSR that are not reserved. */
#define MXCSR_BITS 0xffff

/* LDMXCSR (sub 0) and STMXCSR (sub 1). */
int exec_mxcsr(struct likex_emul *e, const struct insn *in)
{
	struct likex_fpu fpu = { 0 };
	u32 mxcsr = 0;
	int r;

	r = fpu_get(e, &fpu);
	if (r)
		return r;
	if (in->op->sub) {
		memcpy(&mxcsr, (u8 *)fpu.xsave + XSAVE_MXCSR, sizeof(mxcsr));
		stage_value(e, &e->mem, mxcsr);
		return 0;
	}
	r = span_read(e, &e->mem, &mxcsr);
	if (r)
		return r;
	if (mxcsr & ~MXCSR_BITS)
		return emul_fault(e, VEC_GP, 0);
	/* Else what the bits of the area say of the registers would change. */
	xstate_materialize(fpu.xsave, XSTATE_SSE, 160, 16 * 16);
	memcpy((u8 *)fpu.xsave + XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
	e->events |= LIKEX_EVENT_FPU;
	return 0;
}
