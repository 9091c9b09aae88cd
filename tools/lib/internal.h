/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Declarations that the parts of the emulator share.
 *
 * Direction of calls: emul.c -> decode.c -> optab.c -> exec_*.c -> operand.c ->
 * descriptor.c -> mem.c -> segment.c, walk.c -> linear.c, host.c, trap.c.
 * Nothing calls upwards.
 *
 * How an instruction is executed: handlers only read, and stage what they
 * change: registers in emul->new, the one memory write in emul->wr. commit()
 * in emul.c then makes it real. So an instruction that must wait for a device
 * read can simply be started again (reads already done are answered from
 * emul->log), and one that waits in the middle of its write goes on there.
 *
 * Internal functions return 0 or one of enum likex_result (LIKEX_IO,
 * LIKEX_FAULT, LIKEX_UNSUPPORTED), EMUL_RETRY, or a negative errno: all but 0
 * end the instruction and are passed up unchanged.
 */
#ifndef LIKEX_INTERNAL_H
#define LIKEX_INTERNAL_H

#include <asm/processor-flags.h>
#include <likex/emul.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

/* A register of struct likex_regs, whose members are of another 64-bit type. */
typedef uint64_t __attribute__((may_alias)) reg64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ull << (n))
#define __must_check __attribute__((warn_unused_result))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

/* Something that was read has changed under us: start the instruction again. */
#define EMUL_RETRY 100

#define PAGE_SIZE 4096u
#define PAGE_MASK 0xfffull

/* Control-register bits that an older <asm/processor-flags.h> does not have. */
#ifndef X86_CR4_PKS
#define X86_CR4_PKS BIT(24)
#endif
#ifndef X86_CR4_LAM_SUP
#define X86_CR4_LAM_SUP BIT(28)
#endif
#ifndef X86_CR4_LASS
#define X86_CR4_LASS BIT(27)
#endif
#define CR3_LAM_U57    BIT(61)
#define CR3_LAM_U48    BIT(62)

#define EFER_LMA       BIT(10)
#define EFER_NXE       BIT(11)
#define EFER_LMSLE     BIT(13)
#define EFER_UAIE      BIT(20)

#define FLAGS_ARITH (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
		     X86_EFLAGS_SF | X86_EFLAGS_OF)

enum vector {
	VEC_DE = 0, VEC_UD = 6, VEC_NM = 7, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13,
	VEC_PF = 14, VEC_MF = 16, VEC_AC = 17, VEC_XM = 19,
};

/* An access: bits as in the page-fault error code, and two of our own. */
#define PF_P    BIT(0)
#define PF_W    BIT(1)
#define PF_U    BIT(2)
#define PF_RSVD BIT(3)
#define PF_I    BIT(4)
#define PF_PK   BIT(5)
#define ACC_IMPLICIT BIT(8)	/* descriptor and TSS accesses: SMAP always applies */
#define ACC_CHECK    BIT(9)	/* only check: leave the leaf's A and D alone */

enum paging { PAGING_NONE, PAGING_32, PAGING_PAE, PAGING_4L, PAGING_5L };

/* Segment registers in the order of their encoding. */
enum seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

/* Indexes of registers in struct likex_regs, seen as an array. */
enum reg {
	REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RSP, REG_RBP,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	REG_RIP, REG_RFLAGS, REG_COUNT, REG_NONE = 0xff,
};

_Static_assert(sizeof(struct likex_regs) == REG_COUNT * sizeof(u64),
	       "struct likex_regs is an array of registers");
_Static_assert(offsetof(struct likex_regs, rip) == REG_RIP * sizeof(u64),
	       "order of registers");
_Static_assert(offsetof(struct likex_regs, rsp) == REG_RSP * sizeof(u64),
	       "order of registers");

/* The parts of the processor's mode that decide how an instruction runs. */
struct mode {
	union {
		struct {
			u8 bits;	/* 16, 32 or 64: the code segment's */
			u8 cpl;
		};
		u16 code;	/* both, to be compared */
	};
	u8 user;		/* PF_U at CPL 3 */
	bool real;		/* real or virtual-8086: no descriptors */
	bool vm86;
	bool plain;		/* 64-bit, without LAM, LASS and alignment checks */

	/* From the control registers, which seldom change: */
	u64 cr0, cr3, cr4, efer;
	u64 rsvd;		/* reserved in any table entry of long mode */
	u8 paging;		/* enum paging */
	u8 va_bits;		/* 48 or 57 */
	u8 lam_user, lam_super;	/* highest bit that is no tag's; 0: no tags */
	bool lam;		/* either half has tags */
	bool lass;
	bool plain_control;	/* neither @lam nor @lass */
	bool long_mode;
	bool unsupported;
};

enum opr_type {
	OPR_NONE, OPR_GPR, OPR_HI8, OPR_MEM, OPR_IMM, OPR_VEC, OPR_SREG,
};

struct opr {
	u8 type;		/* enum opr_type */
	u8 reg;			/* enum reg, enum seg or number of the vector register */
	u8 size;		/* bytes */
};

/* Preparations before an instruction's handler is called */
enum prep {
	PREP_NONE,
	PREP_PLAIN,		/* resolve the operand in memory */
	PREP_OTHER,		/* the same with its own rules, and the vector unit's */
};

struct insn;
typedef int (*exec_fn)(struct likex_emul *e, const struct insn *in);

/* op.flags */
#define OP_R     0x00		/* operand 0, if in memory, is only read, */
#define OP_W     0x01		/* only written, */
#define OP_RW    0x02		/* read and written */
#define OP_ANYRW 0x04		/* whichever operand is in memory is read and written */
#define OP_SELF  0x08		/* the handler itself computes addresses */
#define OP_ALIGN 0x10		/* a vector in memory must be aligned */
#define OP_LOCK  0x20		/* locked without a prefix */
#define OP_VEC   0x40		/* needs the vector unit to be on */
#define OP_X87   0x80		/* needs the x87 unit to be on, for x87 or MMX */
#define OP_DST   0x100		/* writes no register but flags, if operand 0 is memory */

struct op {
	exec_fn exec;
	u8 sub;			/* meaning is the handler's */
	u16 flags;
};

/*
 * How the mask of an EVEX instruction applies. Bit n of the mask is element n
 * of the result, and element n % mem_count of the operand in memory.
 */
struct evex_form {
	u8 k;			/* number of the mask register; 0: no mask */
	bool zero;		/* masked-off elements become zero, else they stay */
	bool no_ac;		/* need not be aligned, whatever RFLAGS.AC says */
	bool whole;		/* faults, and is read, whatever the mask says */
	bool bcast;		/* one element in memory stands for all */
	u8 elem, count;		/* of the result: bytes each, number */
	u8 mem_elem, mem_count;	/* of the operand in memory */
};

/* Sources and destinations of a stub's registers: see stubs.S. */
struct stub_form {
	u32 code;		/* offset in stub_code */
	u8 reg_type;		/* enum stub_reg: operand in ModRM.reg */
	u8 reg, vvvv, is4;	/* the guest's register numbers */
	u8 gpr_size;		/* bytes of a general register that is written */
	u8 width;		/* bytes of the vector register that is written */
	u8 out;			/* STUB_OUT_* */
	bool sse;		/* of MMX: converts, so needs SSE too */
	bool half;		/* rounds to half precision, whatever MXCSR.FTZ says */
	bool compare;		/* x87: sets condition codes, */
	bool load;		/* or loads a real number */
};

/* A decoded instruction. Small, so that many fit the cache. */
struct insn {
	u64 key;		/* insn_key(): where its first byte is, in which mode */
	const struct op *op;
	s64 disp;
	u64 imm;
	u64 head[2], mask[2];	/* the bytes as two words, and which of them count */
	u8 len;
	u8 bytes[LIKEX_INSN_MAX];
	u8 osize;		/* operand size, bytes */
	u8 asize;		/* address size, bytes */
	u8 rep;			/* 0, 0xf2 or 0xf3, for string instructions */
	bool lock;
	bool vex;
	bool evex;		/* needs the state of AVX-512 */
	u8 seg, base, index, scale;
	u8 mem;			/* index of the operand in memory; 0xff: none */
	u8 access;		/* PF_W if that operand is written */
	u8 prep;		/* enum prep */
	u8 msize;		/* bytes of the operand in memory */
	bool no_gpr;		/* writes no general register */
	u64 amask;		/* size_mask(asize) */
	u64 uses;		/* LIKEX_STATE_* of the registers it reads or writes */
	u8 nopr;
	struct opr opr[3];
	struct evex_form ev;	/* if @evex */
	struct stub_form stub;	/* if @op is a stub's */
};

#define CACHE_SIZE 64		/* power of two */
#define LEVELS_MAX 5
#define WRITE_MAX 64		/* the widest memory operand: a 512-bit vector */
/* The most reads one iteration does: a vector of which every other byte is masked off. */
#define LOG_SIZE 33

/* Beside LIKEX_EVENT_*, until commit(): emul->fx is staged. */
#define EVENT_X87 BIT(31)

#define FX_SIZE 160		/* x87 in the XSAVE area */

/* The entries that the last usual walk went through. */
struct trail {
	unsigned int levels;
	struct trail_step {
		const volatile u64 *at;
		u64 entry;
	} step[LEVELS_MAX];	/* unused ones are of an entry that never changes */
};

/* The page that the code runs in: good until something that it was found from changes. */
struct code_page {
	u64 lin;		/* of the page; 1: none */
	u64 generation;
	u16 code;		/* of struct mode */
	u64 key;		/* of an instruction at its beginning */
	u64 gpa;
	const u8 *host;
	struct trail trail;
};

/* A memory operand, resolved: on one page or on two. */
struct span {
	u64 gpa[2];
	u8 *host[2];		/* NULL: a device's; see span_host() */
	u32 ios;		/* emul->ios when @host was asked for */
	u8 len[2];
	u8 space;		/* enum likex_space */
	bool write;		/* resolved for writing (and perhaps reading) */
};

enum staged_how { STAGED_PLAIN, STAGED_LOCKED, STAGED_MASKED };

/* The memory (or port) write that the instruction has staged. */
struct staged {
	struct span span;
	u8 data[WRITE_MAX + 8];	/* can be read 8 bytes at a time */
	u8 old[16];		/* bytes that were read, for the locked compare */
	u8 len;			/* 0: no write */
	u8 pos;			/* bytes already written */
	u8 how;			/* enum staged_how */
	u64 enable;		/* STAGED_MASKED: a bit for each byte that is written */
};

enum phase {
	PHASE_IDLE,
	PHASE_READ,		/* waits for a device read; starts again then */
	PHASE_WRITE,		/* waits for a device write; goes on in commit() */
	PHASE_LAST,		/* waits for its only write, and changes no general register */
};

struct likex_emul {
	const struct likex_emul_ops *ops;
	void *ctx;
	struct likex_emul_ops own_ops;
	struct likex_emul_config cfg;
	bool demands;		/* registers come on demand */
	u64 rsvd_phys;		/* address bits that no table entry may have */

	/* of this call */
	struct likex_step *step;
	const reg64 *r;		/* the registers before the instruction */
	struct likex_sregs *sregs;
	struct mode mode;
	u32 ios;		/* device transactions that have been carried out */

	/* of this instruction (iteration) */
	struct likex_regs new;	/* RFLAGS is in @flags until commit() */
	u64 flags;
	bool no_gpr;		/* of @new only RIP is good, and is needed */
	struct span mem;
	struct staged wr;
	struct likex_segment new_seg;
	u8 new_seg_nr;		/* enum seg, or REG_NONE */
	bool again;		/* a repeated instruction has more to do */
	u32 events;
	u32 rep_done;

	/* of an instruction that waits */
	u8 phase;
	u8 log_len;
	bool hand_out;		/* the device wants its next transaction handed out */
	u8 log_pos;
	struct likex_io io;
	u64 pend_rip;
	u64 begin_flags;	/* RFLAGS when the instruction began */
	struct likex_regs old;
	struct likex_io log[LOG_SIZE];

	struct trail trail;
	struct code_page code;
	const struct insn *cur;	/* NULL while decoding */
	u32 zmm_hi256;		/* offsets in the XSAVE area: of ZMM0-15's upper halves, */
	u32 zmm_hi16;		/* ZMM16-31 */
	u32 opmask;		/* and K0-7 */
	u64 host;		/* stubs that this processor can run: enum stub_host */
	u8 fx[FX_SIZE];		/* the x87 state to be, with EVENT_X87 */

	/* of registers that come on demand */
	u64 lacks;		/* LIKEX_STATE_*: not there yet */
	u64 changed_seg;
	struct likex_regs orig;
	struct likex_emul_stats stats;
	struct insn cache[CACHE_SIZE];
};

static inline reg64 *new_reg(struct likex_emul *e, unsigned int reg)
{
	return (reg64 *)&e->new + reg;
}

/* @size: 1, 2, 4 or 8 bytes */
static inline u64 size_mask(unsigned int size)
{
	return ~0ull >> (-size * 8 & 63);
}

/* The bits above the address's width are all as its highest bit. */
static inline bool canonical(const struct likex_emul *e, u64 lin)
{
	return (u64)((s64)lin >> (e->mode.va_bits - 1)) + 1 <= 1;
}

static inline bool mode64(const struct likex_emul *e)
{
	return e->mode.bits == 64;
}

/* linear.c */
void linear_mode(struct likex_emul *e);
u64 lam_untag(const struct likex_emul *e, u64 lin);
bool lass_denies(const struct likex_emul *e, u64 lin, u32 access);

/* Check that an access of long mode may use @lin at all. */
static inline bool linear_denied(const struct likex_emul *e, u64 lin, u32 access)
{
	return !canonical(e, lin) || (e->mode.lass && lass_denies(e, lin, access));
}

/* demand.c */
int __must_check demand(struct likex_emul *e, u64 want);
int __must_check demand_begin(struct likex_emul *e);
void demand_end(struct likex_emul *e);

/* The emulator has written to the guest's memory. */
static inline void written(struct likex_emul *e, u64 gpa, unsigned int len)
{
	if (e->ops->dirty)
		e->ops->dirty(e->ctx, gpa, len);
}

/* trap.c: how an instruction ends early */
int emul_fault(struct likex_emul *e, unsigned int vector, u32 error);
int emul_fault_noerr(struct likex_emul *e, unsigned int vector);
int emul_unsupported(struct likex_emul *e, enum likex_reason why);

/* x86 loads and stores of these are single accesses, aligned or not. */
typedef u16 u16_mem __attribute__((may_alias, aligned(1)));
typedef u32 u32_mem __attribute__((may_alias, aligned(1)));
typedef u64 u64_mem __attribute__((may_alias, aligned(1)));

/* Copy 1, 2, 4 or 8 bytes of the guest's memory in one access. */
static inline void host_copy_one(void *to, const void *from, unsigned int len)
{
	if (len == 4)
		*(volatile u32_mem *)to = *(const volatile u32_mem *)from;
	else if (len == 8)
		*(volatile u64_mem *)to = *(const volatile u64_mem *)from;
	else if (len == 2)
		*(volatile u16_mem *)to = *(const volatile u16_mem *)from;
	else
		*(volatile u8 *)to = *(const volatile u8 *)from;
}

/* host.c */
bool host_cmpxchg(void *p, unsigned int len, const void *old, const void *new);
void host_copy(void *to, const void *from, unsigned int len);

/* walk.c */
int __must_check walk(struct likex_emul *e, u64 lin, u32 access, u64 *gpa);

/* A part of an operand: @len bytes, at @at of its @whole bytes and at @off of a segment. */
struct piece {
	u64 off;
	unsigned int len, at, whole;
};

/* segment.c */
struct likex_segment *segment(struct likex_emul *e, unsigned int seg);
int __must_check segment_linear(struct likex_emul *e, unsigned int seg,
				const struct piece *p, u32 access, u64 *lin);

/* descriptor.c */
int __must_check segment_load(struct likex_emul *e, unsigned int seg, u16 sel);

/* mem.c: guest memory and devices */
int __must_check mem_resolve(struct likex_emul *e, struct span *s,
			     unsigned int seg, u64 off, unsigned int len,
			     bool write);
int __must_check mem_resolve_part(struct likex_emul *e, struct span *s,
				  unsigned int seg, u64 off, unsigned int at,
				  unsigned int len, unsigned int whole, bool write);
int __must_check span_init(struct likex_emul *e, struct span *s, u64 lin,
			   unsigned int len, u32 access);
u8 *span_host(struct likex_emul *e, const struct span *s, unsigned int i);
int __must_check span_read(struct likex_emul *e, const struct span *s, void *data);
int __must_check io_read(struct likex_emul *e, unsigned int space, u64 addr,
			 unsigned int len, void *data);
/* The system's own read: of a descriptor or a TSS. */
int __must_check system_read(struct likex_emul *e, u64 lin, void *data,
			     unsigned int len);

/*
 * The offset of the memory operand. Registers are taken from emul->new: there
 * RIP is already after the instruction, and POP has already moved RSP, both
 * as the processor computes it.
 */
static inline u64 ea_offset(struct likex_emul *e, const struct insn *in)
{
	const reg64 *r = in->no_gpr ? e->r : (const reg64 *)&e->new;
	u64 ea = in->disp;

	if (in->base != REG_NONE)
		ea += r[in->base];
	if (in->index != REG_NONE)
		ea += r[in->index] * in->scale;
	return ea & in->amask;
}

/*
 * Check for the page whose access trapped: the processor has translated it, and
 * found no memory (none to be written, for a write).
 */
static inline bool trapped_page(const struct likex_emul *e, u64 lin, u32 access, u64 *gpa)
{
	const struct likex_trap *t = e->step->trap;

	if (!t || !(t->flags & LIKEX_TRAP_GVA) || (t->gva ^ lin) & ~PAGE_MASK)
		return false;
	/* A page whose write trapped may have memory to be read. */
	if ((access & ACC_IMPLICIT) || (access & PF_W) / PF_W != t->kind)
		return false;
	*gpa = (t->gpa & ~PAGE_MASK) | (lin & PAGE_MASK);
	return true;
}

/* Begin a resolved operand that lies on one page. */
static inline void span_one(struct span *s, unsigned int len, bool write)
{
	s->host[0] = NULL;
	s->len[0] = len;
	s->len[1] = 0;
	s->space = LIKEX_SPACE_MMIO;
	s->write = write;
}

/*
 * Check that an offset is a linear address that can be used as it is, with @len
 * bytes on one page. Not for FS and GS.
 */
static inline bool plain_address(const struct likex_emul *e, u64 lin, unsigned int len)
{
	return e->mode.plain && canonical(e, lin) &&
	       (lin & PAGE_MASK) + len <= PAGE_SIZE;
}

/* operand.c */
int __must_check opr_read_other(struct likex_emul *e, const struct insn *in,
				unsigned int i, u64 *value);
int __must_check opr_write_other(struct likex_emul *e, const struct insn *in,
				 unsigned int i, u64 value);
void gpr_write(struct likex_emul *e, unsigned int reg, unsigned int size, u64 v);

/* Write a register: 4 bytes clear the upper half, 1 and 2 keep the rest. */
static inline void reg_merge(reg64 *to, unsigned int size, u64 v)
{
	u64 mask = size_mask(size);

	*to = size == 4 ? v & mask : (*to & ~mask) | (v & mask);
}

void stage_write(struct likex_emul *e, const struct span *s, const void *data);

/* As stage_write(), for at most 8 bytes. */
static inline void stage_value(struct likex_emul *e, const struct span *s, u64 value)
{
	e->wr.span = *s;
	e->wr.len = s->len[0] + s->len[1];
	e->wr.pos = 0;
	e->wr.how = STAGED_PLAIN;
	memcpy(e->wr.data, &value, sizeof(value));
}

/* The value of an operand, zero-extended; an immediate is sign-extended. */
static inline int __must_check opr_read(struct likex_emul *e,
					const struct insn *in, unsigned int i,
					u64 *value)
{
	const struct opr *o = &in->opr[i];
	u64 other = 0;
	int r;

	if (o->type == OPR_GPR) {
		*value = e->r[o->reg] & size_mask(o->size);
		return 0;
	}
	r = opr_read_other(e, in, i, &other);
	*value = other;
	return r;
}

/* Stage a result, in a general register or in memory. */
static inline int __must_check opr_write(struct likex_emul *e,
					 const struct insn *in, unsigned int i,
					 u64 value)
{
	if (in->opr[i].type != OPR_MEM)
		return opr_write_other(e, in, i, value);
	stage_value(e, &e->mem, value);
	return 0;
}

/* repeat.c */
int __must_check repeat(struct likex_emul *e, const struct insn *in, u32 most);

/* decode.c */
int __must_check decode(struct likex_emul *e);
const struct op *op_lookup(unsigned int mnemonic, bool string);

/* flags.c */
enum alu {
	ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP,
	ALU_TEST, ALU_INC, ALU_DEC, ALU_NEG, ALU_NOT,
};
enum shift {
	SH_ROL, SH_ROR, SH_RCL, SH_RCR, SH_SHL, SH_SHR, SH_SAR, SH_SHLD, SH_SHRD,
};
u64 alu(enum alu op, u64 a, u64 b, unsigned int size, u64 *flags);
u64 shift(enum shift op, u64 a, u64 b, unsigned int count, unsigned int size,
	  u64 *flags);
bool condition(unsigned int cc, u64 flags);

/* exec_*.c: handlers named by the table in optab.c */
int exec_mov(struct likex_emul *e, const struct insn *in);
int exec_movsx(struct likex_emul *e, const struct insn *in);
int exec_movbe(struct likex_emul *e, const struct insn *in);
int exec_alu2(struct likex_emul *e, const struct insn *in);
int exec_alu1(struct likex_emul *e, const struct insn *in);
int exec_mul(struct likex_emul *e, const struct insn *in);
int exec_div(struct likex_emul *e, const struct insn *in);
int exec_shift(struct likex_emul *e, const struct insn *in);
int exec_shiftd(struct likex_emul *e, const struct insn *in);
int exec_bt(struct likex_emul *e, const struct insn *in);
int exec_xchg(struct likex_emul *e, const struct insn *in);
int exec_xadd(struct likex_emul *e, const struct insn *in);
int exec_cmpxchg(struct likex_emul *e, const struct insn *in);
int exec_cmpxchg_pair(struct likex_emul *e, const struct insn *in);
int exec_setcc(struct likex_emul *e, const struct insn *in);
int exec_cmovcc(struct likex_emul *e, const struct insn *in);
int exec_push(struct likex_emul *e, const struct insn *in);
int exec_pop(struct likex_emul *e, const struct insn *in);
int exec_call(struct likex_emul *e, const struct insn *in);
int exec_jmp(struct likex_emul *e, const struct insn *in);
int exec_ret(struct likex_emul *e, const struct insn *in);
int exec_nop(struct likex_emul *e, const struct insn *in);
int exec_string(struct likex_emul *e, const struct insn *in);
int exec_vector(struct likex_emul *e, const struct insn *in);
int vector_check(struct likex_emul *e, const struct insn *in);

/* Components of the XSAVE area. */
#define XSTATE_X87  BIT(0)
#define XSTATE_SSE  BIT(1)
#define XSTATE_AVX  BIT(2)
#define XSTATE_MASK BIT(5)
#define XSTATE_ZMMH BIT(6)
#define XSTATE_ZMM16 BIT(7)
#define XSTATE_512  (XSTATE_MASK | XSTATE_ZMMH | XSTATE_ZMM16)

#define XSAVE_MXCSR 24

/* exec_vector.c: vector registers in the XSAVE area */
u64 *xstate_bv(void *xsave);
void xstate_materialize(void *xsave, u64 component, unsigned int at, unsigned int len);
void vec_get(void *xsave, unsigned int reg, u8 v[WRITE_MAX]);
void vec_set_xmm(void *xsave, unsigned int reg, const u8 *v);
void vec_set_ymm(const struct likex_emul *e, void *xsave, unsigned int reg, const u8 *v);
int __must_check fpu_get(struct likex_emul *e, struct likex_fpu *fpu);

/* exec_evex.c */
void zmm_get(const struct likex_emul *e, void *xsave, unsigned int reg, u8 v[WRITE_MAX]);
void zmm_set(const struct likex_emul *e, void *xsave, unsigned int reg, const u8 *v);
u64 opmask_get(const struct likex_emul *e, void *xsave, unsigned int k);
void opmask_set(const struct likex_emul *e, void *xsave, unsigned int k, u64 v);
u64 evex_bytes(const struct insn *in, u64 mask);
int __must_check masked_resolve(struct likex_emul *e, const struct insn *in, u64 bytes);
int __must_check masked_read(struct likex_emul *e, u64 bytes, u8 *to);
void masked_stage(struct likex_emul *e, const struct insn *in, u64 bytes,
		  const u8 *data);
int exec_evex(struct likex_emul *e, const struct insn *in);
int exec_movdir64b(struct likex_emul *e, const struct insn *in);
int exec_mxcsr(struct likex_emul *e, const struct insn *in);

/* exec_stub.c */
int exec_stub(struct likex_emul *e, const struct insn *in);
int exec_x87_control(struct likex_emul *e, const struct insn *in);
int x87_check(struct likex_emul *e, const struct insn *in);
int x87_commit(struct likex_emul *e);

/* exec_bits.c */
int exec_scan(struct likex_emul *e, const struct insn *in);
int exec_crc32(struct likex_emul *e, const struct insn *in);
int exec_bmi(struct likex_emul *e, const struct insn *in);
int exec_mulx(struct likex_emul *e, const struct insn *in);
int exec_adx(struct likex_emul *e, const struct insn *in);
int exec_xlat(struct likex_emul *e, const struct insn *in);
int exec_flush(struct likex_emul *e, const struct insn *in);

/* exec_stack.c */
int exec_pushf(struct likex_emul *e, const struct insn *in);
int exec_popf(struct likex_emul *e, const struct insn *in);
int exec_pusha(struct likex_emul *e, const struct insn *in);
int exec_popa(struct likex_emul *e, const struct insn *in);
int exec_enter(struct likex_emul *e, const struct insn *in);
int exec_leave(struct likex_emul *e, const struct insn *in);

enum scan_op { SCAN_BSF, SCAN_BSR, SCAN_TZCNT, SCAN_LZCNT, SCAN_POPCNT };
enum bmi_op {
	BMI_ANDN, BMI_BEXTR, BMI_BLSI, BMI_BLSMSK, BMI_BLSR, BMI_BZHI, BMI_PDEP,
	BMI_PEXT, BMI_RORX, BMI_SARX, BMI_SHLX, BMI_SHRX,
};

/* The kinds of stubs, in the order that stubs.S has, and what runs them. */
enum stub_kind { STUB_SSE, STUB_MMX, STUB_X87, STUB_VEX, STUB_EVEX };
enum stub_reg { STUB_REG_NONE, STUB_REG_VEC, STUB_REG_MMX, STUB_REG_GPR, STUB_REG_MASK };

#define STUB_OUT_REG   0x01	/* writes the operand in ModRM.reg, */
#define STUB_OUT_VVVV  0x02	/* that in VEX.vvvv, */
#define STUB_OUT_XMM0  0x04
#define STUB_OUT_ECX   0x08
#define STUB_OUT_FLAGS 0x10
#define STUB_OUT_REAL  0x20	/* x87: rounds to a real number */

enum string_op {
	STR_MOVS, STR_CMPS, STR_STOS, STR_LODS, STR_SCAS, STR_INS, STR_OUTS,
};

/* How a vector move places its bytes. */
enum vec_op {
	VEC_FULL,		/* the whole register */
	VEC_SCALAR,		/* lowest element; a load clears the rest of 128 bits */
	VEC_LOW,		/* low half; a load keeps the high half */
	VEC_HIGH,		/* high half; a load keeps the low half */
	VEC_DUP,		/* a load repeats the element over the register */
};

#endif /* LIKEX_INTERNAL_H */
