// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Contents of vector and x87 registers, and of operands in memory, before a case.
 */
#include "native.h"

/* Numbers of all formats, with those that arithmetic treats in its own way. */
static u64 number(struct rng *g)
{
	static const u64 odd[] = {
		0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000,
		0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 1, 0x000fffffffffffff,
		0x0010000000000000, 0x7fefffffffffffff, 0x3f8000003f800000, 0x7f8000007f800000,
		0x7f8000017fc00000, 0x0000000100800000, 0x007fffff7f7fffff, 0x800000003f800000,
		0x4eff0000cf000000, 0x7c0000013c007c00, 0x0001040003ff7bff, 0x41dfffffffc00000,
	};

	switch (rng_below(g, 4)) {
	case 0:
		return odd[rng_below(g, ARRAY_SIZE(odd))];
	case 1:
		return rng_value(g);
	default:
		return rng_next(g);
	}
}

void native_numbers(struct rng *g, u8 *to, unsigned int len)
{
	unsigned int i;
	u64 v;

	for (i = 0; i < len; i += 8) {
		v = number(g);
		memcpy(to + i, &v, 8);
	}
}

/* Ten bytes: mostly a normal number, or an integer, or one of those above widened. */
void native_x87_number(struct rng *g, u8 *to)
{
	u64 mantissa = rng_next(g) | BIT(63);
	u16 exponent = 0x3fff - 40 + rng_below(g, 80);
	long double v;
	double d;

	if (rng_one_in(g, 4)) {
		native_numbers(g, (u8 *)&d, 8);
		v = d;
		memcpy(to, &v, 10);
		return;
	}
	if (rng_one_in(g, 8))
		exponent = rng_next(g);
	if (rng_one_in(g, 16))
		mantissa = rng_next(g);
	exponent |= (rng_next(g) & 1) << 15;
	memcpy(to, &mantissa, 8);
	memcpy(to + 8, &exponent, 2);
}

static void put16(u8 *to, u16 v)
{
	memcpy(to, &v, 2);
}

/* Any stack, any modes; one in eight with exceptions unmasked. */
static void prepare_x87(struct rng *g, u8 *x)
{
	u16 masks = rng_one_in(g, 8) ? rng_next(g) & 0x3f : 0x3f;
	u16 flags = rng_one_in(g, 4) ? rng_next(g) & 0x3f : 0;
	unsigned int i;

	/* Else each case would do no more than raise what pends. */
	if (!rng_one_in(g, 8))
		flags &= masks;
	put16(x, masks | 0x40 | (rng_one_in(g, 2) ? 0x300 : rng_next(g) & 0xf00));
	put16(x + 2, (rng_next(g) & 0x7f00) | flags | (flags & ~masks ? 0x8080 : 0));
	x[4] = rng_one_in(g, 2) ? 0xff : rng_next(g);
	for (i = 0; i < 8; i++)
		native_x87_number(g, x + 32 + i * 16);
}

static void prepare_mxcsr(struct rng *g, u8 *x)
{
	u32 v = 0x1f80;

	if (rng_one_in(g, 4))
		v |= rng_next(g) & 0xe07f;
	if (rng_one_in(g, 8))
		v &= ~0x1f80u | (rng_next(g) & 0x1f80);
	memcpy(x + 24, &v, 4);
}

void native_vectors(struct rng *g, struct native_state *s)
{
	unsigned int i;

	for (i = 0; i < 32; i++)
		native_numbers(g, s->vec[i], 64);
	for (i = 0; i < 8; i++)
		s->mask[i] = rng_value(g);
	prepare_x87(g, s->x87);
	prepare_mxcsr(g, s->x87);
	/* Components in their initial state, at times. */
	s->xstate = 0xe7;
	if (rng_one_in(g, 4))
		s->xstate &= rng_next(g);
	s->xstate &= native_xstate();
}
