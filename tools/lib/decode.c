// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Fetching and decoding, and the cache of what has been decoded.
 */
#include "vec_form.h"

#define NO_MEM 0xff

/* The decoder's general registers, by their encoding, in KVM's order. */
static const u8 gpr_order[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* Bytes at hand, and how to get more. */
struct fetch {
	u8 bytes[LIKEX_INSN_MAX];
	u8 have;
	u8 max;			/* bytes up to the limit; 15 if it is far */
	u64 lin;
	u64 key;		/* for the cache */
};

static u8 reg_index(ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return REG_NONE;
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return gpr_order[ZydisRegisterGetId(reg)];
	default:
		return REG_RIP;
	}
}

static bool convert_gpr8(struct opr *o, ZydisRegister reg)
{
	o->type = OPR_GPR;
	if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
		o->type = OPR_HI8;
		o->reg = gpr_order[reg - ZYDIS_REGISTER_AH];
	} else if (reg >= ZYDIS_REGISTER_SPL) {
		o->reg = gpr_order[reg - ZYDIS_REGISTER_SPL + 4];
	} else {
		o->reg = gpr_order[reg - ZYDIS_REGISTER_AL];
	}
	return true;
}

static bool convert_register(const struct insn *in, struct opr *o, ZydisRegister reg)
{
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
		return convert_gpr8(o, reg);
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		o->type = OPR_GPR;
		o->reg = gpr_order[ZydisRegisterGetId(reg)];
		return true;
	case ZYDIS_REGCLASS_XMM:
	case ZYDIS_REGCLASS_YMM:
	case ZYDIS_REGCLASS_ZMM:
		o->type = OPR_VEC;
		o->reg = ZydisRegisterGetId(reg);
		return true;
	case ZYDIS_REGCLASS_SEGMENT:
		o->type = OPR_SREG;
		o->reg = ZydisRegisterGetId(reg);
		/* PUSH and POP have rules of their own for these. */
		return in->op->exec == exec_mov;
	default:
		return false;
	}
}

static bool convert_mem(struct insn *in, const ZydisDecodedOperandMem *m)
{
	if (m->type != ZYDIS_MEMOP_TYPE_MEM && m->type != ZYDIS_MEMOP_TYPE_AGEN)
		return false;
	in->seg = ZydisRegisterGetId(m->segment);
	in->base = reg_index(m->base);
	in->index = reg_index(m->index);
	in->scale = m->scale;
	in->disp = m->disp.has_displacement ? m->disp.value : 0;
	return true;
}

/*
 * Zydis 4.0 reports R13D as the base where ModRM and SIB say that there is
 * none, only a displacement: it forgets REX.B there for 32-bit addresses.
 */
static void fix_base(struct insn *in, const ZydisDecodedInstruction *z)
{
	if (in->asize != 2 && (z->attributes & ZYDIS_ATTRIB_HAS_SIB) &&
	    !z->raw.modrm.mod && z->raw.sib.base == 5) {
		in->base = REG_NONE;
		in->disp = z->raw.disp.value;
	}
}

static bool convert_operand(struct insn *in, unsigned int i,
			    const ZydisDecodedOperand *z)
{
	struct opr *o = &in->opr[i];

	o->size = z->size / 8;
	switch (z->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return convert_register(in, o, z->reg.value);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		o->type = OPR_IMM;
		in->imm = z->imm.value.u;
		return true;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		o->type = OPR_MEM;
		if (!(in->op->flags & OP_SELF) && (!o->size || o->size > WRITE_MAX))
			return false;
		in->mem = i;
		return convert_mem(in, &z->mem);
	default:
		return false;
	}
}

/* Either prefix repeats MOVS, STOS and the like; the last one of them counts. */
static u8 rep_prefix(const ZydisDecodedInstruction *z)
{
	u8 rep = 0;
	unsigned int i;

	for (i = 0; i < z->raw.prefix_count; i++) {
		if (z->raw.prefixes[i].value == 0xf2 ||
		    z->raw.prefixes[i].value == 0xf3)
			rep = z->raw.prefixes[i].value;
	}
	return rep;
}

/* Of a string instruction's operands only the source's segment can vary. */
static void convert_string(struct insn *in, const ZydisDecodedInstruction *z,
			   const ZydisDecodedOperand *ops)
{
	unsigned int i;

	in->rep = rep_prefix(z);
	in->seg = SEG_DS;
	/* REX.W widens no port: INS and OUTS move at most 4 bytes. */
	if ((in->op->sub == STR_INS || in->op->sub == STR_OUTS) && in->osize == 8)
		in->osize = 4;
	for (i = 0; i < z->operand_count; i++) {
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    reg_index(ops[i].mem.base) == REG_RSI)
			in->seg = ZydisRegisterGetId(ops[i].mem.segment);
	}
}

/* XLAT does not name its operand, but that has a segment. */
static void convert_xlat(struct insn *in, const ZydisDecodedInstruction *z,
			 const ZydisDecodedOperand *ops)
{
	unsigned int i;

	in->seg = SEG_DS;
	for (i = 0; i < z->operand_count; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			in->seg = ZydisRegisterGetId(ops[i].mem.segment);
}

static u8 mem_access(const struct insn *in)
{
	if (in->mem == NO_MEM)
		return 0;
	if (in->op->flags & OP_ANYRW)
		return PF_W;
	return !in->mem && (in->op->flags & (OP_W | OP_RW)) ? PF_W : 0;
}

/*
 * A near branch in 64-bit code with an operand-size prefix: AMD's processors
 * obey it, also where the decoder's mode for them does not.
 */
static void fix_branch(const struct likex_emul *e, struct insn *in,
		       const ZydisDecodedInstruction *z)
{
	unsigned int i;
	bool prefix = false;

	if (e->cfg.vendor != LIKEX_VENDOR_AMD || !mode64(e) || z->raw.rex.W ||
	    z->meta.branch_type != ZYDIS_BRANCH_TYPE_NEAR)
		return;
	for (i = 0; i < z->raw.prefix_count; i++)
		prefix |= z->raw.prefixes[i].value == 0x66;
	if (!prefix)
		return;
	in->osize = 2;
	if (in->opr[0].type != OPR_IMM)
		in->opr[0].size = 2;
}

/*
 * Before a branch, 3E is NOTRACK to the decoder. To the processor it is that
 * and a segment override as ever.
 */
static void fix_segment(const struct likex_emul *e, struct insn *in,
			const ZydisDecodedInstruction *z)
{
	if ((z->attributes & ZYDIS_ATTRIB_HAS_NOTRACK) && !mode64(e))
		in->seg = SEG_DS;
}

/* All operands but an EVEX mask, which is in->ev's. */
static bool convert_operands(struct insn *in, const ZydisDecodedInstruction *z,
			     const ZydisDecodedOperand *ops)
{
	unsigned int i, n = 0;

	for (i = 0; i < z->operand_count_visible; i++) {
		if (in->evex && ops[i].encoding == ZYDIS_OPERAND_ENCODING_MASK)
			continue;
		if (n == ARRAY_SIZE(in->opr) || !convert_operand(in, n, &ops[i]))
			return false;
		n++;
	}
	in->nopr = n;
	return true;
}

/* Two of those that compute their own addresses need more. */
static void convert_self(struct insn *in, const ZydisDecodedInstruction *z,
			 const ZydisDecodedOperand *ops)
{
	if (in->op->exec == exec_xlat)
		convert_xlat(in, z, ops);
	else if (in->op->exec == exec_enter)
		in->imm = ops[0].imm.value.u | ops[1].imm.value.u << 16;
}

/* Return true if the instruction is emulated; @in then has all about it. */
static bool convert(const struct likex_emul *e, struct insn *in,
		    const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops)
{
	bool one_byte = z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;

	in->op = op_lookup(z->mnemonic, one_byte);
	if (!in->op || z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return false;
	in->evex = z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
	if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	    z->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX && !in->evex)
		return false;
	in->vex = z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	in->len = z->length;
	in->osize = z->operand_width / 8;
	in->asize = z->address_width / 8;
	in->lock = z->attributes & ZYDIS_ATTRIB_HAS_LOCK;
	in->mem = NO_MEM;
	if (in->op->exec == exec_string) {
		convert_string(in, z, ops);
		return true;
	}
	if (!convert_operands(in, z, ops))
		return false;
	if (in->op->flags & OP_SELF)
		convert_self(in, z, ops);
	if (in->evex)
		evex_convert(in, z, ops);
	fix_base(in, z);
	fix_segment(e, in, z);
	fix_branch(e, in, z);
	in->access = mem_access(in);
	return true;
}

/* Find the stub of an instruction; if there is one, fill in all about it. */
static bool convert_stub(const struct likex_emul *e, struct insn *in,
			 const ZydisDecodedInstruction *z,
			 const ZydisDecodedOperand *ops)
{
	unsigned int i;

	in->len = z->length;
	in->osize = z->operand_width / 8;
	in->asize = z->address_width / 8;
	in->lock = false;
	if (!stub_convert(e, in, z, ops))
		return false;
	for (i = 0; i < z->operand_count_visible; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    !convert_mem(in, &ops[i].mem))
			return false;
	fix_base(in, z);
	return true;
}

static u8 prepare(const struct insn *in)
{
	if (in->op->flags & (OP_VEC | OP_X87 | OP_ALIGN))
		return PREP_OTHER;
	if (in->mem == NO_MEM || (in->op->flags & OP_SELF))
		return PREP_NONE;
	return in->seg < SEG_FS ? PREP_PLAIN : PREP_OTHER;
}

static u64 uses_register(ZydisRegister reg)
{
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
		if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
			return BIT(gpr_order[reg - ZYDIS_REGISTER_AH]);
		if (reg >= ZYDIS_REGISTER_SPL)
			return BIT(gpr_order[reg - ZYDIS_REGISTER_SPL + 4]);
		return BIT(gpr_order[reg - ZYDIS_REGISTER_AL]);
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return BIT(gpr_order[ZydisRegisterGetId(reg)]);
	case ZYDIS_REGCLASS_SEGMENT:
		return LIKEX_STATE_ES << ZydisRegisterGetId(reg);
	default:
		return 0;
	}
}

/* Registers of all operands, named by the instruction or not. */
static u64 uses(const struct insn *in, const ZydisDecodedInstruction *z,
		const ZydisDecodedOperand *ops)
{
	u64 u = in->seg <= SEG_GS ? LIKEX_STATE_ES << in->seg : 0;
	unsigned int i;

	/* Of these the decoder does not name all. */
	if (in->op->exec == exec_pusha || in->op->exec == exec_popa ||
	    in->op->exec == exec_enter || in->op->exec == exec_leave)
		u |= LIKEX_STATE_GPRS;
	for (i = 0; i < z->operand_count; i++) {
		if (ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER)
			u |= uses_register(ops[i].reg.value);
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			u |= uses_register(ops[i].mem.base) | uses_register(ops[i].mem.index) |
			     uses_register(ops[i].mem.segment);
	}
	return u;
}

/* Work out once what each execution of the instruction looks at. */
static void convert_rest(struct insn *in, const ZydisDecodedInstruction *z,
			 const ZydisDecodedOperand *ops)
{
	in->uses = uses(in, z, ops);
	in->amask = size_mask(in->asize);
	in->prep = prepare(in);
	if (in->mem != NO_MEM)
		in->msize = in->opr[in->mem].size;
	in->no_gpr = !in->mem && (in->op->flags & OP_DST);
	/* The offset is of the next instruction's address. */
	if (in->no_gpr && in->base == REG_RIP)
		in->disp += in->len;
}

static void decoder_init(ZydisDecoder *d, const struct likex_emul *e)
{
	const struct mode *m = &e->mode;

	if (m->bits == 64)
		ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else if (m->bits == 32)
		ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	else
		ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
	/* Near branches in 64-bit code: whether an operand-size prefix counts. */
	if (e->cfg.vendor == LIKEX_VENDOR_AMD)
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYAN_TRUE);
}

static int refuse(struct likex_emul *e, const struct fetch *f, unsigned int len,
		  enum likex_reason why)
{
	e->step->insn_len = len;
	memcpy(e->step->insn, f->bytes, len);
	return emul_unsupported(e, why);
}

/* Turn the decoder's error into its effect on the guest. */
static int decode_error(struct likex_emul *e, const struct fetch *f,
			ZyanStatus status)
{
	switch (status) {
	case ZYDIS_STATUS_NO_MORE_DATA:
	case ZYDIS_STATUS_INSTRUCTION_TOO_LONG:
		return emul_fault(e, VEC_GP, 0);
	case ZYDIS_STATUS_ILLEGAL_LOCK:
	case ZYDIS_STATUS_ILLEGAL_LEGACY_PFX:
	case ZYDIS_STATUS_ILLEGAL_REX:
		return emul_fault_noerr(e, VEC_UD);
	default:
		return refuse(e, f, f->have, LIKEX_WHY_UNDECODED);
	}
}

/*
 * The key of an instruction: its physical address, and the mode in the bits that
 * no address has. Its meaning depends on its bytes and on the mode alone.
 */
static u64 insn_key(const struct likex_emul *e, u64 gpa)
{
	return (gpa & (BIT(56) - 1)) | (u64)e->mode.bits << 56;
}

static struct insn *cache_slot(struct likex_emul *e, u64 key)
{
	return &e->cache[(key ^ key >> 6) & (CACHE_SIZE - 1)];
}

static bool same_bytes(const struct insn *in, const u8 *bytes, unsigned int have)
{
	u64 w[2];

	if (have < sizeof(w))
		return in->len <= have && !memcmp(in->bytes, bytes, in->len);
	memcpy(w, bytes, sizeof(w));
	return !((w[0] ^ in->head[0]) & in->mask[0]) &&
	       !((w[1] ^ in->head[1]) & in->mask[1]);
}

static bool cache_hit(const struct insn *in, u64 key, const u8 *bytes,
		      unsigned int have)
{
	return in->key == key && same_bytes(in, bytes, have);
}

/* A cached instruction whose first bytes, up to the page's end, are these. */
static bool cache_begins(const struct insn *in, const struct fetch *f)
{
	return in->key == f->key && in->len > f->have && in->len <= f->max &&
	       !memcmp(in->bytes, f->bytes, f->have);
}

static u32 fetch_access(const struct likex_emul *e)
{
	return PF_I | e->mode.user;
}

/* More of the instruction, up to the end of the page where the next byte is. */
static int fetch_more(struct likex_emul *e, struct fetch *f)
{
	u64 gpa, lin = f->lin + f->have;
	unsigned int len = f->max - f->have, room;
	const void *host;
	int r;

	if (!mode64(e))
		lin = (u32)lin;
	room = PAGE_SIZE - (lin & PAGE_MASK);
	if (len > room)
		len = room;
	if (linear_denied(e, lin, fetch_access(e)))
		return emul_fault(e, VEC_GP, 0);
	r = walk(e, lin, fetch_access(e), &gpa);
	if (r)
		return r;
	host = e->ops->map(e->ctx, gpa, false);
	if (!host)
		return refuse(e, f, f->have, LIKEX_WHY_FETCH);
	memcpy(f->bytes + f->have, host, len);
	f->have += len;
	return 0;
}

static int decode_bytes(struct likex_emul *e, struct fetch *f)
{
	struct insn *slot = cache_slot(e, f->key), new = { .key = f->key };
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisDecoder d;
	ZyanStatus status;
	int r;

	decoder_init(&d, e);
	status = ZydisDecoderDecodeFull(&d, f->bytes, f->have, &z, ops);
	if (status == ZYDIS_STATUS_NO_MORE_DATA && f->have < f->max) {
		r = fetch_more(e, f);
		return r ? r : decode_bytes(e, f);
	}
	if (!ZYAN_SUCCESS(status))
		return decode_error(e, f, status);
	if (!convert(e, &new, &z, ops) && !convert_stub(e, &new, &z, ops))
		return refuse(e, f, z.length, LIKEX_WHY_INSN);
	convert_rest(&new, &z, ops);
	memcpy(new.bytes, f->bytes, new.len);
	memcpy(new.head, f->bytes, new.len);
	memset(new.mask, 0xff, new.len);
	*slot = new;
	e->cur = slot;
	return 0;
}

/* Find the linear address of CS:RIP, and the number of bytes that the limit allows. */
static int fetch_start(struct likex_emul *e, u64 *lin, unsigned int *max)
{
	const struct likex_segment *cs = &e->sregs->cs;
	u64 rip = e->r[REG_RIP];

	*lin = rip;
	*max = LIKEX_INSN_MAX;
	if (mode64(e))
		return linear_denied(e, rip, fetch_access(e)) ?
		       emul_fault(e, VEC_GP, 0) : 0;
	if (rip > cs->limit)
		return emul_fault(e, VEC_GP, 0);
	*lin = (u32)(cs->base + rip);
	/* A flat segment has no end. */
	if (cs->limit != 0xffffffff && cs->limit - rip < LIKEX_INSN_MAX)
		*max = cs->limit - rip + 1;
	return linear_denied(e, *lin, fetch_access(e)) ? emul_fault(e, VEC_GP, 0) : 0;
}

static inline __attribute__((always_inline)) bool code_page_good(const struct likex_emul *e, u64 lin)
{
	const struct code_page *c = &e->code;
	const struct trail_step *s = c->trail.step;

	if (c->lin != (lin & ~PAGE_MASK) || c->code != e->mode.code ||
	    c->generation != *e->ops->generation)
		return false;
	return !((*s[0].at ^ s[0].entry) | (*s[1].at ^ s[1].entry) |
		 (*s[2].at ^ s[2].entry) | (*s[3].at ^ s[3].entry) |
		 (*s[4].at ^ s[4].entry));
}

static void code_page_keep(struct likex_emul *e, u64 lin, u64 gpa, const u8 *host)
{
	e->code.lin = 1;
	if (!e->ops->generation || !host || !e->trail.levels)
		return;
	e->code = (struct code_page){
		.lin = lin & ~PAGE_MASK, .generation = *e->ops->generation,
		.code = e->mode.code, .key = insn_key(e, gpa & ~PAGE_MASK),
		.gpa = gpa & ~PAGE_MASK, .host = host - (gpa & PAGE_MASK), .trail = e->trail,
	};
}

/* The page of the instruction's first byte: its address, and where it is. */
static int fetch_page(struct likex_emul *e, u64 lin, u64 *gpa, const u8 **host)
{
	int r;

	if (code_page_good(e, lin)) {
		*gpa = e->code.gpa | (lin & PAGE_MASK);
		*host = e->code.host + (lin & PAGE_MASK);
		return 0;
	}
	r = walk(e, lin, fetch_access(e), gpa);
	if (r)
		return r;
	*host = e->ops->map(e->ctx, *gpa, false);
	code_page_keep(e, lin, *gpa, *host);
	return 0;
}

/*
 * Use the bytes that came with the trap, if the processor (or KVM) supplied
 * them. If they are fewer than the instruction has, memory has the rest.
 */
static bool fetch_given(struct likex_emul *e, struct fetch *f)
{
	const struct likex_trap *t = e->step->trap;

	if (!t || !t->insn_len)
		return false;
	f->have = t->insn_len < f->max ? t->insn_len : f->max;
	memcpy(f->bytes, t->insn, f->have);
	/* The cache's key need only tell instructions apart. */
	f->key = insn_key(e, f->lin);
	return true;
}

/* Fetch byte by byte what the cache does not have, and decode it. */
static int decode_slow(struct likex_emul *e, struct fetch *f, const u8 *host)
{
	unsigned int room = PAGE_SIZE - (f->lin & PAGE_MASK);
	int r;

	if (host) {
		f->have = room < f->max ? room : f->max;
		memcpy(f->bytes, host, f->have);
	}
	/* One that lies across two pages is in the cache, too. */
	if (cache_begins(cache_slot(e, f->key), f)) {
		r = fetch_more(e, f);
		if (r)
			return r;
	}
	if (cache_hit(cache_slot(e, f->key), f->key, f->bytes, f->have)) {
		e->cur = cache_slot(e, f->key);
		return 0;
	}
	e->stats.decode_misses++;
	return decode_bytes(e, f);
}

/* From the beginning: limit, page, bytes. */
static __attribute__((noinline)) int decode_full(struct likex_emul *e)
{
	const u8 *host = NULL;
	unsigned int max;
	struct fetch f;
	u64 gpa;
	int r;

	r = fetch_start(e, &f.lin, &max);
	if (r)
		return r;
	f.max = max;
	f.have = 0;
	if (fetch_given(e, &f))
		return decode_slow(e, &f, NULL);
	r = fetch_page(e, f.lin, &gpa, &host);
	if (r)
		return r;
	f.key = insn_key(e, gpa);
	if (!host)
		return refuse(e, &f, 0, LIKEX_WHY_FETCH);
	return decode_slow(e, &f, host);
}

/*
 * decode() - find the instruction at CS:RIP; it is emul->cur then
 *
 * The result stays valid until the next call.
 */
int decode(struct likex_emul *e)
{
	const struct likex_trap *t = e->step->trap;
	u64 rip = e->r[REG_RIP], key;
	const struct insn *in;

	e->stats.insns++;
	/* The usual case: known, on the page that code ran on before. */
	if (mode64(e) && code_page_good(e, rip) && !(t && t->insn_len) &&
	    (rip & PAGE_MASK) <= PAGE_SIZE - 16) {
		key = e->code.key | (rip & PAGE_MASK);
		in = cache_slot(e, key);
		if (cache_hit(in, key, e->code.host + (rip & PAGE_MASK), 16)) {
			e->cur = in;
			return 0;
		}
	}
	return decode_full(e);
}
