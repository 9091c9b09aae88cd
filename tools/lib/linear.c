// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Linear addresses of long mode: masking (LAM) and separation (LASS).
 *
 * Source: Intel SDM volume 1, "Linear-Address Masking (LAM)", and volume 3,
 * "Linear-Address Space Separation (LASS)".
 */
#include "internal.h"

/*
 * linear_mode() - take what the control registers say of linear addresses
 */
void linear_mode(struct likex_emul *e)
{
	struct mode *m = &e->mode;

	m->va_bits = m->cr4 & X86_CR4_LA57 ? 57 : 48;
	m->lass = (m->cr4 & X86_CR4_LASS) && (m->efer & EFER_LMA);
	/* The highest bit that counts; the processor's own width for the supervisor. */
	m->lam_user = m->cr3 & CR3_LAM_U57 ? 56 : m->cr3 & CR3_LAM_U48 ? 47 : 0;
	m->lam_super = m->cr4 & X86_CR4_LAM_SUP ? m->va_bits - 1 : 0;
	m->lam = m->lam_user || m->lam_super;
}

/*
 * lam_untag() - an address of 64-bit code's data without its tag
 *
 * Bit 63 tells which half the address is in, and stays: a tag that would move
 * the address there leaves it not canonical.
 */
u64 lam_untag(const struct likex_emul *e, u64 lin)
{
	unsigned int top = lin >> 63 ? e->mode.lam_super : e->mode.lam_user;
	u64 sign = lin & BIT(63);

	if (!top)
		return lin;
	lin = (u64)((s64)(lin << (63 - top)) >> (63 - top));
	return (lin & ~BIT(63)) | sign;
}

/*
 * lass_denies() - return true if an access may not use its half of the address space
 *
 * Bit 63 stands for the supervisor's half. The supervisor's data may be in the
 * other one under the conditions of SMAP.
 */
bool lass_denies(const struct likex_emul *e, u64 lin, u32 access)
{
	bool upper = lin >> 63;

	if (access & PF_U)
		return upper;
	if (access & PF_I)
		return !upper;
	if (!(e->mode.cr4 & X86_CR4_SMAP))
		return false;
	if (!(access & ACC_IMPLICIT) && (e->r[REG_RFLAGS] & X86_EFLAGS_AC))
		return false;
	return !upper;
}
