// SPDX-License-Identifier: GPL-2.0
/* same: the guest's memory, its modes, and code made of instructions from a table. */
#include "same.h"

#include <string.h>

#define IN(mode)	(1u << (mode))
#define ANY_MODE	(IN(REAL) | IN(PROTECTED) | IN(PAGED) | IN(LONG))
#define FLAT		(ANY_MODE & ~IN(REAL))

enum { AX, CX, DX, BX };

struct code {
	unsigned char	*at;
	enum mode	mode;
	struct pair	*p;
};

static void put(struct code *c, const char *bytes, size_t n)
{
	memcpy(c->at, bytes, n);
	c->at += n;
}

#define PUT(c, bytes)	put(c, bytes, sizeof(bytes) - 1)

/* The prefix that gives the next instruction operands of @size bytes */
static void operand_size(struct code *c, unsigned int size)
{
	if (size != 1 && (size == 2) != (c->mode == REAL))
		PUT(c, "\x66");
}

static void mov(struct code *c, unsigned int reg, uint32_t value)
{
	operand_size(c, 4);
	*c->at++ = 0xb8 + reg;
	memcpy(c->at, &value, 4);
	c->at += 4;
}

static void put_io(struct code *c, struct rnd *r, unsigned int opcode)
{
	unsigned int size = 1u << rnd_below(r, 3);

	if (rnd_rarely(r, 2))
		mov(c, AX, rnd_value(r, 0));
	operand_size(c, size);
	*c->at++ = opcode + (size > 1);
	/* Bit 3 of the opcode: the port is in DX. */
	if (!(opcode & 8))
		*c->at++ = 0x40 + rnd_below(r, 16);
}

static void put_out(struct code *c, struct rnd *r)
{
	put_io(c, r, rnd_rarely(r, 2) ? 0xe6 : 0xee);
}

static void put_in(struct code *c, struct rnd *r)
{
	put_io(c, r, rnd_rarely(r, 2) ? 0xe4 : 0xec);
}

static void put_string(struct code *c, struct rnd *r)
{
	unsigned int size = 1u << rnd_below(r, 3);

	if (rnd_rarely(r, 8))
		PUT(c, "\xfd");
	if (rnd_rarely(r, 2))
		PUT(c, "\xf3");
	operand_size(c, size);
	*c->at++ = (rnd_rarely(r, 2) ? 0x6c : 0x6e) + (size > 1);
}

static void put_cpuid(struct code *c, struct rnd *r)
{
	static const uint32_t leaves[] = {
		0, 1, 2, 4, 5, 6, 7, 0xa, 0xb, 0xd, 0xd, 0x14, 0x40000000, 0x40000001, 0x80000000,
		0x80000001, 0x80000007, 0x80000008,
	};

	mov(c, AX, rnd_rarely(r, 8) ? rnd_value(r, 0) : leaves[rnd_below(r, COUNT(leaves))]);
	mov(c, CX, rnd_below(r, 4));
	PUT(c, "\x0f\xa2");
}

/* Not an MSR that LiKeX lacks (see msr_is_missing()), and no clock: they always differ. */
static uint32_t guest_msr(struct code *c, struct rnd *r)
{
	uint32_t index;

	do
		index = msr_choose(c->p, r);
	while (msr_is_missing(index) || index == 0x10 || index == 0x3b || index == 0x839);
	return index;
}

static void put_rdmsr(struct code *c, struct rnd *r)
{
	mov(c, CX, guest_msr(c, r));
	PUT(c, "\x0f\x32");
}

static void put_wrmsr(struct code *c, struct rnd *r)
{
	uint32_t index = guest_msr(c, r);
	uint64_t old = 0, value;

	msr_get(&c->p->side[KVM], index, &old);
	value = msr_value(r, index, old);
	/* KVM's MTRRs, and the address of the local APIC, have the width that CPUID says. */
	if (!c->p->has_cpuid && ((index >= 0x200 && index < 0x210) || index == 0x1b))
		value &= 0xfffffffff;
	mov(c, CX, index);
	mov(c, AX, value);
	mov(c, DX, value >> 32);
	PUT(c, "\x0f\x30");
}

static void put_hlt(struct code *c, struct rnd *r)
{
	if (rnd_rarely(r, 2))
		PUT(c, "\xfb");		/* STI: an interrupt may end HLT */
	PUT(c, "\xf4");
}

static uint32_t control_value(struct code *c, struct rnd *r, unsigned int cr)
{
	static const uint32_t usual[][9] = {
		[REAL]	    = { 0x10, 0, 0, 0, 0 },
		[PROTECTED] = { 0x11, 0, 0, 0, 0 },
		[PAGED]	    = { 0x80000011, 0, 0, AT_PD32, 0x10 },
		[LONG]	    = { 0x80000011, 0, 0, AT_PML4, 0x20 },
	};

	if (rnd_rarely(r, 3))
		return usual[c->mode][cr];
	/* Without CPUID, LiKeX has more bits of CR4: see there in api.rst. */
	return rnd_value(r, usual[c->mode][cr]) &
	       (cr == 4 && !c->p->has_cpuid ? 0x7ff : UINT32_MAX);
}

static void put_mov_cr(struct code *c, struct rnd *r)
{
	static const unsigned char crs[] = { 0, 0, 2, 3, 4, 4, 8, 1 };
	unsigned int cr = crs[rnd_below(r, COUNT(crs))];
	bool write = !rnd_rarely(r, 3);

	/* KVM looks at 8 bits of CR8 only: see KVM_EXIT_SET_TPR in api.rst. */
	if (write)
		mov(c, AX, control_value(c, r, cr) & (cr == 8 ? 0xff : UINT32_MAX));
	/* CR8 has a REX prefix, which is an instruction of its own outside of long mode. */
	if (cr == 8 && c->mode == LONG)
		PUT(c, "\x44");
	PUT(c, "\x0f");
	*c->at++ = write ? 0x22 : 0x20;
	*c->at++ = 0xc0 | (cr & 7) << 3;
}

static void put_mov_dr(struct code *c, struct rnd *r)
{
	unsigned int dr = rnd_below(r, 8);
	bool write = !rnd_rarely(r, 3);
	uint32_t value = rnd_rarely(r, 2) ? AT_CODE + rnd_below(r, 64) : rnd_value(r, 0x400);

	if (write)
		mov(c, AX, dr == 7 ? value & ~0xffu : value);
	PUT(c, "\x0f");
	*c->at++ = write ? 0x23 : 0x21;
	*c->at++ = 0xc0 | dr << 3;
}

/*
 * An instruction without operands, or with those in registers. Not VMMCALL, which is
 * #UD (see "VMMCALL" in api.rst).
 */
static void put_fixed(struct code *c, struct rnd *r)
{
	static const struct { unsigned char n; char bytes[6]; } fixed[] = {
		{ 2, "\x0f\x0b" },		/* UD2 */
		{ 1, "\xcc" },			/* INT3 */
		{ 1, "\xf1" },			/* ICEBP */
		{ 4, "\x31\xc9\xf7\xf1" },	/* division by 0 */
		{ 1, "\xfb" },			/* STI */
		{ 1, "\xfa" },			/* CLI */
		{ 3, "\x0f\x01\xc1" },		/* VMCALL */
		{ 3, "\x0f\x01\xc2" },		/* VMLAUNCH */
		{ 3, "\x0f\x01\xd4" },		/* VMFUNC */
		{ 2, "\x0f\x09" },		/* WBINVD */
		{ 2, "\x0f\x08" },		/* INVD */
		{ 3, "\x0f\x01\x3b" },		/* INVLPG */
		{ 2, "\xf3\x90" },		/* PAUSE */
		{ 2, "\x0f\x06" },		/* CLTS */
		{ 3, "\x0f\x01\xe0" },		/* SMSW */
		{ 3, "\x0f\x01\xf0" },		/* LMSW */
		{ 2, "\x0f\x33" },		/* RDPMC */
		{ 3, "\x0f\x01\xc8" },		/* MONITOR */
		{ 3, "\x0f\x01\xc9" },		/* MWAIT */
		{ 3, "\x0f\x01\xd0" },		/* XGETBV */
		{ 3, "\x0f\x01\xd1" },		/* XSETBV */
		{ 3, "\x0f\x01\xf8" },		/* SWAPGS */
		{ 2, "\xdb\xe3" },		/* FNINIT */
		{ 2, "\xd9\xe8" },		/* FLD1 */
		{ 3, "\x0f\x58\xc1" },		/* ADDPS */
		{ 2, "\x9c\x58" },		/* PUSHF, POP AX */
		{ 2, "\x8e\xd0" },		/* MOV SS */
		{ 2, "\x0f\xaa" },		/* RSM */
		{ 2, "\x0f\x05" },		/* SYSCALL */
		{ 2, "\x0f\x34" },		/* SYSENTER */
		{ 4, "\xff\xff\xff\xff" },
		{ 1, "\xcf" },			/* IRET */
	};
	unsigned int i = rnd_below(r, COUNT(fixed));

	put(c, fixed[i].bytes, fixed[i].n);
}

static void put_int(struct code *c, struct rnd *r)
{
	*c->at++ = 0xcd;
	*c->at++ = rnd_below(r, 256);
}

/* XSETBV with values near to valid */
static void put_xsetbv(struct code *c, struct rnd *r)
{
	mov(c, CX, rnd_rarely(r, 8));
	mov(c, AX, rnd_value(r, 7));
	mov(c, DX, rnd_rarely(r, 8));
	PUT(c, "\x0f\x01\xd1");
}

/* PUSH a value, POPF */
static void put_popf(struct code *c, struct rnd *r)
{
	mov(c, AX, rnd_value(r, 2) & ~(uint64_t)(rnd_rarely(r, 4) ? 0 : 0x100));
	PUT(c, "\x50\x9d");
}

/* Loads and stores where there is no slot, and where there is one */
static void put_memory(struct code *c, struct rnd *r)
{
	static const uint32_t places[] = {
		0x10000, 0xd0000, 0xfffff, 0x100000, 0x10000ffc, AT_DATA, AT_DATA + 0xffe, AT_CODE,
		0xfee00020, 0xfee00080, 0xffff, 0x20000, 0x3ffffffc,
	};
	unsigned int size = 1u << rnd_below(r, 3);

	mov(c, BX, places[rnd_below(r, COUNT(places))]);
	operand_size(c, size);
	*c->at++ = (rnd_rarely(r, 2) ? 0x88 : 0x8a) + (size > 1);
	*c->at++ = 0x03;
}

static const struct {
	const char	*name;
	void		(*put)(struct code *c, struct rnd *r);
	unsigned int	modes, share;
} kinds[] = {
	{ "OUT",	put_out,	ANY_MODE,	3 },
	{ "IN",		put_in,		ANY_MODE,	3 },
	{ "INS/OUTS",	put_string,	ANY_MODE,	2 },
	{ "CPUID",	put_cpuid,	ANY_MODE,	3 },
	{ "RDMSR",	put_rdmsr,	ANY_MODE,	4 },
	{ "WRMSR",	put_wrmsr,	ANY_MODE,	4 },
	{ "HLT",	put_hlt,	ANY_MODE,	1 },
	{ "MOV CR",	put_mov_cr,	ANY_MODE,	3 },
	{ "MOV DR",	put_mov_dr,	ANY_MODE,	1 },
	{ "fixed",	put_fixed,	ANY_MODE,	6 },
	{ "INT n",	put_int,	ANY_MODE,	1 },
	{ "XSETBV",	put_xsetbv,	ANY_MODE,	1 },
	{ "POPF",	put_popf,	ANY_MODE,	1 },
	{ "memory",	put_memory,	FLAT,		1 },
};

/* The sum of the shares */
unsigned int guest_kinds(void)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < COUNT(kinds); i++)
		sum += kinds[i].share;
	return sum;
}

/* The kind that a number below guest_kinds() stands for, by the kinds' shares */
static unsigned int kind_of(unsigned int number)
{
	unsigned int i = 0;

	while (i < COUNT(kinds) - 1 && number >= kinds[i].share)
		number -= kinds[i++].share;
	return i;
}

/* Write the program's guest code; after it the guest halts for good. */
void guest_code(struct pair *p, const struct program *program, unsigned char *code)
{
	struct code c = { code, program->mode, p };

	say(p, "guest in mode %u, %s IDT\n", program->mode, program->has_idt ? "with" : "without");
	for (unsigned int i = 0; i < program->nr_insns; i++) {
		struct rnd r = { program->insns[i].seed };
		unsigned int kind = kind_of(program->insns[i].kind);
		unsigned char *from = c.at;

		if (!(kinds[kind].modes & IN(program->mode)))
			continue;
		kinds[kind].put(&c, &r);
		say(p, "  %04x %s:", (unsigned int)(AT_CODE + (from - code)), kinds[kind].name);
		while (from < c.at)
			say(p, " %02x", *from++);
		say(p, "\n");
	}
	PUT(&c, "\xf4\xeb\xfd");
}

static void put64(unsigned char *ram, unsigned int at, uint64_t value)
{
	memcpy(ram + at, &value, 8);
}

static void put32(unsigned char *ram, unsigned int at, uint32_t value)
{
	memcpy(ram + at, &value, 4);
}

/* Each vector has a stub that tells its number by a port, and halts: MOV AL, OUT, HLT, JMP. */
static void make_stubs(unsigned char *ram)
{
	for (unsigned int v = 0; v < 256; v++) {
		unsigned char stub[] = { 0xb0, v, 0xe6, STUB_PORT, 0xf4, 0xeb, 0xfd };
		unsigned int at = AT_STUBS + 16 * v;

		memcpy(ram + at, stub, sizeof(stub));
		put32(ram, 4 * v, at);
		put64(ram, AT_IDT32 + 8 * v, at | SEL_CODE32 << 16 | 0x8eull << 40);
		put64(ram, AT_IDT64 + 16 * v, at | SEL_CODE64 << 16 | 0x8eull << 40);
	}
}

void guest_template(unsigned char *ram)
{
	make_stubs(ram);
	put64(ram, AT_PML4, AT_PDPT | 7);
	put64(ram, AT_PDPT, AT_PD | 7);
	for (unsigned int i = 0; i < 512; i++)
		put64(ram, AT_PD + 8 * i, (uint64_t)i << 21 | 0x87);
	for (unsigned int i = 0; i < 1024; i++)
		put32(ram, AT_PD32 + 4 * i, i << 22 | 0x87);
	put64(ram, AT_GDT + SEL_CODE64, 0x00af9b000000ffff);
	put64(ram, AT_GDT + SEL_DATA, 0x00cf93000000ffff);
	put64(ram, AT_GDT + SEL_CODE32, 0x00cf9b000000ffff);
	put64(ram, AT_GDT + SEL_TSS, 0x00008b0000000067 | (uint64_t)AT_TSS << 16);
	for (unsigned int i = 0; i < 0x1000; i++)
		ram[AT_DATA + i] = i * 7;
}

static struct kvm_segment flat(enum mode mode, bool is_code)
{
	struct kvm_segment s = {
		.limit = 0xffffffff, .selector = is_code ? SEL_CODE32 : SEL_DATA, .present = 1,
		.type = is_code ? 0xb : 3, .s = 1, .g = 1, .db = 1,
	};

	if (mode == LONG && is_code) {
		s.selector = SEL_CODE64;
		s.db = 0;
		s.l = 1;
	}
	if (mode == REAL) {
		s.limit = 0xffff;
		s.selector = s.g = s.db = 0;
	}
	return s;
}

/* Change the registers of a new vCPU to a mode. */
void guest_sregs(struct kvm_sregs2 *s, const struct program *program)
{
	enum mode mode = program->mode;

	s->cs = flat(mode, true);
	s->ds = s->es = s->fs = s->gs = s->ss = flat(mode, false);
	s->idt.base = mode == REAL ? 0 : mode == LONG ? AT_IDT64 : AT_IDT32;
	s->idt.limit = !program->has_idt ? 0 : mode == REAL ? 0x3ff : mode == LONG ? 0xfff : 0x7ff;
	if (mode == REAL)
		return;
	s->gdt.base = AT_GDT;
	s->gdt.limit = SEL_TSS + 15;
	s->tr = (struct kvm_segment){ .base = AT_TSS, .limit = 0x67, .selector = SEL_TSS,
				      .type = 0xb, .present = 1 };
	s->cr0 = 0x11;
	if (mode == PROTECTED)
		return;
	s->cr0 |= 1u << 31;
	s->cr3 = mode == LONG ? AT_PML4 : AT_PD32;
	s->cr4 = mode == LONG ? 1 << 5 : 1 << 4;
	s->efer = mode == LONG ? 0x500 : 0;
}

/* MSRs of all features, and neighbours of theirs */
uint32_t msr_choose(struct pair *p, struct rnd *r)
{
	static const struct {
		uint32_t first, count;
	} ranges[] = {
		{ 0x10, 3 }, { 0x17, 1 }, { 0x1b, 1 }, { 0x34, 1 }, { 0x3a, 2 }, { 0x48, 2 },
		{ 0x79, 1 }, { 0x8b, 1 }, { 0xc1, 2 }, { 0xce, 1 }, { 0xfe, 1 }, { 0x10a, 2 },
		{ 0x11e, 1 }, { 0x122, 1 }, { 0x140, 1 }, { 0x174, 3 }, { 0x179, 3 }, { 0x186, 2 },
		{ 0x198, 2 }, { 0x1a0, 1 }, { 0x1d9, 1 }, { 0x1fc, 1 }, { 0x200, 18 }, { 0x250, 1 },
		{ 0x258, 2 }, { 0x268, 8 }, { 0x277, 1 }, { 0x2ff, 1 }, { 0x345, 1 }, { 0x38d, 3 },
		{ 0x400, 8 }, { 0x480, 18 }, { 0x606, 1 }, { 0x6e0, 1 }, { 0xda0, 1 },
		{ 0x40000000, 4 }, { 0x4b564d00, 9 }, { 0xc0000080, 5 }, { 0xc0000100, 4 },
		{ 0xc0010015, 1 },
	};
	unsigned int i;

	switch (rnd_below(r, 8)) {
	case 0 ... 3:
		if (p->nr_msrs)
			return p->msrs[rnd_below(r, p->nr_msrs)];
		/* fallthrough */
	case 4 ... 5:
		i = rnd_below(r, COUNT(ranges));
		return ranges[i].first + rnd_below(r, ranges[i].count);
	case 6:
		return 0x800 + rnd_below(r, 0x40);
	default:
		return rnd_below(r, 0x1000) | (rnd_rarely(r, 4) ? 0xc0000000 : 0);
	}
}

/* Bits of the x2APIC registers that can be written */
static uint64_t x2apic_bits(uint32_t index)
{
	switch (index) {
	case 0x808: case 0x83f:
		return 0xff;
	case 0x80f:
		return 0x13ff;
	case 0x830:
		return 0xffffffff000ccfff;
	case 0x832:
		return 0x300ff;
	case 0x833: case 0x834:
		return 0x107ff;
	case 0x835: case 0x836:
		return 0x1a7ff;
	case 0x837:
		return 0x100ff;
	case 0x83e:
		return 0xb;
	default:
		return 0;
	}
}

/*
 * Return a value for an MSR. Timers are off or need seconds, so that none fires in a
 * program; clocks write to a page that is not compared.
 */
uint64_t msr_value(struct rnd *r, uint32_t index, uint64_t old)
{
	static const uint64_t clocks[] = {
		0, AT_CLOCK, AT_CLOCK | 1, AT_CLOCK | 2, 0x100000, 0x100001, UINT64_MAX,
		0x8000000000000001,
	};
	uint64_t value = rnd_value(r, index == 0x10 ? 0 : old);

	switch (index) {
	case 0x11: case 0x12: case 0x4b564d00 ... 0x4b564d04:
		return clocks[rnd_below(r, COUNT(clocks))];
	case 0x6e0:
		return rnd_rarely(r, 2) ? 0 : 1ull << 62;
	case 0xc0000084:
		return (uint32_t)value;		/* as api.rst says, KVM accepts more */
	case 0x808 ... 0x837: case 0x83e ... 0x83f:
		/* A reserved bit is #GP; as api.rst says, KVM ignores some. */
		return value & x2apic_bits(index);
	case 0x838:
		return rnd_rarely(r, 2) ? 0 : 0xf0000000 | value;
	case 0x200 ... 0x277: case 0x2ff:
		return rnd_rarely(r, 2) ? value : 0x0606060606060606 & (rnd_next(r) | 0xff);
	default:
		return value;
	}
}
