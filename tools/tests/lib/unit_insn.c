// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Each group of instructions: a few cases with results worked out by hand.
 * (Their full semantics are compared with a processor's elsewhere.)
 *
 * Each case runs three times: with its operand in memory, in a device that
 * answers at once, and in one that answers through LIKEX_IO.
 */
#include "unit.h"

#define CF 0x001
#define PF 0x004
#define AF 0x010
#define ZF 0x040
#define SF 0x080
#define DF 0x400
#define OF 0x800

#define CODE(...) sizeof((u8[]){ __VA_ARGS__ }), { __VA_ARGS__ }

struct row {
	const char *name;
	unsigned int bits;
	unsigned int len;
	u8 code[12];
	u64 rax, rcx, rdx, mem, flags;
	/* The results. */
	u64 xrax, xrcx, xmem, xflags;
	unsigned int reads, writes;	/* of the device */
};

/* The operand is at [rdi] (di, edi); rbx is 0x1122334455667788. */
static const struct row rows[] = {
	/* MOV */
	{ "mov [rdi], eax", 64, CODE(0x89, 0x07), 0xaabbccdd11223344, 0, 0, ~0ull, 0,
	  0xaabbccdd11223344, 0, 0xffffffff11223344, 0, 0, 1 },
	{ "mov [rdi], rax", 64, CODE(0x48, 0x89, 0x07), 0x0102030405060708, 0, 0, 0, 0,
	  0x0102030405060708, 0, 0x0102030405060708, 0, 0, 1 },
	{ "mov eax, [rdi]", 64, CODE(0x8b, 0x07), ~0ull, 0, 0, 0x8899aabbccddeeff, 0,
	  0xccddeeff, 0, 0x8899aabbccddeeff, 0, 1, 0 },
	{ "mov ax, [rdi]", 64, CODE(0x66, 0x8b, 0x07), ~0ull, 0, 0, 0x1234, 0,
	  0xffffffffffff1234, 0, 0x1234, 0, 1, 0 },
	{ "mov ah, [rdi]", 64, CODE(0x8a, 0x27), ~0ull, 0, 0, 0x12, 0,
	  0xffffffffffff12ff, 0, 0x12, 0, 1, 0 },
	{ "mov qword [rdi], -2", 64, CODE(0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff), 0, 0, 0, 0, 0,
	  0, 0, ~1ull, 0, 0, 1 },
	{ "mov word [di], 0x1234", 16, CODE(0xc7, 0x05, 0x34, 0x12), 0, 0, 0, 0, 0,
	  0, 0, 0x1234, 0, 0, 1 },
	{ "mov eax, moffs32", 32, CODE(0xa1, 0x00, 0x80, 0x00, 0x00), ~0ull, 0, 0, 0x55667788, 0,
	  0x55667788, 0, 0x55667788, 0, 1, 0 },
	{ "movzx eax, byte [rdi]", 64, CODE(0x0f, 0xb6, 0x07), ~0ull, 0, 0, 0xfff0, 0,
	  0xf0, 0, 0xfff0, 0, 1, 0 },
	{ "movsx rax, word [rdi]", 64, CODE(0x48, 0x0f, 0xbf, 0x07), 0, 0, 0, 0x18001, 0,
	  0xffffffffffff8001, 0, 0x18001, 0, 1, 0 },
	{ "movsxd rax, [rdi]", 64, CODE(0x48, 0x63, 0x07), 0, 0, 0, 0x80000000, 0,
	  0xffffffff80000000, 0, 0x80000000, 0, 1, 0 },
	{ "movbe eax, [rdi]", 64, CODE(0x0f, 0x38, 0xf0, 0x07), ~0ull, 0, 0, 0x11223344, 0,
	  0x44332211, 0, 0x11223344, 0, 1, 0 },
	{ "movnti [rdi], rax", 64, CODE(0x48, 0x0f, 0xc3, 0x07), 7, 0, 0, 0, 0, 7, 0, 7, 0, 0, 1 },

	/* Arithmetic: result, and all six flags */
	{ "add [rdi], eax: carry", 64, CODE(0x01, 0x07), 1, 0, 0, 0xffffffff, 0,
	  1, 0, 0, CF|PF|AF|ZF, 1, 1 },
	{ "add [rdi], eax: overflow", 64, CODE(0x01, 0x07), 1, 0, 0, 0x7fffffff, 0,
	  1, 0, 0x80000000, PF|AF|SF|OF, 1, 1 },
	{ "adc byte [rdi], 0xff", 64, CODE(0x80, 0x17, 0xff), 0, 0, 0, 0, CF, 0, 0, 0, CF|PF|AF|ZF, 1, 1 },
	{ "sub [rdi], eax: borrow", 64, CODE(0x29, 0x07), 1, 0, 0, 0, 0,
	  1, 0, 0xffffffff, CF|PF|AF|SF, 1, 1 },
	{ "sbb eax, [rdi]", 64, CODE(0x1b, 0x07), 0, 0, 0, 0xffffffff, CF, 0, 0, 0xffffffff, CF|PF|AF|ZF, 1, 0 },
	{ "cmp [rdi], eax", 64, CODE(0x39, 0x07), 5, 0, 0, 5, CF, 5, 0, 5, PF|ZF, 1, 0 },
	{ "and [rdi], eax", 64, CODE(0x21, 0x07), 0xf0, 0, 0, 0x3c, CF|OF, 0xf0, 0, 0x30, PF, 1, 1 },
	{ "or byte [rdi], 0x80", 64, CODE(0x80, 0x0f, 0x80), 0, 0, 0, 1, CF, 0, 0, 0x81, PF|SF, 1, 1 },
	{ "xor eax, [rdi]", 64, CODE(0x33, 0x07), 0xff, 0, 0, 0xff, CF, 0, 0, 0xff, PF|ZF, 1, 0 },
	{ "test [rdi], eax", 64, CODE(0x85, 0x07), 0x80000000, 0, 0, 0xffffffff, CF,
	  0x80000000, 0, 0xffffffff, PF|SF, 1, 0 },
	{ "not dword [rdi]", 64, CODE(0xf7, 0x17), 0, 0, 0, 0xffff0000, CF, 0, 0, 0xffff, CF, 1, 1 },
	{ "neg dword [rdi]", 64, CODE(0xf7, 0x1f), 0, 0, 0, 1, 0, 0, 0, 0xffffffff, CF|PF|AF|SF, 1, 1 },
	{ "inc byte [rdi]: keeps CF", 64, CODE(0xfe, 0x07), 0, 0, 0, 0x7f, CF, 0, 0, 0x80, CF|AF|SF|OF, 1, 1 },
	{ "dec word [rdi]", 64, CODE(0x66, 0xff, 0x0f), 0, 0, 0, 0x10001, 0, 0, 0, 0x10000, PF|ZF, 1, 1 },

	/* Exchange */
	{ "xchg [rdi], eax", 64, CODE(0x87, 0x07), 0x11, 0, 0, 0x22, 0, 0x22, 0, 0x11, 0, 1, 1 },
	{ "lock xadd [rdi], eax", 64, CODE(0xf0, 0x0f, 0xc1, 0x07), 3, 0, 0, 4, 0, 4, 0, 7, 0, 1, 1 },
	{ "lock cmpxchg [rdi], ecx: equal", 64, CODE(0xf0, 0x0f, 0xb1, 0x0f), 5, 9, 0, 5, 0,
	  5, 9, 9, PF|ZF, 1, 1 },
	{ "cmpxchg [rdi], ecx: not equal", 64, CODE(0x0f, 0xb1, 0x0f), 4, 9, 0, 5, 0,
	  5, 9, 5, CF|PF|AF|SF, 1, 1 },
	{ "cmpxchg8b [rdi]: equal", 64, CODE(0x0f, 0xc7, 0x0f), 5, 0xcc, 6, 0x600000005, CF,
	  5, 0xcc, 0xcc55667788, CF|ZF, 1, 1 },
	{ "lock cmpxchg8b [rdi]: not equal", 64, CODE(0xf0, 0x0f, 0xc7, 0x0f), 4, 0xcc, 6, 0x600000005, ZF,
	  5, 0xcc, 0x600000005, 0, 1, 1 },

	/* Bits and shifts */
	{ "bt dword [rdi], 31", 64, CODE(0x0f, 0xba, 0x27, 31), 0, 0, 0, 0x80000000, 0, 0, 0, 0x80000000, CF, 1, 0 },
	{ "bts [rdi], eax", 64, CODE(0x0f, 0xab, 0x07), 3, 0, 0, 0, CF, 3, 0, 8, 0, 1, 1 },
	{ "btr dword [rdi], 0", 64, CODE(0x0f, 0xba, 0x37, 0), 0, 0, 0, 3, 0, 0, 0, 2, CF, 1, 1 },
	{ "btc dword [rdi], 33: modulo 32", 64, CODE(0x0f, 0xba, 0x3f, 33), 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 1 },
	{ "shl dword [rdi], 1", 64, CODE(0xd1, 0x27), 0, 0, 0, 0xc0000000, 0, 0, 0, 0x80000000, CF|PF|SF, 1, 1 },
	{ "shr byte [rdi], cl", 64, CODE(0xd2, 0x2f), 0, 1, 0, 0x81, 0, 0, 1, 0x40, CF|OF, 1, 1 },
	{ "sar dword [rdi], 1", 64, CODE(0xd1, 0x3f), 0, 0, 0, 0x80000002, 0, 0, 0, 0xc0000001, SF, 1, 1 },
	{ "rol byte [rdi], 1", 64, CODE(0xd0, 0x07), 0, 0, 0, 0x80, ZF, 0, 0, 1, ZF|CF|OF, 1, 1 },
	{ "rcr byte [rdi], 1", 64, CODE(0xd0, 0x1f), 0, 0, 0, 2, CF, 0, 0, 0x81, OF, 1, 1 },
	{ "shl dword [rdi], 32: no flag changes", 64, CODE(0xc1, 0x27, 32), 0, 0, 0, 5, CF|OF, 0, 0, 5, CF|OF, 1, 1 },
	{ "shld [rdi], eax, 8", 64, CODE(0x0f, 0xa4, 0x07, 8), 0xab000000, 0, 0, 0x00123456, 0,
	  0xab000000, 0, 0x123456ab, 0, 1, 1 },
	{ "shrd [rdi], eax, 1", 64, CODE(0x0f, 0xac, 0x07, 1), 1, 0, 0, 0x10, 0, 1, 0, 0x80000008, SF|OF, 1, 1 },

	/* Bit scans and fields, CRC-32C, carry chains */
	{ "bsf eax, [rdi]", 64, CODE(0x0f, 0xbc, 0x07), 0, 0, 0, 0x50, ZF, 4, 0, 0x50, 0, 1, 0 },
	{ "bsf eax, [rdi]: nothing set", 64, CODE(0x0f, 0xbc, 0x07), ~0ull, 0, 0, 0, 0, ~0ull, 0, 0, ZF, 1, 0 },
	{ "bsr rax, [rdi]", 64, CODE(0x48, 0x0f, 0xbd, 0x07), 0, 0, 0, 1ull << 62 | 1, 0,
	  62, 0, 1ull << 62 | 1, 0, 1, 0 },
	{ "tzcnt eax, [rdi]: nothing set", 64, CODE(0xf3, 0x0f, 0xbc, 0x07), 0, 0, 0, 0, 0, 32, 0, 0, CF, 1, 0 },
	{ "lzcnt eax, [rdi]", 64, CODE(0xf3, 0x0f, 0xbd, 0x07), 0, 0, 0, 0x80000000, CF, 0, 0, 0x80000000, ZF, 1, 0 },
	{ "popcnt rax, [rdi]", 64, CODE(0xf3, 0x48, 0x0f, 0xb8, 0x07), 0, 0, 0, 0xff00ff, CF, 16, 0, 0xff00ff, 0, 1, 0 },
	{ "crc32 eax, byte [rdi]", 64, CODE(0xf2, 0x0f, 0x38, 0xf0, 0x07), 0, 0, 0, 1, CF, 0xf26b8303, 0, 1, CF, 1, 0 },
	{ "andn eax, eax, [rdi]", 64, CODE(0xc4, 0xe2, 0x78, 0xf2, 0x07), 0x0f, 0, 0, 0xff, CF|OF, 0xf0, 0, 0xff, 0, 1, 0 },
	{ "bextr eax, [rdi], ecx", 64, CODE(0xc4, 0xe2, 0x70, 0xf7, 0x07), 0, 0x0804, 0, 0x12345, 0, 0x34, 0x0804, 0x12345, 0, 1, 0 },
	{ "blsi eax, [rdi]", 64, CODE(0xc4, 0xe2, 0x78, 0xf3, 0x1f), 0, 0, 0, 0x30, 0, 0x10, 0, 0x30, CF, 1, 0 },
	{ "blsr eax, [rdi]", 64, CODE(0xc4, 0xe2, 0x78, 0xf3, 0x0f), 0, 0, 0, 0x30, CF, 0x20, 0, 0x30, 0, 1, 0 },
	{ "bzhi eax, [rdi], ecx", 64, CODE(0xc4, 0xe2, 0x70, 0xf5, 0x07), 0, 4, 0, 0xff, 0, 0xf, 4, 0xff, 0, 1, 0 },
	{ "pdep eax, ecx, [rdi]", 64, CODE(0xc4, 0xe2, 0x73, 0xf5, 0x07), 0, 5, 0, 0x1110, CF, 0x1010, 5, 0x1110, CF, 1, 0 },
	{ "pext eax, ecx, [rdi]", 64, CODE(0xc4, 0xe2, 0x72, 0xf5, 0x07), 0, 0x1010, 0, 0x1110, 0, 5, 0x1010, 0x1110, 0, 1, 0 },
	{ "rorx eax, [rdi], 4", 64, CODE(0xc4, 0xe3, 0x7b, 0xf0, 0x07, 4), 0, 0, 0, 0x21, CF, 0x10000002, 0, 0x21, CF, 1, 0 },
	{ "sarx eax, [rdi], ecx", 64, CODE(0xc4, 0xe2, 0x72, 0xf7, 0x07), 0, 4, 0, 0x80000000, 0, 0xf8000000, 4, 0x80000000, 0, 1, 0 },
	{ "mulx rax, rcx, [rdi]", 64, CODE(0xc4, 0xe2, 0xf3, 0xf6, 0x07), 0, 0, 1ull << 63, 6, CF, 3, 0, 6, CF, 1, 0 },
	{ "adcx eax, [rdi]", 64, CODE(0x66, 0x0f, 0x38, 0xf6, 0x07), 1, 0, 0, 0xffffffff, OF, 0, 0, 0xffffffff, CF|OF, 1, 0 },
	{ "adox eax, [rdi]", 64, CODE(0xf3, 0x0f, 0x38, 0xf6, 0x07), 1, 0, 0, 0xfffffffe, OF, 0, 0, 0xfffffffe, OF, 1, 0 },
	{ "movdiri [rdi], eax", 64, CODE(0x0f, 0x38, 0xf9, 0x07), 7, 0, 0, 0, 0, 7, 0, 7, 0, 0, 1 },

	/* Cache lines: looked at, not accessed */
	{ "clflush [rdi]", 64, CODE(0x0f, 0xae, 0x3f), 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0 },
	{ "clflush [rbx+...]: FreeBSD's, 32-bit", 32, CODE(0x0f, 0xae, 0x3d, 0, 0x80, 0, 0), 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0 },
	{ "clflushopt [rdi]", 64, CODE(0x66, 0x0f, 0xae, 0x3f), 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0 },
	{ "clwb [rdi]", 64, CODE(0x66, 0x0f, 0xae, 0x37), 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0 },
	{ "cldemote [rdi]", 64, CODE(0x0f, 0x1c, 0x07), 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0 },
	{ "prefetchw [rdi]", 64, CODE(0x0f, 0x0d, 0x0f), 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0 },

	/* Conditions */
	{ "setz [rdi]", 64, CODE(0x0f, 0x94, 0x07), 0, 0, 0, 0xff00, ZF, 0, 0, 0xff01, ZF, 0, 1 },
	{ "setg [rdi]", 64, CODE(0x0f, 0x9f, 0x07), 0, 0, 0, 0xff, SF, 0, 0, 0, SF, 0, 1 },
	{ "cmovz eax, [rdi]: taken", 64, CODE(0x0f, 0x44, 0x07), ~0ull, 0, 0, 7, ZF, 7, 0, 7, ZF, 1, 0 },
	{ "cmovz eax, [rdi]: reads even so", 64, CODE(0x0f, 0x44, 0x07), ~0ull, 0, 0, 7, 0, 0xffffffff, 0, 7, 0, 1, 0 },

	/* Strings: rsi is the operand, too */
	{ "stosd", 64, CODE(0xab), 0x99, 0, 0, 0, 0, 0x99, 0, 0x99, 0, 0, 1 },
	{ "rep stosb, 3", 64, CODE(0xf3, 0xaa), 0x77, 3, 0, 0, 0, 0x77, 0, 0x777777, 0, 0, 3 },
	{ "rep stosw with cx 2", 16, CODE(0xf3, 0xab), 0xabcd, 0xff0002, 0, 0, 0, 0xabcd, 0xff0000, 0xabcdabcd, 0, 0, 2 },
	{ "rep stosd, 0", 64, CODE(0xf3, 0xab), 1, 0, 0, 5, 0, 1, 0, 5, 0, 0, 0 },
	{ "lodsb", 64, CODE(0xac), ~0ull, 0, 0, 0x41, 0, 0xffffffffffffff41, 0, 0x41, 0, 1, 0 },
	{ "repne scasb: found", 64, CODE(0xf2, 0xae), 0x33, 8, 0, 0x44332211, 0, 0x33, 5, 0x44332211, PF|ZF, 3, 0 },
	{ "repe scasb: all equal", 64, CODE(0xf3, 0xae), 0, 4, 0, 0, 0, 0, 0, 0, PF|ZF, 4, 0 },
	{ "cmpsd with itself", 64, CODE(0xa7), 0, 0, 0, 0x12345678, CF, 0, 0, 0x12345678, PF|ZF, 2, 0 },
	{ "rep movsd onto itself", 64, CODE(0xf3, 0xa5), 0, 2, 0, 0x1111111122222222, 0, 0, 0, 0x1111111122222222, 0, 2, 2 },
	{ "ins dword", 32, CODE(0x6d), 0, 0, 0x60, 0, 0, 0, 0, 0xa5a5a5a5, 0, 0, 1 },
	{ "ins with REX.W: still 4 bytes", 64, CODE(0x48, 0x6d), 0, 0, 0x60, 0, 0, 0, 0, 0xa5a5a5a5, 0, 0, 1 },
};

static void compare(struct unit *u, struct rig *r, const struct row *row)
{
	u64 mem;

	memcpy(&mem, rig_at(r, UNIT_DATA), 8);
	EXPECT_EQ(u, row->xrax, r->regs.rax);
	EXPECT_EQ(u, row->xrcx, r->regs.rcx);
	EXPECT_EQ(u, row->xmem, mem);
	EXPECT_EQ(u, row->xflags, r->regs.rflags & (CF|PF|AF|ZF|SF|OF));
}

static void transactions(struct unit *u, struct rig *r, const struct row *row)
{
	unsigned int i, reads = 0, writes = 0;

	for (i = 0; i < r->io_count && i < IO_LOG; i++) {
		if (r->io_log[i].space == LIKEX_SPACE_PIO)
			continue;
		writes += r->io_log[i].write;
		reads += !r->io_log[i].write;
	}
	EXPECT_EQ(u, row->reads, reads);
	EXPECT_EQ(u, row->writes, writes);
}

static void one(struct unit *u, const struct row *row, bool device, bool pull)
{
	struct rig r;

	u->name = row->name;
	rig_init(&r, UNIT_PAGES, NULL);
	if (row->bits == 64)
		unit_long_mode(&r, 0);
	else
		rig_mode(&r, row->bits, 0);
	if (device)
		rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.pull = pull;
	r.port_value = 0xa5;
	memcpy(rig_at(&r, UNIT_DATA), &row->mem, 8);
	unit_code(&r, row->code, row->len);
	r.regs.rax = row->rax;
	r.regs.rcx = row->rcx;
	r.regs.rdx = row->rdx;
	r.regs.rbx = 0x1122334455667788;
	r.regs.rdi = r.regs.rsi = UNIT_DATA;
	r.regs.rflags = 2 | row->flags;
	if (EXPECT_EQ(u, LIKEX_DONE, rig_step(&r))) {
		EXPECT_EQ(u, UNIT_CODE + row->len, r.regs.rip);
		compare(u, &r, row);
		if (device)
			transactions(u, &r, row);
	}
	rig_destroy(&r);
}

/* Vector moves: what is placed where, and what of the register is cleared. */
struct vec_row {
	const char *name;
	unsigned int len;
	u8 code[8];
	u64 mem[4], reg[4];	/* before */
	u64 xmem[4], xreg[4];
	unsigned int transactions;
};

#define KEEP { 10, 11, 12, 13 }

/* Register 1; memory at [rdi]. */
static const struct vec_row vec_rows[] = {
	{ "movups xmm1, [rdi]", CODE(0x0f, 0x10, 0x0f), { 1, 2, 3, 4 }, KEEP, { 1, 2, 3, 4 }, { 1, 2, 12, 13 }, 2 },
	{ "movaps [rdi], xmm1", CODE(0x0f, 0x29, 0x0f), { 1, 2, 3, 4 }, KEEP, { 10, 11, 3, 4 }, KEEP, 2 },
	{ "movss xmm1, [rdi]", CODE(0xf3, 0x0f, 0x10, 0x0f), { BIT(32) | 1, 2, 3, 4 }, KEEP, { BIT(32) | 1, 2, 3, 4 }, { 1, 0, 12, 13 }, 1 },
	{ "movsd [rdi], xmm1", CODE(0xf2, 0x0f, 0x11, 0x0f), { 1, 2, 3, 4 }, KEEP, { 10, 2, 3, 4 }, KEEP, 1 },
	{ "movhps xmm1, [rdi]", CODE(0x0f, 0x16, 0x0f), { 1, 2, 3, 4 }, KEEP, { 1, 2, 3, 4 }, { 10, 1, 12, 13 }, 1 },
	{ "movhpd [rdi], xmm1", CODE(0x66, 0x0f, 0x17, 0x0f), { 1, 2, 3, 4 }, KEEP, { 11, 2, 3, 4 }, KEEP, 1 },
	{ "movlps xmm1, [rdi]", CODE(0x0f, 0x12, 0x0f), { 1, 2, 3, 4 }, KEEP, { 1, 2, 3, 4 }, { 1, 11, 12, 13 }, 1 },
	{ "vmovups xmm1, [rdi]", CODE(0xc5, 0xf8, 0x10, 0x0f), { 1, 2, 3, 4 }, KEEP, { 1, 2, 3, 4 }, { 1, 2, 0, 0 }, 2 },
	{ "vmovups ymm1, [rdi]", CODE(0xc5, 0xfc, 0x10, 0x0f), { 1, 2, 3, 4 }, KEEP, { 1, 2, 3, 4 }, { 1, 2, 3, 4 }, 4 },
	{ "vmovdqa [rdi], ymm1", CODE(0xc5, 0xfd, 0x7f, 0x0f), { 1, 2, 3, 4 }, KEEP, KEEP, KEEP, 4 },
	{ "vbroadcastss ymm1, [rdi]", CODE(0xc4, 0xe2, 0x7d, 0x18, 0x0f), { 7, 2, 3, 4 }, KEEP, { 7, 2, 3, 4 },
	  { 0x700000007, 0x700000007, 0x700000007, 0x700000007 }, 1 },
	{ "movdqu xmm1, [rdi]", CODE(0xf3, 0x0f, 0x6f, 0x0f), { 5, 6, 0, 0 }, KEEP, { 5, 6, 0, 0 }, { 5, 6, 12, 13 }, 2 },
	{ "movntdq [rdi], xmm1", CODE(0x66, 0x0f, 0xe7, 0x0f), { 0 }, KEEP, { 10, 11 }, KEEP, 2 },
};

static void vec_reg(u8 *xsave, u64 v[4], bool store)
{
	u8 *low = xsave + 160 + 16, *high = xsave + 576 + 16;

	if (store) {
		memcpy(low, v, 16);
		memcpy(high, v + 2, 16);
	} else {
		memcpy(v, low, 16);
		memcpy(v + 2, high, 16);
	}
}

static void one_vec(struct unit *u, const struct vec_row *row)
{
	u64 reg[4], mem[4];
	struct rig r;

	u->name = row->name;
	rig_init(&r, UNIT_PAGES, NULL);
	unit_long_mode(&r, 0);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.pull = true;
	memcpy(reg, row->reg, sizeof(reg));
	vec_reg(r.xsave, reg, true);
	r.xsave[512] = 7;
	memcpy(rig_at(&r, UNIT_DATA), row->mem, 32);
	unit_code(&r, row->code, row->len);
	r.regs.rdi = UNIT_DATA;
	if (EXPECT_EQ(u, LIKEX_DONE, rig_step(&r))) {
		vec_reg(r.xsave, reg, false);
		memcpy(mem, rig_at(&r, UNIT_DATA), 32);
		expect(u, !memcmp(reg, row->xreg, 32), "register", row->xreg[0], reg[0]);
		expect(u, !memcmp(mem, row->xmem, 32), "memory", row->xmem[0], mem[0]);
		EXPECT_EQ(u, row->transactions, r.io_count);
		EXPECT_EQ(u, !!(r.step.events & LIKEX_EVENT_FPU), r.fpu_puts);
	}
	rig_destroy(&r);
}

/* Vector state is not asked for where it is not needed. */
static void fpu_untouched(struct unit *u)
{
	struct rig r;

	unit_start(u, "no vector state for an integer instruction", &r, 0);
	unit_code(&r, "\x89\x07", 2);
	r.regs.rdi = UNIT_DATA;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0, r.fpu_gets);
	rig_destroy(&r);
}

/* Stack instructions with an operand in a device. */
static void stack(struct unit *u)
{
	u64 v = 0x123456789abcdef0, got;
	struct rig r;

	unit_start(u, "push, pop, call, jmp through a device", &r, 0);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.pull = true;
	memcpy(rig_at(&r, UNIT_DATA), &v, 8);
	r.regs.rdi = UNIT_DATA;
	r.regs.rsp = 0xa000;
	unit_code(&r, "\xff\x37\x8f\x47\x08\xff\x17", 7);	/* push [rdi]; pop [rdi+8]; call [rdi] */
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x9ff8, r.regs.rsp);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	memcpy(&got, rig_at(&r, UNIT_DATA + 8), 8);
	EXPECT_EQ(u, v, got);
	EXPECT_EQ(u, 0xa000, r.regs.rsp);
	v = 0x1234;
	memcpy(rig_at(&r, UNIT_DATA), &v, 8);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x1234, r.regs.rip);
	memcpy(&got, rig_at(&r, 0x9ff8), 8);
	EXPECT_EQ(u, UNIT_CODE + 7, got);
	unit_code(&r, "\xff\x27", 2);				/* jmp [rdi] */
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x1234, r.regs.rip);
	EXPECT_EQ(u, 4, r.io_count);
	rig_destroy(&r);
}

/* A line that is flushed must be there; one that is prefetched need not. */
static void lines(struct unit *u)
{
	struct rig r;

	unit_start(u, "clflush of what is not mapped", &r, 0);
	r.regs.rdi = 0x200000;
	unit_code(&r, "\x0f\xae\x3f", 3);
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 14, r.step.fault.vector);
	EXPECT_EQ(u, 0, r.step.fault.error);
	unit_code(&r, "\x0f\x18\x0f", 3);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	rig_destroy(&r);
}

/* MOVDIR64B: from a device to memory, aligned or not. */
static void movdir64b(struct unit *u)
{
	struct rig r;

	unit_start(u, "movdir64b", &r, 0);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	memset(rig_at(&r, UNIT_DATA + 1), 0x5a, 64);
	r.regs.rdi = UNIT_DATA + 1;
	r.regs.rax = 0xa040;
	unit_code(&r, "\x66\x0f\x38\xf8\x07", 5);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 8, r.io_count);
	expect(u, !memcmp(rig_at(&r, 0xa040), rig_at(&r, UNIT_DATA + 1), 64), "memory", 0, 0);
	r.regs.rax = 0xa041;
	r.regs.rip = UNIT_CODE;
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 13, r.step.fault.vector);
	rig_destroy(&r);
}

/* Instructions of the stack, with a device as the stack. */
static void frames(struct unit *u)
{
	u64 got;
	struct rig r;

	unit_start(u, "pushf, popf, enter, leave, xlat on a device", &r, 0);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.pull = true;
	r.regs.rsp = UNIT_DATA + 0x100;
	r.regs.rbp = 0x1234;
	r.regs.rflags = 0x10ad7;
	r.regs.rbx = UNIT_DATA + 0xe8;
	r.regs.rax = 0x10;
	unit_code(&r, "\x9c\xc8\x20\0\0\xc9\x9d\xd7", 8);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	memcpy(&got, rig_at(&r, UNIT_DATA + 0xf8), 8);
	EXPECT_EQ(u, 0xad7, got);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, UNIT_DATA + 0xf0, r.regs.rbp);
	EXPECT_EQ(u, UNIT_DATA + 0xd0, r.regs.rsp);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x1234, r.regs.rbp);
	EXPECT_EQ(u, UNIT_DATA + 0xf8, r.regs.rsp);
	r.regs.rflags = 2;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0xad7, r.regs.rflags);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0xd7, r.regs.rax);
	EXPECT_EQ(u, 5, r.io_count);
	rig_destroy(&r);
}

static void all_registers(struct unit *u)
{
	struct likex_regs before;
	struct rig r;

	u->name = "pusha, popa on a device";
	rig_init(&r, UNIT_PAGES, NULL);
	rig_mode(&r, 32, 0);
	rig_kind(&r, UNIT_DATA, 4096, PAGE_DEV);
	r.regs = (struct likex_regs){
		.rax = 1, .rcx = 2, .rdx = 3, .rbx = 4, .rsp = UNIT_DATA + 0x100, .rbp = 5,
		.rsi = 6, .rdi = 7, .rflags = 2,
	};
	before = r.regs;
	unit_code(&r, "\x60\x61", 2);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, UNIT_DATA + 0xe0, r.regs.rsp);
	EXPECT_EQ(u, 7, *rig_at(&r, UNIT_DATA + 0xe0));
	EXPECT_EQ(u, 1, *rig_at(&r, UNIT_DATA + 0xfc));
	r.regs.rax = r.regs.rdi = r.regs.rbp = 99;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	before.rip = UNIT_CODE + 2;
	expect(u, !memcmp(&before, &r.regs, sizeof(before)), "registers", before.rax, r.regs.rax);
	rig_destroy(&r);
}

void unit_insn(struct unit *u)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		one(u, &rows[i], false, false);
		one(u, &rows[i], true, false);
		one(u, &rows[i], true, true);
	}
	for (i = 0; i < ARRAY_SIZE(vec_rows); i++)
		one_vec(u, &vec_rows[i]);
	fpu_untouched(u);
	stack(u);
	lines(u);
	movdir64b(u);
	frames(u);
	all_registers(u);
}
