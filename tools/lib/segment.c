// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Segments: from selector and offset to linear address.
 *
 * Source: Intel SDM volume 3, chapter "Protection" (limit and type checks).
 */
#include "internal.h"

/* likex_segment.type */
#define TYPE_CODE        8
#define TYPE_EXPAND_DOWN 4	/* data */
#define TYPE_WRITABLE    2	/* data */
#define TYPE_READABLE    2	/* code */

struct likex_segment *segment(struct likex_emul *e, unsigned int seg)
{
	struct likex_sregs *s = e->sregs;
	struct likex_segment *const segs[] = {
		[SEG_ES] = &s->es, [SEG_CS] = &s->cs, [SEG_SS] = &s->ss,
		[SEG_DS] = &s->ds, [SEG_FS] = &s->fs, [SEG_GS] = &s->gs,
	};

	return segs[seg];
}

static int segment_fault(struct likex_emul *e, unsigned int seg)
{
	return emul_fault(e, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
}

static bool type_denies(const struct likex_segment *s, bool write)
{
	if (s->unusable || !s->present)
		return true;
	if (s->type & TYPE_CODE)
		return write || !(s->type & TYPE_READABLE);
	return write && !(s->type & TYPE_WRITABLE);
}

static bool limit_denies(const struct likex_segment *s, u64 off, unsigned int len)
{
	u64 last = off + len - 1;

	if ((s->type & (TYPE_CODE | TYPE_EXPAND_DOWN)) == TYPE_EXPAND_DOWN)
		return off <= s->limit || last > (s->db ? 0xffffffff : 0xffff);
	/* A flat segment has no end: an access wraps round to 0. */
	return s->limit != 0xffffffff && last > s->limit;
}

/*
 * Alignment is checked only for user code, and only where both the system
 * (CR0.AM) and the program (EFLAGS.AC) ask for it. For operands of more than 8
 * bytes it depends on the processor: Intel's do not check them, AMD's do.
 */
static bool misaligned(const struct likex_emul *e, u64 lin, unsigned int len)
{
	if (e->mode.cpl != 3 || !(e->sregs->cr0 & X86_CR0_AM) ||
	    !(e->r[REG_RFLAGS] & X86_EFLAGS_AC))
		return false;
	/* A real of 80 bits counts as one of 64. */
	if (len == 10)
		len = 8;
	return (len <= 8 || e->cfg.vendor == LIKEX_VENDOR_AMD) && (lin & (len - 1));
}

static int linear_64(struct likex_emul *e, unsigned int seg, const struct piece *p,
		     u32 access, u64 *lin)
{
	u64 last;

	*lin = p->off;
	if (seg == SEG_FS || seg == SEG_GS)
		*lin += segment(e, seg)->base;
	if (e->mode.lam)
		*lin = lam_untag(e, *lin);
	last = *lin + p->len - 1;
	if (linear_denied(e, *lin, access))
		return segment_fault(e, seg);
	/* An access over the edge is first of all misaligned on Intel's processors. */
	if (e->cfg.vendor == LIKEX_VENDOR_AMD && !canonical(e, last))
		return segment_fault(e, seg);
	if (misaligned(e, *lin - p->at, p->whole))
		return emul_fault(e, VEC_AC, 0);
	return linear_denied(e, last, access) ? segment_fault(e, seg) : 0;
}

static int linear_legacy(struct likex_emul *e, unsigned int seg, const struct piece *p,
			 u32 access, u64 *lin)
{
	const struct likex_segment *s = segment(e, seg);

	*lin = (u32)(s->base + p->off);
	if (!e->mode.real && type_denies(s, access & PF_W))
		return segment_fault(e, seg);
	if (limit_denies(s, p->off, p->len))
		return segment_fault(e, seg);
	/* In compatibility mode, that is. */
	if (e->mode.lass && lass_denies(e, *lin, access))
		return segment_fault(e, seg);
	if (misaligned(e, *lin - p->at, p->whole))
		return emul_fault(e, VEC_AC, 0);
	return 0;
}

/*
 * segment_linear() - the linear address of @p in @seg, if the segment and the
 * address itself allow @access
 */
int segment_linear(struct likex_emul *e, unsigned int seg, const struct piece *p,
		   u32 access, u64 *lin)
{
	if (mode64(e))
		return linear_64(e, seg, p, access, lin);
	return linear_legacy(e, seg, p, access, lin);
}
