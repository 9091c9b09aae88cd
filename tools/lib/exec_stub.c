// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Arithmetic on vector, MMX and x87 registers with one operand in memory.
 *
 * The operand is read with all checks, as for a move; then a stub of stubs.S
 * executes the same operation on a copy of the registers and of the operand.
 *
 * Why that is safe:
 *
 * 1. No byte of the guest's is executed. The guest's instruction selects one of
 *    the stubs that were made when the library was built (stub_find()), by
 *    comparing numbers; its immediate is cut to those that have a stub.
 * 2. A stub accesses only what it is given. Its one operand in memory is [rdi],
 *    which is stub_regs.mem: 64 bytes, as many as the widest operand has. Its
 *    registers are numbers 0 to 3, RAX, RCX and RDX. lib.unit decodes every
 *    stub and checks this. No stub branches, uses the stack or changes a system
 *    register.
 * 3. It cannot fault. The processor has the instruction, and the operating
 *    system has its registers on (emul->host); the operand is aligned; all
 *    exceptions of MXCSR and x87 are masked; bits of MXCSR that are reserved
 *    are cleared, since loading them would fault.
 * 4. The host's state is as before. stub_call_*() keep MXCSR, stub_call_fx()
 *    all of x87 too; the rest are registers that any call may change. The
 *    address of a stub, which x87 keeps as that of the last instruction, is
 *    replaced by the guest's.
 * 5. The guest gets what its processor would give. The bits of CR0, CR4 and XCR0
 *    that the instruction needs are checked before anything is read. Flags start
 *    clear, so that those found set are the instruction's. One that the guest
 *    has unmasked is dealt with before a result is taken: see simd_exception(),
 *    x87_unmasked().
 * 6. Other processors only see the guest's memory read or written once, by the
 *    functions that do it for a move. The copy is the emulator's alone.
 */
#include "vec_form.h"

#define MXCSR_FLAGS  0x3fu
#define MXCSR_MASKS  0x1f80u
#define MXCSR_MODES  0xe040u	/* rounding, FTZ, DAZ */
#define MXCSR_FTZ    0x8000u
#define MXCSR_RESET  0x1f80u

/* Exceptions, alike in MXCSR and in x87's words. */
#define EXC_PRE  0x07u		/* invalid, denormal, divide: seen before the operation, */
#define EXC_DE   0x02u
#define EXC_OE   0x08u
#define EXC_UE   0x10u
#define EXC_PE   0x20u
#define EXC_ALL  0x3fu

/* x87 in an FXSAVE image or an XSAVE area. */
#define FX_FCW  0
#define FX_FSW  2
#define FX_FTW  4
#define FX_FOP  6
#define FX_FIP  8
#define FX_FDP  16
#define FX_ST   32
#define FX_XMM  160

#define FSW_SF   0x40u
#define FSW_ES   0x80u
#define FSW_C0   0x100u
#define FSW_C1   0x200u
#define FSW_C2   0x400u
#define FSW_C3   0x4000u
#define FSW_TOP  0x3800u
#define FSW_B    0x8000u
#define FCW_RESET 0x37fu

/* Registers for a stub. stubs.S has these offsets, too. */
struct stub_regs {
	u8 vec[4][64];
	u8 mem[64];
	u64 rax, rcx, rdx, flags, k;
	u32 mxcsr, host_mxcsr;
	u8 pad[16];
	u8 fx[512];
	u8 saved[512];
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct stub_regs, mem) == 256, "S_MEM");
_Static_assert(offsetof(struct stub_regs, rax) == 320, "S_RAX");
_Static_assert(offsetof(struct stub_regs, rcx) == 328, "S_RCX");
_Static_assert(offsetof(struct stub_regs, rdx) == 336, "S_RDX");
_Static_assert(offsetof(struct stub_regs, flags) == 344, "S_FLAGS");
_Static_assert(offsetof(struct stub_regs, k) == 352, "S_K");
_Static_assert(offsetof(struct stub_regs, mxcsr) == 360, "S_MXCSR");
_Static_assert(offsetof(struct stub_regs, host_mxcsr) == 364, "S_HOST");
_Static_assert(offsetof(struct stub_regs, fx) == 384, "S_FX");
_Static_assert(offsetof(struct stub_regs, saved) == 896, "S_SAVED");

void stub_call_sse(struct stub_regs *s, const void *stub);
void stub_call_avx(struct stub_regs *s, const void *stub);
void stub_call_avx512(struct stub_regs *s, const void *stub);
void stub_call_fx(struct stub_regs *s, const void *stub);

static u16 get16(const u8 *p)
{
	u16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void put16(u8 *p, u16 v)
{
	memcpy(p, &v, sizeof(v));
}

static u64 get64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void put64(u8 *p, u64 v)
{
	memcpy(p, &v, sizeof(v));
}

/* The x87 part of the area, or what it counts as. */
static void x87_get(void *xsave, u8 fx[FX_SIZE])
{
	if (*xstate_bv(xsave) & XSTATE_X87) {
		memcpy(fx, xsave, FX_SIZE);
		return;
	}
	memset(fx, 0, FX_SIZE);
	put16(fx + FX_FCW, FCW_RESET);
}

static void x87_stage(struct likex_emul *e, const u8 *fx)
{
	memcpy(e->fx, fx, FX_SIZE);
	e->events |= EVENT_X87;
}

/*
 * x87_commit() - make real what x87_stage() has staged
 *
 * MXCSR lies in the middle of it, and stays.
 */
int x87_commit(struct likex_emul *e)
{
	struct likex_fpu fpu = { 0 };
	u8 *area;
	int r;

	r = fpu_get(e, &fpu);
	if (r)
		return r;
	area = fpu.xsave;
	memcpy(area, e->fx, XSAVE_MXCSR);
	memcpy(area + FX_ST, e->fx + FX_ST, FX_SIZE - FX_ST);
	*xstate_bv(area) |= XSTATE_X87;
	e->events = (e->events & ~EVENT_X87) | LIKEX_EVENT_FPU;
	return 0;
}

/* Instructions that do not wait for an exception that is pending. */
static bool waits(const struct insn *in)
{
	return in->op->exec != exec_x87_control || !in->op->sub;
}

/*
 * x87_check() - check that the system has x87 or MMX on, and no exception pends
 *
 * Comes before anything that the operand can raise.
 */
int x87_check(struct likex_emul *e, const struct insn *in)
{
	bool mmx = in->op->exec == exec_stub && in->op->sub == STUB_MMX;
	const struct likex_sregs *s = e->sregs;
	struct likex_fpu fpu = { 0 };
	u8 fx[FX_SIZE];
	int r;

	if (mmx && (s->cr0 & X86_CR0_EM))
		return emul_fault_noerr(e, VEC_UD);
	if (mmx && in->stub.sse && !(s->cr4 & X86_CR4_OSFXSR))
		return emul_fault_noerr(e, VEC_UD);
	if (s->cr0 & (X86_CR0_EM | X86_CR0_TS))
		return emul_fault_noerr(e, VEC_NM);
	r = fpu_get(e, &fpu);
	if (r)
		return r;
	x87_get(fpu.xsave, fx);
	if (!waits(in) || !(get16(fx + FX_FSW) & ~get16(fx + FX_FCW) & EXC_ALL))
		return 0;
	/* Else it is an interrupt, by way of FERR# and IGNNE#. */
	if (s->cr0 & X86_CR0_NE)
		return emul_fault_noerr(e, VEC_MF);
	return emul_unsupported(e, LIKEX_WHY_MODE);
}

/* MXCSR is in the area even where the registers count as zero. */
static u32 mxcsr_get(const void *xsave)
{
	u32 v;

	memcpy(&v, (const u8 *)xsave + XSAVE_MXCSR, sizeof(v));
	return v;
}

static void mxcsr_set(struct likex_emul *e, void *xsave, u32 v)
{
	if (v == mxcsr_get(xsave))
		return;
	xstate_materialize(xsave, XSTATE_SSE, FX_XMM, 16 * 16);
	memcpy((u8 *)xsave + XSAVE_MXCSR, &v, sizeof(v));
	e->events |= LIKEX_EVENT_FPU;
}

static void run_stub(const struct insn *in, struct stub_regs *s, u32 mxcsr)
{
	const void *stub = stub_code + in->stub.code;

	s->mxcsr = (mxcsr & MXCSR_MODES) | MXCSR_MASKS;
	switch (in->op->sub) {
	case STUB_SSE:
		stub_call_sse(s, stub);
		break;
	case STUB_VEX:
		stub_call_avx(s, stub);
		break;
	case STUB_EVEX:
		stub_call_avx512(s, stub);
		break;
	default:
		memcpy(s->fx + XSAVE_MXCSR, &s->mxcsr, sizeof(s->mxcsr));
		stub_call_fx(s, stub);
		memcpy(&s->mxcsr, s->fx + XSAVE_MXCSR, sizeof(s->mxcsr));
	}
}

/*
 * Exceptions of the masked run, as the guest's masks have them.
 *
 * A result that is tiny but exact counts as underflow only where underflow is
 * unmasked. Such a result is found by running the stub once more with
 * flush-to-zero, which takes every tiny result for an underflow. For half
 * precision it does not: see tiny_half().
 */
static u32 simd_flags(const struct insn *in, const struct stub_regs *before,
		      const struct stub_regs *after, u32 mxcsr)
{
	u32 flags = after->mxcsr & MXCSR_FLAGS, masks = mxcsr >> 7;
	struct stub_regs again;

	if (!(masks & EXC_UE) && !(flags & EXC_UE)) {
		again = *before;
		run_stub(in, &again, mxcsr | MXCSR_FTZ);
		flags |= again.mxcsr & EXC_UE;
	}
	/* The processor does not come as far as the result then. */
	if (flags & ~masks & EXC_PRE)
		flags &= EXC_PRE;
	return flags;
}

/*
 * An exception that the guest has unmasked: MXCSR gets the flags, and nothing
 * else is changed.
 */
static int simd_exception(struct likex_emul *e, void *xsave, u32 mxcsr)
{
	int r = 0;

	mxcsr_set(e, xsave, mxcsr);
	if (e->ops->fpu_put)
		r = e->ops->fpu_put(e->ctx);
	if (r)
		return r;
	return emul_fault_noerr(e, e->sregs->cr4 & X86_CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
}

/*
 * Find a half-precision result that is tiny. If underflow is unmasked and the
 * flags say of none, it cannot be told whether that would be one.
 */
static bool tiny_half(const struct insn *in, const struct stub_regs *s, u32 mxcsr)
{
	const u8 *v = in->access ? s->mem : s->vec[1];
	unsigned int i, len = in->access ? in->opr[0].size : 64;

	if (!in->stub.half || (mxcsr >> 7 & EXC_UE) || (s->mxcsr & EXC_UE))
		return false;
	if (!in->access && in->stub.reg_type != STUB_REG_VEC)
		return false;
	for (i = 0; i < len; i += 2)
		if (!(get16(v + i) & 0x7c00) && (get16(v + i) & 0x3ff))
			return true;
	return false;
}

/* Run. MXCSR is to be @after then, unless an exception has been raised. */
static int run_simd(struct likex_emul *e, const struct insn *in, struct stub_regs *s,
		    void *xsave, u32 *after)
{
	u32 mxcsr = mxcsr_get(xsave), flags;
	struct stub_regs before = *s;

	run_stub(in, s, mxcsr);
	if (tiny_half(in, s, mxcsr))
		return emul_unsupported(e, LIKEX_WHY_INSN);
	flags = simd_flags(in, &before, s, mxcsr);
	if (flags & ~(mxcsr >> 7))
		return simd_exception(e, xsave, mxcsr | flags);
	*after = mxcsr | flags;
	return 0;
}

/* Registers for the stub, but those of MMX and x87. */
static void regs_in(struct likex_emul *e, const struct insn *in, struct stub_regs *s,
		    void *xsave, u64 mask)
{
	const struct stub_form *f = &in->stub;

	s->rax = e->r[REG_RAX];
	s->rcx = e->r[REG_RCX];
	s->rdx = e->r[REG_RDX];
	s->k = in->ev.k ? mask : ~0ull;
	if (f->reg_type == STUB_REG_MASK && in->access)
		s->k = opmask_get(e, xsave, f->reg);
	zmm_get(e, xsave, 0, s->vec[0]);
	if (f->reg_type == STUB_REG_VEC)
		zmm_get(e, xsave, f->reg, s->vec[1]);
	if (f->reg_type == STUB_REG_GPR && !(f->out & STUB_OUT_REG))
		s->rcx = e->r[f->reg];
	zmm_get(e, xsave, f->vvvv, s->vec[2]);
	zmm_get(e, xsave, f->is4, s->vec[3]);
}

/* A stub merges where the guest's instruction may clear. */
static void clear_masked(const struct insn *in, u64 mask, u8 *v)
{
	const struct evex_form *f = &in->ev;
	unsigned int i;

	if (!f->k || !f->zero)
		return;
	for (i = 0; i < f->count; i++)
		if (!(mask >> i & 1))
			memset(v + (size_t)i * f->elem, 0, f->elem);
}

static void vec_out(struct likex_emul *e, const struct insn *in, void *xsave,
		    unsigned int reg, u8 *v, u64 mask)
{
	if (in->evex) {
		clear_masked(in, mask, v);
		zmm_set(e, xsave, reg, v);
	} else if (in->vex) {
		memset(v + in->stub.width, 0, WRITE_MAX - in->stub.width);
		vec_set_ymm(e, xsave, reg, v);
	} else {
		vec_set_xmm(xsave, reg, v);
	}
	e->events |= LIKEX_EVENT_FPU;
}

static void regs_out(struct likex_emul *e, const struct insn *in, struct stub_regs *s,
		     void *xsave, u64 mask)
{
	const struct stub_form *f = &in->stub;

	if (f->out & STUB_OUT_FLAGS)
		e->flags = (e->flags & ~FLAGS_ARITH) | (s->flags & FLAGS_ARITH);
	if (f->out & STUB_OUT_ECX)
		gpr_write(e, REG_RCX, 8, s->rcx);
	if (f->out & STUB_OUT_XMM0)
		vec_out(e, in, xsave, 0, s->vec[0], mask);
	if (f->out & STUB_OUT_VVVV)
		vec_out(e, in, xsave, f->vvvv, s->vec[2], mask);
	if (!(f->out & STUB_OUT_REG))
		return;
	if (f->reg_type == STUB_REG_VEC) {
		vec_out(e, in, xsave, f->reg, s->vec[1], mask);
	} else if (f->reg_type == STUB_REG_MASK) {
		opmask_set(e, xsave, f->reg, s->k);
		e->events |= LIKEX_EVENT_FPU;
	} else if (f->reg_type == STUB_REG_GPR) {
		gpr_write(e, f->reg, f->gpr_size, s->rcx);
	}
}

/* One element of an embedded broadcast stands for all. */
static void broadcast(const struct insn *in, u8 *mem)
{
	unsigned int at, n = in->ev.mem_elem;

	if (!in->ev.bcast)
		return;
	for (at = n; at < 64; at += n)
		memcpy(mem + at, mem, n);
}

/* An operand under a mask, and any that is stored, is resolved here. */
static int simd_resolve(struct likex_emul *e, const struct insn *in, u64 bytes)
{
	if (!in->evex && !(in->op->flags & OP_SELF))
		return 0;
	return masked_resolve(e, in, bytes);
}

static int simd_store(struct likex_emul *e, const struct insn *in, u64 bytes, const u8 *data)
{
	int r;

	r = simd_resolve(e, in, bytes);
	if (r)
		return r;
	if (in->ev.k)
		masked_stage(e, in, bytes, data);
	else
		stage_write(e, &e->mem, data);
	return 0;
}

/* SSE, AVX, AVX-512. A store's faults come after the operation's exceptions. */
static int exec_simd(struct likex_emul *e, const struct insn *in, void *xsave)
{
	u64 mask = in->ev.k ? opmask_get(e, xsave, in->ev.k) : ~0ull;
	u64 bytes = evex_bytes(in, mask);
	struct stub_regs s;
	u32 mxcsr = 0;
	int r = 0;

	memset(&s, 0, sizeof(s));
	if (!in->access)
		r = simd_resolve(e, in, bytes);
	if (!r && !in->access)
		r = masked_read(e, bytes, s.mem);
	if (r)
		return r;
	broadcast(in, s.mem);
	regs_in(e, in, &s, xsave, mask);
	r = run_simd(e, in, &s, xsave, &mxcsr);
	if (!r && in->access)
		r = simd_store(e, in, bytes, s.mem);
	if (r)
		return r;
	mxcsr_set(e, xsave, mxcsr);
	regs_out(e, in, &s, xsave, mask);
	return 0;
}

/*
 * MMX: the registers are x87's by number, not by place in the stack. The stub's
 * is number 1, and any MMX instruction sets the top of the stack to 0; so the
 * image is turned that far first.
 */
static void mmx_turn(u8 *fx)
{
	unsigned int top = (get16(fx + FX_FSW) & FSW_TOP) >> 11, i;
	u8 st[8][16];

	memcpy(st, fx + FX_ST, sizeof(st));
	for (i = 0; i < 8; i++)
		memcpy(fx + FX_ST + (size_t)((top + i) & 7) * 16, st[i], 16);
	put16(fx + FX_FSW, get16(fx + FX_FSW) & ~FSW_TOP);
}

static void swap16(u8 *a, u8 *b)
{
	u8 t[16];

	memcpy(t, a, 16);
	memcpy(a, b, 16);
	memcpy(b, t, 16);
}

static int exec_mmx(struct likex_emul *e, const struct insn *in, void *xsave)
{
	struct stub_regs s;
	u8 *mm1, *mm;
	u32 mxcsr = 0;
	u16 fcw;
	int r;

	memset(&s, 0, sizeof(s));
	if (!in->access) {
		r = span_read(e, &e->mem, s.mem);
		if (r)
			return r;
	}
	x87_get(xsave, s.fx);
	mmx_turn(s.fx);
	fcw = get16(s.fx + FX_FCW);
	put16(s.fx + FX_FCW, fcw | EXC_ALL);
	mm1 = s.fx + FX_ST + 16;
	mm = s.fx + FX_ST + (size_t)(in->stub.reg & 7) * 16;
	if (mm != mm1)
		swap16(mm, mm1);
	r = run_simd(e, in, &s, xsave, &mxcsr);
	if (r)
		return r;
	mxcsr_set(e, xsave, mxcsr);
	put16(s.fx + FX_FCW, fcw);
	if (mm != mm1)
		swap16(mm, mm1);
	if (in->access)
		stage_write(e, &e->mem, s.mem);
	x87_stage(e, s.fx);
	return 0;
}

/* The stub's own address and its operand's are not for the guest to see. */
static void x87_pointers(struct likex_emul *e, const struct insn *in, u8 *fx,
			 const struct stub_regs *s, bool unmasked)
{
	const u8 *stub = stub_code + in->stub.code;

	if (get64(fx + FX_FIP) == (uintptr_t)stub || unmasked)
		put64(fx + FX_FIP, e->r[REG_RIP]);
	if (get64(fx + FX_FDP) == (uintptr_t)s->mem || unmasked)
		put64(fx + FX_FDP, ea_offset(e, in));
	if (get16(fx + FX_FOP) == ((stub[0] & 7u) << 8 | stub[1]) || unmasked)
		put16(fx + FX_FOP, in->imm);
}

/* Find a store or result that is tiny: an exponent of 0, and not zero. */
static bool is_tiny(const struct insn *in, const struct stub_regs *s)
{
	const u8 *st0 = s->fx + FX_ST;
	u64 v = get64(s->mem);

	if (!in->access)
		return !(get16(st0 + 8) & 0x7fff) && get64(st0);
	if (in->opr[0].size == 4)
		return !(v & 0x7f800000) && (v & 0x7fffff);
	if (in->opr[0].size == 8)
		return !(v & 0x7ff0000000000000) && (v & 0xfffffffffffff);
	return false;
}

static u16 x87_flags(const struct insn *in, const struct stub_regs *s, u16 masks)
{
	u16 flags = get16(s->fx + FX_FSW) & EXC_ALL;

	/* As simd_flags(), and only reals can be tiny. */
	if (!(masks & EXC_UE) && (in->stub.out & STUB_OUT_REAL) && is_tiny(in, s))
		flags |= EXC_UE;
	if (flags & ~masks & EXC_PRE)
		flags &= EXC_PRE;
	return flags;
}

/*
 * The store of what is in memory, if it is a store. Its own faults come here:
 * an exception that keeps the result from being stored goes first.
 */
static int x87_store(struct likex_emul *e, const struct insn *in, struct stub_regs *s)
{
	int r;

	if (!in->access)
		return 0;
	r = mem_resolve(e, &e->mem, in->seg, ea_offset(e, in), in->opr[0].size, true);
	if (!r)
		stage_write(e, &e->mem, s->mem);
	return r;
}

/*
 * An exception that the guest has unmasked. x87 does not raise it with the
 * instruction: it becomes pending, with the operand, the destination and the
 * stack as they were (but a comparison has set its codes), and the next
 * instruction that waits gives #MF: the processor's, or x87_check() here. An inexact result is stored all the same.
 * One that is too large or too small would be scaled, for a register: that the
 * masked run does not give, so it is refused.
 */
static int x87_unmasked(struct likex_emul *e, const struct insn *in, struct stub_regs *s,
			u8 *fx, u16 flags, u16 unmasked)
{
	u16 fsw = get16(fx + FX_FSW), now = get16(s->fx + FX_FSW), taken;
	u16 harmless = EXC_PE | (in->stub.load ? EXC_DE : 0);
	int r;

	if ((unmasked & (EXC_OE | EXC_UE)) && !in->access)
		return emul_unsupported(e, LIKEX_WHY_INSN);
	if (unmasked & ~harmless) {
		if (unmasked & (EXC_OE | EXC_UE))
			flags &= ~EXC_PE;
		/* C1 tells a stack that is full from one that is empty. */
		taken = in->stub.compare ? FSW_C0 | FSW_C2 | FSW_C3 : 0;
		taken |= now & FSW_SF ? FSW_SF | FSW_C1 : 0;
		fsw = (fsw & ~(taken | FSW_C1)) | (now & taken);
	} else {
		r = x87_store(e, in, s);
		if (r)
			return r;
		fsw = (fsw & (EXC_ALL | FSW_SF)) | now;
		memcpy(fx + FX_FTW, s->fx + FX_FTW, 2);
		memcpy(fx + FX_ST, s->fx + FX_ST, FX_SIZE - FX_ST);
	}
	put16(fx + FX_FSW, fsw | flags | FSW_ES | FSW_B);
	x87_pointers(e, in, fx, s, true);
	x87_stage(e, fx);
	return 0;
}

static int exec_x87(struct likex_emul *e, const struct insn *in, void *xsave)
{
	u8 fx[FX_SIZE];
	struct stub_regs s;
	u16 fcw, fsw, flags;
	int r;

	memset(&s, 0, sizeof(s));
	if (!in->access) {
		r = span_read(e, &e->mem, s.mem);
		if (r)
			return r;
	}
	x87_get(xsave, fx);
	memcpy(s.fx, fx, FX_SIZE);
	fcw = get16(fx + FX_FCW);
	fsw = get16(fx + FX_FSW);
	put16(s.fx + FX_FCW, fcw | EXC_ALL);
	put16(s.fx + FX_FSW, fsw & ~(EXC_ALL | FSW_SF | FSW_ES | FSW_B));
	run_stub(in, &s, MXCSR_RESET);
	flags = x87_flags(in, &s, fcw);
	if (flags & ~fcw & EXC_ALL)
		return x87_unmasked(e, in, &s, fx, flags, flags & ~fcw & EXC_ALL);
	put16(s.fx + FX_FCW, fcw);
	put16(s.fx + FX_FSW, get16(s.fx + FX_FSW) | (fsw & (EXC_ALL | FSW_SF)));
	x87_pointers(e, in, s.fx, &s, false);
	r = x87_store(e, in, &s);
	if (r)
		return r;
	x87_stage(e, s.fx);
	return 0;
}

int exec_stub(struct likex_emul *e, const struct insn *in)
{
	struct likex_fpu fpu = { 0 };
	int r;

	r = fpu_get(e, &fpu);
	if (r)
		return r;
	switch (in->op->sub) {
	case STUB_X87:
		return exec_x87(e, in, fpu.xsave);
	case STUB_MMX:
		return exec_mmx(e, in, fpu.xsave);
	default:
		return exec_simd(e, in, fpu.xsave);
	}
}

/* A new control word may unmask what has long been raised. */
static void control_word(u8 *fx, u16 fcw)
{
	u16 fsw = get16(fx + FX_FSW) & ~(FSW_ES | FSW_B);

	put16(fx + FX_FCW, (fcw & 0x1f3f) | 0x40);
	if (fsw & ~fcw & EXC_ALL)
		fsw |= FSW_ES | FSW_B;
	put16(fx + FX_FSW, fsw);
}

/* FLDCW (sub 0), FNSTCW (1) and FNSTSW (2). */
int exec_x87_control(struct likex_emul *e, const struct insn *in)
{
	struct likex_fpu fpu = { 0 };
	u8 fx[FX_SIZE];
	u64 v;
	int r;

	r = fpu_get(e, &fpu);
	if (r)
		return r;
	x87_get(fpu.xsave, fx);
	if (in->op->sub)
		return opr_write(e, in, 0, get16(fx + (in->op->sub == 1 ? FX_FCW : FX_FSW)));
	r = opr_read(e, in, 0, &v);
	if (r)
		return r;
	control_word(fx, v);
	x87_stage(e, fx);
	return 0;
}
