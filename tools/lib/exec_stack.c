// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PUSH and POP, near CALL, JMP and RET.
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
	if (e->sregs->cr4 & CR4_CET)
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
