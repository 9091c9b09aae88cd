// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Integer instructions: moves, arithmetic, exchange.
 *
 * A memory operand has been resolved before a handler is called: emul->mem.
 */
#include "internal.h"

/* For the locked compare in commit(): what the result was computed from. */
static void remember(struct likex_emul *e, const struct insn *in,
		     const void *old)
{
	if (in->mem == REG_NONE || !e->wr.len)
		return;
	e->wr.how = in->lock || (in->op->flags & OP_LOCK) ? STAGED_LOCKED : STAGED_PLAIN;
	memcpy(e->wr.old, old, e->wr.len);
}

/* The first two operands: a destination that is read too, and a source. */
static int opr_read2(struct likex_emul *e, const struct insn *in, u64 *dst,
		     u64 *src)
{
	int r = opr_read(e, in, 0, dst);

	return r ? r : opr_read(e, in, 1, src);
}

static int write_back(struct likex_emul *e, const struct insn *in, u64 res,
		      u64 old)
{
	int r = opr_write(e, in, 0, res);

	if (!r)
		remember(e, in, &old);
	return r;
}

static __attribute__((noinline)) int mov_other(struct likex_emul *e,
					       const struct insn *in)
{
	u64 v;
	int r;

	r = opr_read(e, in, 1, &v);
	if (r)
		return r;
	if (in->opr[0].type == OPR_SREG)
		return segment_load(e, in->opr[0].reg, v);
	return opr_write(e, in, 0, v);
}

int exec_mov(struct likex_emul *e, const struct insn *in)
{
	const struct opr *o = &in->opr[1];

	/* Most often it is a store. */
	if (in->opr[0].type != OPR_MEM || o->type != OPR_GPR)
		return mov_other(e, in);
	stage_value(e, &e->mem, e->r[o->reg] & size_mask(o->size));
	return 0;
}

/* MOVSX, MOVSXD (sub 1) and MOVZX (sub 0). */
int exec_movsx(struct likex_emul *e, const struct insn *in)
{
	unsigned int up = 64 - in->opr[1].size * 8;
	u64 v;
	int r;

	r = opr_read(e, in, 1, &v);
	if (r)
		return r;
	if (in->op->sub)
		v = (u64)((s64)(v << up) >> up);
	return opr_write(e, in, 0, v);
}

int exec_movbe(struct likex_emul *e, const struct insn *in)
{
	u64 v;
	int r;

	r = opr_read(e, in, 1, &v);
	if (r)
		return r;
	return opr_write(e, in, 0,
			 __builtin_bswap64(v) >> (64 - in->opr[1].size * 8));
}

int exec_alu2(struct likex_emul *e, const struct insn *in)
{
	u64 a, b, res;
	int r;

	r = opr_read2(e, in, &a, &b);
	if (r)
		return r;
	res = alu(in->op->sub, a, b, in->opr[0].size, &e->flags);
	if (in->op->sub == ALU_CMP || in->op->sub == ALU_TEST)
		return 0;
	return write_back(e, in, res, a);
}

int exec_alu1(struct likex_emul *e, const struct insn *in)
{
	u64 a;
	int r;

	r = opr_read(e, in, 0, &a);
	if (r)
		return r;
	return write_back(e, in,
			  alu(in->op->sub, a, 0, in->opr[0].size, &e->flags), a);
}

int exec_shift(struct likex_emul *e, const struct insn *in)
{
	u64 a, n;
	int r;

	r = opr_read2(e, in, &a, &n);
	if (r)
		return r;
	return write_back(e, in, shift(in->op->sub, a, 0, n, in->opr[0].size,
				       &e->flags), a);
}

int exec_shiftd(struct likex_emul *e, const struct insn *in)
{
	u64 a, b, n;
	int r;

	r = opr_read2(e, in, &a, &b);
	if (!r)
		r = opr_read(e, in, 2, &n);
	if (r)
		return r;
	return write_back(e, in, shift(in->op->sub, a, b, n, in->opr[0].size,
				       &e->flags), a);
}

/*
 * A bit offset in a register reaches beyond the operand: it selects which
 * operand, signed, and then the bit in it.
 */
static int bt_resolve(struct likex_emul *e, const struct insn *in, u64 bit)
{
	unsigned int size = in->opr[0].size, up = 64 - size * 8;
	u64 off = ea_offset(e, in);
	s64 index;

	if (in->opr[1].type == OPR_GPR) {
		index = (s64)(bit << up) >> up;
		off += (u64)(index >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
	}
	return mem_resolve(e, &e->mem, in->seg, off & size_mask(in->asize), size,
			   in->access & PF_W);
}

/* BT, BTS, BTR, BTC: sub 0 to 3. */
int exec_bt(struct likex_emul *e, const struct insn *in)
{
	u64 v, bit, mask, res;
	int r;

	r = opr_read(e, in, 1, &bit);
	if (r)
		return r;
	if (in->mem == 0) {
		r = bt_resolve(e, in, bit);
		if (r)
			return r;
	}
	r = opr_read(e, in, 0, &v);
	if (r)
		return r;
	mask = BIT(bit & (in->opr[0].size * 8 - 1));
	e->flags &= ~X86_EFLAGS_CF;
	if (v & mask)
		e->flags |= X86_EFLAGS_CF;
	if (!in->op->sub)
		return 0;
	res = in->op->sub == 1 ? v | mask : in->op->sub == 2 ? v & ~mask : v ^ mask;
	return write_back(e, in, res, v);
}

int exec_xchg(struct likex_emul *e, const struct insn *in)
{
	u64 a, b;
	int r;

	r = opr_read2(e, in, &a, &b);
	if (r)
		return r;
	r = opr_write(e, in, 0, b);
	if (!r)
		r = opr_write(e, in, 1, a);
	if (!r)
		remember(e, in, in->mem ? &b : &a);
	return r;
}

int exec_xadd(struct likex_emul *e, const struct insn *in)
{
	u64 a, b, sum;
	int r;

	r = opr_read2(e, in, &a, &b);
	if (r)
		return r;
	sum = alu(ALU_ADD, a, b, in->opr[0].size, &e->flags);
	/* The sum last: with both operands one register, it wins. */
	r = opr_write(e, in, 1, a);
	return r ? r : write_back(e, in, sum, a);
}

/*
 * The destination is written in any case, with what it held if they differ,
 * as the manual says.
 */
int exec_cmpxchg(struct likex_emul *e, const struct insn *in)
{
	unsigned int size = in->opr[0].size;
	u64 old, src, acc = e->r[REG_RAX] & size_mask(size);
	int r;

	r = opr_read2(e, in, &old, &src);
	if (r)
		return r;
	alu(ALU_CMP, acc, old, size, &e->flags);
	if (acc == old)
		return write_back(e, in, src, old);
	gpr_write(e, REG_RAX, size, old);
	return in->mem == 0 ? write_back(e, in, old, old) : 0;
}

/* CMPXCHG8B and CMPXCHG16B: of all flags, only ZF. */
int exec_cmpxchg_pair(struct likex_emul *e, const struct insn *in)
{
	unsigned int size = in->opr[0].size, half = size / 2;
	u8 old[16], acc[16], src[16];
	u64 lo = 0, hi = 0;
	int r;

	r = span_read(e, &e->mem, old);
	if (r)
		return r;
	memcpy(acc, &e->r[REG_RAX], half);
	memcpy(acc + half, &e->r[REG_RDX], half);
	memcpy(src, &e->r[REG_RBX], half);
	memcpy(src + half, &e->r[REG_RCX], half);
	e->flags &= ~X86_EFLAGS_ZF;
	if (!memcmp(acc, old, size)) {
		e->flags |= X86_EFLAGS_ZF;
		stage_write(e, &e->mem, src);
	} else {
		memcpy(&lo, old, half);
		memcpy(&hi, old + half, half);
		gpr_write(e, REG_RAX, half, lo);
		gpr_write(e, REG_RDX, half, hi);
		stage_write(e, &e->mem, old);
	}
	remember(e, in, old);
	return 0;
}

int exec_setcc(struct likex_emul *e, const struct insn *in)
{
	return opr_write(e, in, 0, condition(in->op->sub, e->r[REG_RFLAGS]));
}

/* The source is read, and a 32-bit destination cleared above, in any case. */
int exec_cmovcc(struct likex_emul *e, const struct insn *in)
{
	u64 v, old = e->r[in->opr[0].reg];
	int r;

	r = opr_read(e, in, 1, &v);
	if (r)
		return r;
	return opr_write(e, in, 0,
			 condition(in->op->sub, e->r[REG_RFLAGS]) ? v : old);
}

/* NOP with an operand, and prefetches: memory is not touched. */
int exec_nop(struct likex_emul *e, const struct insn *in)
{
	(void)e;
	(void)in;
	return 0;
}
