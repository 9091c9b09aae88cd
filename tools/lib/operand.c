// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Operands: registers, immediates, and the one in memory.
 */
#include "internal.h"

/*
 * gpr_write() - stage a general register, as reg_merge()
 */
void gpr_write(struct likex_emul *e, unsigned int reg, unsigned int size, u64 v)
{
	reg_merge(new_reg(e, reg), size, v);
}

int opr_read_other(struct likex_emul *e, const struct insn *in, unsigned int i,
		   u64 *value)
{
	const struct opr *o = &in->opr[i];

	switch (o->type) {
	case OPR_HI8:
		*value = e->r[o->reg] >> 8 & 0xff;
		return 0;
	case OPR_IMM:
		*value = in->imm;
		return 0;
	case OPR_SREG:
		*value = segment(e, o->reg)->selector;
		return 0;
	case OPR_MEM:
		*value = 0;
		return span_read(e, &e->mem, value);
	default:
		return emul_unsupported(e, LIKEX_WHY_INSN);
	}
}

int opr_write_other(struct likex_emul *e, const struct insn *in, unsigned int i,
		    u64 value)
{
	const struct opr *o = &in->opr[i];
	reg64 *to;

	switch (o->type) {
	case OPR_GPR:
		gpr_write(e, o->reg, o->size, value);
		return 0;
	case OPR_HI8:
		to = new_reg(e, o->reg);
		*to = (*to & ~0xff00ull) | (value & 0xff) << 8;
		return 0;
	default:
		return emul_unsupported(e, LIKEX_WHY_INSN);
	}
}

void stage_write(struct likex_emul *e, const struct span *s, const void *data)
{
	e->wr.span = *s;
	e->wr.len = s->len[0] + s->len[1];
	e->wr.pos = 0;
	e->wr.how = STAGED_PLAIN;
	memcpy(e->wr.data, data, e->wr.len);
}
