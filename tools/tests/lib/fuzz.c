// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libFuzzer target: any machine state, any bytes as an instruction, any
 * answers of devices. Checks what must hold whatever the guest does.
 *
 * Input: struct input, cut short at any point (the rest is zero).
 */
#include "../../lib/internal.h"
#include <errno.h>
#include <stdlib.h>

#define PAGES  32
#define MEMORY (PAGES * PAGE_SIZE)
#define TABLES 0x10000ull

struct input {
	u8 mode;		/* 0-6: see set_mode() */
	u8 control;		/* CR0, CR4 and EFER bits */
	u8 segments[6];
	u8 kinds[PAGES / 4];	/* 2 bits a page */
	u8 policy;		/* devices, errors, budget */
	u8 insn[16];
	u16 rip;
	u16 regs[16];
	u8 high[16];		/* the bits above the low 16 of each */
	u32 flags;
	struct {
		u16 at;
		u8 value;
	} patch[8];		/* of page tables and descriptors */
	u8 io[32];
	u8 linear;		/* LASS, LAM, vendor, what a refusal is */
	u8 given;		/* bytes that come with the trap; transactions at once */
} __attribute__((packed));

struct vm {
	struct input in;
	u8 memory[MEMORY];
	u8 told[MEMORY];	/* @memory, as far as its changes are told of */
	u8 xsave[4096] __attribute__((aligned(64)));
	u64 generation;
	unsigned int io_at, calls;
	struct likex_regs regs;
	struct likex_sregs sregs;
};

#define CHECK(x) do { if (!(x)) __builtin_trap(); } while (0)

enum kind { KIND_RAM, KIND_RAM2, KIND_ROM, KIND_DEVICE };

static enum kind kind_of(const struct vm *v, u64 gpa)
{
	u64 page = gpa / PAGE_SIZE;

	if (page >= PAGES)
		return KIND_DEVICE;
	return v->in.kinds[page / 4] >> page % 4 * 2 & 3;
}

static void *map(void *ctx, uint64_t gpa, bool write)
{
	struct vm *v = ctx;
	enum kind k = kind_of(v, gpa);

	if (k == KIND_DEVICE || (write && k == KIND_ROM))
		return NULL;
	return v->memory + gpa;
}

static void check_io(const struct vm *v, const struct likex_io *io)
{
	if (io->space == LIKEX_SPACE_PIO) {
		CHECK(io->len == 1 || io->len == 2 || io->len == 4);
		CHECK(io->addr <= 0xffff);
		return;
	}
	CHECK(io->len >= 1 && io->len <= 8);
	CHECK((io->addr & PAGE_MASK) + io->len <= PAGE_SIZE);
	/* Memory is never asked of a device. */
	if (io->write)
		CHECK(kind_of(v, io->addr) >= KIND_ROM);
	else
		CHECK(kind_of(v, io->addr) == KIND_DEVICE);
}

static void answer(struct vm *v, struct likex_io *io)
{
	check_io(v, io);
	if (!io->write)
		memset(io->data, v->in.io[v->io_at++ % sizeof(v->in.io)], io->len);
}

static int io_now(void *ctx, struct likex_io *io)
{
	struct vm *v = ctx;

	if (v->in.policy & 1)
		return 1;
	if ((v->in.policy & 2) && v->calls++ % 8 == 7)
		return -EIO;
	answer(v, io);
	return 0;
}

/* Some of them, each checked as if it were alone. */
static int bulk(void *ctx, const struct likex_bulk *b)
{
	struct likex_io one = { .len = b->size, .write = b->write, .space = b->space };
	struct vm *v = ctx;
	u8 *data = b->data;
	unsigned int i;

	CHECK(b->count >= 2 && (b->data_stride || b->write));
	for (i = 0; i < b->count && i < v->in.given >> 4; i++) {
		one.addr = b->addr + (s64)b->stride * i;
		memcpy(one.data, data, b->size);
		answer(v, &one);
		memcpy(data, one.data, b->write ? 0 : b->size);
		data += b->data_stride;
	}
	return i;
}

static int get_fpu(void *ctx, struct likex_fpu *fpu)
{
	struct vm *v = ctx;

	if ((v->in.policy & 2) && v->calls++ % 8 == 7)
		return -EIO;
	fpu->xsave = v->xsave;
	fpu->xcr0 = v->in.policy & 4 ? 7 : 0xe7;
	return 0;
}

static void dirty(void *ctx, uint64_t gpa, uint32_t len)
{
	struct vm *v = ctx;

	CHECK(len && (gpa & PAGE_MASK) + len <= PAGE_SIZE);
	memcpy(v->told + gpa, v->memory + gpa, len);
}

/* They are all there; what matters is what is asked for. */
static int regs(void *ctx, struct likex_step *step, uint64_t want)
{
	(void)ctx;
	CHECK(want && !(want & step->have) && !(want & ~LIKEX_STATE_ALL));
	return 0;
}

static int pkru(void *ctx, uint32_t *value)
{
	struct vm *v = ctx;

	memcpy(value, v->in.io, sizeof(*value));
	return 0;
}

static void set_segments(struct vm *v, unsigned int bits)
{
	struct likex_sregs *s = &v->sregs;
	struct likex_segment *segs[] = { &s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs };
	unsigned int i;

	for (i = 0; i < 6; i++) {
		u8 b = v->in.segments[i];

		*segs[i] = (struct likex_segment){
			.base = (u64)(b >> 4) << 12, .present = 1, .s = 1, .g = 1,
			.limit = b & 4 ? 0xfff0 : bits == 16 ? 0xffff : 0xffffffff,
			.type = b & 2 ? (b & 8 ? 7 : 1) : 3, .db = bits == 32,
			.unusable = (b & 15) == 15, .selector = i * 8,
			.dpl = v->in.control & 1 ? 3 : 0,
		};
	}
	s->cs.type = 11;
	s->cs.l = bits == 64;
	s->gdt.base = s->ldt.base = 0x3000;
	s->gdt.limit = 0x7f;
	s->ldt.limit = 0x3f;
	s->tr = (struct likex_segment){
		.base = 0x4000, .limit = 0x200, .type = 11, .present = 1,
	};
}

static void set_mode(struct vm *v)
{
	static const struct { u8 bits, paged, cr4, efer; } modes[] = {
		{ 16, 0, 0, 0 }, { 16, 0, 0, 0 }, { 32, 0, 0, 0 },
		{ 32, 1, 0x10, 0 }, { 32, 1, 0x20, 0 }, { 64, 1, 0x20, 5 },
		{ 64, 1, 0x20, 5 }, { 32, 1, 0x20, 5 },
	};
	unsigned int m = v->in.mode & 7;
	struct likex_sregs *s = &v->sregs;
	u8 c = v->in.control;

	set_segments(v, modes[m].bits);
	s->cr0 = m ? 1 : 0;
	if (modes[m].paged)
		s->cr0 |= X86_CR0_PG;
	s->cr0 |= (c & 2 ? X86_CR0_WP : 0) | (c & 4 ? X86_CR0_AM : 0) | X86_CR0_NE | (c & 0x80 ? X86_CR0_TS : 0);
	s->cr4 = modes[m].cr4 | X86_CR4_OSFXSR | X86_CR4_OSXSAVE | X86_CR4_OSXMMEXCPT | (m == 6 ? X86_CR4_LA57 : 0) |
		 (c & 8 ? X86_CR4_SMAP : 0) | (c & 16 ? X86_CR4_PKE : 0) | (c & 32 ? X86_CR4_SMEP : 0);
	s->efer = (u64)modes[m].efer << 8 | (c & 64 ? EFER_NXE : 0);
	s->cr3 = TABLES | (v->in.linear & 1 ? CR3_LAM_U57 : 0) |
		 (v->in.linear & 2 ? CR3_LAM_U48 : 0);
	s->cr4 |= (v->in.linear & 4 ? X86_CR4_LAM_SUP : 0) |
		  (v->in.linear & 8 ? X86_CR4_LASS : 0);
}

/* Every level's tables map to the tables below it, the last to low memory. */
static void build_tables(struct vm *v)
{
	unsigned int level, i, size = (v->in.mode & 7) == 3 ? 4 : 8;
	u64 e;

	for (level = 0; level < 5; level++) {
		for (i = 0; i < PAGE_SIZE / size; i++) {
			e = level < 4 ? TABLES + (level + 1) * PAGE_SIZE : i % PAGES * PAGE_SIZE;
			e |= (v->in.mode & 7) == 4 && !level ? 1 : 7;
			memcpy(v->memory + TABLES + level * PAGE_SIZE + i * size, &e, size);
		}
	}
	for (i = 0; i < 8; i++)
		v->memory[v->in.patch[i].at % MEMORY] = v->in.patch[i].value;
}

static void set_registers(struct vm *v)
{
	reg64 *r = (reg64 *)&v->regs;
	unsigned int i;

	for (i = 0; i < 16; i++)
		r[i] = v->in.regs[i] | (u64)(s64)(signed char)v->in.high[i] << 16;
	v->regs.rip = v->in.rip;
	v->regs.rflags = (v->in.flags & 0x37fd7) | 2;
}

/* Any vector and x87 state, whatever that says of itself. */
static void fill_xsave(struct vm *v)
{
	unsigned int i;

	for (i = 0; i < sizeof(v->xsave); i++)
		v->xsave[i] = v->in.io[i % sizeof(v->in.io)] ^ i / sizeof(v->in.io);
	memset(v->xsave + 512, 0, 64);
	v->xsave[512] = v->in.io[0] & 0xe7;
}

static void load_code(struct vm *v)
{
	u64 at = (v->in.mode & 7) >= 5 && (v->in.mode & 7) < 7 ? v->in.rip :
		 v->sregs.cs.base + v->in.rip;

	if (at + sizeof(v->in.insn) <= MEMORY)
		memcpy(v->memory + at, v->in.insn, sizeof(v->in.insn));
}

static bool finished(struct vm *v, struct likex_emul *e, struct likex_step *st,
		     const struct likex_regs *before)
{
	int r;

	st->have = v->in.linear & 0x40 ? LIKEX_STATE_GPRS : 0;
	r = likex_emul_step(e, st);
	CHECK(r < 0 || r <= LIKEX_UNSUPPORTED);
	CHECK(likex_emul_pending(e) == (r == LIKEX_IO));
	if (r == LIKEX_IO) {
		answer(v, &st->io);
		return false;
	}
	CHECK(!st->trap);
	if (r == LIKEX_MORE || r == LIKEX_FAULT || r == LIKEX_UNSUPPORTED || r < 0)
		CHECK(v->regs.rip == before->rip);
	if (r == LIKEX_FAULT)
		CHECK(st->fault.vector <= 19 && st->fault.error <= 0xffff);
	if (r == LIKEX_UNSUPPORTED)
		CHECK(st->why && st->insn_len <= LIKEX_INSN_MAX);
	CHECK(v->regs.rsp == before->rsp || r == LIKEX_DONE);
	return r != LIKEX_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vm v;
	struct likex_emul_ops ops = {
		.size = sizeof(ops),
		.map = map, .io = io_now, .fpu_get = get_fpu, .pkru = pkru,
		.dirty = dirty,
	};
	struct likex_emul_config cfg = { .size = sizeof(cfg), .maxphyaddr = 40, .features = 1 };
	struct likex_step st = { .size = sizeof(st), .regs = &v.regs, .sregs = &v.sregs };
	struct likex_trap trap = { 0 };
	struct likex_regs before;
	struct likex_emul *e;
	unsigned int i;

	memset(&v, 0, sizeof(v));
	memcpy(&v.in, data, size < sizeof(v.in) ? size : sizeof(v.in));
	cfg.rep_budget = 1 + (v.in.policy >> 4);
	cfg.vendor = v.in.linear >> 4 & 1;
	cfg.refuse = (v.in.linear >> 5) % 3;
	trap.insn_len = v.in.given & 15 ? v.in.given & 15 : LIKEX_INSN_MAX;
	if (v.in.policy & 8)
		ops.generation = &v.generation;
	if (v.in.given >> 4)
		ops.bulk = bulk;
	if (v.in.linear & 0x80)
		ops.regs = regs;
	set_mode(&v);
	build_tables(&v);
	set_registers(&v);
	fill_xsave(&v);
	load_code(&v);
	memcpy(trap.insn, v.in.insn, sizeof(trap.insn));
	if (v.in.mode & 0x80)
		st.trap = &trap;
	e = likex_emul_new(&ops, &v, &cfg);
	CHECK(e);
	before = v.regs;
	memcpy(v.told, v.memory, sizeof(v.told));
	/* Twice, so that the second finds the caches filled. */
	for (i = 0; i < 200 && !finished(&v, e, &st, &before); i++)
		;
	likex_emul_cancel(e);
	v.regs = before;
	for (i = 0; i < 200 && !finished(&v, e, &st, &before); i++)
		;
	CHECK(!memcmp(v.told, v.memory, sizeof(v.told)));
	likex_emul_free(e);
	return 0;
}
