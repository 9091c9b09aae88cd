// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Arithmetic and its flags. Pure functions of values.
 *
 * A flag that the manual leaves undefined gets the value that Intel processors
 * were seen to give it; the tests mask those flags.
 */
#include "internal.h"

static u64 msb(u64 v, unsigned int size)
{
	return v >> (size * 8 - 1) & 1;
}

static u64 parity(u64 v)
{
	v ^= v >> 4;
	return 0x9669 >> (v & 15) & 1;
}

/* SF, ZF and PF of a result. */
static u64 flags_of(u64 res, unsigned int size)
{
	u64 f = 0;

	if (!res)
		f |= X86_EFLAGS_ZF;
	if (msb(res, size))
		f |= X86_EFLAGS_SF;
	if (parity(res))
		f |= X86_EFLAGS_PF;
	return f;
}

/* @carry has a bit for each position that carried, or borrowed, out. */
static u64 carry_flags(u64 carry, unsigned int size)
{
	u64 f = 0;

	if (msb(carry, size))
		f |= X86_EFLAGS_CF;
	if (msb(carry ^ carry << 1, size))
		f |= X86_EFLAGS_OF;
	if (carry & 8)
		f |= X86_EFLAGS_AF;
	return f;
}

static u64 add(u64 a, u64 b, u64 c, unsigned int size, u64 *f)
{
	u64 res = (a + b + c) & size_mask(size);

	*f = flags_of(res, size) |
	     carry_flags((a & b) | ((a | b) & ~res), size);
	return res;
}

static u64 sub(u64 a, u64 b, u64 c, unsigned int size, u64 *f)
{
	u64 res = (a - b - c) & size_mask(size);

	*f = flags_of(res, size) |
	     carry_flags((~a & b) | ((~a | b) & res), size);
	return res;
}

static u64 logic(u64 res, unsigned int size, u64 *f)
{
	*f = flags_of(res, size);
	return res;
}

/*
 * alu() - @a op @b of @size bytes
 *
 * Changes in @flags only what the operation changes.
 */
u64 alu(enum alu op, u64 a, u64 b, unsigned int size, u64 *flags)
{
	u64 changed = FLAGS_ARITH, carry = *flags & X86_EFLAGS_CF, f = 0, res;

	a &= size_mask(size);
	b &= size_mask(size);
	switch (op) {
	case ALU_ADD:
		res = add(a, b, 0, size, &f);
		break;
	case ALU_ADC:
		res = add(a, b, carry, size, &f);
		break;
	case ALU_SUB:
	case ALU_CMP:
		res = sub(a, b, 0, size, &f);
		break;
	case ALU_SBB:
		res = sub(a, b, carry, size, &f);
		break;
	case ALU_AND:
	case ALU_TEST:
		res = logic(a & b, size, &f);
		break;
	case ALU_OR:
		res = logic(a | b, size, &f);
		break;
	case ALU_XOR:
		res = logic(a ^ b, size, &f);
		break;
	case ALU_INC:
		res = add(a, 1, 0, size, &f);
		changed &= ~X86_EFLAGS_CF;
		break;
	case ALU_DEC:
		res = sub(a, 1, 0, size, &f);
		changed &= ~X86_EFLAGS_CF;
		break;
	case ALU_NEG:
		res = sub(0, a, 0, size, &f);
		break;
	default:
		return ~a & size_mask(size);
	}
	*flags = (*flags & ~changed) | (f & changed);
	return res;
}

/* Rotates change only CF and OF, and neither for a count of 0. */
static u64 rotate(bool left, u64 v, unsigned int n, unsigned int size, u64 *flags)
{
	unsigned int bits = size * 8;
	u64 res = v, f = 0;

	n %= bits;
	if (!left)
		n = (bits - n) % bits;
	if (n)
		res = (v << n | v >> (bits - n)) & size_mask(size);
	if (left ? res & 1 : msb(res, size))
		f |= X86_EFLAGS_CF;
	if (left ? msb(res, size) ^ (res & 1) : msb(res ^ res << 1, size))
		f |= X86_EFLAGS_OF;
	*flags = (*flags & ~(X86_EFLAGS_CF | X86_EFLAGS_OF)) | f;
	return res;
}

/* Through carry: a rotation of size * 8 + 1 bits, one at a time. */
static u64 rotate_carry(bool left, u64 v, unsigned int n, unsigned int size,
			u64 *flags)
{
	u64 cf = *flags & X86_EFLAGS_CF, out, f = 0;

	for (n %= size * 8 + 1; n; n--) {
		if (left) {
			out = msb(v, size);
			v = (v << 1 | cf) & size_mask(size);
		} else {
			out = v & 1;
			v = v >> 1 | cf << (size * 8 - 1);
		}
		cf = out;
	}
	if (cf)
		f |= X86_EFLAGS_CF;
	if (left ? msb(v, size) ^ cf : msb(v ^ v << 1, size))
		f |= X86_EFLAGS_OF;
	*flags = (*flags & ~(X86_EFLAGS_CF | X86_EFLAGS_OF)) | f;
	return v;
}

static u64 shift_left(u64 v, unsigned int n, unsigned int size, u64 *f)
{
	u64 res = (v << n) & size_mask(size);
	u64 cf = n <= size * 8 ? v >> (size * 8 - n) & 1 : 0;

	*f = flags_of(res, size) | (cf ? X86_EFLAGS_CF : 0) |
	     (msb(res, size) ^ cf ? X86_EFLAGS_OF : 0);
	return res;
}

static u64 shift_right(u64 v, unsigned int n, unsigned int size, u64 *f)
{
	u64 res = v >> n;

	*f = flags_of(res, size) | (v >> (n - 1) & 1 ? X86_EFLAGS_CF : 0) |
	     (msb(res ^ res << 1, size) ? X86_EFLAGS_OF : 0);
	return res;
}

static u64 shift_arith(u64 v, unsigned int n, unsigned int size, u64 *f)
{
	unsigned int up = 64 - size * 8;
	s64 wide = (s64)(v << up) >> up;
	u64 res = (u64)(wide >> n) & size_mask(size);

	*f = flags_of(res, size) | (wide >> (n - 1) & 1 ? X86_EFLAGS_CF : 0);
	return res;
}

/* Double shifts: bits come from @b. A 16-bit count above 16 is undefined. */
static u64 shift_double(bool left, u64 a, u64 b, unsigned int n,
			unsigned int size, u64 *f)
{
	unsigned int bits = size * 8;
	u64 res, cf;

	if (n > bits) {
		/* As seen: the operand follows itself round. */
		n -= bits;
		res = a;
		a = b;
		b = res;
	}
	if (left) {
		res = n == bits ? b : a << n | b >> (bits - n);
		cf = a >> (bits - n) & 1;
	} else {
		res = n == bits ? b : a >> n | b << (bits - n);
		cf = a >> (n - 1) & 1;
	}
	res &= size_mask(size);
	*f = flags_of(res, size) | (cf ? X86_EFLAGS_CF : 0) |
	     (msb(res ^ a, size) ? X86_EFLAGS_OF : 0);
	return res;
}

/*
 * shift() - shift or rotate @a by @count; @b fills, for SHLD and SHRD
 */
u64 shift(enum shift op, u64 a, u64 b, unsigned int count, unsigned int size,
	  u64 *flags)
{
	u64 f = 0, res;

	count &= size == 8 ? 63 : 31;
	if (!count)
		return a;
	switch (op) {
	case SH_ROL:
	case SH_ROR:
		return rotate(op == SH_ROL, a, count, size, flags);
	case SH_RCL:
	case SH_RCR:
		return rotate_carry(op == SH_RCL, a, count, size, flags);
	case SH_SHL:
		res = shift_left(a, count, size, &f);
		break;
	case SH_SHR:
		res = shift_right(a, count, size, &f);
		break;
	case SH_SAR:
		res = shift_arith(a, count, size, &f);
		break;
	default:
		res = shift_double(op == SH_SHLD, a, b, count, size, &f);
		break;
	}
	*flags = (*flags & ~FLAGS_ARITH) | f;
	return res;
}

/*
 * condition() - the condition with encoding @cc: seven tests, and each one's
 * opposite
 */
bool condition(unsigned int cc, u64 flags)
{
	bool less = !(flags & X86_EFLAGS_SF) != !(flags & X86_EFLAGS_OF);
	bool yes;

	switch (cc >> 1) {
	case 0:
		yes = flags & X86_EFLAGS_OF;
		break;
	case 1:
		yes = flags & X86_EFLAGS_CF;
		break;
	case 2:
		yes = flags & X86_EFLAGS_ZF;
		break;
	case 3:
		yes = flags & (X86_EFLAGS_CF | X86_EFLAGS_ZF);
		break;
	case 4:
		yes = flags & X86_EFLAGS_SF;
		break;
	case 5:
		yes = flags & X86_EFLAGS_PF;
		break;
	case 6:
		yes = less;
		break;
	default:
		yes = less || (flags & X86_EFLAGS_ZF);
		break;
	}
	return yes != (cc & 1);
}
