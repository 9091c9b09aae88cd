// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A small assembler driven by chance. It is written from the opcode maps and
 * knows nothing of the decoder that the library uses.
 */
#include "gen_as.h"

#define ALU(name, base, digit, undef, lock)				\
	{ name " rm8,r8", 0, base, 0, -1, undef, 0, T_BYTE | lock },	\
	{ name " rm,r", 0, base + 1, 0, -1, undef, 0, lock },		\
	{ name " r8,rm8", 0, base + 2, 0, -1, undef, 0, T_BYTE },	\
	{ name " r,rm", 0, base + 3, 0, -1, undef, 0, 0 },		\
	{ name " al,imm8", 0, base + 4, 0, -1, undef, 0, T_BYTE | T_NOMOD | T_IMM8 }, \
	{ name " ax,imm", 0, base + 5, 0, -1, undef, 0, T_NOMOD | T_IMMZ }, \
	{ name " rm8,imm8", 0, 0x80, 0, digit, undef, 0, T_BYTE | T_IMM8 | lock }, \
	{ name " rm,imm", 0, 0x81, 0, digit, undef, 0, T_IMMZ | lock },	\
	{ name " rm,imm8", 0, 0x83, 0, digit, undef, 0, T_IMM8 | lock }

#define SHIFT(name, digit, undef)					\
	{ name " rm8,imm8", 0, 0xc0, 0, digit, undef, 0, T_BYTE | T_IMM8 }, \
	{ name " rm,imm8", 0, 0xc1, 0, digit, undef, 0, T_IMM8 },	\
	{ name " rm8,1", 0, 0xd0, 0, digit, undef, 0, T_BYTE | T_ONE },	\
	{ name " rm,1", 0, 0xd1, 0, digit, undef, 0, T_ONE },		\
	{ name " rm8,cl", 0, 0xd2, 0, digit, undef, 0, T_BYTE | T_CL },	\
	{ name " rm,cl", 0, 0xd3, 0, digit, undef, 0, T_CL }

#define BTX(name, op, digit, lock)					\
	{ name " rm,r", 1, op, 0, -1, U_BT, 0, T_BT | lock },		\
	{ name " rm,imm8", 1, 0xba, 0, digit, U_BT, 0, T_IMM8 | lock }

#define STR(name, op, flags)						\
	{ name "b", 0, op, 0, -1, U_NONE, 0, T_BYTE | T_STR | T_NOMOD | (flags) }, \
	{ name, 0, op + 1, 0, -1, U_NONE, 0, T_STR | T_NOMOD | (flags) }

/* A vector move in its SSE and its AVX form. */
#define VEC(name, op, pfx, size, flags)					\
	{ name, 1, op, pfx, -1, U_NONE, size, T_VEC | ((flags) & ~(T_L256 | T_VVVV)) }, \
	{ "v" name, 1, op, pfx, -1, U_NONE, size, T_VEC | T_VEX | (flags) }
#define BCAST(name, op, size, flags)					\
	{ name, 2, op, 0x66, -1, U_NONE, size, T_VEC | T_VEX | T_MEM | (flags) }

#define BMI(name, map, op, pfx, digit, undef, flags)			\
	{ name, map, op, pfx, digit, undef, 0, T_VEX | T_NO66 | (flags) }

static const struct tmpl templates[] = {
	ALU("add", 0x00, 0, U_NONE, T_LOCK), ALU("or", 0x08, 1, U_LOGIC, T_LOCK),
	ALU("adc", 0x10, 2, U_NONE, T_LOCK), ALU("sbb", 0x18, 3, U_NONE, T_LOCK),
	ALU("and", 0x20, 4, U_LOGIC, T_LOCK), ALU("sub", 0x28, 5, U_NONE, T_LOCK),
	ALU("xor", 0x30, 6, U_LOGIC, T_LOCK), ALU("cmp", 0x38, 7, U_NONE, 0),
	{ "test rm8,r8", 0, 0x84, 0, -1, U_LOGIC, 0, T_BYTE },
	{ "test rm,r", 0, 0x85, 0, -1, U_LOGIC, 0, 0 },
	{ "test rm8,imm8", 0, 0xf6, 0, 0, U_LOGIC, 0, T_BYTE | T_IMM8 },
	{ "test rm,imm", 0, 0xf7, 0, 0, U_LOGIC, 0, T_IMMZ },
	{ "not rm8", 0, 0xf6, 0, 2, U_NONE, 0, T_BYTE | T_LOCK },
	{ "not rm", 0, 0xf7, 0, 2, U_NONE, 0, T_LOCK },
	{ "neg rm8", 0, 0xf6, 0, 3, U_NONE, 0, T_BYTE | T_LOCK },
	{ "neg rm", 0, 0xf7, 0, 3, U_NONE, 0, T_LOCK },
	{ "inc rm8", 0, 0xfe, 0, 0, U_NONE, 0, T_BYTE | T_LOCK },
	{ "inc rm", 0, 0xff, 0, 0, U_NONE, 0, T_LOCK },
	{ "dec rm8", 0, 0xfe, 0, 1, U_NONE, 0, T_BYTE | T_LOCK },
	{ "dec rm", 0, 0xff, 0, 1, U_NONE, 0, T_LOCK },

	{ "mov rm8,r8", 0, 0x88, 0, -1, U_NONE, 0, T_BYTE },
	{ "mov rm,r", 0, 0x89, 0, -1, U_NONE, 0, 0 },
	{ "mov r8,rm8", 0, 0x8a, 0, -1, U_NONE, 0, T_BYTE },
	{ "mov r,rm", 0, 0x8b, 0, -1, U_NONE, 0, 0 },
	{ "mov rm,sreg", 0, 0x8c, 0, -1, U_NONE, 2, T_SREG },
	{ "mov rm8,imm8", 0, 0xc6, 0, 0, U_NONE, 0, T_BYTE | T_IMM8 },
	{ "mov rm,imm", 0, 0xc7, 0, 0, U_NONE, 0, T_IMMZ },
	{ "mov al,moffs", 0, 0xa0, 0, -1, U_NONE, 0, T_BYTE | T_NOMOD | T_MOFFS },
	{ "mov ax,moffs", 0, 0xa1, 0, -1, U_NONE, 0, T_NOMOD | T_MOFFS },
	{ "mov moffs,al", 0, 0xa2, 0, -1, U_NONE, 0, T_BYTE | T_NOMOD | T_MOFFS },
	{ "mov moffs,ax", 0, 0xa3, 0, -1, U_NONE, 0, T_NOMOD | T_MOFFS },
	{ "movzx r,rm8", 1, 0xb6, 0, -1, U_NONE, 1, 0 },
	{ "movzx r,rm16", 1, 0xb7, 0, -1, U_NONE, 2, 0 },
	{ "movsx r,rm8", 1, 0xbe, 0, -1, U_NONE, 1, 0 },
	{ "movsx r,rm16", 1, 0xbf, 0, -1, U_NONE, 2, 0 },
	{ "movsxd r,rm", 0, 0x63, 0, -1, U_NONE, 4, T_W1 },
	{ "movsxd r32,rm", 0, 0x63, 0, -1, U_NONE, 4, T_W1 },
	{ "movnti", 1, 0xc3, 0, -1, U_NONE, 0, T_MEM | T_VEC },
	{ "movbe r,m", 2, 0xf0, 0, -1, U_NONE, 0, T_MEM },
	{ "movbe m,r", 2, 0xf1, 0, -1, U_NONE, 0, T_MEM },
	{ "setcc", 1, 0x90, 0, 0, U_NONE, 1, T_BYTE | T_CC },
	{ "cmovcc", 1, 0x40, 0, -1, U_NONE, 0, T_CC },

	{ "xchg rm8,r8", 0, 0x86, 0, -1, U_NONE, 0, T_BYTE | T_LOCK },
	{ "xchg rm,r", 0, 0x87, 0, -1, U_NONE, 0, T_LOCK },
	{ "xadd rm8,r8", 1, 0xc0, 0, -1, U_NONE, 0, T_BYTE | T_LOCK },
	{ "xadd rm,r", 1, 0xc1, 0, -1, U_NONE, 0, T_LOCK },
	{ "cmpxchg rm8,r8", 1, 0xb0, 0, -1, U_NONE, 0, T_BYTE | T_LOCK },
	{ "cmpxchg rm,r", 1, 0xb1, 0, -1, U_NONE, 0, T_LOCK },
	{ "cmpxchg8b", 1, 0xc7, 0, 1, U_NONE, 8, T_MEM | T_LOCK | T_PAIR },
	{ "cmpxchg8b", 1, 0xc7, 0, 1, U_NONE, 8, T_MEM | T_LOCK | T_PAIR },

	{ "mul rm8", 0, 0xf6, 0, 4, U_MUL, 0, T_BYTE },
	{ "mul rm", 0, 0xf7, 0, 4, U_MUL, 0, 0 },
	{ "imul rm8", 0, 0xf6, 0, 5, U_MUL, 0, T_BYTE },
	{ "imul rm", 0, 0xf7, 0, 5, U_MUL, 0, 0 },
	{ "imul r,rm", 1, 0xaf, 0, -1, U_MUL, 0, 0 },
	{ "imul r,rm,imm8", 0, 0x6b, 0, -1, U_MUL, 0, T_IMM8 },
	{ "imul r,rm,imm", 0, 0x69, 0, -1, U_MUL, 0, T_IMMZ },
	{ "div rm8", 0, 0xf6, 0, 6, U_DIV, 0, T_BYTE | T_DIV },
	{ "div rm", 0, 0xf7, 0, 6, U_DIV, 0, T_DIV },
	{ "idiv rm8", 0, 0xf6, 0, 7, U_DIV, 0, T_BYTE | T_DIV },
	{ "idiv rm", 0, 0xf7, 0, 7, U_DIV, 0, T_DIV },
	SHIFT("rol", 0, U_ROTATE), SHIFT("ror", 1, U_ROTATE),
	SHIFT("rcl", 2, U_ROTATE), SHIFT("rcr", 3, U_ROTATE),
	SHIFT("shl", 4, U_SHIFT), SHIFT("shr", 5, U_SHIFT),
	SHIFT("sal", 6, U_SHIFT), SHIFT("sar", 7, U_SHIFT),
	{ "shld rm,r,imm8", 1, 0xa4, 0, -1, U_SHIFTD, 0, T_IMM8 },
	{ "shld rm,r,cl", 1, 0xa5, 0, -1, U_SHIFTD, 0, T_CL },
	{ "shrd rm,r,imm8", 1, 0xac, 0, -1, U_SHIFTD, 0, T_IMM8 },
	{ "shrd rm,r,cl", 1, 0xad, 0, -1, U_SHIFTD, 0, T_CL },
	BTX("bt", 0xa3, 4, 0), BTX("bts", 0xab, 5, T_LOCK),
	BTX("btr", 0xb3, 6, T_LOCK), BTX("btc", 0xbb, 7, T_LOCK),

	STR("movs", 0xa4, 0), STR("movs", 0xa4, 0), STR("cmps", 0xa6, 0),
	STR("cmps", 0xa6, 0), STR("stos", 0xaa, 0), STR("stos", 0xaa, 0),
	STR("lods", 0xac, 0), STR("scas", 0xae, 0), STR("scas", 0xae, 0),
	STR("ins", 0x6c, T_PORT), STR("outs", 0x6e, T_PORT),

	{ "push rm", 0, 0xff, 0, 6, U_NONE, 0, T_PUSH | T_O64 },
	{ "push r", 0, 0x50, 0, -1, U_NONE, 0, T_PUSH | T_O64 | T_NOMOD | T_OPREG },
	{ "push imm8", 0, 0x6a, 0, -1, U_NONE, 0, T_PUSH | T_O64 | T_NOMOD | T_IMM8 },
	{ "push imm", 0, 0x68, 0, -1, U_NONE, 0, T_PUSH | T_O64 | T_NOMOD | T_IMMZ },
	{ "pop rm", 0, 0x8f, 0, 0, U_NONE, 0, T_POP | T_O64 },
	{ "pop r", 0, 0x58, 0, -1, U_NONE, 0, T_POP | T_O64 | T_NOMOD | T_OPREG },
	{ "call rm", 0, 0xff, 0, 2, U_NONE, 0, T_PUSH | T_O64 | T_BRANCH },
	{ "jmp rm", 0, 0xff, 0, 4, U_NONE, 0, T_O64 | T_BRANCH },
	{ "ret", 0, 0xc3, 0, -1, U_NONE, 0, T_POP | T_O64 | T_NOMOD | T_BRANCH },
	{ "ret imm16", 0, 0xc2, 0, -1, U_NONE, 0,
	  T_POP | T_O64 | T_NOMOD | T_BRANCH | T_IMM16 },
	{ "nop rm", 1, 0x1f, 0, 0, U_NONE, 0, 0 },
	{ "pushf", 0, 0x9c, 0, -1, U_NONE, 0, T_PUSH | T_O64 | T_NOMOD },
	{ "popf", 0, 0x9d, 0, -1, U_NONE, 0, T_POP | T_O64 | T_NOMOD },
	{ "pusha", 0, 0x60, 0, -1, U_NONE, 0, T_PUSH | T_NOMOD | T_ALL },
	{ "popa", 0, 0x61, 0, -1, U_NONE, 0, T_POP | T_NOMOD | T_ALL },
	{ "enter", 0, 0xc8, 0, -1, U_NONE, 0, T_PUSH | T_O64 | T_NOMOD },
	{ "leave", 0, 0xc9, 0, -1, U_NONE, 0, T_POP | T_O64 | T_NOMOD },
	{ "xlat", 0, 0xd7, 0, -1, U_NONE, 1, T_NOMOD | T_BYTE },

	{ "bsf", 1, 0xbc, 0, -1, U_SCAN, 0, 0 }, { "bsr", 1, 0xbd, 0, -1, U_SCAN, 0, 0 },
	{ "tzcnt", 1, 0xbc, 0xf3, -1, U_COUNT, 0, 0 },
	{ "lzcnt", 1, 0xbd, 0xf3, -1, U_COUNT, 0, 0 },
	{ "popcnt", 1, 0xb8, 0xf3, -1, U_NONE, 0, 0 },
	{ "crc32 r,rm8", 2, 0xf0, 0xf2, -1, U_NONE, 0, T_BYTE },
	{ "crc32 r,rm", 2, 0xf1, 0xf2, -1, U_NONE, 0, 0 },
	{ "adcx", 2, 0xf6, 0x66, -1, U_NONE, 0, T_NO66 },
	{ "adox", 2, 0xf6, 0xf3, -1, U_NONE, 0, T_NO66 },
	BMI("andn", 2, 0xf2, 0, -1, U_BMI, T_VVVV), BMI("bextr", 2, 0xf7, 0, -1, U_BEXTR, T_VVVV),
	BMI("blsr", 2, 0xf3, 0, 1, U_BMI, T_VVVV), BMI("blsmsk", 2, 0xf3, 0, 2, U_BMI, T_VVVV),
	BMI("blsi", 2, 0xf3, 0, 3, U_BMI, T_VVVV), BMI("bzhi", 2, 0xf5, 0, -1, U_BMI, T_VVVV),
	BMI("pdep", 2, 0xf5, 0xf2, -1, U_NONE, T_VVVV),
	BMI("pext", 2, 0xf5, 0xf3, -1, U_NONE, T_VVVV),
	BMI("mulx", 2, 0xf6, 0xf2, -1, U_NONE, T_VVVV),
	BMI("shlx", 2, 0xf7, 0x66, -1, U_NONE, T_VVVV),
	BMI("sarx", 2, 0xf7, 0xf3, -1, U_NONE, T_VVVV),
	BMI("shrx", 2, 0xf7, 0xf2, -1, U_NONE, T_VVVV),
	BMI("rorx", 3, 0xf0, 0xf2, -1, U_NONE, T_IMM8),

	{ "movdiri", 2, 0xf9, 0, -1, U_NONE, 0, T_MEM | T_NO66 },
	{ "movdir64b", 2, 0xf8, 0x66, -1, U_NONE, 64, T_MEM | T_NO66 },
	{ "clflush", 1, 0xae, 0, 7, U_NONE, 1, T_MEM | T_NO66 },
	{ "clflushopt", 1, 0xae, 0x66, 7, U_NONE, 1, T_MEM | T_NO66 },
	{ "clwb", 1, 0xae, 0x66, 6, U_NONE, 1, T_MEM | T_NO66 },
	{ "prefetcht0", 1, 0x18, 0, 1, U_NONE, 1, T_MEM | T_NO66 },
	{ "prefetchw", 1, 0x0d, 0, 1, U_NONE, 1, T_MEM | T_NO66 },
	{ "cldemote", 1, 0x1c, 0, 0, U_NONE, 1, T_MEM | T_NO66 },

	VEC("movups x,m", 0x10, 0, 16, T_L256), VEC("movups m,x", 0x11, 0, 16, T_L256),
	VEC("movupd x,m", 0x10, 0x66, 16, T_L256), VEC("movupd m,x", 0x11, 0x66, 16, T_L256),
	VEC("movss x,m", 0x10, 0xf3, 4, T_MEM), VEC("movss m,x", 0x11, 0xf3, 4, T_MEM),
	VEC("movsd x,m", 0x10, 0xf2, 8, T_MEM), VEC("movsd m,x", 0x11, 0xf2, 8, T_MEM),
	VEC("movlps x,m", 0x12, 0, 8, T_MEM | T_VVVV), VEC("movlps m,x", 0x13, 0, 8, T_MEM),
	VEC("movlpd x,m", 0x12, 0x66, 8, T_MEM | T_VVVV), VEC("movlpd m,x", 0x13, 0x66, 8, T_MEM),
	VEC("movhps x,m", 0x16, 0, 8, T_MEM | T_VVVV), VEC("movhps m,x", 0x17, 0, 8, T_MEM),
	VEC("movhpd x,m", 0x16, 0x66, 8, T_MEM | T_VVVV), VEC("movhpd m,x", 0x17, 0x66, 8, T_MEM),
	VEC("movaps x,m", 0x28, 0, 16, T_L256), VEC("movaps m,x", 0x29, 0, 16, T_L256),
	VEC("movapd x,m", 0x28, 0x66, 16, T_L256), VEC("movapd m,x", 0x29, 0x66, 16, T_L256),
	VEC("movntps m,x", 0x2b, 0, 16, T_MEM | T_L256),
	VEC("movntpd m,x", 0x2b, 0x66, 16, T_MEM | T_L256),
	VEC("movd x,rm", 0x6e, 0x66, 4, 0), VEC("movd rm,x", 0x7e, 0x66, 4, 0),
	VEC("movq x,rm", 0x6e, 0x66, 8, T_W1), VEC("movq rm,x", 0x7e, 0x66, 8, T_W1),
	VEC("movq x,m", 0x7e, 0xf3, 8, T_MEM), VEC("movq m,x", 0xd6, 0x66, 8, T_MEM),
	VEC("movdqa x,m", 0x6f, 0x66, 16, T_L256), VEC("movdqa m,x", 0x7f, 0x66, 16, T_L256),
	VEC("movdqu x,m", 0x6f, 0xf3, 16, T_L256), VEC("movdqu m,x", 0x7f, 0xf3, 16, T_L256),
	VEC("movntdq m,x", 0xe7, 0x66, 16, T_MEM | T_L256),
	VEC("lddqu x,m", 0xf0, 0xf2, 16, T_MEM | T_L256),
	{ "movntdqa x,m", 2, 0x2a, 0x66, -1, U_NONE, 16, T_VEC | T_MEM },
	BCAST("vmovntdqa x,m", 0x2a, 16, T_L256),
	BCAST("vbroadcastss", 0x18, 4, T_L256), BCAST("vbroadcastsd", 0x19, 8, T_VL1),
	BCAST("vbroadcastf128", 0x1a, 16, T_VL1), BCAST("vbroadcasti128", 0x5a, 16, T_VL1),
	BCAST("vpbroadcastb", 0x78, 1, T_L256), BCAST("vpbroadcastw", 0x79, 2, T_L256),
	BCAST("vpbroadcastd", 0x58, 4, T_L256), BCAST("vpbroadcastq", 0x59, 8, T_L256),
};

/* Registers of struct likex_regs by their encoding. */
static u64 *reg_of(struct likex_regs *r, unsigned int n)
{
	static const u8 order[] = { 0, 2, 3, 1, 6, 7, 4, 5 };

	return (u64 *)(void *)r + (n < 8 ? order[n] : n);
}

static bool chance(struct as *a, unsigned int n)
{
	return rng_one_in(&a->g->rng, n);
}

static void emit(struct as *a, u64 v, unsigned int n)
{
	for (; n; n--, v >>= 8)
		if (a->c->len < sizeof(a->c->code) - 1)
			a->c->code[a->c->len++] = v;
}

/* Give a register a value, of the address size; above it is garbage. */
static void aim(struct as *a, unsigned int reg, u64 value, unsigned int size)
{
	u64 *to = reg_of(&a->c->regs, reg);
	u64 mask = size == 8 ? ~0ull : BIT(size * 8) - 1;

	*to = (*to & ~mask) | (value & mask);
}

static void choose_sizes(struct as *a)
{
	unsigned int bits = a->g->bits;
	bool w = bits == 64 && chance(a, 3);

	a->p66 = chance(a, 4) && !(a->flags & (T_VEC | T_BRANCH | T_PAIR | T_NO66));
	a->p67 = chance(a, bits == 64 ? 8 : 4);
	if (a->flags & T_W1)
		w = bits == 64;
	else if ((a->flags & T_O64) ||
		 ((a->flags & (T_VEX | T_NO66)) == T_VEX && a->t->map == 2))
		w = false;
	a->osize = bits == 16 ? (a->p66 ? 4 : 2) : (a->p66 ? 2 : 4);
	if (bits == 64 && (a->flags & T_O64) && !a->p66)
		a->osize = 8;
	if (w) {
		a->rex |= 8;
		a->osize = 8;
	}
	if (a->flags & T_BYTE)
		a->osize = 1;
	if (a->flags & T_PAIR)
		a->osize = w ? 16 : 8;
	a->asize = bits == 64 ? (a->p67 ? 4 : 8) :
		   bits == 32 ? (a->p67 ? 2 : 4) : (a->p67 ? 4 : 2);
}

static unsigned int mem_size(const struct as *a)
{
	if (a->l256 && a->t->size == 16)
		return 32;
	if (a->flags & T_PAIR)
		return a->osize;
	return a->t->size ? a->t->size : a->osize;
}

static void choose_segment(struct as *a, unsigned int base)
{
	static const u8 prefix[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	unsigned int seg = rng_below(&a->g->rng, 6);

	a->seg_used = base == ENC_SP || base == ENC_BP ? SS : DS;
	if (!chance(a, 4) || !(a->g->segs & BIT(seg)))
		return;
	a->seg = prefix[seg];
	/* 64-bit code knows only FS and GS. */
	if (a->g->bits != 64 || seg >= FS)
		a->seg_used = seg;
}

static u64 offset_of_target(struct as *a)
{
	return a->target - a->g->seg_base[a->seg_used];
}

/* 16-bit addressing: eight fixed pairs. */
static void mem16(struct as *a)
{
	static const u8 base[] = { ENC_BX, ENC_BX, ENC_BP, ENC_BP, ENC_SI,
				   ENC_DI, ENC_BP, ENC_BX };
	static const u8 index[] = { ENC_SI, ENC_DI, ENC_SI, ENC_DI };
	unsigned int mod = rng_below(&a->g->rng, 3), rm = rng_below(&a->g->rng, 8);
	u64 want;

	if (mod == 1 && (a->flags & T_EVEX))
		mod = 2;

	a->modrm |= mod << 6 | rm;
	a->disp = rng_next(&a->g->rng);
	if (mod == 0 && rm == 6) {
		choose_segment(a, ENC_BX);
		a->disp_len = 2;
		a->disp = offset_of_target(a);
		return;
	}
	choose_segment(a, base[rm]);
	a->disp_len = mod;
	a->disp = mod == 0 ? 0 : mod == 1 ? (signed char)a->disp : (short)a->disp;
	want = offset_of_target(a) - a->disp;
	if (rm < 4)
		want -= *reg_of(&a->c->regs, index[rm]);
	aim(a, base[rm], want, 2);
}

static void mem_absolute(struct as *a)
{
	a->disp_len = 4;
	a->disp = offset_of_target(a);
}

/* Base, index and scale; either may be missing. */
static void mem_sib(struct as *a, unsigned int mod)
{
	unsigned int base = rng_below(&a->g->rng, a->g->bits == 64 ? 16 : 8);
	unsigned int index = rng_below(&a->g->rng, a->g->bits == 64 ? 16 : 8);
	unsigned int scale = rng_below(&a->g->rng, 4);
	bool has_base = mod || (base & 7) != 5, has_index = index != 4;
	u64 want;

	a->has_sib = true;
	a->sib = scale << 6 | (index & 7) << 3 | (base & 7);
	a->rex |= (index >> 3) << 1 | base >> 3;
	choose_segment(a, has_base ? base : ENC_BX);
	want = offset_of_target(a);
	if (!mod && has_base)
		a->disp = 0;
	if (!has_base) {
		a->disp_len = 4;
		/* The displacement gives the bits that the scale cannot reach. */
		if (has_index) {
			a->disp = (a->disp & 0xfff8) + (want & 7);
			aim(a, index, (want - a->disp) >> scale, a->asize);
		} else {
			a->disp = want;
		}
		return;
	}
	want -= a->disp;
	if (has_index && index != base)
		want -= *reg_of(&a->c->regs, index) << scale;
	aim(a, base, want, a->asize);
}

static void mem32(struct as *a)
{
	unsigned int mod = rng_below(&a->g->rng, 3), rm = rng_below(&a->g->rng, 8);
	unsigned int base = rm;

	/* EVEX scales a short displacement by what is not known here. */
	if (mod == 1 && (a->flags & T_EVEX))
		mod = 2;

	a->modrm |= mod << 6 | rm;
	a->disp_len = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	a->disp = (int)rng_next(&a->g->rng);
	if (mod == 1)
		a->disp = (signed char)a->disp;
	if (rm == 4) {
		mem_sib(a, mod);
		return;
	}
	if (mod == 0 && rm == 5) {
		choose_segment(a, ENC_BX);
		mem_absolute(a);
		if (a->g->bits == 64)
			a->rip_relative_at = 0;
		return;
	}
	if (!mod)
		a->disp = 0;
	if (a->g->bits == 64 && chance(a, 2)) {
		a->rex |= 1;
		base += 8;
	}
	choose_segment(a, base);
	aim(a, base, offset_of_target(a) - a->disp, a->asize);
}

/*
 * The registers that address memory are set last, but index registers before
 * base registers; a destination may be one of them, which is fine.
 */
static void choose_mem(struct as *a)
{
	a->is_mem = true;
	a->target = a->g->target(a->g, mem_size(a));
	a->c->operand = a->target;
	a->c->operand_len = mem_size(a);
	if (a->asize == 2)
		mem16(a);
	else
		mem32(a);
}

static void choose_bit_offset(struct as *a, unsigned int reg)
{
	s64 bit = (s64)rng_below(&a->g->rng, 2048) - 1024;
	s64 unit = a->osize * 8;

	aim(a, reg, bit, a->osize);
	/* Subtract from the address the bytes that the offset adds; >> rounds down. */
	a->target -= (bit >> (unit == 64 ? 6 : unit == 32 ? 5 : 4)) * a->osize;
}

static void choose_modrm(struct as *a)
{
	unsigned int reg = rng_below(&a->g->rng, a->g->bits == 64 ? 16 : 8);
	bool mem = (a->flags & T_MEM) || !chance(a, 5);

	if (a->t->digit >= 0)
		reg = a->t->digit;
	if (a->flags & T_SREG)
		reg = rng_below(&a->g->rng, 6);
	a->modrm = (reg & 7) << 3;
	a->rex |= reg >> 3 << 2;
	if (!mem) {
		a->modrm |= 0xc0 | rng_below(&a->g->rng, 8);
		if (a->g->bits == 64 && chance(a, 2))
			a->rex |= 1;
		return;
	}
	choose_mem(a);
	if (a->flags & T_BT) {
		/* Aimed anew, with the bit offset in its place. */
		a->modrm &= 0x38;
		a->sib = 0;
		a->rex &= ~3;
		a->seg = 0;
		a->has_sib = false;
		a->disp_len = 0;
		a->rip_relative_at = -1;
		choose_bit_offset(a, reg);
		if (a->asize == 2)
			mem16(a);
		else
			mem32(a);
	}
}

/* String instructions: both pointers, and a count that is soon over. */
static void choose_string(struct as *a)
{
	unsigned int prefixes = rng_below(&a->g->rng, 4);

	if (prefixes)
		a->rep = prefixes == 1 ? 0xf2 : 0xf3;
	a->c->string32 = a->g->bits == 64 && a->asize == 4;
	choose_segment(a, ENC_SI);
	a->target = a->g->target(a->g, a->osize);
	aim(a, ENC_SI, a->target - a->g->seg_base[a->seg_used], a->asize);
	a->target = a->g->target(a->g, a->osize);
	aim(a, ENC_DI, a->target - (a->g->bits == 64 ? 0 : a->g->seg_base[ES]), a->asize);
	aim(a, ENC_CX, rng_below(&a->g->rng, chance(a, 4) ? 40 : 5), a->asize);
	a->c->operand = a->target;
	a->c->operand_len = a->osize;
}

static void choose_stack(struct as *a)
{
	unsigned int size = a->flags & T_ALL ? a->osize * 8 : a->osize;
	u64 at = a->g->target(a->g, size);

	if (a->g->bits != 64)
		at -= a->g->seg_base[SS];
	if (a->flags & T_PUSH)
		at += size;
	aim(a, ENC_SP, at, 8);
	/* Both have the frame in RBP, where ENTER finds other frames. */
	if (a->t->op == 0xc9)
		aim(a, ENC_BP, at, 8);
	else if (a->t->op == 0xc8)
		aim(a, ENC_BP, a->g->target(a->g, size), 8);
}

static void choose_xlat(struct as *a)
{
	choose_segment(a, ENC_BX);
	a->target = a->g->target(a->g, 1);
	a->c->operand = a->target;
	a->c->operand_len = 1;
	aim(a, ENC_BX, offset_of_target(a) - (a->c->regs.rax & 0xff), a->asize);
}

/* MOVDIR64B's destination: ES:[reg]. */
static void choose_destination(struct as *a)
{
	u64 at = a->g->target(a->g, 64);

	if (!chance(a, 8))
		at &= ~63ull;
	at -= a->g->bits == 64 ? 0 : a->g->seg_base[ES];
	aim(a, (a->modrm >> 3 & 7) | (a->rex & 4) << 1, at, a->asize);
}

static void choose_lock(struct as *a)
{
	if ((a->flags & T_LOCK) && a->is_mem ? chance(a, 3) :
	    a->g->invalid_lock && chance(a, 24))
		a->lock = 0xf0;
}

static u8 vex_pp(u8 pfx)
{
	return pfx == 0x66 ? 1 : pfx == 0xf3 ? 2 : pfx == 0xf2 ? 3 : 0;
}

static void emit_vex(struct as *a)
{
	u8 r = !(a->rex & 4), x = !(a->rex & 2), b = !(a->rex & 1);
	u8 tail = (~a->vvvv & 15) << 3 | a->l256 << 2 | vex_pp(a->t->pfx);

	if (x && b && !(a->rex & 8) && a->t->map == 1 && chance(a, 2)) {
		emit(a, 0xc5, 1);
		emit(a, r << 7 | tail, 1);
		return;
	}
	emit(a, 0xc4, 1);
	emit(a, r << 7 | x << 6 | b << 5 | a->t->map, 1);
	emit(a, (a->rex & 8) << 4 | tail, 1);
}

static void emit_evex(struct as *a)
{
	u8 r = !(a->rex & 4), x = !(a->rex & 2), b = !(a->rex & 1);

	emit(a, 0x62, 1);
	emit(a, r << 7 | x << 6 | b << 5 | a->evex[0] | a->t->map, 1);
	emit(a, (a->rex & 8) << 4 | (~a->vvvv & 15) << 3 | 4 | vex_pp(a->t->pfx), 1);
	emit(a, a->l256 << 5 | a->evex[1], 1);
}

static void emit_prefixes(struct as *a)
{
	bool mandatory = a->t->pfx && !(a->flags & (T_VEX | T_EVEX));

	if (a->seg)
		emit(a, a->seg, 1);
	if (a->p67)
		emit(a, 0x67, 1);
	if (a->lock)
		emit(a, a->lock, 1);
	if (a->p66)
		emit(a, 0x66, 1);
	if (a->rep)
		emit(a, a->rep, 1);
	if (mandatory)
		emit(a, a->t->pfx, 1);
	if (a->flags & T_EVEX) {
		emit_evex(a);
		return;
	}
	if (a->flags & T_VEX) {
		emit_vex(a);
		return;
	}
	if (a->rex || (a->g->bits == 64 && chance(a, 8)))
		emit(a, 0x40 | a->rex, 1);
	if (a->t->map)
		emit(a, 0x0f, 1);
	if (a->t->map > 1)
		emit(a, a->t->map == 2 ? 0x38 : 0x3a, 1);
}

static u64 emit_immediate(struct as *a)
{
	u64 v = rng_value(&a->g->rng);

	if (a->flags & T_IMM8)
		emit(a, v, 1);
	if (a->flags & T_IMM16)
		emit(a, v & 0xff, 2);
	if (a->flags & T_IMMZ)
		emit(a, v, a->osize > 4 ? 4 : a->osize);
	if (a->t->op == 0xc8 && (a->flags & T_PUSH)) {
		/* ENTER: small frames, and mostly none of another procedure's. */
		emit(a, v & 0x7f, 2);
		emit(a, chance(a, 2) ? 0 : rng_below(&a->g->rng, 5), 1);
	}
	if (a->flags & T_MOFFS) {
		choose_segment(a, ENC_BX);
		a->seg = 0;
		a->seg_used = DS;
		a->target = a->g->target(a->g, a->osize);
		a->c->operand = a->target;
		a->c->operand_len = a->osize;
		emit(a, offset_of_target(a), a->asize);
	}
	return v;
}

static void emit_all(struct as *a)
{
	unsigned int disp_at;
	u8 op = a->t->op;
	u64 imm, count;

	emit_prefixes(a);
	if (a->flags & T_CC)
		op |= rng_below(&a->g->rng, 16);
	if (a->flags & T_OPREG)
		op |= rng_below(&a->g->rng, 8);
	emit(a, op, 1);
	if (!(a->flags & T_NOMOD))
		emit(a, a->modrm, 1);
	if (a->has_sib)
		emit(a, a->sib, 1);
	disp_at = a->c->len;
	emit(a, a->disp, a->disp_len);
	imm = emit_immediate(a);
	if (a->rip_relative_at == 0) {
		a->c->rip_relative = true;
		u32 d = a->disp - a->g->code - a->c->len;

		memcpy(a->c->code + disp_at, &d, 4);
	}
	count = a->flags & T_ONE ? 1 : a->flags & T_CL ? a->c->regs.rcx : imm;
	a->c->undefined = count & (a->osize == 8 ? 63 : 31);
}

/* From the manual's pages for each instruction, "Flags Affected". */
static void note_undefined(struct as *a)
{
	u64 n = a->c->undefined, f = 0, bits = a->osize * 8;

	switch (a->t->undef) {
	case U_LOGIC:
		f = F_AF;
		break;
	case U_SHIFT:
		f = !n ? 0 : F_AF | (n > 1 ? F_OF : 0);
		if (n >= bits)
			f |= F_CF;
		break;
	case U_ROTATE:
		f = n > 1 ? F_OF : 0;
		break;
	case U_SHIFTD:
		f = !n ? 0 : F_AF | (n > 1 ? F_OF : 0);
		if (n > bits) {
			f = 0x8d5;
			a->c->result_undefined = true;
		}
		break;
	case U_MUL:
		f = F_SF | F_ZF | F_AF | F_PF;
		break;
	case U_DIV:
		f = F_CF | F_SF | F_ZF | F_AF | F_PF | F_OF;
		break;
	case U_BT:
	case U_COUNT:
		f = F_OF | F_SF | F_AF | F_PF;
		break;
	case U_SCAN:
		f = F_CF | F_OF | F_SF | F_AF | F_PF;
		break;
	case U_BMI:
		f = F_AF | F_PF;
		break;
	case U_BEXTR:
		f = F_SF | F_AF | F_PF;
		break;
	}
	a->c->undefined = f;
}

static void random_registers(struct as *a)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		*reg_of(&a->c->regs, i) = rng_value(&a->g->rng);
	a->c->regs.rip = a->g->code;
	a->c->regs.rflags = 2 | (rng_next(&a->g->rng) & 0xcd5);
}

static bool wanted(const struct gen *g, const struct tmpl *t)
{
	if ((t->flags & (T_VEC | T_W1)) == T_VEC && t->map == 1 && t->op == 0xc3)
		return true;	/* MOVNTI */
	if ((t->flags & T_VEC) && !g->vectors)
		return false;
	if ((t->flags & T_VEX) && (g->bits == 16 || !g->vectors))
		return false;
	if ((t->flags & T_ALL) && g->bits == 64)
		return false;
	if ((t->flags & T_PORT) && !g->ports)
		return false;
	if (g->no_branches && (t->flags & T_BRANCH))
		return false;
	if (g->no_recent && (t->flags & T_MEM) && (t->flags & T_NO66) && strncmp(t->name, "prefetch", 8) &&
	    strcmp(t->name, "clflush"))
		return false;
	if (g->no_movbe && !strncmp(t->name, "movbe", 5))
		return false;
	return g->bits == 64 || !(t->flags & T_W1);
}

/*
 * gen_make() - a case: code, registers, and what the manual leaves open
 */
void gen_make(struct gen *g, struct gen_case *c)
{
	struct as a = { .g = g, .c = c, .rip_relative_at = -1 };
	struct tmpl row;

	memset(c, 0, sizeof(*c));
	c->bits = g->bits;
	do {
		c->t = &templates[rng_below(&g->rng, ARRAY_SIZE(templates))];
	} while (!wanted(g, c->t));
	a.t = c->t;
	if (g->rows && rng_one_in(&g->rng, 2)) {
		row_choose(&a, &row);
		a.t = &row;
	}
	a.flags = a.t->flags;
	c->branches = a.flags & T_BRANCH;
	random_registers(&a);
	choose_sizes(&a);
	if ((a.flags & T_DIV) && !rng_one_in(&g->rng, 4))
		c->regs.rdx = rng_one_in(&g->rng, 2) ? 0 : -(c->regs.rax >> 63);
	if (a.flags & T_VL1)
		a.l256 = 1;
	else if (a.flags & T_L256)
		a.l256 = rng_below(&g->rng, 2);
	if (a.flags & T_VVVV)
		a.vvvv = rng_below(&g->rng, g->bits == 64 ? 16 : 8);
	if (c->row[0])
		row_finish(&a);
	if (a.flags & (T_PUSH | T_POP))
		choose_stack(&a);
	if (!c->row[0] && !strcmp(a.t->name, "xlat"))
		choose_xlat(&a);
	if (a.flags & T_STR)
		choose_string(&a);
	else if (!(a.flags & T_NOMOD))
		choose_modrm(&a);
	if (!c->row[0] && !strcmp(a.t->name, "movdir64b"))
		choose_destination(&a);
	choose_lock(&a);
	emit_all(&a);
	note_undefined(&a);
	/* No more is fetched: what is longer is a general-protection fault. */
	if (c->len > 15)
		c->len = 15;
}

const char *gen_name(const struct gen_case *c)
{
	return c->row[0] ? c->row : c->t->name;
}

unsigned int gen_templates(void)
{
	return ARRAY_SIZE(templates);
}
