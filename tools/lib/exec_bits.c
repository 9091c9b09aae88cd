// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Bits and bit fields: scans, BMI1 and BMI2, CRC32, ADX; XLAT; cache lines.
 */
#include "internal.h"

typedef unsigned __int128 u128;

static u64 sign_of(u64 v, unsigned int size)
{
	return v >> (size * 8 - 1) & 1;
}

/* ZF and SF of a result, all others 0 but @more. */
static void set_flags(struct likex_emul *e, u64 v, unsigned int size, u64 more)
{
	e->flags &= ~FLAGS_ARITH;
	e->flags |= more | (v ? 0 : X86_EFLAGS_ZF) | (sign_of(v, size) ? X86_EFLAGS_SF : 0);
}

static void replace_flags(struct likex_emul *e, u64 which, u64 value)
{
	e->flags = (e->flags & ~which) | value;
}

/* BSF, BSR, TZCNT, LZCNT, POPCNT. */
int exec_scan(struct likex_emul *e, const struct insn *in)
{
	unsigned int size = in->opr[0].size, bits = size * 8;
	u64 v, res;
	int r;

	r = opr_read(e, in, 1, &v);
	if (r)
		return r;
	switch (in->op->sub) {
	case SCAN_BSF:
	case SCAN_BSR:
		replace_flags(e, X86_EFLAGS_ZF, v ? 0 : X86_EFLAGS_ZF);
		/* The destination stays as it was, all of it. */
		if (!v)
			return 0;
		res = in->op->sub == SCAN_BSF ? __builtin_ctzll(v) : 63 - __builtin_clzll(v);
		return opr_write(e, in, 0, res);
	case SCAN_TZCNT:
		res = v ? (u64)__builtin_ctzll(v) : bits;
		break;
	case SCAN_LZCNT:
		res = v ? __builtin_clzll(v) - (64 - bits) : bits;
		break;
	default:
		res = __builtin_popcountll(v);
		replace_flags(e, FLAGS_ARITH, v ? 0 : X86_EFLAGS_ZF);
		return opr_write(e, in, 0, res);
	}
	replace_flags(e, X86_EFLAGS_CF | X86_EFLAGS_ZF, (v ? 0 : X86_EFLAGS_CF) | (res ? 0 : X86_EFLAGS_ZF));
	return opr_write(e, in, 0, res);
}

/* CRC-32C, bit by bit: the polynomial reflected. */
int exec_crc32(struct likex_emul *e, const struct insn *in)
{
	unsigned int i, bits = in->opr[1].size * 8;
	u64 v;
	u32 crc;
	int r;

	r = opr_read(e, in, 1, &v);
	if (r)
		return r;
	crc = e->r[in->opr[0].reg];
	for (i = 0; i < bits; i++, v >>= 1)
		crc = crc >> 1 ^ ((crc ^ v) & 1 ? 0x82f63b78 : 0);
	return opr_write(e, in, 0, crc);
}

static u64 deposit(u64 v, u64 mask)
{
	u64 res = 0;

	for (; mask; mask &= mask - 1, v >>= 1)
		if (v & 1)
			res |= mask & -mask;
	return res;
}

static u64 extract(u64 v, u64 mask)
{
	u64 res = 0;
	unsigned int n;

	for (n = 0; mask; mask &= mask - 1, n++)
		if (v & mask & -mask)
			res |= BIT(n);
	return res;
}

/* The field of @len bits at @start. */
static u64 field(u64 v, unsigned int start, unsigned int len)
{
	v = start < 64 ? v >> start : 0;
	return len < 64 ? v & (BIT(len) - 1) : v;
}

static u64 rotate_right(u64 v, unsigned int n, unsigned int size)
{
	n &= size * 8 - 1;
	return n ? (v >> n | v << (size * 8 - n)) & size_mask(size) : v;
}

static u64 shift_by(enum bmi_op op, u64 v, unsigned int n, unsigned int size)
{
	unsigned int up = 64 - size * 8;

	n &= size * 8 - 1;
	if (op == BMI_SHLX)
		return v << n;
	if (op == BMI_SHRX)
		return v >> n;
	return (u64)((s64)(v << up) >> up >> n);
}

/* Operations with two or three operands: the last two are @a and @b. */
static u64 bmi(struct likex_emul *e, enum bmi_op op, u64 a, u64 b, unsigned int size)
{
	u64 mask = size_mask(size), res;
	unsigned int n = b & 0xff;

	switch (op) {
	case BMI_ANDN:
		res = ~a & b & mask;
		set_flags(e, res, size, 0);
		return res;
	case BMI_BEXTR:
		res = field(a, n, b >> 8 & 0xff);
		set_flags(e, res, size, 0);
		return res;
	case BMI_BLSI:
		res = b & -b;
		set_flags(e, res, size, b ? X86_EFLAGS_CF : 0);
		return res;
	case BMI_BLSMSK:
		res = (b ^ (b - 1)) & mask;
		set_flags(e, res, size, b ? 0 : X86_EFLAGS_CF);
		return res;
	case BMI_BLSR:
		res = b & (b - 1);
		set_flags(e, res, size, b ? 0 : X86_EFLAGS_CF);
		return res;
	case BMI_BZHI:
		res = n < size * 8 ? field(a, 0, n) : a;
		set_flags(e, res, size, n < size * 8 ? 0 : X86_EFLAGS_CF);
		return res;
	case BMI_PDEP:
		return deposit(a, b);
	case BMI_PEXT:
		return extract(a, b);
	case BMI_RORX:
		return rotate_right(a, b, size);
	default:
		return shift_by(op, a, b, size);
	}
}

int exec_bmi(struct likex_emul *e, const struct insn *in)
{
	u64 a, b;
	int r;

	if (e->mode.real)
		return emul_fault_noerr(e, VEC_UD);
	r = opr_read(e, in, in->nopr - 2, &a);
	if (!r)
		r = opr_read(e, in, in->nopr - 1, &b);
	if (r)
		return r;
	return opr_write(e, in, 0, bmi(e, in->op->sub, a, b, in->opr[0].size));
}

/* MULX: the high half last, so that it wins where both are one register. */
int exec_mulx(struct likex_emul *e, const struct insn *in)
{
	unsigned int size = in->opr[0].size;
	u128 p;
	u64 v;
	int r;

	if (e->mode.real)
		return emul_fault_noerr(e, VEC_UD);
	r = opr_read(e, in, 2, &v);
	if (r)
		return r;
	p = (u128)(e->r[REG_RDX] & size_mask(size)) * v;
	r = opr_write(e, in, 1, (u64)p);
	return r ? r : opr_write(e, in, 0, (u64)(p >> (size * 8)));
}

/* ADCX and ADOX: the carry is in the flag @sub, and no other changes. */
int exec_adx(struct likex_emul *e, const struct insn *in)
{
	u64 flag = in->op->sub ? X86_EFLAGS_OF : X86_EFLAGS_CF, a, b;
	unsigned int size = in->opr[0].size;
	u128 sum;
	int r;

	r = opr_read(e, in, 0, &a);
	if (!r)
		r = opr_read(e, in, 1, &b);
	if (r)
		return r;
	sum = (u128)a + b + !!(e->flags & flag);
	replace_flags(e, flag, sum >> (size * 8) ? flag : 0);
	return opr_write(e, in, 0, (u64)sum);
}

int exec_xlat(struct likex_emul *e, const struct insn *in)
{
	u64 off = e->r[REG_RBX] + (e->r[REG_RAX] & 0xff), v = 0;
	int r;

	r = mem_resolve(e, &e->mem, in->seg, off & size_mask(in->asize), 1, false);
	if (!r)
		r = span_read(e, &e->mem, &v);
	if (r)
		return r;
	gpr_write(e, REG_RAX, 1, v);
	return 0;
}

/* CLFLUSH and its like: checked as a byte that is read, but there is no access. */
int exec_flush(struct likex_emul *e, const struct insn *in)
{
	return mem_resolve(e, &e->mem, in->seg, ea_offset(e, in), 1, false);
}
