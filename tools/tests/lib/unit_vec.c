// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Vector, MMX and x87 instructions with an operand in a device: masks, the
 * state that must be on, exceptions, and the table of stubs itself.
 */
#include "unit.h"
#include "../../lib/vec_form.h"

#define CODE(...) sizeof((u8[]){ __VA_ARGS__ }), { __VA_ARGS__ }

#define FCW   0
#define FSW   2
#define FTW   4
#define MXCSR 24
#define ST(i) (32 + (i) * 16)
#define XMM(i) (160 + (i) * 16)

/* Stubs: what exec_stub.c says of them. */

static bool register_allowed(ZydisRegister reg)
{
	unsigned int id = ZydisRegisterGetId(reg);

	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_XMM:
	case ZYDIS_REGCLASS_YMM:
	case ZYDIS_REGCLASS_ZMM:
		return id <= 3;
	case ZYDIS_REGCLASS_MMX:
	case ZYDIS_REGCLASS_MASK:
		return id <= 1;
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return id <= 2;	/* RAX, RCX, RDX */
	case ZYDIS_REGCLASS_X87:
	case ZYDIS_REGCLASS_FLAGS:
	case ZYDIS_REGCLASS_CONTROL:
		return true;
	default:
		return reg == ZYDIS_REGISTER_X87STATUS || reg == ZYDIS_REGISTER_X87TAG ||
		       reg == ZYDIS_REGISTER_X87CONTROL || reg == ZYDIS_REGISTER_MXCSR;
	}
}

static bool operand_allowed(const ZydisDecodedOperand *o, bool *mem)
{
	switch (o->type) {
	case ZYDIS_OPERAND_TYPE_MEMORY:
		*mem = true;
		return o->mem.type == ZYDIS_MEMOP_TYPE_MEM && o->mem.base == ZYDIS_REGISTER_RDI &&
		       o->mem.index == ZYDIS_REGISTER_NONE && !o->mem.disp.has_displacement &&
		       o->size && o->size <= 512;
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return register_allowed(o->reg.value);
	default:
		return o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	}
}

static bool stub_allowed(const ZydisDecoder *d, const u8 *stub)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	bool mem = false;
	unsigned int i;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(d, stub, STUB_SIZE, &z, ops)) ||
	    z.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || z.length >= STUB_SIZE ||
	    stub[z.length] != 0xc3)
		return false;
	for (i = 0; i < z.operand_count; i++)
		if (!operand_allowed(&ops[i], &mem))
			return false;
	for (i = z.length + 1; i < STUB_SIZE; i++)
		if (stub[i] != 0xcc)
			return false;
	return mem;
}

static u32 stubs_of(const struct stub_row *row)
{
	u32 count = row->imm_bits == 0xff ? 1 : 1u << row->imm_bits;

	return row->l == 8 ? count : count * __builtin_popcount(row->l);
}

static void stub_table(struct unit *u)
{
	const struct stub_row *row = stub_rows;
	ZydisDecoder d;
	u32 at = 0, i;

	u->name = "table of stubs";
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (; row < stub_rows + stub_row_count; row++) {
		EXPECT_EQ(u, at, row->code);
		for (i = 0; i < stubs_of(row); i++, at += STUB_SIZE)
			if (!stub_allowed(&d, stub_code + at))
				expect(u, false, "stub", row->map << 8 | row->op, at);
	}
	expect(u, stub_row_count > 1000, "rows", 1000, stub_row_count);
}

/* Loads and stores: register 1 or 17, K1, memory at [rdi]. */
struct evex_row {
	const char *name;
	unsigned int len;
	u8 code[12];
	u64 k1;
	bool high;		/* register 17 */
	u64 xreg[8], xmem[8];
	unsigned int transactions;
};

/* The register is 1, 2, ... in its quadwords, memory 0x11, 0x12, ... */
#define REG  { 1, 2, 3, 4, 5, 6, 7, 8 }
#define MEM  { 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18 }

static const struct evex_row evex_rows[] = {
	{ "vmovdqu64 zmm1, [rdi]", CODE(0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x0f), 0, false, MEM, MEM, 8 },
	{ "vmovdqu64 zmm17, [rdi]", CODE(0x62, 0xe1, 0xfe, 0x48, 0x6f, 0x0f), 0, true, MEM, MEM, 8 },
	{ "vmovdqu64 [rdi], zmm17", CODE(0x62, 0xe1, 0xfe, 0x48, 0x7f, 0x0f), 0, true, REG, REG, 8 },
	{ "vmovdqu64 ymm1, [rdi]", CODE(0x62, 0xf1, 0xfe, 0x28, 0x6f, 0x0f), 0, false,
	  { 0x11, 0x12, 0x13, 0x14 }, MEM, 4 },
	{ "vmovdqa32 [rdi], xmm1", CODE(0x62, 0xf1, 0x7d, 0x08, 0x7f, 0x0f), 0, false, REG,
	  { 1, 2, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18 }, 2 },
	{ "vmovups zmm1, [rdi+64]: disp8 scaled", CODE(0x62, 0xf1, 0x7c, 0x48, 0x10, 0x4f, 0xff), 0, false,
	  { 0 }, MEM, 8 },
	{ "vmovdqu64 zmm1 {k1}, [rdi]", CODE(0x62, 0xf1, 0xfe, 0x49, 0x6f, 0x0f), 0x81, false,
	  { 0x11, 2, 3, 4, 5, 6, 7, 0x18 }, MEM, 2 },
	{ "vmovdqu64 zmm1 {k1} {z}, [rdi]", CODE(0x62, 0xf1, 0xfe, 0xc9, 0x6f, 0x0f), 0x81, false,
	  { 0x11, 0, 0, 0, 0, 0, 0, 0x18 }, MEM, 2 },
	{ "vmovdqu64 [rdi] {k1}, zmm1", CODE(0x62, 0xf1, 0xfe, 0x49, 0x7f, 0x0f), 0x06, false, REG,
	  { 0x11, 2, 3, 0x14, 0x15, 0x16, 0x17, 0x18 }, 2 },
	{ "vmovdqu8 zmm1 {k1}, [rdi]", CODE(0x62, 0xf1, 0x7f, 0x49, 0x6f, 0x0f), 0x0100, false,
	  { 1, 0x12, 3, 4, 5, 6, 7, 8 }, MEM, 1 },
	{ "vmovdqu8 [rdi] {k1}, zmm1: no byte", CODE(0x62, 0xf1, 0x7f, 0x49, 0x7f, 0x0f), 0, false, REG, MEM, 0 },
	{ "vmovdqu16 [rdi] {k1}, xmm1", CODE(0x62, 0xf1, 0xff, 0x09, 0x7f, 0x0f), 0x11, false, REG,
	  { 1, 2, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18 }, 2 },
	{ "vmovntdq [rdi], zmm1", CODE(0x62, 0xf1, 0x7d, 0x48, 0xe7, 0x0f), 0, false, REG, REG, 8 },
	{ "vmovntdqa zmm17, [rdi]", CODE(0x62, 0xe2, 0x7d, 0x48, 0x2a, 0x0f), 0, true, MEM, MEM, 8 },
	{ "vpbroadcastq zmm1 {k1}, [rdi]", CODE(0x62, 0xf2, 0xfd, 0x49, 0x59, 0x0f), 0x03, false,
	  { 0x11, 0x11, 3, 4, 5, 6, 7, 8 }, MEM, 1 },
};

static void masked_state(struct rig *r, u64 k1, bool high)
{
	static const u64 reg[] = REG;
	u32 k, hi256, hi16, a, c, d;

	__asm__("cpuid" : "=a" (a), "=b" (k), "=c" (c), "=d" (d) : "a" (0xd), "c" (5));
	__asm__("cpuid" : "=a" (a), "=b" (hi256), "=c" (c), "=d" (d) : "a" (0xd), "c" (6));
	__asm__("cpuid" : "=a" (a), "=b" (hi16), "=c" (c), "=d" (d) : "a" (0xd), "c" (7));
	memset(r->xsave + 512, 0, 64);
	r->xsave[512] = 0xe7;
	memcpy(r->xsave + (k ? k : 1088) + 8, &k1, 8);
	if (high) {
		memcpy(r->xsave + (hi16 ? hi16 : 1664) + 64, reg, 64);
		return;
	}
	memcpy(r->xsave + XMM(1), reg, 16);
	memcpy(r->xsave + 576 + 16, reg + 2, 16);
	memcpy(r->xsave + (hi256 ? hi256 : 1152) + 32, reg + 4, 32);
}

static void masked_reg(struct rig *r, bool high, u64 reg[8])
{
	u32 hi256, hi16, a, c, d;

	__asm__("cpuid" : "=a" (a), "=b" (hi256), "=c" (c), "=d" (d) : "a" (0xd), "c" (6));
	__asm__("cpuid" : "=a" (a), "=b" (hi16), "=c" (c), "=d" (d) : "a" (0xd), "c" (7));
	if (high) {
		memcpy(reg, r->xsave + (hi16 ? hi16 : 1664) + 64, 64);
		return;
	}
	memcpy(reg, r->xsave + XMM(1), 16);
	memcpy(reg + 2, r->xsave + 576 + 16, 16);
	memcpy(reg + 4, r->xsave + (hi256 ? hi256 : 1152) + 32, 32);
}

static void one_evex(struct unit *u, const struct evex_row *row, bool pull)
{
	static const u64 mem[] = MEM;
	u64 reg[8], now[8];
	struct rig r;

	unit_start(u, row->name, &r, 0);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.pull = pull;
	masked_state(&r, row->k1, row->high);
	memcpy(rig_at(&r, UNIT_DATA + 64), mem, 64);
	unit_code(&r, row->code, row->len);
	r.regs.rdi = UNIT_DATA + 64;
	if (EXPECT_EQ(u, LIKEX_DONE, rig_step(&r))) {
		masked_reg(&r, row->high, reg);
		memcpy(now, rig_at(&r, UNIT_DATA + 64), 64);
		expect(u, !memcmp(reg, row->xreg, 64), "register", row->xreg[0], reg[0]);
		expect(u, !memcmp(now, row->xmem, 64), "memory", row->xmem[0], now[0]);
		EXPECT_EQ(u, row->transactions, r.io_count);
	}
	rig_destroy(&r);
}

/* A page that is masked off need not be there; the other one is reported. */
static void masked_fault(struct unit *u)
{
	struct rig r;

	unit_start(u, "vmovdqu8 [rdi] {k1}, zmm1 into a hole", &r, 0);
	masked_state(&r, 0xffff, false);
	unit_code(&r, "\x62\xf1\x7f\x49\x7f\x0f", 6);
	r.regs.rdi = 0x200000 - 16;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	masked_state(&r, 0x100000ffff, false);
	r.regs.rip = UNIT_CODE;
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 14, r.step.fault.vector);
	EXPECT_EQ(u, 0x200000 - 16 + 36, r.step.fault.cr2);
	rig_destroy(&r);
}

/* Arithmetic: what becomes of XMM1 (or MM1, ST0), memory, flags and RCX. */
struct stub_test {
	const char *name;
	unsigned int len;
	u8 code[10];
	u64 reg[2], mem[2];
	u64 xreg[2], xmem[2];
	u64 flags, xrcx;
	unsigned int reads, writes;
};

#define SAME { 0x0807060504030201, 0x100f0e0d0c0b0a09 }

static const struct stub_test stub_tests[] = {
	{ "pcmpeqb xmm1, [rdi]", CODE(0x66, 0x0f, 0x74, 0x0f), SAME, { 0x0807060504030200, 0 },
	  { 0xffffffffffffff00, 0 }, { 0x0807060504030200, 0 }, 0, 0, 2, 0 },
	{ "pminub xmm1, [rdi]", CODE(0x66, 0x0f, 0xda, 0x0f), { 0x05ff, 9 }, { 0x0601, 8 },
	  { 0x0501, 8 }, { 0x0601, 8 }, 0, 0, 2, 0 },
	{ "vpxor xmm1, xmm1, [rdi]", CODE(0xc5, 0xf1, 0xef, 0x0f), { 0xff, 1 }, { 0x0f, 1 },
	  { 0xf0, 0 }, { 0x0f, 1 }, 0, 0, 2, 0 },
	{ "ptest xmm1, [rdi]: zero", CODE(0x66, 0x0f, 0x38, 0x17, 0x0f), { 1, 0 }, { 2, 0 },
	  { 1, 0 }, { 2, 0 }, 0x40, 0, 2, 0 },
	{ "pshufd xmm1, [rdi], 0x1b", CODE(0x66, 0x0f, 0x70, 0x0f, 0x1b), { 0 },
	  { 0x0000000200000001, 0x0000000400000003 }, { 0x0000000300000004, 0x0000000100000002 },
	  { 0x0000000200000001, 0x0000000400000003 }, 0, 0, 2, 0 },
	{ "pcmpistri xmm1, [rdi], 8: any", CODE(0x66, 0x0f, 0x3a, 0x63, 0x0f, 0x08),
	  { 0x0000000000006261, 0 }, { 0x0000000000006261, 0 }, { 0x6261, 0 }, { 0x6261, 0 },
	  0x8c1, 0, 2, 0 },
	{ "cvtsi2sd xmm1, qword [rdi]", CODE(0xf2, 0x48, 0x0f, 0x2a, 0x0f), { 7, 9 }, { 1, 0 },
	  { 0x3ff0000000000000, 9 }, { 1, 0 }, 0, 0, 1, 0 },
	{ "movddup xmm1, [rdi]", CODE(0xf2, 0x0f, 0x12, 0x0f), { 7, 9 }, { 5, 6 },
	  { 5, 5 }, { 5, 6 }, 0, 0, 1, 0 },
	{ "pmovzxbq xmm1, word [rdi]", CODE(0x66, 0x0f, 0x38, 0x32, 0x0f), { 7, 9 }, { 0x0201, 6 },
	  { 1, 2 }, { 0x0201, 6 }, 0, 0, 1, 0 },
	{ "pinsrb xmm1, [rdi], 15", CODE(0x66, 0x0f, 0x3a, 0x20, 0x0f, 0x0f), { 7, 9 }, { 0xee, 0 },
	  { 7, 0xee00000000000009 }, { 0xee, 0 }, 0, 0, 1, 0 },
	{ "pextrd [rdi], xmm1, 2", CODE(0x66, 0x0f, 0x3a, 0x16, 0x0f, 0x02), { 7, 9 }, { ~0ull, 0 },
	  { 7, 9 }, { 0xffffffff00000009, 0 }, 0, 0, 0, 1 },
	{ "cvttsd2si rcx, [rdi]", CODE(0xf2, 0x48, 0x0f, 0x2c, 0x0f), { 7, 9 }, { 0x4008000000000000, 0 },
	  { 7, 9 }, { 0x4008000000000000, 0 }, 0, 3, 1, 0 },
};

static bool host_has_all(void)
{
	return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("avx");
}

static void one_stub(struct unit *u, const struct stub_test *row, bool pull)
{
	unsigned int i, reads = 0, writes = 0;
	u64 reg[2], mem[2];
	struct rig r;

	unit_start(u, row->name, &r, 0);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.pull = pull;
	r.xsave[512] = 7;
	memcpy(r.xsave + XMM(1), row->reg, 16);
	memcpy(rig_at(&r, UNIT_DATA), row->mem, 16);
	unit_code(&r, row->code, row->len);
	r.regs.rdi = UNIT_DATA;
	if (EXPECT_EQ(u, LIKEX_DONE, rig_step(&r))) {
		memcpy(reg, r.xsave + XMM(1), 16);
		memcpy(mem, rig_at(&r, UNIT_DATA), 16);
		EXPECT_EQ(u, row->xreg[0], reg[0]);
		EXPECT_EQ(u, row->xreg[1], reg[1]);
		EXPECT_EQ(u, row->xmem[0], mem[0]);
		EXPECT_EQ(u, row->flags, r.regs.rflags & 0x8d5);
		EXPECT_EQ(u, row->xrcx, r.regs.rcx);
		for (i = 0; i < r.io_count; i++) {
			writes += r.io_log[i].write;
			reads += !r.io_log[i].write;
		}
		EXPECT_EQ(u, row->reads, reads);
		EXPECT_EQ(u, row->writes, writes);
	}
	rig_destroy(&r);
}

/* State that must be on, and the exception if it is not: before any transaction. */
static const struct state_row {
	const char *name;
	unsigned int len;
	u8 code[8];
	u64 cr0, clear_cr4, xcr0;
	u8 vector;
} state_rows[] = {
	{ "SSE with CR0.EM", CODE(0x66, 0x0f, 0x74, 0x0f), 4, 0, 0xe7, 6 },
	{ "SSE with CR0.TS", CODE(0x66, 0x0f, 0x74, 0x0f), 8, 0, 0xe7, 7 },
	{ "SSE without CR4.OSFXSR", CODE(0x66, 0x0f, 0x74, 0x0f), 0, 0x200, 0xe7, 6 },
	{ "AVX without CR4.OSXSAVE", CODE(0xc5, 0xf1, 0xef, 0x0f), 0, 0x40000, 0xe7, 6 },
	{ "AVX without XCR0", CODE(0xc5, 0xf1, 0xef, 0x0f), 0, 0, 3, 6 },
	{ "AVX with CR0.TS", CODE(0xc5, 0xf1, 0xef, 0x0f), 8, 0, 0xe7, 7 },
	{ "EVEX move without XCR0", CODE(0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x0f), 0, 0, 7, 6 },
	{ "EVEX move with CR0.TS", CODE(0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x0f), 8, 0, 0xe7, 7 },
	{ "MMX with CR0.EM", CODE(0x0f, 0x6f, 0x0f), 4, 0, 0xe7, 6 },
	{ "MMX with CR0.TS", CODE(0x0f, 0x6f, 0x0f), 8, 0, 0xe7, 7 },
	{ "x87 with CR0.EM", CODE(0xdb, 0x07), 4, 0, 0xe7, 7 },
	{ "x87 with CR0.TS", CODE(0xdb, 0x07), 8, 0, 0xe7, 7 },
};

static void one_state(struct unit *u, const struct state_row *row)
{
	struct rig r;

	unit_start(u, row->name, &r, 0);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.sregs.cr0 |= row->cr0;
	r.sregs.cr4 &= ~row->clear_cr4;
	r.xcr0 = row->xcr0;
	unit_code(&r, row->code, row->len);
	r.regs.rdi = UNIT_DATA;
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, row->vector, r.step.fault.vector);
	EXPECT_EQ(u, 0, r.io_count);
	rig_destroy(&r);
}

static u16 get16(struct rig *r, unsigned int at)
{
	u16 v;

	memcpy(&v, r->xsave + at, 2);
	return v;
}

static void put16(struct rig *r, unsigned int at, u16 v)
{
	memcpy(r->xsave + at, &v, 2);
}

/* DIVPS by 0 with MXCSR.ZM clear. */
static void simd_exception(struct unit *u, bool osxmm)
{
	static const u64 ones[] = { 0x3f8000003f800000, 0x3f8000003f800000 };
	u64 reg[2];
	struct rig r;

	unit_start(u, osxmm ? "divps: #XM" : "divps: #UD without CR4.OSXMMEXCPT", &r, 0);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.sregs.cr4 |= osxmm ? 0x400 : 0;
	r.xsave[512] = 7;
	memcpy(r.xsave + XMM(1), ones, 16);
	put16(&r, MXCSR, 0x1d80);
	unit_code(&r, "\x0f\x5e\x0f", 3);
	r.regs.rdi = UNIT_DATA;
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, osxmm ? 19 : 6, r.step.fault.vector);
	EXPECT_EQ(u, 0x1d84, get16(&r, MXCSR));
	EXPECT_EQ(u, 1, r.fpu_puts);
	EXPECT_EQ(u, UNIT_CODE, r.regs.rip);
	memcpy(reg, r.xsave + XMM(1), 16);
	EXPECT_EQ(u, ones[0], reg[0]);
	EXPECT_EQ(u, ones[1], reg[1]);
	/* The same with the exception masked. */
	put16(&r, MXCSR, 0x1f80);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x1f84, get16(&r, MXCSR));
	memcpy(reg, r.xsave + XMM(1), 16);
	EXPECT_EQ(u, 0x7f8000007f800000, reg[0]);
	rig_destroy(&r);
}

static void x87_start(struct unit *u, const char *name, struct rig *r, u16 fcw)
{
	unit_start(u, name, r, 0);
	rig_kind(r, UNIT_DATA, 4096, PAGE_DEV);
	r->sregs.cr0 |= 0x20;
	r->xsave[512] = 7;
	put16(r, FCW, fcw);
	r->regs.rdi = UNIT_DATA;
}

/* FILD, FADD, FISTP, FNSTCW, FNSTSW, FLDCW. */
static void x87(struct unit *u)
{
	u32 v = 40, got;
	struct rig r;

	x87_start(u, "fild, fiadd, fistp on a device", &r, 0x37f);
	r.pull = true;
	memcpy(rig_at(&r, UNIT_DATA), &v, 4);
	unit_code(&r, "\xdb\x07\xda\x07\xdb\x5f\x08\xd9\x7f\x10\xdd\x7f\x12", 13);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x3800, get16(&r, FSW));
	EXPECT_EQ(u, 0x80, r.xsave[FTW]);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0, get16(&r, FSW));
	memcpy(&got, rig_at(&r, UNIT_DATA + 8), 4);
	EXPECT_EQ(u, 80, got);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	memcpy(&got, rig_at(&r, UNIT_DATA + 16), 4);
	EXPECT_EQ(u, 0x37f, got);
	EXPECT_EQ(u, 5, r.io_count);
	rig_destroy(&r);
}

/* Division by 0, unmasked: nothing is committed, and the next one gives #MF. */
static void x87_exception(struct unit *u)
{
	u8 st[16];
	struct rig r;

	x87_start(u, "fidiv by 0: #MF", &r, 0x37b);
	put16(&r, FSW, 0x3800);
	r.xsave[FTW] = 0x80;
	memcpy(r.xsave + ST(0), "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
	memcpy(st, r.xsave + ST(0), 16);
	unit_code(&r, "\xda\x37\xdb\x07\xdd\x7f\x10", 7);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0xb884, get16(&r, FSW));
	expect(u, !memcmp(st, r.xsave + ST(0), 16), "ST0 as before", 0, 0);
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 16, r.step.fault.vector);
	EXPECT_EQ(u, UNIT_CODE + 2, r.regs.rip);
	/* FNSTSW does not wait. */
	r.regs.rip = UNIT_CODE + 4;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	rig_destroy(&r);
}

/* MMX moves, with the x87 stack turned. */
static void mmx(struct unit *u)
{
	u64 v = 0x1122334455667788, got;
	struct rig r;

	x87_start(u, "movq mm3, [rdi]; movntq, movd [rdi], mm3", &r, 0x37f);
	put16(&r, FSW, 0x3000);
	memcpy(rig_at(&r, UNIT_DATA), &v, 8);
	unit_code(&r, "\x0f\x6f\x1f\x0f\xe7\x5f\x08\x0f\x7e\x5f\x10\x0f\x7f\x5f\x18", 15);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0, get16(&r, FSW));
	EXPECT_EQ(u, 0xff, r.xsave[FTW]);
	memcpy(&got, r.xsave + ST(3), 8);
	EXPECT_EQ(u, v, got);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	memcpy(&got, rig_at(&r, UNIT_DATA + 8), 8);
	EXPECT_EQ(u, v, got);
	memcpy(&got, rig_at(&r, UNIT_DATA + 16), 8);
	EXPECT_EQ(u, 0x55667788, got);
	memcpy(&got, rig_at(&r, UNIT_DATA + 24), 8);
	EXPECT_EQ(u, v, got);
	rig_destroy(&r);
}

/* A stub leaves no address of this process in the guest's state. */
static void x87_pointers(struct unit *u)
{
	u64 fip, fdp;
	struct rig r;

	x87_start(u, "FIP and FDP after fild", &r, 0x37f);
	unit_code(&r, "\xdb\x07", 2);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	memcpy(&fip, r.xsave + 8, 8);
	memcpy(&fdp, r.xsave + 16, 8);
	EXPECT_EQ(u, UNIT_CODE, fip);
	expect(u, !fdp || fdp == UNIT_DATA, "FDP", UNIT_DATA, fdp);
	rig_destroy(&r);
}

/* Refused, each named in the man page. */
static const struct { const char *name; unsigned int len; u8 code[8]; } refused_rows[] = {
	{ "vpgatherdd ymm1, [rdi+ymm2], ymm3", CODE(0xc4, 0xe2, 0x65, 0x90, 0x0c, 0x17) },
	{ "vpmaskmovd ymm1, ymm2, [rdi]", CODE(0xc4, 0xe2, 0x6d, 0x8c, 0x0f) },
	{ "vpcompressd [rdi], zmm1", CODE(0x62, 0xf2, 0x7d, 0x48, 0x8b, 0x0f) },
	{ "xsave [rdi]", CODE(0x0f, 0xae, 0x27) },
	{ "fxsave [rdi]", CODE(0x0f, 0xae, 0x07) },
	{ "fnsave [rdi]", CODE(0xdd, 0x37) },
	{ "fldenv [rdi]", CODE(0xd9, 0x27) },
};

static void refused(struct unit *u)
{
	struct rig r;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refused_rows); i++) {
		unit_start(u, refused_rows[i].name, &r, 0);
		rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
		unit_code(&r, refused_rows[i].code, refused_rows[i].len);
		r.regs.rdi = UNIT_DATA;
		EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
		EXPECT_EQ(u, LIKEX_WHY_INSN, r.step.why);
		EXPECT_EQ(u, 0, r.io_count);
		rig_destroy(&r);
	}
}

void unit_vec(struct unit *u)
{
	unsigned int i;

	stub_table(u);
	for (i = 0; i < ARRAY_SIZE(evex_rows); i++) {
		one_evex(u, &evex_rows[i], false);
		one_evex(u, &evex_rows[i], true);
	}
	masked_fault(u);
	for (i = 0; i < ARRAY_SIZE(state_rows); i++)
		one_state(u, &state_rows[i]);
	refused(u);
	x87(u);
	x87_exception(u);
	x87_pointers(u);
	mmx(u);
	simd_exception(u, true);
	simd_exception(u, false);
	/* The rest needs a processor that has the instructions. */
	for (i = 0; i < ARRAY_SIZE(stub_tests) && host_has_all(); i++) {
		one_stub(u, &stub_tests[i], false);
		one_stub(u, &stub_tests[i], true);
	}
}
