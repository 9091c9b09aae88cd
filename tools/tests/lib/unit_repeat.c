// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Repeated string instructions: many iterations at once must leave what as many
 * single ones leave, and ask the devices for the same, in the same order.
 */
#include "unit.h"
#include <errno.h>

#define TRANSACTIONS 4096
#define CASES 3000

/* A machine whose device pages note what they are asked for. */
struct vm {
	struct rig rig;
	struct likex_emul *emul;
	struct likex_emul_ops ops;
	struct { u64 addr, value; u8 len, write, space; } log[TRANSACTIONS];
	unsigned int logged, calls, bulks;
	unsigned int hand_out;	/* each transaction of so many is handed out */
	unsigned int at_once;	/* how many the device takes in bulk */
	unsigned int moves;	/* at this call memory becomes a device's */
	unsigned int fails;	/* this call fails */
	unsigned int pauses;	/* at this call the caller wants to pause */
};

static void note(struct vm *v, u64 addr, u64 value, unsigned int len, bool write, u8 space)
{
	if (v->logged < TRANSACTIONS) {
		v->log[v->logged].addr = addr;
		v->log[v->logged].value = value;
		v->log[v->logged].len = len;
		v->log[v->logged].write = write;
		v->log[v->logged].space = space;
	}
	v->logged++;
}

/* The value of a read depends on the number of transactions before it. */
static void carry_out(struct vm *v, struct likex_io *io)
{
	u64 value = 0;

	if (!io->write) {
		value = (v->logged + 1) * 0x0102030405060708ull;
		memcpy(io->data, &value, io->len);
		value = 0;
	}
	memcpy(&value, io->data, io->len);
	note(v, io->addr, value, io->len, io->write, io->space);
	if (v->moves && v->logged == v->moves)
		rig_kind(&v->rig, 0x9000, 4096, PAGE_DEV);
}

static int io(void *ctx, struct likex_io *io)
{
	struct vm *v = ctx;

	v->calls++;
	if (v->fails && v->calls == v->fails)
		return -EIO;
	if (v->hand_out && v->calls % v->hand_out == 0)
		return 1;
	carry_out(v, io);
	v->rig.step.pause = v->pauses && v->calls == v->pauses;
	return 0;
}

static int bulk(void *ctx, const struct likex_bulk *b)
{
	struct vm *v = ctx;
	struct likex_io one = { .len = b->size, .write = b->write, .space = b->space };
	u8 *data = b->data;
	unsigned int i;

	v->bulks++;
	for (i = 0; i < b->count && i < v->at_once; i++) {
		one.addr = b->addr + (s64)b->stride * i;
		if (b->write)
			memcpy(one.data, data, b->size);
		carry_out(v, &one);
		if (!b->write)
			memcpy(data, one.data, b->size);
		data += b->data_stride;
	}
	return i;
}

struct plan {
	u8 code[4];
	unsigned int len, bits;
	u64 rcx, rsi, rdi;
	bool down;
	u32 budget;
	bool generation, traps;
	u8 kinds[8];
	u32 limit;
};

static void start(struct vm *v, const struct plan *p, u32 budget)
{
	struct likex_emul_config cfg = { .size = sizeof(cfg), .maxphyaddr = 52, .rep_budget = budget };
	unsigned int i;

	rig_init(&v->rig, UNIT_PAGES, NULL);
	if (p->bits == 64)
		unit_long_mode(&v->rig, 0);
	else
		rig_mode(&v->rig, p->bits, 0);
	v->rig.sregs.es.limit = v->rig.sregs.ds.limit = p->limit;
	for (i = 0; i < 8; i++)
		rig_kind(&v->rig, 0x6000 + i * 4096ull, 4096, p->kinds[i]);
	for (i = 0; i < 8 * 4096; i++)
		*rig_at(&v->rig, 0x6000 + i) = i * 7 + i / 256;
	v->ops = v->rig.ops;
	v->ops.io = io;
	if (!p->generation)
		v->ops.generation = NULL;
	v->rig.regs.rcx = p->rcx;
	v->rig.regs.rsi = p->rsi;
	v->rig.regs.rdi = p->rdi;
	v->rig.regs.rdx = 0x3f8;
	v->rig.regs.rax = 0x8877665544332211;
	v->rig.regs.rflags = 2 | (p->down ? 0x400 : 0);
	unit_code(&v->rig, p->code, p->len);
	v->emul = likex_emul_new(&v->ops, v, &cfg);
}

/* All of it, as the caller of a library goes on. */
static int finish(struct vm *v)
{
	int r, turns = 0;

	do {
		r = likex_emul_step(v->emul, &v->rig.step);
		v->rig.step.pause = false;
		if (r == LIKEX_IO)
			carry_out(v, &v->rig.step.io);
	} while ((r == LIKEX_IO || r == LIKEX_MORE) && ++turns < 100000);
	return r;
}

static void stop(struct vm *v)
{
	likex_emul_free(v->emul);
	rig_destroy(&v->rig);
}

static void compare(struct unit *u, struct vm *a, struct vm *b)
{
	unsigned int n = a->logged < TRANSACTIONS ? a->logged : TRANSACTIONS;

	expect(u, !memcmp(&a->rig.regs, &b->rig.regs, sizeof(a->rig.regs)), "registers", 1, 0);
	EXPECT_EQ(u, a->rig.regs.rcx, b->rig.regs.rcx);
	expect(u, !memcmp(a->rig.mem, b->rig.mem, UNIT_PAGES * RIG_PAGE), "memory", 1, 0);
	EXPECT_EQ(u, a->logged, b->logged);
	expect(u, !memcmp(a->log, b->log, n * sizeof(a->log[0])), "transactions", 1, 0);
}

static void plan_make(struct plan *p, struct rng *g)
{
	static const u8 ops[] = { 0xaa, 0xab, 0xa4, 0xa5, 0x6c, 0x6d, 0x6e, 0x6f, 0xac, 0xae };
	static const u8 bits[] = { 64, 64, 32, 16 };
	unsigned int i, n = 0;

	memset(p, 0, sizeof(*p));
	p->bits = bits[rng_below(g, 4)];
	if (rng_one_in(g, 4))
		p->code[n++] = 0x66;
	if (rng_one_in(g, 4) && p->bits != 16)
		p->code[n++] = 0x67;
	p->code[n++] = 0xf3;
	if (p->bits == 64 && rng_one_in(g, 4))
		p->code[n++] = 0x48;
	/* Four bytes at most, so without REX there. */
	if (n > 3)
		n = 3;
	p->code[n++] = ops[rng_below(g, ARRAY_SIZE(ops))];
	p->len = n;
	/* Neither the code nor the page tables are written over. */
	p->rcx = rng_below(g, 900);
	p->rsi = 0x7000 + rng_below(g, 0x6000);
	p->rdi = 0x7000 + rng_below(g, 0x6000);
	if (p->bits == 16 && rng_one_in(g, 3))
		p->rdi = 0xff00 + rng_below(g, 0x100);
	p->down = rng_one_in(g, 3);
	p->budget = rng_one_in(g, 3) ? 1 + rng_below(g, 300) : 0;
	p->generation = rng_one_in(g, 2);
	p->limit = p->bits == 16 ? 0xffff : 0xffffffff;
	if (rng_one_in(g, 4))
		p->limit = 0x6000 + rng_below(g, 0x8000);
	for (i = 0; i < 8; i++)
		p->kinds[i] = rng_one_in(g, 3) ? PAGE_DEV : rng_one_in(g, 8) ? PAGE_ROM : PAGE_RAM;
}

static void random_cases(struct unit *u)
{
	static struct vm one, many;
	struct rng g = { .s = 42 };
	unsigned int i, before;
	struct plan p;
	int r;

	u->name = "many iterations and single ones";
	for (i = 0; i < CASES; i++) {
		plan_make(&p, &g);
		memset(&one, 0, sizeof(one));
		memset(&many, 0, sizeof(many));
		start(&one, &p, 1);
		start(&many, &p, p.budget);
		many.hand_out = rng_one_in(&g, 3) ? 1 + rng_below(&g, 40) : 0;
		many.at_once = rng_one_in(&g, 3) ? rng_below(&g, 600) : 0;
		if (rng_one_in(&g, 2))
			many.ops.bulk = bulk;
		if (rng_one_in(&g, 3))
			many.pauses = 1 + rng_below(&g, 100);
		if (rng_one_in(&g, 6))
			one.moves = many.moves = 1 + rng_below(&g, 200);
		/* It moves memory between transactions, not between those of a bulk. */
		if (many.moves)
			many.ops.bulk = NULL;
		likex_emul_free(many.emul);
		many.emul = likex_emul_new(&many.ops, &many, &(struct likex_emul_config){
			.size = sizeof(struct likex_emul_config), .maxphyaddr = 52, .rep_budget = p.budget });
		r = finish(&one);
		EXPECT_EQ(u, r, finish(&many));
		before = u->failures;
		compare(u, &one, &many);
		if (u->failures != before)
			printf("case %u: bits %u, code %02x %02x %02x %02x, rcx %llu\n", i, p.bits,
			       p.code[0], p.code[1], p.code[2], p.code[3], (unsigned long long)p.rcx);
		stop(&one);
		stop(&many);
	}
}

/* One transaction for what is on a page, after the first one; the last is single. */
static void counted(struct unit *u)
{
	struct plan p = {
		.code = { 0xf3, 0xab }, .len = 2, .bits = 64, .rcx = 1000, .rdi = 0x6000,
		.generation = true, .limit = 0xffffffff,
		.kinds = { PAGE_DEV, PAGE_DEV },
	};
	static struct vm v;

	u->name = "bulk transactions";
	memset(&v, 0, sizeof(v));
	start(&v, &p, 0);
	v.at_once = 5000;
	likex_emul_free(v.emul);
	v.ops.bulk = bulk;
	v.emul = likex_emul_new(&v.ops, &v, NULL);
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_step(v.emul, &v.rig.step));
	EXPECT_EQ(u, 1, v.bulks);
	EXPECT_EQ(u, 2, v.calls);
	EXPECT_EQ(u, 1000, v.logged);
	EXPECT_EQ(u, 0x6000 + 4000, v.rig.regs.rdi);
	stop(&v);

	u->name = "a device that fails in the middle";
	memset(&v, 0, sizeof(v));
	start(&v, &p, 0);
	v.fails = 101;
	EXPECT_EQ(u, -EIO, likex_emul_step(v.emul, &v.rig.step));
	EXPECT_EQ(u, 900, v.rig.regs.rcx);
	EXPECT_EQ(u, 0x6000 + 400, v.rig.regs.rdi);
	EXPECT_EQ(u, UNIT_CODE, v.rig.regs.rip);
	EXPECT_EQ(u, 100, v.logged);
	stop(&v);

	u->name = "single-step and many iterations";
	memset(&v, 0, sizeof(v));
	start(&v, &p, 0);
	v.rig.regs.rflags |= 0x100;
	EXPECT_EQ(u, LIKEX_MORE, likex_emul_step(v.emul, &v.rig.step));
	EXPECT_EQ(u, 999, v.rig.regs.rcx);
	EXPECT_EQ(u, 1, v.logged);
	stop(&v);
}

void unit_repeat(struct unit *u)
{
	random_cases(u);
	counted(u);
}
