// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Exceptions, and what else surrounds an instruction: segments, privilege,
 * alignment, single-step, loads of segment registers.
 */
#include "unit.h"

#define CODE(...) sizeof((u8[]){ __VA_ARGS__ }), { __VA_ARGS__ }

enum { ES = 1, CS, SS, DS };

struct row {
	const char *name;
	unsigned int bits, cpl;
	unsigned int len;
	u8 code[16];
	u64 rdi;
	/* A segment that differs, and how. */
	unsigned int seg;
	struct likex_segment s;
	u64 cr0, cr4_clear, rflags;
	int vector;		/* -1: no exception */
	int error;		/* -1: has none */
};

#define DATA(lim, t, big) { .limit = lim, .type = t, .present = 1, .db = big, .s = 1, .dpl = 3 }
#define AM BIT(18)
#define AC BIT(18)

#define STORE4 CODE(0x89, 0x07)		/* mov [rdi], eax; 16-bit: [bx], ax */
#define LOAD4  CODE(0x8b, 0x07)

static const struct row rows[] = {
	/* Limits */
	{ "32-bit store within the limit", 32, 0, STORE4, 0x8ffc, DS, DATA(0x8fff, 3, 1), .vector = -1 },
	{ "32-bit store over the limit", 32, 0, STORE4, 0x8ffd, DS, DATA(0x8fff, 3, 1), .vector = 13 },
	{ "expand-down, above the limit", 32, 0, STORE4, 0x8000, DS, DATA(0x7fff, 7, 1), .vector = -1 },
	{ "expand-down, at the limit", 32, 0, STORE4, 0x7fff, DS, DATA(0x7fff, 7, 1), .vector = 13 },
	{ "expand-down 16-bit, over the end", 32, 0, STORE4, 0xfffd, DS, DATA(0x7fff, 7, 0), .vector = 13 },
	{ "expand-down 16-bit, up to the end", 32, 0, STORE4, 0xfffc, DS, DATA(0x7fff, 7, 0), .vector = -1 },
	{ "flat segment wraps", 32, 0, LOAD4, 0xfffffffe, DS, DATA(0xffffffff, 3, 1), .vector = -1 },
	{ "real mode, over 64K", 16, 0, CODE(0x89, 0x05), 0xffff, .vector = 13, .error = -1 },
	{ "stack over the limit", 32, 0, CODE(0x89, 0x45, 0x00), 0, SS, DATA(0xfff, 3, 1), .vector = 12 },
	{ "pop over the limit", 32, 0, CODE(0x58), 0, SS, DATA(0xfff, 3, 1), .vector = 12 },
	/* Types */
	{ "store to a read-only segment", 32, 0, STORE4, 0x8000, DS, DATA(~0u, 1, 1), .vector = 13 },
	{ "load from a read-only segment", 32, 0, LOAD4, 0x8000, DS, DATA(~0u, 1, 1), .vector = -1 },
	{ "store through CS", 32, 0, CODE(0x2e, 0x89, 0x07), 0x8000, .vector = 13 },
	{ "load through CS", 32, 0, CODE(0x2e, 0x8b, 0x07), 0x8000, .vector = -1 },
	{ "load through an execute-only CS", 32, 0, CODE(0x2e, 0x8b, 0x07), 0x8000, CS, DATA(~0u, 9, 1), .vector = 13 },
	{ "null selector", 32, 0, LOAD4, 0x8000, DS, { .unusable = 1 }, .vector = 13 },
	{ "null selector in 64-bit mode", 64, 0, LOAD4, 0x8000, DS, { .unusable = 1 }, .vector = -1 },
	{ "store through CS in real mode", 16, 0, CODE(0x2e, 0x89, 0x05), 0x8000, .vector = -1 },
	/* Canonical addresses */
	{ "not canonical", 64, 0, LOAD4, 0x800000000000, .vector = 13 },
	{ "not canonical, stack", 64, 0, CODE(0x8b, 0x45, 0x00), 0x800000000000, .vector = 12 },
	{ "last byte not canonical", 64, 0, LOAD4, 0x7ffffffffffd, .vector = 13 },
	/* Alignment */
	{ "misaligned with AC and AM, user", 64, 3, LOAD4, 0x8001, .cr0 = AM, .rflags = AC, .vector = 17 },
	{ "misaligned with AC and AM, supervisor", 64, 0, LOAD4, 0x8001, .cr0 = AM, .rflags = AC, .vector = -1 },
	{ "misaligned without AM", 64, 3, LOAD4, 0x8001, .rflags = AC, .vector = -1 },
	{ "misaligned without AC", 64, 3, LOAD4, 0x8001, .cr0 = AM, .vector = -1 },
	{ "aligned with AC and AM", 64, 3, LOAD4, 0x8004, .cr0 = AM, .rflags = AC, .vector = -1 },
	{ "movaps misaligned", 64, 0, CODE(0x0f, 0x28, 0x07), 0x8008, .vector = 13 },
	{ "vmovaps ymm misaligned", 64, 0, CODE(0xc5, 0xfc, 0x28, 0x07), 0x8010, .vector = 13 },
	{ "vmovups ymm misaligned", 64, 0, CODE(0xc5, 0xfc, 0x10, 0x07), 0x8010, .vector = -1 },
	{ "cmpxchg16b misaligned", 64, 0, CODE(0x48, 0x0f, 0xc7, 0x0f), 0x8008, .vector = 13 },
	{ "cmpxchg8b misaligned", 64, 0, CODE(0x0f, 0xc7, 0x0f), 0x8004, .vector = -1 },
	/* LOCK */
	{ "lock mov", 64, 0, CODE(0xf0, 0x89, 0x07), 0x8000, .vector = 6, .error = -1 },
	{ "lock add r, m", 64, 0, CODE(0xf0, 0x03, 0x07), 0x8000, .vector = 6, .error = -1 },
	{ "lock add r, r", 64, 0, CODE(0xf0, 0x01, 0xc8), 0x8000, .vector = 6, .error = -1 },
	{ "lock bt", 64, 0, CODE(0xf0, 0x0f, 0xa3, 0x07), 0x8000, .vector = 6, .error = -1 },
	{ "lock cmp", 64, 0, CODE(0xf0, 0x39, 0x07), 0x8000, .vector = 6, .error = -1 },
	{ "lock add m, r", 64, 0, CODE(0xf0, 0x01, 0x07), 0x8000, .vector = -1 },
	/* Vector unit */
	{ "sse without OSFXSR", 64, 0, CODE(0x0f, 0x10, 0x07), 0x8000, .cr4_clear = 0x200, .vector = 6, .error = -1 },
	{ "sse with EM", 64, 0, CODE(0x0f, 0x10, 0x07), 0x8000, .cr0 = 4, .vector = 6, .error = -1 },
	{ "sse with TS", 64, 0, CODE(0x0f, 0x10, 0x07), 0x8000, .cr0 = 8, .vector = 7, .error = -1 },
	{ "sse with TS comes before the address", 64, 0, CODE(0x0f, 0x28, 0x07), 0x8001, .cr0 = 8, .vector = 7, .error = -1 },
	{ "avx without OSXSAVE", 64, 0, CODE(0xc5, 0xf8, 0x10, 0x07), 0x8000, .cr4_clear = 0x40000, .vector = 6, .error = -1 },
	{ "avx with TS", 64, 0, CODE(0xc5, 0xf8, 0x10, 0x07), 0x8000, .cr0 = 8, .vector = 7, .error = -1 },
	{ "nop with an operand touches nothing", 64, 0, CODE(0x0f, 0x1f, 0x07), 0x800000000000, .vector = -1 },
	/* Length */
	{ "fifteen bytes", 64, 0, CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x8b, 0x07),
	  0x8000, .vector = -1 },
	{ "sixteen bytes", 64, 0, CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x8b, 0x07),
	  0x8000, .vector = 13 },
	{ "code over the limit", 32, 0, STORE4, 0x8000, CS, DATA(UNIT_CODE, 11, 1), .vector = 13 },
	{ "branch over the limit", 32, 0, CODE(0xff, 0xe7), 0x9000, CS, DATA(0x8fff, 11, 1), .vector = 13 },
};

static void one(struct unit *u, const struct row *row)
{
	struct likex_segment *segs[] = { NULL, NULL, NULL, NULL, NULL };
	struct likex_regs before;
	struct rig r;
	int res;

	u->name = row->name;
	rig_init(&r, 0x800, NULL);
	if (row->bits == 64)
		unit_long_mode(&r, row->cpl);
	else
		rig_mode(&r, row->bits, row->cpl);
	segs[ES] = &r.sregs.es;
	segs[CS] = &r.sregs.cs;
	segs[SS] = &r.sregs.ss;
	segs[DS] = &r.sregs.ds;
	if (row->seg)
		*segs[row->seg] = row->s;
	if (row->seg == SS)
		r.sregs.ss.dpl = row->cpl;
	r.sregs.cr0 |= row->cr0;
	r.sregs.cr4 &= ~row->cr4_clear;
	r.regs.rflags |= row->rflags;
	r.regs.rdi = r.regs.rbp = r.regs.rsp = row->rdi;
	if (row->seg == SS)
		r.regs.rbp = r.regs.rsp = 0x1000;
	unit_code(&r, row->code, row->len);
	before = r.regs;
	res = rig_step(&r);
	if (row->vector < 0) {
		EXPECT_EQ(u, LIKEX_DONE, res);
	} else if (EXPECT_EQ(u, LIKEX_FAULT, res)) {
		EXPECT_EQ(u, row->vector, r.step.fault.vector);
		EXPECT_EQ(u, row->error >= 0, r.step.fault.has_error);
		EXPECT_EQ(u, 0, r.step.fault.error);
		expect(u, !memcmp(&before, &r.regs, sizeof(before)), "registers unchanged", 0, 1);
	}
	rig_destroy(&r);
}

/* Faults on the way to the instruction. */
static void fetch_faults(struct unit *u)
{
	struct rig r;

	unit_start(u, "fetch", &r, 0);
	r.sregs.efer |= 0x800;
	r.regs.rip = 0x200000;			/* past the mapping */
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 14, r.step.fault.vector);
	EXPECT_EQ(u, 0x10, r.step.fault.error);
	EXPECT_EQ(u, 0x200000, r.step.fault.cr2);
	r.regs.rip = 0x800000000000;
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 13, r.step.fault.vector);
	r.regs.rip = 0x100000;			/* mapped, but no memory */
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
	EXPECT_EQ(u, LIKEX_WHY_FETCH, r.step.why);
	rig_destroy(&r);
}

/* An instruction over two pages: the second page's fault is its own. */
static void fetch_crossing(struct unit *u)
{
	struct tables t;
	struct rig r;

	unit_start(u, "instruction on two pages", &r, 0);
	tables_init(&t, &r, 4, UNIT_TABLES);
	tables_map(&t, 0x4000, 0x4000, 3);
	tables_map(&t, 0x8000, 0x8000, 3);
	r.sregs.cr3 = t.root;
	memcpy(rig_at(&r, 0x4ffe), "\xc7\x07\x11\x22\x33\x44", 2);	/* mov dword [rdi], imm */
	memcpy(rig_at(&r, 0x6000), "\x11\x22\x33\x44", 4);
	r.regs.rip = 0x4ffe;
	r.regs.rdi = 0x8000;
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 0x5000, r.step.fault.cr2);
	/* Somewhere else in memory than the first page. */
	tables_map(&t, 0x5000, 0x6000, 3);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x5004, r.regs.rip);
	EXPECT_EQ(u, 0x44332211, *(u32 *)rig_at(&r, 0x8000));
	/* From the cache, but only as long as the second page is the same. */
	*rig_at(&r, 0x6000) = 0x99;
	r.regs.rip = 0x4ffe;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x44332299, *(u32 *)rig_at(&r, 0x8000));
	rig_destroy(&r);
}

static void single_step(struct unit *u)
{
	struct rig r;

	unit_start(u, "single-step", &r, 0);
	r.regs.rdi = UNIT_DATA;
	r.regs.rflags |= 0x10100;		/* TF, and RF to be cleared */
	unit_code(&r, "\x89\x07\xf3\xaa", 4);	/* mov [rdi], eax; rep stosb */
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, LIKEX_EVENT_SINGLE_STEP, r.step.events);
	EXPECT_EQ(u, 0x102, r.regs.rflags);
	r.regs.rcx = 2;
	/* After each iteration; RF is set until the last. */
	EXPECT_EQ(u, LIKEX_MORE, rig_step(&r));
	EXPECT_EQ(u, LIKEX_EVENT_SINGLE_STEP, r.step.events);
	EXPECT_EQ(u, UNIT_CODE + 2, r.regs.rip);
	EXPECT_EQ(u, 0x10102, r.regs.rflags);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, LIKEX_EVENT_SINGLE_STEP, r.step.events);
	EXPECT_EQ(u, 0x102, r.regs.rflags);
	rig_destroy(&r);
}

static void put_descriptor(struct rig *r, u64 at, u32 base, u32 limit, u8 access,
			   u8 flags)
{
	u64 d = (limit & 0xffff) | (u64)(base & 0xffffff) << 16 |
		(u64)access << 40 | (u64)(limit >> 16 & 15) << 48 |
		(u64)flags << 52 | (u64)(base >> 24) << 56;

	memcpy(rig_at(r, at), &d, 8);
}

struct load_row {
	const char *name;
	u8 modrm;		/* chooses the register, loaded from [edi] */
	u16 sel;
	unsigned int cpl;
	int vector;
	u32 error;
};

#define TO_DS 0x1f
#define TO_SS 0x17
#define GDT   0x9000ull

static const struct load_row load_rows[] = {
	{ "mov ds, data", TO_DS, 0x08, 0, -1, 0 },
	{ "mov ds, null", TO_DS, 0x03, 0, -1, 0 },
	{ "mov ds, readable code", TO_DS, 0x10, 0, -1, 0 },
	{ "mov ds, execute-only code", TO_DS, 0x18, 0, 13, 0x18 },
	{ "mov ds, not present", TO_DS, 0x20, 0, 11, 0x20 },
	{ "mov ds, outside of the table", TO_DS, 0x80, 0, 13, 0x80 },
	{ "mov ds, system descriptor", TO_DS, 0x28, 0, 13, 0x28 },
	{ "mov ds, supervisor's, as user", TO_DS, 0x0b, 3, 13, 0x08 },
	{ "mov ds, without a local table", TO_DS, 0x0c, 0, 13, 0x0c },
	{ "mov ss, data", TO_SS, 0x08, 0, -1, 0 },
	{ "mov ss, null", TO_SS, 0, 0, 13, 0 },
	{ "mov ss, other privilege", TO_SS, 0x09, 0, 13, 0x08 },
	{ "mov ss, code", TO_SS, 0x10, 0, 13, 0x10 },
	{ "mov ss, not present", TO_SS, 0x20, 0, 12, 0x20 },
};

static void one_load(struct unit *u, const struct load_row *row)
{
	u8 code[2] = { 0x8e, row->modrm };
	struct likex_segment *seg;
	struct rig r;
	int res;

	u->name = row->name;
	rig_init(&r, UNIT_PAGES, NULL);
	rig_mode(&r, 32, row->cpl);
	r.sregs.gdt.base = GDT;
	r.sregs.gdt.limit = 0x37;
	r.sregs.ldt.unusable = 1;
	put_descriptor(&r, GDT + 0x08, 0x12345000, 0xfffff, 0x92, 0xc);
	put_descriptor(&r, GDT + 0x10, 0, 0xfffff, 0x9a, 0xc);
	put_descriptor(&r, GDT + 0x18, 0, 0xfffff, 0x98, 0xc);
	put_descriptor(&r, GDT + 0x20, 0, 0xfffff, 0x12, 0xc);
	put_descriptor(&r, GDT + 0x28, 0, 0xfffff, 0x89, 0);
	memcpy(rig_at(&r, UNIT_DATA), &row->sel, 2);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.pull = true;
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, code, 2);
	seg = row->modrm == TO_SS ? &r.sregs.ss : &r.sregs.ds;
	res = rig_step(&r);
	EXPECT_EQ(u, 1, r.io_count);
	if (row->vector >= 0) {
		EXPECT_EQ(u, LIKEX_FAULT, res);
		EXPECT_EQ(u, row->vector, r.step.fault.vector);
		EXPECT_EQ(u, row->error, r.step.fault.error);
	} else if (EXPECT_EQ(u, LIKEX_DONE, res)) {
		EXPECT_EQ(u, row->sel, seg->selector);
		EXPECT_EQ(u, !(row->sel & ~3), seg->unusable);
		EXPECT_EQ(u, true, !!(r.step.events & LIKEX_EVENT_SREGS));
		EXPECT_EQ(u, row->modrm == TO_SS, !!(r.step.events & LIKEX_EVENT_MOV_SS));
		if (row->sel == 8) {
			EXPECT_EQ(u, 0x12345000, seg->base);
			EXPECT_EQ(u, 0xffffffff, seg->limit);
			EXPECT_EQ(u, 0x93, *rig_at(&r, GDT + 0x0d));
		}
	}
	rig_destroy(&r);
}

/* In real mode a load changes selector and base, nothing else. */
static void real_load(struct unit *u)
{
	struct rig r;

	u->name = "mov ds in real mode";
	rig_init(&r, UNIT_PAGES, NULL);
	rig_mode(&r, 16, 0);
	r.sregs.ds.limit = 0xffffffff;
	memcpy(rig_at(&r, UNIT_DATA), "\x34\x12", 2);
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, "\x8e\x1d", 2);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x12340, r.sregs.ds.base);
	EXPECT_EQ(u, 0xffffffff, r.sregs.ds.limit);
	rig_destroy(&r);
}

/* Ports, for code that IOPL does not let: by the TSS's map. */
static void port_map(struct unit *u)
{
	static const struct {
		const char *name;
		u16 port, base;
		u8 map[3];
		u32 limit;
		bool fault;
	} cases[] = {
		{ "port open", 9, 0x70, { 0xff, 0xfd, 0xff }, 0x200, false },
		{ "port closed", 9, 0x70, { 0, 2, 0 }, 0x200, true },
		{ "map ends before the port", 9, 0x70, { 0 }, 0x71, true },
		{ "map behind the limit", 9, 0x1ff, { 0 }, 0x200, true },
		{ "no map at all", 9, 0x70, { 0 }, 0x60, true },
	};
	unsigned int i;
	struct rig r;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u->name = cases[i].name;
		rig_init(&r, UNIT_PAGES, NULL);
		rig_mode(&r, 32, 3);
		r.sregs.tr = (struct likex_segment){
			.base = 0xa000, .limit = cases[i].limit, .type = 11, .present = 1,
		};
		memcpy(rig_at(&r, 0xa066), &cases[i].base, 2);
		memcpy(rig_at(&r, 0xa000 + cases[i].base), cases[i].map, 3);
		r.regs.rdx = cases[i].port;
		r.regs.rdi = UNIT_DATA;
		r.port_value = 0x5a;
		unit_code(&r, "\x6c", 1);	/* insb */
		if (cases[i].fault) {
			EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
			EXPECT_EQ(u, 13, r.step.fault.vector);
			EXPECT_EQ(u, 0, r.io_count);
			/* IOPL 3 needs no map. */
			r.regs.rflags |= 0x3000;
		}
		EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
		EXPECT_EQ(u, 0x5a, *rig_at(&r, UNIT_DATA));
		EXPECT_EQ(u, cases[i].port, r.io_log[0].addr);
		rig_destroy(&r);
	}
}

/* Descriptors are read as the supervisor at any CPL: SMAP applies. */
static void implicit_access(struct unit *u)
{
	struct rig r;

	unit_start(u, "descriptor in a user page, SMAP", &r, 3);
	r.sregs.cr4 |= BIT(21);
	r.sregs.gdt.base = GDT;
	r.sregs.gdt.limit = 0x37;
	put_descriptor(&r, GDT + 0x08, 0, 0xfffff, 0xf2, 0xc);
	memcpy(rig_at(&r, UNIT_DATA), "\x0b\x00", 2);
	r.regs.rdi = UNIT_DATA;
	r.regs.rflags |= AC;
	unit_code(&r, "\x8e\x1f", 2);
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 14, r.step.fault.vector);
	EXPECT_EQ(u, 1, r.step.fault.error);
	EXPECT_EQ(u, GDT + 8, r.step.fault.cr2);
	r.sregs.cr4 &= ~BIT(21);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	rig_destroy(&r);
}

void unit_fault(struct unit *u)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		one(u, &rows[i]);
	for (i = 0; i < ARRAY_SIZE(load_rows); i++)
		one_load(u, &load_rows[i]);
	real_load(u);
	fetch_faults(u);
	fetch_crossing(u);
	single_step(u);
	port_map(u);
	implicit_access(u);
}
