// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Edges of the architecture: checks that come before an access, or take its
 * place, and instructions that are refused.
 */
#include "unit.h"

#define SMAP    BIT(21)
#define PKE     BIT(22)
#define LASS    BIT(27)
#define LAM_SUP BIT(28)
#define LAM_U57 BIT(61)		/* CR3 */
#define LAM_U48 BIT(62)
#define AC      BIT(18)

#define P 1ull
#define W 2ull
#define U 4ull
#define A 0x20ull
#define D 0x40ull

/* The tables of these tests map the first pages a second time, here. */
#define UPPER 0xffffffff80000000ull
#define GDT   0x9000ull

static void expect_fault(struct unit *u, struct rig *r, unsigned int vector, int error)
{
	struct likex_step *st = &r->step;
	struct likex_regs before = r->regs;

	if (!EXPECT_EQ(u, LIKEX_FAULT, rig_step(r)))
		return;
	EXPECT_EQ(u, vector, st->fault.vector);
	EXPECT_EQ(u, error >= 0, st->fault.has_error);
	if (error >= 0)
		EXPECT_EQ(u, error, st->fault.error);
	expect(u, !memcmp(&before, &r->regs, sizeof(before)), "registers unchanged", 0, 1);
}

/* Ports are checked even if none is accessed. */
static void ports_count_0(struct unit *u)
{
	static const char *const code[] = { "\xf3\x6c", "\xf3\x6e", "\xf3\x6d", "\xf3\x6f" };
	unsigned int i;
	struct rig r;

	for (i = 0; i < ARRAY_SIZE(code); i++) {
		unit_start(u, "rep ins and outs with count 0", &r, 3);
		r.sregs.tr = (struct likex_segment){ .base = 0xa000, .limit = 0x67, .type = 11, .present = 1 };
		*(u16 *)rig_at(&r, 0xa066) = 0x68;
		r.regs.rdx = 0x60;
		r.regs.rdi = r.regs.rsi = UNIT_DATA;
		unit_code(&r, code[i], 2);
		expect_fault(u, &r, 13, 0);
		/* With a map that opens the port, and with IOPL 3. */
		r.sregs.tr.limit = 0x200;
		EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
		unit_code(&r, code[i], 2);
		r.sregs.tr.limit = 0x67;
		r.regs.rflags |= 0x3000;
		EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
		EXPECT_EQ(u, 0, r.io_count);
		rig_destroy(&r);
	}
}

/* Bytes that came with the trap are used, also if they are the first ones only. */
static void bytes_given(struct unit *u)
{
	static const struct {
		const char *name, *memory;
		unsigned int given;
		bool unmapped;
	} cases[] = {
		{ "all bytes given, others in memory", "\x88\x07", 2, false },
		{ "all bytes given, code not mapped", "\x88\x07", 2, true },
		{ "one byte given, the next from memory", "\x88\x07", 1, false },
		{ "more bytes given than the instruction has", "\x88\x07", 7, true },
	};
	struct likex_trap trap = { .insn = { 0x89, 0x07, 0x90, 0x90, 0x90, 0x90, 0x90 } };
	unsigned int i, turn;
	struct rig r;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		unit_start(u, cases[i].name, &r, 0);
		/* Once more, from the decode cache. */
		for (turn = 0; turn < 2; turn++) {
			unit_code(&r, cases[i].memory, 2);
			if (cases[i].unmapped)
				r.regs.rip = 0x40000000;
			r.regs.rdi = UNIT_DATA;
			r.regs.rax = 0x44332211;
			*(u32 *)rig_at(&r, UNIT_DATA) = 0;
			trap.insn_len = cases[i].given;
			r.step.trap = &trap;
			EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
			EXPECT_EQ(u, 0x44332211, *(u32 *)rig_at(&r, UNIT_DATA));
		}
		rig_destroy(&r);
	}
}

/* The rest comes from RIP and what is given, over as many pages as there are. */
static void bytes_given_crossing(struct unit *u)
{
	struct likex_trap trap = { .insn_len = 1, .insn = { 0xc7 } };
	struct tables t;
	struct rig r;

	unit_start(u, "one byte given, the rest on two pages", &r, 0);
	tables_init(&t, &r, 4, UNIT_TABLES);
	tables_map(&t, 0x4000, 0x4000, P | W);
	tables_map(&t, 0x8000, 0x8000, P | W);
	r.sregs.cr3 = t.root;
	memcpy(rig_at(&r, 0x4ffd), "\xcc\x07\x11", 3);	/* mov dword [rdi], imm */
	memcpy(rig_at(&r, 0x6000), "\x22\x33\x44", 3);
	r.regs.rip = 0x4ffd;
	r.regs.rdi = 0x8000;
	r.step.trap = &trap;
	expect_fault(u, &r, 14, 0x10);
	EXPECT_EQ(u, 0x5000, r.step.fault.cr2);
	tables_map(&t, 0x5000, 0x6000, P | W);
	r.step.trap = &trap;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x5003, r.regs.rip);
	EXPECT_EQ(u, 0x44332211, *(u32 *)rig_at(&r, 0x8000));
	rig_destroy(&r);
}

/* Code and data in both halves of the address space. */
static void start_halves(struct unit *u, const char *name, struct rig *r, struct tables *t,
			 unsigned int cpl)
{
	unit_start(u, name, r, cpl);
	tables_init(t, r, 4, UNIT_TABLES);
	tables_map(t, UNIT_CODE, UNIT_CODE, P | W | U);
	tables_map(t, UNIT_DATA, UNIT_DATA, P | W | U);
	tables_map(t, GDT, GDT, P | W | U);
	tables_map(t, UPPER + UNIT_CODE, UNIT_CODE, cpl ? P | W | U : P | W);
	tables_map(t, UPPER + UNIT_DATA, UNIT_DATA, cpl ? P | W | U : P | W);
	tables_map(t, 0x20010000, UNIT_DATA, P | W | U);
	tables_map(t, 0xfffffffffffff000, UNIT_DATA, P | W);
	tables_map(t, 0, UNIT_DATA, P | W);
	r->sregs.cr3 = t->root;
	r->sregs.gdt.limit = 0x37;
}

struct lass_row {
	const char *name;
	unsigned int cpl;
	u64 code;		/* added to UNIT_CODE */
	const char *insn;
	u64 rdi;
	u64 cr4, rflags;
	int vector;		/* -1: none */
};

#define LOAD  "\x8b\x07"	/* mov eax, [rdi] */
#define STACK "\x8b\x45\x00"	/* mov eax, [rbp] */

static const struct lass_row lass_rows[] = {
	{ "LASS, kernel reads user address", 0, UPPER, LOAD, 0x20010000, SMAP, 0, 13 },
	{ "LASS, kernel reads user address, AC", 0, UPPER, LOAD, 0x20010000, SMAP, AC, -1 },
	{ "LASS, kernel reads user address, no SMAP", 0, UPPER, LOAD, 0x20010000, 0, 0, -1 },
	{ "LASS, kernel reads kernel address", 0, UPPER, LOAD, UPPER + UNIT_DATA, SMAP, 0, -1 },
	{ "LASS, kernel's stack at user address", 0, UPPER, STACK, 0x20010000, SMAP, 0, 12 },
	{ "LASS, kernel's string at user address", 0, UPPER, "\xaa", 0x20010000, SMAP, 0, 13 },
	{ "LASS, kernel reads over the end", 0, UPPER, LOAD, 0xfffffffffffffffe, SMAP, 0, 13 },
	{ "LASS, kernel runs user address", 0, 0, LOAD, UPPER + UNIT_DATA, 0, 0, 13 },
	{ "LASS, user reads kernel address", 3, 0, LOAD, 0xffff800000000000, 0, 0, 13 },
	{ "LASS, user reads a mapped kernel address", 3, 0, LOAD, UPPER + UNIT_DATA, 0, AC, 13 },
	{ "LASS, user's stack at kernel address", 3, 0, STACK, UPPER + UNIT_DATA, 0, 0, 12 },
	{ "LASS, user reads user address", 3, 0, LOAD, 0x20010000, SMAP, 0, -1 },
	{ "LASS, user runs kernel address", 3, UPPER, LOAD, 0x20010000, 0, 0, 13 },
};

static void lass(struct unit *u, const struct lass_row *row)
{
	struct tables t;
	struct rig r;
	u64 gpa;

	start_halves(u, row->name, &r, &t, row->cpl);
	r.sregs.cr4 |= LASS | row->cr4;
	r.regs.rflags |= row->rflags;
	unit_code(&r, row->insn, 3);
	r.regs.rip += row->code;
	r.regs.rdi = r.regs.rbp = row->rdi;
	if (row->vector < 0) {
		EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	} else {
		expect_fault(u, &r, row->vector, 0);
		EXPECT_EQ(u, 0, r.io_count);
		/* A user page at a kernel address is the paging's own matter. */
		r.sregs.cr4 &= ~LASS;
		if (row->vector == 13 && row->rdi != 0xffff800000000000 && row->code == 0)
			EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	}
	r.sregs.cr4 |= LASS;
	if (row->cpl == 3 && row->vector == 13)
		EXPECT_EQ(u, LIKEX_FAULT, likex_emul_translate(r.emul, &r.step, UPPER + UNIT_DATA,
							       LIKEX_ACCESS_USER, &gpa));
	rig_destroy(&r);
}

/* Descriptors are read as the supervisor, at any privilege level and with any AC. */
static void lass_implicit(struct unit *u)
{
	struct tables t;
	struct rig r;

	start_halves(u, "LASS, descriptor at a user address", &r, &t, 3);
	r.sregs.cr4 |= LASS;
	r.sregs.gdt.base = GDT;
	r.regs.rflags |= AC;
	r.regs.rdi = UNIT_DATA;
	*(u64 *)rig_at(&r, GDT + 8) = 0xcff3000000ffff;
	*(u16 *)rig_at(&r, UNIT_DATA) = 0x0b;
	unit_code(&r, "\x8e\x1f", 2);		/* mov ds, [rdi] */
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	r.sregs.cr4 |= SMAP;
	r.regs.rip = UNIT_CODE;
	expect_fault(u, &r, 13, 0);
	rig_destroy(&r);
}

/* An instruction must not run into addresses that are none. */
static void fetch_canonical(struct unit *u)
{
	struct tables t;
	struct rig r;

	unit_start(u, "fetch over the canonical boundary", &r, 0);
	tables_init(&t, &r, 4, UNIT_TABLES);
	tables_map(&t, 0x7ffffffff000, 0x4000, P | W);
	tables_map(&t, 0x8000, 0x8000, P | W);
	r.sregs.cr3 = t.root;
	memcpy(rig_at(&r, 0x4ffe), "\x8b\x87", 2);	/* mov eax, [rdi + disp32] */
	r.regs.rip = 0x7ffffffffffe;
	expect_fault(u, &r, 13, 0);
	/* One that ends there is good. */
	memcpy(rig_at(&r, 0x4ffe), "\x8b\x07", 2);
	r.regs.rdi = 0x8000;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x800000000000, r.regs.rip);
	expect_fault(u, &r, 13, 0);
	rig_destroy(&r);
}

struct refusal_row {
	const char *name;
	unsigned int cpl;
	u8 refuse;
	u8 trap_flags;
	u8 result;
};

static const struct refusal_row refusal_rows[] = {
	{ "refused in user mode", 3, LIKEX_REFUSE_USER_UD, 0, LIKEX_FAULT },
	{ "refused in ring 1", 1, LIKEX_REFUSE_USER_UD, 0, LIKEX_FAULT },
	{ "refused in the kernel", 0, LIKEX_REFUSE_USER_UD, 0, LIKEX_UNSUPPORTED },
	{ "refused in user mode, always an exit", 3, LIKEX_REFUSE_EXIT, 0, LIKEX_UNSUPPORTED },
	{ "refused in the kernel, always #UD", 0, LIKEX_REFUSE_UD, 0, LIKEX_FAULT },
	{ "an event's access in user mode", 3, LIKEX_REFUSE_USER_UD, LIKEX_TRAP_EVENT, LIKEX_UNSUPPORTED },
	{ "a page walk's in user mode", 3, LIKEX_REFUSE_USER_UD, LIKEX_TRAP_PAGE_WALK, LIKEX_UNSUPPORTED },
	{ "a page walk's, always #UD", 0, LIKEX_REFUSE_UD, LIKEX_TRAP_PAGE_WALK, LIKEX_UNSUPPORTED },
};

static void refusal(struct unit *u, const struct refusal_row *row)
{
	struct likex_emul_config cfg = { .size = sizeof(cfg), .maxphyaddr = 52, .refuse = row->refuse };
	struct likex_trap trap = { .flags = row->trap_flags };
	struct rig r;

	u->name = row->name;
	rig_init(&r, UNIT_PAGES, &cfg);
	unit_long_mode(&r, row->cpl);
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, "\x0f\xae\x27", 3);	/* xsave [rdi] */
	r.step.trap = &trap;
	if (row->result == LIKEX_FAULT) {
		expect_fault(u, &r, 6, -1);
		EXPECT_EQ(u, 3, r.step.insn_len);
		EXPECT_EQ(u, LIKEX_WHY_INSN, r.step.why);
	} else {
		EXPECT_EQ(u, row->result, rig_step(&r));
		EXPECT_EQ(u, true, r.step.why != LIKEX_WHY_NONE);
	}
	/* Code that lies on a device is a refusal, too. */
	rig_kind(&r, UNIT_CODE, 4096, PAGE_DEV);
	if (!row->trap_flags) {
		EXPECT_EQ(u, row->result, rig_step(&r));
		EXPECT_EQ(u, LIKEX_WHY_FETCH, r.step.why);
	}
	rig_destroy(&r);
}

static void refusal_default(struct unit *u)
{
	struct likex_emul *e;
	struct rig r;

	unit_start(u, "refused in user mode, by default", &r, 3);
	e = likex_emul_new(&r.ops, &r, NULL);
	unit_code(&r, "\x0f\xae\x27", 3);
	r.regs.rdi = UNIT_DATA;
	EXPECT_EQ(u, LIKEX_FAULT, likex_emul_step(e, &r.step));
	EXPECT_EQ(u, 6, r.step.fault.vector);
	likex_emul_free(e);
	rig_destroy(&r);
}

struct lam_row {
	const char *name;
	u64 cr3, cr4;
	u64 lin;		/* as the instruction has it, */
	u64 at;			/* and as it counts; 1: not canonical */
};

static const struct lam_row lam_rows[] = {
	{ "LAM_U57, untagged", LAM_U57, 0, UNIT_DATA, UNIT_DATA },
	{ "LAM_U57, kernel address", LAM_U57, 0, UPPER + UNIT_DATA, UPPER + UNIT_DATA },
	{ "LAM_U57, tagged", LAM_U57, 0, 0x7e00000000000000 | UNIT_DATA, UNIT_DATA },
	{ "LAM_U57, a bit too low", LAM_U57, 0, BIT(56) | UNIT_DATA, 1 },
	{ "LAM_U57, tagged kernel address", LAM_U57, 0, 0x81ffffff80000000 | UNIT_DATA, 1 },
	{ "LAM_U48, tagged", LAM_U48, 0, 0x7fff000000000000 | UNIT_DATA, UNIT_DATA },
	{ "LAM_U48, a bit too low", LAM_U48, 0, BIT(47) | UNIT_DATA, 1 },
	{ "LAM_U48 and U57 are U57", LAM_U48 | LAM_U57, 0, BIT(48) | UNIT_DATA, 1 },
	{ "LAM_SUP, tagged kernel address", 0, LAM_SUP, 0x8000ffff80000000 | UNIT_DATA, UPPER + UNIT_DATA },
	{ "LAM_SUP, tagged user address", 0, LAM_SUP, BIT(60) | UNIT_DATA, 1 },
	{ "no LAM, tagged", 0, 0, BIT(60) | UNIT_DATA, 1 },
};

static void lam(struct unit *u, const struct lam_row *row)
{
	struct tables t;
	struct rig r;

	start_halves(u, row->name, &r, &t, 0);
	r.sregs.cr3 |= row->cr3;
	r.sregs.cr4 |= row->cr4;
	r.regs.rdi = row->lin;
	r.regs.rax = 0x44332211;
	unit_code(&r, "\x89\x07", 2);
	if (row->at == 1) {
		expect_fault(u, &r, 13, 0);
	} else {
		EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
		EXPECT_EQ(u, 0x44332211, *(u32 *)rig_at(&r, UNIT_DATA));
		/* A page fault has the address without its tag. */
		tables_map(&t, row->at, 0, 0);
		r.regs.rip = UNIT_CODE;
		expect_fault(u, &r, 14, 2);
		EXPECT_EQ(u, row->at, r.step.fault.cr2);
	}
	rig_destroy(&r);
}

/* Code has no tags, nor has what the system itself reads. */
static void lam_not(struct unit *u)
{
	struct tables t;
	struct rig r;

	start_halves(u, "LAM and fetches", &r, &t, 0);
	r.sregs.cr3 |= LAM_U48;
	unit_code(&r, "\x8b\x07", 2);
	r.regs.rdi = UNIT_DATA;
	r.regs.rip |= BIT(60);
	expect_fault(u, &r, 13, 0);
	u->name = "LAM and branch targets";
	r.regs.rip = UNIT_CODE;
	r.regs.rdi = UNIT_DATA;
	*(u64 *)rig_at(&r, UNIT_DATA) = BIT(60) | UNIT_CODE;
	unit_code(&r, "\xff\x27", 2);		/* jmp [rdi] */
	expect_fault(u, &r, 13, 0);
	u->name = "LAM and descriptors";
	r.sregs.gdt.base = GDT | BIT(60);
	*(u16 *)rig_at(&r, UNIT_DATA) = 8;
	unit_code(&r, "\x8e\x1f", 2);
	expect_fault(u, &r, 13, 0);
	u->name = "LAM in 32-bit code";
	r.sregs.gdt.base = GDT;
	*(u64 *)rig_at(&r, GDT + 8) = 0xcf93000000ffff;
	r.sregs.cs.l = 0;
	r.sregs.cs.db = 1;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	rig_destroy(&r);
}

/* Read-only memory keeps no accessed and dirty marks. */
static void marks_in_rom(struct unit *u)
{
	struct tables t;
	struct rig r;
	u64 gpa;

	unit_start(u, "page tables in read-only memory", &r, 0);
	tables_init(&t, &r, 4, UNIT_TABLES);
	tables_map(&t, UNIT_CODE, UNIT_CODE, P | W);
	tables_map(&t, UNIT_DATA, UNIT_DATA, P | W);
	r.sregs.cr3 = t.root;
	rig_kind(&r, UNIT_TABLES, 4096 * 8, PAGE_ROM);
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_translate(r.emul, &r.step, UNIT_DATA,
						      LIKEX_ACCESS_WRITE, &gpa));
	EXPECT_EQ(u, UNIT_DATA, gpa);
	EXPECT_EQ(u, 0, *(u64 *)tables_entry(&t, UNIT_DATA, 1) & (A | D));
	EXPECT_EQ(u, 0, *(u64 *)tables_entry(&t, UNIT_DATA, 4) & A);
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, "\x89\x07", 2);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	rig_destroy(&r);

	unit_start(u, "descriptor in read-only memory", &r, 0);
	rig_mode(&r, 32, 0);
	r.sregs.gdt.base = GDT;
	r.sregs.gdt.limit = 0x37;
	*(u64 *)rig_at(&r, GDT + 8) = 0xcf92000000ffff;
	rig_kind(&r, GDT, 4096, PAGE_ROM);
	*(u16 *)rig_at(&r, UNIT_DATA) = 8;
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, "\x8e\x1f", 2);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 3, r.sregs.ds.type);
	EXPECT_EQ(u, 0x92, *rig_at(&r, GDT + 13));
	rig_destroy(&r);
}

void unit_edge(struct unit *u)
{
	unsigned int i;

	ports_count_0(u);
	bytes_given(u);
	bytes_given_crossing(u);
	for (i = 0; i < ARRAY_SIZE(lass_rows); i++)
		lass(u, &lass_rows[i]);
	lass_implicit(u);
	fetch_canonical(u);
	for (i = 0; i < ARRAY_SIZE(refusal_rows); i++)
		refusal(u, &refusal_rows[i]);
	refusal_default(u);
	for (i = 0; i < ARRAY_SIZE(lam_rows); i++)
		lam(u, &lam_rows[i]);
	lam_not(u);
	marks_in_rom(u);
}
