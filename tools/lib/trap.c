// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How an instruction ends early: with an exception, or with a reason why it is
 * not emulated. Every part of the emulator calls these; they call nothing.
 */
#include "internal.h"

int emul_fault(struct likex_emul *e, unsigned int vector, u32 error)
{
	e->step->fault.vector = vector;
	/* Real mode has no error codes. */
	e->step->fault.has_error = e->sregs->cr0 & X86_CR0_PE;
	e->step->fault.error = error;
	return LIKEX_FAULT;
}

int emul_fault_noerr(struct likex_emul *e, unsigned int vector)
{
	emul_fault(e, vector, 0);
	e->step->fault.has_error = false;
	return LIKEX_FAULT;
}

int emul_unsupported(struct likex_emul *e, enum likex_reason why)
{
	struct likex_step *st = e->step;

	st->why = why;
	if (e->cur) {
		st->insn_len = e->cur->len;
		memcpy(st->insn, e->cur->bytes, e->cur->len);
	}
	return LIKEX_UNSUPPORTED;
}
