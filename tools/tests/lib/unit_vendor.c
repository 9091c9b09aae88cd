// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The differences of Intel's and AMD's processors: each case on both.
 *
 * Source: Intel SDM volume 2, descriptions of CALL, JMP, RET and REP; AMD APM
 * volume 3, "Near Branches in 64-Bit Mode" and "REP".
 */
#include "unit.h"

static void start(struct rig *r, u8 vendor)
{
	struct likex_emul_config cfg = {
		.size = sizeof(cfg),
		.maxphyaddr = 52, .features = LIKEX_FEATURE_1G_PAGES, .vendor = vendor,
	};

	rig_init(r, UNIT_PAGES, &cfg);
	unit_long_mode(r, 0);
}

struct branch {
	const char *name, *code;
	unsigned int len;
	u64 rip[2];		/* afterwards, on Intel's and on AMD's */
	int rsp[2];		/* by how much it has moved */
};

#define STACK 0x9800ull

static const struct branch branches[] = {
	{ "66 ret", "\x66\xc3", 2, { 0x200015555, 0x5555 }, { 8, 2 } },
	{ "66 ret imm16", "\x66\xc2\x10\x00", 4, { 0x200015555, 0x5555 }, { 24, 18 } },
	{ "66 call rel", "\x66\xe8\x10\x00\x00\x00", 6, { UNIT_CODE + 0x16, UNIT_CODE + 0x14 }, { -8, -2 } },
	{ "66 jmp rel", "\x66\xe9\x10\x00\x00\x00", 6, { UNIT_CODE + 0x16, UNIT_CODE + 0x14 }, { 0, 0 } },
	{ "66 jmp short", "\x66\xeb\x10", 3, { UNIT_CODE + 0x13, UNIT_CODE + 0x13 }, { 0, 0 } },
	{ "66 jmp [rdi]", "\x66\xff\x27", 3, { 0x200016666, 0x6666 }, { 0, 0 } },
	{ "66 call [rdi]", "\x66\xff\x17", 3, { 0x200016666, 0x6666 }, { -8, -2 } },
	{ "ret", "\xc3", 1, { 0x200015555, 0x200015555 }, { 8, 8 } },
	{ "66 rex.w jmp [rdi]", "\x66\x48\xff\x27", 4, { 0x200016666, 0x200016666 }, { 0, 0 } },
};

static void branch(struct unit *u, const struct branch *b, u8 vendor)
{
	static const u16 stack[] = { 0x5555, 1, 2, 0 }, data[] = { 0x6666, 1, 2, 0 };
	struct rig r;

	u->name = b->name;
	start(&r, vendor);
	memcpy(rig_at(&r, STACK), stack, sizeof(stack));
	memcpy(rig_at(&r, UNIT_DATA), data, sizeof(data));
	r.regs.rsp = STACK;
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, b->code, b->len);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, b->rip[vendor], r.regs.rip);
	EXPECT_EQ(u, STACK + b->rsp[vendor], r.regs.rsp);
	rig_destroy(&r);
}

/* How much of the target is read from a device, too. */
static void branch_device(struct unit *u, u8 vendor)
{
	struct rig r;

	u->name = "66 jmp through a device";
	start(&r, vendor);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.pull = true;
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, "\x66\xff\x27", 3);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, vendor == LIKEX_VENDOR_AMD ? 2 : 8, r.io_log[0].len);
	rig_destroy(&r);
}

#define HIGH 0xabcd000000000000ull

static void count_0(struct unit *u, const char *code, bool rdi, bool rsi, u8 vendor)
{
	bool intel = vendor == LIKEX_VENDOR_INTEL;
	struct rig r;

	u->name = "67 rep string with count 0";
	start(&r, vendor);
	r.regs.rcx = HIGH;
	r.regs.rdi = HIGH | UNIT_DATA;
	r.regs.rsi = HIGH | UNIT_DATA;
	unit_code(&r, code, 3);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, UNIT_CODE + 3, r.regs.rip);
	EXPECT_EQ(u, intel ? 0 : HIGH, r.regs.rcx);
	EXPECT_EQ(u, (intel && rdi ? 0 : HIGH) | UNIT_DATA, r.regs.rdi);
	EXPECT_EQ(u, (intel && rsi ? 0 : HIGH) | UNIT_DATA, r.regs.rsi);
	rig_destroy(&r);
}

/* Both operands fault: the first to be looked at is the one that is told. */
static void cmps(struct unit *u, u8 vendor)
{
	struct rig r;

	u->name = "cmps with two faults";
	start(&r, vendor);
	r.regs.rsi = 0x40000000;
	r.regs.rdi = 0x50000000;
	unit_code(&r, "\xa6", 1);
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, vendor == LIKEX_VENDOR_AMD ? 0x40000000 : 0x50000000, r.step.fault.cr2);
	/* And of two devices, the first to be read. */
	r.regs.rsi = 0x6000;
	r.regs.rdi = 0x7000;
	rig_kind(&r, 0x6000, 8192, PAGE_DEV);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, vendor == LIKEX_VENDOR_AMD ? 0x6000 : 0x7000, r.io_log[0].addr);
	rig_destroy(&r);
}

/* Flags of a repeated comparison that ends early: those from before, or those of its last iteration. */
static void cmps_flags(struct unit *u, const char *code, u8 vendor)
{
	u64 zf = vendor == LIKEX_VENDOR_AMD ? 0x44 : 0;	/* ZF, and PF with it */
	struct rig r;

	u->name = "repeated comparison that faults on the way";
	start(&r, vendor);
	r.regs.rsi = r.regs.rdi = 0x1fffff;	/* the last byte that is mapped */
	r.regs.rcx = 2;
	r.regs.rflags = 2;
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	unit_code(&r, code, 2);
	/* There is no memory: a device answers ones. */
	r.regs.rax = 0xff;
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 14, r.step.fault.vector);
	EXPECT_EQ(u, 1, r.regs.rcx);
	EXPECT_EQ(u, zf, r.regs.rflags & 0x8d5);
	rig_destroy(&r);
}

/* Alignment of wide operands, and against the end of canonical addresses. */
static void alignment(struct unit *u, u8 vendor)
{
	static const struct {
		const char *code;
		unsigned int len;
		u64 rdi;
		int vector[2];
	} cases[] = {
		{ "\x0f\x10\x07", 3, UNIT_DATA + 8, { -1, 17 } },		/* movups */
		{ "\x0f\x10\x07", 3, UNIT_DATA + 16, { -1, -1 } },
		{ "\xc5\xfc\x10\x07", 4, UNIT_DATA + 16, { -1, 17 } },	/* vmovups ymm */
		{ "\x0f\x28\x07", 3, UNIT_DATA + 8, { 13, 13 } },		/* movaps */
		{ "\x8b\x07", 2, 0x7ffffffffffd, { 17, 13 } },
		{ "\x8b\x07", 2, UNIT_DATA + 1, { 17, 17 } },
	};
	unsigned int i;
	struct rig r;
	int vector;

	u->name = "alignment";
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		start(&r, vendor);
		unit_long_mode(&r, 3);
		r.sregs.cr0 |= BIT(18);
		r.regs.rflags |= BIT(18);
		r.regs.rdi = cases[i].rdi;
		unit_code(&r, cases[i].code, cases[i].len);
		vector = cases[i].vector[vendor];
		EXPECT_EQ(u, vector < 0 ? LIKEX_DONE : LIKEX_FAULT, rig_step(&r));
		if (vector >= 0)
			EXPECT_EQ(u, vector, r.step.fault.vector);
		rig_destroy(&r);
	}
}

static void no_vendor(struct unit *u)
{
	struct likex_emul_config cfg = { .size = sizeof(cfg), .maxphyaddr = 52, .vendor = 2 };
	struct rig r;

	unit_start(u, "no such vendor", &r, 0);
	EXPECT_EQ(u, true, likex_emul_new(&r.ops, &r, &cfg) == NULL);
	rig_destroy(&r);
}

void unit_vendor(struct unit *u)
{
	unsigned int i;
	u8 vendor;

	for (vendor = LIKEX_VENDOR_INTEL; vendor <= LIKEX_VENDOR_AMD; vendor++) {
		for (i = 0; i < ARRAY_SIZE(branches); i++)
			branch(u, &branches[i], vendor);
		branch_device(u, vendor);
		count_0(u, "\x67\xf3\xaa", true, false, vendor);	/* stos */
		count_0(u, "\x67\xf3\xa4", true, true, vendor);		/* movs */
		count_0(u, "\x67\xf3\xac", false, false, vendor);	/* lods */
		count_0(u, "\x67\xf3\xa6", false, false, vendor);	/* cmps */
		cmps(u, vendor);
		cmps_flags(u, "\xf3\xa6", vendor);
		cmps_flags(u, "\xf3\xae", vendor);
		alignment(u, vendor);
	}
	no_vendor(u);
}
