// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Instructions for which the library has stubs: any of its rows, with other
 * registers, prefixes, masks and immediates than the stub's.
 *
 * And AVX-512's moves. The rows are the only thing taken from the library; the
 * bytes are put together here. Not all combinations exist: the processor knows which.
 */
#include "gen_as.h"
#include "../../lib/vec_form.h"

#define VVVV 1
#define MASK 2
#define MOVE(map, pfx, w, l, op, uses) { STUB_EVEX, map, pfx, w, l, 0xff, 0xff, op, uses }
#define BOTH(map, pfx, w, l, op, step, uses)				\
	MOVE(map, pfx, w, l, op, uses), MOVE(map, pfx, w, l, op + step, (uses) & ~VVVV)

/* AVX-512's moves have no stubs. Here @code says what they use. */
static const struct stub_row moves[] = {
	BOTH(1, 0, 0, 7, 0x10, 1, MASK), BOTH(1, 0x66, 1, 7, 0x10, 1, MASK),
	BOTH(1, 0, 0, 7, 0x28, 1, MASK), BOTH(1, 0x66, 1, 7, 0x28, 1, MASK),
	BOTH(1, 0xf2, 0, 7, 0x6f, 16, MASK), BOTH(1, 0xf2, 1, 7, 0x6f, 16, MASK),
	BOTH(1, 0xf3, 0, 7, 0x6f, 16, MASK), BOTH(1, 0xf3, 1, 7, 0x6f, 16, MASK),
	BOTH(1, 0x66, 0, 7, 0x6f, 16, MASK), BOTH(1, 0x66, 1, 7, 0x6f, 16, MASK),
	BOTH(1, 0xf3, 0, 8, 0x10, 1, MASK), BOTH(1, 0xf2, 1, 8, 0x10, 1, MASK),
	BOTH(1, 0, 0, 1, 0x12, 1, VVVV), BOTH(1, 0x66, 1, 1, 0x12, 1, VVVV),
	BOTH(1, 0, 0, 1, 0x16, 1, VVVV), BOTH(1, 0x66, 1, 1, 0x16, 1, VVVV),
	BOTH(1, 0x66, 0, 1, 0x6e, 16, 0), BOTH(1, 0x66, 1, 1, 0x6e, 16, 0),
	MOVE(1, 0xf3, 1, 1, 0x7e, 0), MOVE(1, 0x66, 1, 1, 0xd6, 0),
	MOVE(1, 0, 0, 7, 0x2b, 0), MOVE(1, 0x66, 1, 7, 0x2b, 0),
	MOVE(1, 0x66, 0, 7, 0xe7, 0), MOVE(2, 0x66, 0, 7, 0x2a, 0),
	MOVE(2, 0x66, 0, 7, 0x18, MASK), MOVE(2, 0x66, 1, 6, 0x19, MASK),
	MOVE(2, 0x66, 0, 7, 0x78, MASK), MOVE(2, 0x66, 0, 7, 0x79, MASK),
	MOVE(2, 0x66, 0, 7, 0x58, MASK), MOVE(2, 0x66, 1, 7, 0x59, MASK),
};

static bool is_move(const struct stub_row *row)
{
	return row >= moves && row < moves + ARRAY_SIZE(moves);
}

/* The byte with VEX.vvvv, or its like in EVEX. */
static bool uses_vvvv(const struct stub_row *row)
{
	if (is_move(row))
		return row->code & VVVV;
	return (stub_code[row->code + 2] >> 3 & 15) != 15;
}

static bool uses_mask(const struct stub_row *row)
{
	if (is_move(row))
		return row->code & MASK;
	return row->kind == STUB_EVEX && (stub_code[row->code + 3] & 7);
}

/* A fourth operand is in the immediate's place. */
static bool has_immediate(const struct stub_row *row)
{
	return row->imm_bits != 0xff ||
	       (row->kind == STUB_VEX && stub_code[row->code + 5] != 0xc3);
}

void row_choose(struct as *a, struct tmpl *t)
{
	static const char *const kinds[] = { "sse", "mmx", "x87", "vex", "evex" };
	static const u8 sizes[] = { 16, 8, 8, 32, 64 };
	unsigned int kind = rng_below(&a->g->rng, 8);
	const struct stub_row *row;

	/* Of AVX-512 there is most. */
	if (kind > STUB_EVEX || (a->g->bits == 16 && kind >= STUB_VEX))
		kind = a->g->bits == 16 ? STUB_SSE : STUB_EVEX;
	do {
		row = &stub_rows[rng_below(&a->g->rng, stub_row_count)];
	} while (row->kind != kind || (row->w == 1 && kind < STUB_VEX && a->g->bits != 64));
	if (kind == STUB_EVEX && rng_one_in(&a->g->rng, 4) &&
	    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		row = &moves[rng_below(&a->g->rng, ARRAY_SIZE(moves))];
	a->row = row;
	memset(t, 0, sizeof(*t));
	t->name = kinds[kind];
	t->map = row->map;
	t->op = row->op;
	t->pfx = row->pfx;
	t->digit = row->digit == 0xff ? -1 : row->digit;
	t->size = sizes[kind];
	t->flags = T_MEM | T_VEC | (has_immediate(row) ? T_IMM8 : 0);
	if (kind == STUB_VEX)
		t->flags |= T_VEX;
	if (kind == STUB_EVEX)
		t->flags |= T_EVEX;
	snprintf(a->c->row, sizeof(a->c->row), "%s map %u %02x %02x /%d", kinds[kind],
		 row->map, row->pfx, row->op, t->digit);
}

static unsigned int choose_l(struct as *a, const struct stub_row *row)
{
	unsigned int l, most = row->kind == STUB_EVEX ? 3 : 2;

	if (row->kind < STUB_VEX)
		return 0;
	do {
		l = rng_below(&a->g->rng, most);
	} while (row->l != 8 && !(row->l >> l & 1));
	return l;
}

static void choose_evex(struct as *a, const struct stub_row *row)
{
	struct rng *g = &a->g->rng;
	bool wide = a->g->bits == 64;
	u8 p2 = 8;

	a->evex[0] = wide && rng_one_in(g, 3) ? 0 : 0x10;
	if (wide && uses_vvvv(row) && rng_one_in(g, 2))
		p2 = 0;
	if (uses_mask(row) && rng_one_in(g, 2))
		p2 |= rng_below(g, 8);
	if ((p2 & 7) && rng_one_in(g, 3))
		p2 |= 0x80;
	if (rng_one_in(g, 4))
		p2 |= 0x10;
	a->evex[1] = p2;
}

void row_finish(struct as *a)
{
	const struct stub_row *row = a->row;
	struct rng *g = &a->g->rng;
	bool w = row->w == 2 ? rng_one_in(g, 2) : row->w;

	a->rex &= ~8;
	if (w && (row->kind >= STUB_VEX || a->g->bits == 64))
		a->rex |= 8;
	a->l256 = choose_l(a, row);
	if (row->kind >= STUB_VEX && uses_vvvv(row))
		a->vvvv = rng_below(g, a->g->bits == 64 ? 16 : 8);
	if (row->kind == STUB_EVEX)
		choose_evex(a, row);
}
