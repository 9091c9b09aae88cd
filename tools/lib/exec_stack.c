// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PUSH and POP, near CALL, JMP and RET, ENTER and LEAVE.
 */
#include "internal.h"

/* How much of RSP the stack uses: bytes. */
static unsigned int stack_width(struct likex_emul *e)
{
	if (mode64(e))
		return 8;
	return segment(e, SEG_SS)->db ? 4 : 2;
}

static void move_rsp(struct likex_emul *e, s64 by)
{
	unsigned int width = stack_width(e);
	u64 mask = size_mask(width);
	reg64 *rsp = new_reg(e, REG_RSP);

	*rsp = (*rsp & ~mask) | ((*rsp + by) & mask);
}

static int push(struct likex_emul *e, u64 value, unsigned int size)
{
	struct span s;
	int r;

	move_rsp(e, -(s64)size);
	r = mem_resolve(e, &s, SEG_SS, e->new.rsp & size_mask(stack_width(e)),
			size, true);
	if (r)
		return r;
	stage_value(e, &s, value);
	return 0;
}

static int pop(struct likex_emul *e, u64 *value, unsigned int size)
{
	struct span s;
	int r;

	r = mem_resolve(e, &s, SEG_SS, e->new.rsp & size_mask(stack_width(e)),
			size, false);
	if (r)
		return r;
	*value = 0;
	r = span_read(e, &s, value);
	if (r)
		return r;
	move_rsp(e, size);
	return 0;
}

int exec_push(struct likex_emul *e, const struct insn *in)
{
	u64 v;
	int r;

	r = opr_read(e, in, 0, &v);
	if (r)
		return r;
	return push(e, v, in->osize);
}

/* The destination's address is computed with RSP already moved. */
int exec_pop(struct likex_emul *e, const struct insn *in)
{
	u64 v;
	int r;

	r = pop(e, &v, in->osize);
	if (r)
		return r;
	if (in->mem == 0) {
		r = mem_resolve(e, &e->mem, in->seg, ea_offset(e, in), in->osize,
				true);
		if (r)
			return r;
	}
	return opr_write(e, in, 0, v);
}

/* Shadow stack and branch tracking have state that is not handed in. */
static int branch(struct likex_emul *e, u64 target, unsigned int size)
{
	if (e->sregs->cr4 & X86_CR4_CET)
		return emul_unsupported(e, LIKEX_WHY_MODE);
	target &= size_mask(size);
	if (mode64(e) ? !canonical(e, target) : target > e->sregs->cs.limit)
		return emul_fault(e, VEC_GP, 0);
	e->new.rip = target;
	return 0;
}

/* A near branch's target: relative ones come as immediates. */
static int branch_target(struct likex_emul *e, const struct insn *in, u64 *target)
{
	int r = opr_read(e, in, 0, target);

	if (!r && in->opr[0].type == OPR_IMM)
		*target += e->new.rip;
	return r;
}

int exec_jmp(struct likex_emul *e, const struct insn *in)
{
	u64 target;
	int r;

	r = branch_target(e, in, &target);
	if (r)
		return r;
	return branch(e, target, in->osize);
}

int exec_call(struct likex_emul *e, const struct insn *in)
{
	u64 target, next = e->new.rip;
	int r;

	r = branch_target(e, in, &target);
	if (r)
		return r;
	r = push(e, next, in->osize);
	if (r)
		return r;
	return branch(e, target, in->osize);
}

int exec_ret(struct likex_emul *e, const struct insn *in)
{
	u64 target;
	int r;

	r = pop(e, &target, in->osize);
	if (r)
		return r;
	if (in->nopr)
		move_rsp(e, in->imm);
	return branch(e, target, in->osize);
}

/* Flags that POPF may change, at this privilege. */
static u64 popf_mask(const struct likex_emul *e, unsigned int size)
{
	u64 mask = FLAGS_ARITH | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT;
	unsigned int iopl = e->r[REG_RFLAGS] >> X86_EFLAGS_IOPL_BIT & 3;

	if (e->mode.cpl == 0)
		mask |= X86_EFLAGS_IOPL;
	if (e->mode.cpl <= iopl)
		mask |= X86_EFLAGS_IF;
	if (size > 2)
		mask |= X86_EFLAGS_AC | X86_EFLAGS_ID;
	return mask;
}

/* In virtual-8086 mode PUSHF and POPF are the monitor's, unless IOPL is 3. */
static int flags_allowed(struct likex_emul *e, const struct insn *in)
{
	if (!e->mode.vm86 || (e->r[REG_RFLAGS] & X86_EFLAGS_IOPL) == X86_EFLAGS_IOPL)
		return 0;
	if ((e->sregs->cr4 & X86_CR4_VME) && in->osize == 2)
		return emul_unsupported(e, LIKEX_WHY_MODE);
	return emul_fault(e, VEC_GP, 0);
}

int exec_pushf(struct likex_emul *e, const struct insn *in)
{
	int r = flags_allowed(e, in);

	return r ? r : push(e, e->r[REG_RFLAGS] & ~(X86_EFLAGS_RF | X86_EFLAGS_VM), in->osize);
}

int exec_popf(struct likex_emul *e, const struct insn *in)
{
	u64 v, mask = popf_mask(e, in->osize);
	int r = flags_allowed(e, in);

	if (!r)
		r = pop(e, &v, in->osize);
	if (r)
		return r;
	e->flags = (e->flags & ~mask) | (v & mask);
	return 0;
}

/* Raise the fault, if any, of an access of @size at @off of the stack. */
static int stack_probe(struct likex_emul *e, u64 off, unsigned int size, bool write)
{
	struct span s;

	return mem_resolve(e, &s, SEG_SS, off & size_mask(stack_width(e)), size, write);
}

/*
 * Find @len bytes at @off of the stack, all of whose parts have been probed. If
 * they wrap round the end of the segment, the instruction is refused.
 */
static int stack_span(struct likex_emul *e, struct span *s, u64 off, unsigned int len,
		      bool write)
{
	u64 mask = size_mask(stack_width(e));

	off &= mask;
	if (off + len - 1 > mask)
		return emul_unsupported(e, LIKEX_WHY_INSN);
	return mem_resolve_part(e, s, SEG_SS, off, 0, len, WRITE_MAX, write);
}

/* Registers as PUSHA leaves them in memory, from the lowest address on. */
static const u8 pusha_order[8] = {
	REG_RDI, REG_RSI, REG_RBP, REG_RSP, REG_RBX, REG_RDX, REG_RCX, REG_RAX,
};

int exec_pusha(struct likex_emul *e, const struct insn *in)
{
	unsigned int size = in->osize, i;
	u8 data[8 * 4];
	struct span s;
	int r;

	for (i = 0; i < 8; i++)
		memcpy(data + (size_t)i * size, &e->r[pusha_order[i]], size);
	for (i = 0; i < 8; i++) {
		move_rsp(e, -(s64)size);
		r = stack_probe(e, e->new.rsp, size, true);
		if (r)
			return r;
	}
	r = stack_span(e, &s, e->new.rsp, 8 * size, true);
	if (r)
		return r;
	stage_write(e, &s, data);
	return 0;
}

int exec_popa(struct likex_emul *e, const struct insn *in)
{
	unsigned int size = in->osize, i;
	u8 data[8 * 4];
	struct span s;
	u64 v = 0;
	int r;

	for (i = 0; i < 8; i++) {
		r = stack_probe(e, e->new.rsp + (u64)i * size, size, false);
		if (r)
			return r;
	}
	r = stack_span(e, &s, e->new.rsp, 8 * size, false);
	if (!r)
		r = span_read(e, &s, data);
	if (r)
		return r;
	move_rsp(e, (s64)8 * size);
	for (i = 0; i < 8; i++) {
		memcpy(&v, data + (size_t)i * size, size);
		if (pusha_order[i] != REG_RSP)
			gpr_write(e, pusha_order[i], size, v);
	}
	return 0;
}

/*
 * The frame pointer of the @n-th procedure around this one, as ENTER copies it.
 * It may lie where ENTER has just pushed, which is in @data, not yet in memory.
 */
static int read_display(struct likex_emul *e, u8 *data, unsigned int level, unsigned int n,
			unsigned int size)
{
	u64 mask = size_mask(stack_width(e)), off = (e->r[REG_RBP] - (u64)n * size) & mask;
	unsigned int len = (level + 1) * size, i;
	u8 *to = data + (size_t)(level - n) * size;
	struct span s;
	u64 below;
	int r;

	r = mem_resolve(e, &s, SEG_SS, off, size, false);
	if (!r)
		r = span_read(e, &s, to);
	if (r)
		return r;
	for (i = 0; i < size; i++) {
		/* How far below the old top this byte is: n parts have been pushed. */
		below = (e->r[REG_RSP] - off - i) & mask;
		if (below && below <= (u64)n * size)
			to[i] = data[len - below];
	}
	return 0;
}

/* ENTER's pushes as they lie in memory: RBP highest, the new frame lowest. */
static int enter_pushes(struct likex_emul *e, u8 *data, unsigned int level,
			unsigned int size)
{
	unsigned int i;
	u64 frame = 0;
	int r = 0;

	memcpy(data + (size_t)level * size, &e->r[REG_RBP], size);
	for (i = 0; i <= level && !r; i++) {
		if (i && i < level)
			r = read_display(e, data, level, i, size);
		if (r)
			break;
		move_rsp(e, -(s64)size);
		if (!i)
			frame = e->new.rsp;
		r = stack_probe(e, e->new.rsp, size, true);
	}
	if (level)
		memcpy(data, &frame, size);
	return r;
}

/*
 * ENTER: RBP, the display and the new frame's own pointer are pushed; as much
 * of a display as one store can have.
 */
int exec_enter(struct likex_emul *e, const struct insn *in)
{
	unsigned int size = in->osize, level = in->imm >> 16 & 31;
	unsigned int len = (level + 1) * size;
	u8 data[WRITE_MAX] = { 0 };
	struct span s;
	u64 frame;
	int r;

	if (len > WRITE_MAX)
		return emul_unsupported(e, LIKEX_WHY_INSN);
	r = enter_pushes(e, data, level, size);
	if (!r)
		r = stack_span(e, &s, e->new.rsp, len, true);
	if (r)
		return r;
	frame = e->new.rsp + len - size;
	move_rsp(e, -(s64)(in->imm & 0xffff));
	/* It faults where a push to the new top would. */
	r = stack_probe(e, e->new.rsp, size, true);
	if (r)
		return r;
	gpr_write(e, REG_RBP, size, frame);
	stage_write(e, &s, data);
	return 0;
}

int exec_leave(struct likex_emul *e, const struct insn *in)
{
	u64 mask = size_mask(stack_width(e)), v;
	int r;

	e->new.rsp = (e->new.rsp & ~mask) | (e->r[REG_RBP] & mask);
	r = pop(e, &v, in->osize);
	if (r)
		return r;
	gpr_write(e, REG_RBP, in->osize, v);
	return 0;
}
