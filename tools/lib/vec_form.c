// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The forms of EVEX instructions, and the stub of an instruction that has one.
 */
#include "vec_form.h"
#include <cpuid.h>

/* Features of this processor that stubs need: bits of emul->host. */
enum stub_host {
	H_SSE2, H_SSE3, H_SSSE3, H_SSE4, H_SSE42, H_AES, H_CLMUL, H_SHA, H_GFNI, H_AVX,
	H_F16C, H_FMA, H_AVX2, H_VAES, H_VCLMUL, H_AVX_VNNI, H_512F, H_512DQ, H_512BW,
	H_512VL, H_512CD, H_IFMA, H_VBMI, H_VBMI2, H_VNNI, H_BITALG, H_POPCNT, H_BF16,
	H_FP16,
};

/* CPUID bits. Each counts only if the operating system has @xcr0 on. */
static const struct {
	u8 feature, leaf, subleaf, reg, bit, xcr0;
} host_features[] = {
	{ H_SSE2, 1, 0, 3, 26, 0 },	{ H_SSE3, 1, 0, 2, 0, 0 },
	{ H_SSSE3, 1, 0, 2, 9, 0 },	{ H_SSE4, 1, 0, 2, 19, 0 },
	{ H_SSE42, 1, 0, 2, 20, 0 },	{ H_AES, 1, 0, 2, 25, 0 },
	{ H_CLMUL, 1, 0, 2, 1, 0 },	{ H_SHA, 7, 0, 1, 29, 0 },
	{ H_GFNI, 7, 0, 2, 8, 0 },	{ H_AVX, 1, 0, 2, 28, 6 },
	{ H_F16C, 1, 0, 2, 29, 6 },	{ H_FMA, 1, 0, 2, 12, 6 },
	{ H_AVX2, 7, 0, 1, 5, 6 },	{ H_VAES, 7, 0, 2, 9, 6 },
	{ H_VCLMUL, 7, 0, 2, 10, 6 },	{ H_AVX_VNNI, 7, 1, 0, 4, 6 },
	{ H_512F, 7, 0, 1, 16, 0xe6 },	{ H_512DQ, 7, 0, 1, 17, 0xe6 },
	{ H_512BW, 7, 0, 1, 30, 0xe6 },	{ H_512VL, 7, 0, 1, 31, 0xe6 },
	{ H_512CD, 7, 0, 1, 28, 0xe6 },	{ H_IFMA, 7, 0, 1, 21, 0xe6 },
	{ H_VBMI, 7, 0, 2, 1, 0xe6 },	{ H_VBMI2, 7, 0, 2, 6, 0xe6 },
	{ H_VNNI, 7, 0, 2, 11, 0xe6 },	{ H_BITALG, 7, 0, 2, 12, 0xe6 },
	{ H_POPCNT, 7, 0, 2, 14, 0xe6 }, { H_BF16, 7, 1, 0, 5, 0xe6 },
	{ H_FP16, 7, 0, 3, 23, 0xe6 },
};

/* stub_call_avx512() itself needs the last of these. */
#define AVX     BIT(H_AVX)
#define AVX512  (AVX | BIT(H_512F) | BIT(H_512BW) | BIT(H_512VL))

#define ISA(name, need) { ZYDIS_ISA_SET_##name, need }
#define ISA3(name, need) ISA(name##_128, need), ISA(name##_256, need), ISA(name##_512, need)

/* Features that an instruction set needs. Sets not listed have no stubs. */
static const struct {
	u16 isa;
	u64 need;
} isa_needs[] = {
	ISA(X87, BIT(H_SSE2)), ISA(PENTIUMMMX, BIT(H_SSE2)), ISA(SSE, BIT(H_SSE2)),
	ISA(SSE2, BIT(H_SSE2)), ISA(SSE2MMX, BIT(H_SSE2)), ISA(SSE3, BIT(H_SSE3)),
	ISA(SSE3X87, BIT(H_SSE3)), ISA(SSSE3, BIT(H_SSSE3)), ISA(SSSE3MMX, BIT(H_SSSE3)),
	ISA(SSE4, BIT(H_SSE4)), ISA(SSE42, BIT(H_SSE42)), ISA(AES, BIT(H_AES)),
	ISA(PCLMULQDQ, BIT(H_CLMUL)), ISA(SHA, BIT(H_SHA)), ISA(GFNI, BIT(H_GFNI)),
	ISA(AVX, AVX), ISA(F16C, AVX | BIT(H_F16C)), ISA(FMA, AVX | BIT(H_FMA)),
	ISA(AVX2, AVX | BIT(H_AVX2)), ISA(AVXAES, AVX | BIT(H_AES)),
	ISA(AVX_GFNI, AVX | BIT(H_GFNI)), ISA(VAES, AVX | BIT(H_VAES)),
	ISA(VPCLMULQDQ, AVX | BIT(H_VCLMUL)), ISA(AVX_VNNI, AVX | BIT(H_AVX_VNNI)),
	ISA(AVX512F_KOP, AVX512), ISA(AVX512BW_KOP, AVX512),
	ISA(AVX512DQ_KOP, AVX512 | BIT(H_512DQ)),
	ISA3(AVX512F, AVX512), ISA(AVX512F_128N, AVX512), ISA(AVX512F_SCALAR, AVX512),
	ISA3(AVX512BW, AVX512), ISA(AVX512BW_128N, AVX512),
	ISA3(AVX512DQ, AVX512 | BIT(H_512DQ)), ISA(AVX512DQ_128N, AVX512 | BIT(H_512DQ)),
	ISA(AVX512DQ_SCALAR, AVX512 | BIT(H_512DQ)),
	ISA3(AVX512CD, AVX512 | BIT(H_512CD)), ISA3(AVX512_IFMA, AVX512 | BIT(H_IFMA)),
	ISA3(AVX512_VBMI, AVX512 | BIT(H_VBMI)), ISA3(AVX512_VBMI2, AVX512 | BIT(H_VBMI2)),
	ISA3(AVX512_VNNI, AVX512 | BIT(H_VNNI)), ISA3(AVX512_BITALG, AVX512 | BIT(H_BITALG)),
	ISA3(AVX512_VPOPCNTDQ, AVX512 | BIT(H_POPCNT)),
	ISA3(AVX512_GFNI, AVX512 | BIT(H_GFNI)), ISA3(AVX512_VAES, AVX512 | BIT(H_VAES)),
	ISA3(AVX512_VPCLMULQDQ, AVX512 | BIT(H_VCLMUL)),
	ISA3(AVX512_BF16, AVX512 | BIT(H_BF16)), ISA3(AVX512_FP16, AVX512 | BIT(H_FP16)),
	ISA(AVX512_FP16_128N, AVX512 | BIT(H_FP16)), ISA(AVX512_FP16_SCALAR, AVX512 | BIT(H_FP16)),
};

static u64 host_xcr0(void)
{
	u32 a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & BIT(27)))
		return 0;
	__asm__("xgetbv" : "=a" (a), "=d" (d) : "c" (0));
	return a | (u64)d << 32;
}

/*
 * stub_host() - return the stubs that this processor can run, for emul->host
 */
u64 stub_host(void)
{
	u64 xcr0 = host_xcr0(), have = 0;
	u32 regs[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(host_features); i++) {
		if (!__get_cpuid_count(host_features[i].leaf, host_features[i].subleaf,
				       &regs[0], &regs[1], &regs[2], &regs[3]))
			continue;
		if ((regs[host_features[i].reg] >> host_features[i].bit & 1) &&
		    (xcr0 & host_features[i].xcr0) == host_features[i].xcr0)
			have |= BIT(host_features[i].feature);
	}
	return have;
}

static bool host_has(const struct likex_emul *e, unsigned int isa)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(isa_needs); i++)
		if (isa_needs[i].isa == isa)
			return (e->host & isa_needs[i].need) == isa_needs[i].need;
	return false;
}

static bool is_scalar(unsigned int isa)
{
	return isa == ZYDIS_ISA_SET_AVX512F_SCALAR || isa == ZYDIS_ISA_SET_AVX512DQ_SCALAR ||
	       isa == ZYDIS_ISA_SET_AVX512_FP16_SCALAR;
}

/* Types of exceptions whose masked-off elements are read all the same. */
static bool reads_whole(const ZydisDecodedInstruction *z)
{
	/* Zydis 4.0 has the wrong type for these. */
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_VGF2P8AFFINEQB:
	case ZYDIS_MNEMONIC_VGF2P8AFFINEINVQB:
	case ZYDIS_MNEMONIC_VCVTNE2PS2BF16:
	case ZYDIS_MNEMONIC_VDBPSADBW:
		return true;
	default:
		break;
	}
	switch (z->meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_E1NF:
	case ZYDIS_EXCEPTION_CLASS_E2NF:
	case ZYDIS_EXCEPTION_CLASS_E3NF:
	case ZYDIS_EXCEPTION_CLASS_E4NF:
	case ZYDIS_EXCEPTION_CLASS_E5NF:
	case ZYDIS_EXCEPTION_CLASS_E6NF:
	case ZYDIS_EXCEPTION_CLASS_E9NF:
	case ZYDIS_EXCEPTION_CLASS_E10NF:
	case ZYDIS_EXCEPTION_CLASS_E11NF:
		return true;
	default:
		return false;
	}
}

static bool never_aligned(unsigned int class)
{
	return class == ZYDIS_EXCEPTION_CLASS_AVX11 || class == ZYDIS_EXCEPTION_CLASS_E11 ||
	       class == ZYDIS_EXCEPTION_CLASS_E11NF;
}

static unsigned int broadcast_count(unsigned int mode)
{
	static const u8 count[] = {
		[ZYDIS_BROADCAST_MODE_1_TO_2] = 2, [ZYDIS_BROADCAST_MODE_1_TO_4] = 4,
		[ZYDIS_BROADCAST_MODE_1_TO_8] = 8, [ZYDIS_BROADCAST_MODE_1_TO_16] = 16,
		[ZYDIS_BROADCAST_MODE_1_TO_32] = 32, [ZYDIS_BROADCAST_MODE_1_TO_64] = 64,
	};

	return mode < ARRAY_SIZE(count) ? count[mode] : 0;
}

static const ZydisDecodedOperand *memory_operand(const ZydisDecodedInstruction *z,
						 const ZydisDecodedOperand *ops)
{
	unsigned int i;

	for (i = 0; i < z->operand_count_visible; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return &ops[i];
	return NULL;
}

/* Never 0: a mask's elements are bits. */
static unsigned int element_bytes(const ZydisDecodedOperand *o)
{
	return o->element_size < 8 ? 1 : o->element_size / 8;
}

/*
 * Elements of the result and of memory, each a load's. If the two differ in
 * number, the instruction converts to fewer (then the mask counts memory's),
 * or takes several for one of the result (then memory's are counted together).
 */
static void elements(struct evex_form *f, const ZydisDecodedInstruction *z,
		     const ZydisDecodedOperand *dst, const ZydisDecodedOperand *mem)
{
	unsigned int bytes = mem->size / 8;

	f->mem_elem = element_bytes(mem);
	f->mem_count = bytes < f->mem_elem ? 1 : bytes / f->mem_elem;
	f->elem = element_bytes(dst);
	f->count = dst->size / 8 / f->elem;
	if (ZydisRegisterGetClass(dst->reg.value) == ZYDIS_REGCLASS_MASK)
		f->count = f->mem_count;
	if (z->avx.broadcast.is_static || f->whole)
		return;
	if (f->count > f->mem_count)
		f->count = f->mem_count;
	if (f->count && f->count < f->mem_count) {
		f->mem_elem = bytes / f->count;
		f->mem_count = f->count;
	}
}

void evex_convert(struct insn *in, const ZydisDecodedInstruction *z,
		  const ZydisDecodedOperand *ops)
{
	const ZydisDecodedOperand *mem = memory_operand(z, ops);
	struct evex_form *f = &in->ev;

	memset(f, 0, sizeof(*f));
	f->k = z->avx.mask.reg == ZYDIS_REGISTER_NONE ? 0 :
	       ZydisRegisterGetId(z->avx.mask.reg);
	f->zero = z->raw.evex.z;
	f->no_ac = never_aligned(z->meta.exception_class);
	if (!mem)
		mem = &ops[z->operand_count_visible - 1];
	if (mem == ops) {
		/* A store: the mask is that of memory. */
		f->whole = reads_whole(z);
		f->mem_elem = is_scalar(z->meta.isa_set) ? mem->size / 8 : element_bytes(mem);
		f->mem_count = f->count = mem->size / 8 < f->mem_elem ? 1 :
					  mem->size / 8 / f->mem_elem;
		return;
	}
	f->whole = reads_whole(z);
	elements(f, z, &ops[0], mem);
	if (is_scalar(z->meta.isa_set)) {
		f->count = f->mem_count = 1;
		f->mem_elem = mem->size / 8;
	} else if (z->avx.broadcast.mode && !z->avx.broadcast.is_static) {
		f->bcast = true;
		if (!f->whole)
			f->count = broadcast_count(z->avx.broadcast.mode);
		f->mem_count = 1;
		f->mem_elem = mem->size / 8;
	}
	/* A register has no more, even if the decoder says so. */
	if (f->count * f->elem > WRITE_MAX)
		f->count = WRITE_MAX / f->elem;
}

/* The bytes that select a stub. */
struct key {
	u8 pfx, w, l, encoding;
};

static u8 mandatory_prefix(const ZydisDecodedInstruction *z)
{
	static const u8 pfx[] = { 0, 0x66, 0xf3, 0xf2 };
	unsigned int i;

	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		return pfx[z->raw.vex.pp & 3];
	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX)
		return pfx[z->raw.evex.pp & 3];
	for (i = 0; i < z->raw.prefix_count; i++)
		if (z->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY)
			return z->raw.prefixes[i].value;
	return 0;
}

/* Outside 64-bit mode W does not widen a general register, nor what takes its place. */
static bool widens_gpr(const ZydisDecodedInstruction *z, u8 pfx)
{
	if (z->opcode_map == ZYDIS_OPCODE_MAP_0F3A)
		return z->opcode == 0x16 || z->opcode == 0x22 || (z->opcode & 0xfe) == 0x60;
	if (pfx != 0xf3 && pfx != 0xf2)
		return false;
	switch (z->opcode) {
	case 0x2a: case 0x2c: case 0x2d: case 0x78: case 0x79: case 0x7b:
		return true;
	default:
		return false;
	}
}

static struct key key_of(const ZydisDecodedInstruction *z, unsigned int bits)
{
	struct key k = { .pfx = mandatory_prefix(z), .encoding = z->encoding };

	switch (z->encoding) {
	case ZYDIS_INSTRUCTION_ENCODING_VEX:
		k.w = z->raw.vex.W;
		k.l = z->raw.vex.L;
		break;
	case ZYDIS_INSTRUCTION_ENCODING_EVEX:
		k.w = z->raw.evex.W;
		k.l = z->raw.evex.L | z->raw.evex.L2 << 1;
		break;
	default:
		k.w = z->raw.rex.W;
	}
	if (bits != 64 && widens_gpr(z, k.pfx))
		k.w = 0;
	return k;
}

static bool row_fits(const struct stub_row *row, const ZydisDecodedInstruction *z,
		     const struct key *k)
{
	unsigned int encoding = row->kind == STUB_VEX ? ZYDIS_INSTRUCTION_ENCODING_VEX :
				row->kind == STUB_EVEX ? ZYDIS_INSTRUCTION_ENCODING_EVEX :
				ZYDIS_INSTRUCTION_ENCODING_LEGACY;

	if (row->op != z->opcode || row->map != z->opcode_map || encoding != k->encoding)
		return false;
	/* x87 ignores these prefixes. */
	if (row->kind == STUB_X87)
		return row->digit == z->raw.modrm.reg;
	if (row->pfx != k->pfx || (row->w != 2 && row->w != k->w))
		return false;
	if (row->l != 8 && !(row->l >> k->l & 1))
		return false;
	return row->digit == 0xff || row->digit == z->raw.modrm.reg;
}

/* Of an opcode, the stub for this L and this immediate. */
static u32 stub_in_row(const struct stub_row *row, const ZydisDecodedInstruction *z,
		       const struct key *k)
{
	u32 count = row->imm_bits == 0xff ? 1 : 1u << row->imm_bits, index = 0;

	if (row->l != 8)
		index = __builtin_popcount(row->l & ((1u << k->l) - 1)) * count;
	if (count > 1)
		index += z->raw.imm[0].value.u & (count - 1);
	return row->code + index * STUB_SIZE;
}

s64 stub_find(const ZydisDecodedInstruction *z, unsigned int bits, unsigned int *kind)
{
	struct key k = key_of(z, bits);
	unsigned int i;

	for (i = 0; i < stub_row_count; i++) {
		if (!row_fits(&stub_rows[i], z, &k))
			continue;
		*kind = stub_rows[i].kind;
		return stub_in_row(&stub_rows[i], z, &k);
	}
	return -1;
}

static bool general_register(const ZydisDecodedOperand *o)
{
	switch (ZydisRegisterGetClass(o->reg.value)) {
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return true;
	default:
		return false;
	}
}

static u8 vector_bytes(const ZydisDecodedOperand *o)
{
	switch (ZydisRegisterGetClass(o->reg.value)) {
	case ZYDIS_REGCLASS_XMM:
		return 16;
	case ZYDIS_REGCLASS_YMM:
		return 32;
	case ZYDIS_REGCLASS_ZMM:
		return 64;
	default:
		return 0;
	}
}

/* The operand in ModRM.reg. */
static bool convert_reg(struct stub_form *f, const ZydisDecodedOperand *o)
{
	static const u8 gpr_order[16] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
		REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	};
	unsigned int class = ZydisRegisterGetClass(o->reg.value);

	f->reg = ZydisRegisterGetId(o->reg.value);
	if (vector_bytes(o)) {
		f->reg_type = STUB_REG_VEC;
	} else if (class == ZYDIS_REGCLASS_MMX) {
		f->reg_type = STUB_REG_MMX;
	} else if (class == ZYDIS_REGCLASS_MASK) {
		f->reg_type = STUB_REG_MASK;
	} else if (general_register(o)) {
		f->reg_type = STUB_REG_GPR;
		f->reg = gpr_order[f->reg];
		f->gpr_size = o->size / 8;
	} else {
		return false;
	}
	return true;
}

/* Registers that an instruction has without naming them. */
static bool convert_hidden(struct stub_form *f, const ZydisDecodedOperand *o, bool written)
{
	switch (o->reg.value) {
	case ZYDIS_REGISTER_XMM0:
		if (written)
			f->out |= STUB_OUT_XMM0;
		return true;
	case ZYDIS_REGISTER_EAX:
	case ZYDIS_REGISTER_RAX:
	case ZYDIS_REGISTER_EDX:
	case ZYDIS_REGISTER_RDX:
		return !written;
	case ZYDIS_REGISTER_ECX:
	case ZYDIS_REGISTER_RCX:
		if (written)
			f->out |= STUB_OUT_ECX;
		return true;
	default:
		return ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_FLAGS;
	}
}

static bool convert_register(struct stub_form *f, const ZydisDecodedOperand *o)
{
	bool written = o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;

	if (written && vector_bytes(o))
		f->width = vector_bytes(o);
	switch (o->encoding) {
	case ZYDIS_OPERAND_ENCODING_MODRM_REG:
		if (written)
			f->out |= STUB_OUT_REG;
		return convert_reg(f, o);
	case ZYDIS_OPERAND_ENCODING_NDSNDD:
		if (written)
			f->out |= STUB_OUT_VVVV;
		f->vvvv = ZydisRegisterGetId(o->reg.value);
		return vector_bytes(o);
	case ZYDIS_OPERAND_ENCODING_IS4:
		f->is4 = ZydisRegisterGetId(o->reg.value);
		return vector_bytes(o);
	case ZYDIS_OPERAND_ENCODING_MASK:
		return true;
	default:
		return convert_hidden(f, o, written);
	}
}

static bool convert_operands(struct stub_form *f, const ZydisDecodedInstruction *z,
			     const ZydisDecodedOperand *ops)
{
	const ZydisAccessedFlags *flags = z->cpu_flags;
	unsigned int i;

	if (flags && (flags->modified | flags->set_0 | flags->set_1 | flags->undefined))
		f->out |= STUB_OUT_FLAGS;
	for (i = 0; i < z->operand_count; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER && !convert_register(f, &ops[i]))
			return false;
	return true;
}

/* These alone of SSE compare what need not be aligned. */
static bool needs_alignment(const ZydisDecodedInstruction *z, unsigned int size)
{
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_PCMPESTRI:
	case ZYDIS_MNEMONIC_PCMPESTRM:
	case ZYDIS_MNEMONIC_PCMPISTRI:
	case ZYDIS_MNEMONIC_PCMPISTRM:
		return false;
	default:
		return size == 16;
	}
}

/* x87: what it stores in memory as a real number, and what arithmetic makes of it. */
static bool rounds_to_real(const ZydisDecodedInstruction *z)
{
	bool compare_or_store = z->raw.modrm.reg == 2 || z->raw.modrm.reg == 3;

	if (z->opcode & 1)
		return compare_or_store && (z->opcode == 0xd9 || z->opcode == 0xdd);
	return !compare_or_store;
}

static bool compares(const ZydisDecodedInstruction *z)
{
	return !(z->opcode & 1) && (z->raw.modrm.reg == 2 || z->raw.modrm.reg == 3);
}

/* Half-precision arithmetic, and the one store of its kind that AVX has. */
static bool rounds_to_half(const ZydisDecodedInstruction *z)
{
	switch (z->meta.isa_set) {
	case ZYDIS_ISA_SET_AVX512_FP16_128:
	case ZYDIS_ISA_SET_AVX512_FP16_256:
	case ZYDIS_ISA_SET_AVX512_FP16_512:
	case ZYDIS_ISA_SET_AVX512_FP16_SCALAR:
		return z->mnemonic != ZYDIS_MNEMONIC_VMOVSH;
	default:
		return z->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH;
	}
}

/* The opcode as x87 keeps it: 11 bits. */
static u16 x87_opcode(const ZydisDecodedInstruction *z)
{
	return (z->opcode & 7) << 8 | z->raw.modrm.mod << 6 | z->raw.modrm.reg << 3 |
	       z->raw.modrm.rm;
}

/* These find their operand in memory in exec_stub.c, after the stub has run. */
static bool resolves_itself(const struct insn *in, unsigned int kind)
{
	return (kind == STUB_X87 && in->access) || (kind == STUB_VEX && in->ev.no_ac);
}

bool stub_convert(const struct likex_emul *e, struct insn *in,
		  const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops)
{
	static const struct op plain[] = {
		[STUB_SSE] = { exec_stub, STUB_SSE, OP_VEC },
		[STUB_MMX] = { exec_stub, STUB_MMX, OP_X87 },
		[STUB_X87] = { exec_stub, STUB_X87, OP_X87 },
		[STUB_VEX] = { exec_stub, STUB_VEX, OP_VEC },
		[STUB_EVEX] = { exec_stub, STUB_EVEX, OP_VEC },
	};
	static const struct op aligned[] = {
		[STUB_SSE] = { exec_stub, STUB_SSE, OP_VEC | OP_ALIGN },
		[STUB_MMX] = { exec_stub, STUB_MMX, OP_X87 | OP_ALIGN },
	};
	static const struct op self[] = {
		[STUB_X87] = { exec_stub, STUB_X87, OP_X87 | OP_SELF },
		[STUB_VEX] = { exec_stub, STUB_VEX, OP_VEC | OP_SELF },
	};
	const ZydisDecodedOperand *mem = memory_operand(z, ops);
	struct stub_form *f = &in->stub;
	unsigned int kind;
	s64 code;

	if (!mem || mem->mem.type != ZYDIS_MEMOP_TYPE_MEM || !mem->size ||
	    mem->size / 8 > WRITE_MAX || !host_has(e, z->meta.isa_set))
		return false;
	code = stub_find(z, e->mode.bits, &kind);
	if (code < 0)
		return false;
	memset(f, 0, sizeof(*f));
	f->code = code;
	if (kind == STUB_X87) {
		in->imm = x87_opcode(z);
		f->out = rounds_to_real(z) ? STUB_OUT_REAL : 0;
		f->compare = compares(z);
		f->load = (z->opcode & 0xfb) == 0xd9 && !z->raw.modrm.reg;
	} else if (!convert_operands(f, z, ops)) {
		return false;
	}
	f->half = rounds_to_half(z);
	f->sse = z->opcode_map == ZYDIS_OPCODE_MAP_0F && (z->opcode & 0xfe) == 0x2c;
	in->evex = z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
	in->vex = z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	if (in->evex)
		evex_convert(in, z, ops);
	else
		in->ev = (struct evex_form){ .no_ac = never_aligned(z->meta.exception_class) };
	if (f->reg_type == STUB_REG_MASK) {
		in->evex = true;
		kind = STUB_EVEX;
	}
	in->op = &plain[kind];
	if (kind <= STUB_MMX && needs_alignment(z, mem->size / 8))
		in->op = &aligned[kind];
	in->access = mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? PF_W : 0;
	if (resolves_itself(in, kind))
		in->op = &self[kind];
	/* The operand in memory is all that is looked at elsewhere. */
	in->mem = 0;
	in->nopr = 1;
	in->opr[0] = (struct opr){ .type = OPR_MEM, .size = mem->size / 8 };
	return true;
}
