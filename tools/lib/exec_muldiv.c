// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Multiplication and division.
 *
 * Of the flags, multiplication defines CF and OF only, division none: the rest
 * stays as it was.
 */
#include "internal.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

static s64 sign_extend(u64 v, unsigned int size)
{
	unsigned int up = 64 - size * 8;

	return (s64)(v << up) >> up;
}

static void overflow_flags(struct likex_emul *e, bool overflow)
{
	e->flags &= ~(X86_EFLAGS_CF | X86_EFLAGS_OF);
	if (overflow)
		e->flags |= X86_EFLAGS_CF | X86_EFLAGS_OF;
}

/* The double-width accumulator: AX, or DX:AX, EDX:EAX, RDX:RAX. */
static u128 wide_get(const struct likex_emul *e, unsigned int size)
{
	u64 mask = size_mask(size);

	if (size == 1)
		return e->r[REG_RAX] & 0xffff;
	return (u128)(e->r[REG_RDX] & mask) << (size * 8) | (e->r[REG_RAX] & mask);
}

static void wide_set(struct likex_emul *e, unsigned int size, u64 high, u64 low)
{
	if (size == 1) {
		gpr_write(e, REG_RAX, 2, (high & 0xff) << 8 | (low & 0xff));
		return;
	}
	gpr_write(e, REG_RAX, size, low);
	gpr_write(e, REG_RDX, size, high);
}

static s128 product(u64 a, u64 b, unsigned int size, bool is_signed)
{
	if (is_signed)
		return (s128)sign_extend(a, size) * sign_extend(b, size);
	return (s128)((u128)a * b);
}

/* MUL (sub 0) and IMUL (sub 1) of the accumulator. */
static int mul_wide(struct likex_emul *e, const struct insn *in)
{
	unsigned int size = in->opr[0].size;
	u64 v, low, high;
	s128 p;
	int r;

	r = opr_read(e, in, 0, &v);
	if (r)
		return r;
	p = product(e->r[REG_RAX] & size_mask(size), v, size, in->op->sub);
	low = (u64)p & size_mask(size);
	high = (u64)((u128)p >> (size * 8)) & size_mask(size);
	wide_set(e, size, high, low);
	overflow_flags(e, in->op->sub ? p != sign_extend(low, size) : high != 0);
	return 0;
}

/* IMUL of two or three operands: the product is cut off. */
static int mul_short(struct likex_emul *e, const struct insn *in)
{
	unsigned int size = in->opr[0].size;
	u64 a, b;
	s128 p;
	int r;

	r = opr_read(e, in, in->nopr - 1, &b);
	if (!r)
		r = opr_read(e, in, in->nopr - 2, &a);
	if (r)
		return r;
	p = product(a, b, size, true);
	overflow_flags(e, p != sign_extend((u64)p, size));
	return opr_write(e, in, 0, (u64)p);
}

int exec_mul(struct likex_emul *e, const struct insn *in)
{
	return in->nopr == 1 ? mul_wide(e, in) : mul_short(e, in);
}

static int div_unsigned(struct likex_emul *e, u64 by, unsigned int size)
{
	u128 n = wide_get(e, size);

	if (!by || n >> (size * 8) >= by)
		return emul_fault_noerr(e, VEC_DE);
	wide_set(e, size, (u64)(n % by), (u64)(n / by));
	return 0;
}

static int div_signed(struct likex_emul *e, u64 v, unsigned int size)
{
	unsigned int up = 128 - size * 16;
	s128 n = (s128)(wide_get(e, size) << up) >> up;
	s64 by = sign_extend(v, size);
	s128 q;

	/* The one quotient that 128 bits cannot hold is too large anyway. */
	if (!by || (by == -1 && n == (s128)((u128)1 << 127)))
		return emul_fault_noerr(e, VEC_DE);
	q = n / by;
	if (q != sign_extend((u64)q, size))
		return emul_fault_noerr(e, VEC_DE);
	wide_set(e, size, (u64)(n % by), (u64)q);
	return 0;
}

/* DIV (sub 0) and IDIV (sub 1). */
int exec_div(struct likex_emul *e, const struct insn *in)
{
	u64 v;
	int r;

	r = opr_read(e, in, 0, &v);
	if (r)
		return r;
	if (in->op->sub)
		return div_signed(e, v, in->opr[0].size);
	return div_unsigned(e, v, in->opr[0].size);
}
