// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Loads of segment registers: selectors and descriptors.
 *
 * Source: Intel SDM volume 3, chapter "Protected-Mode Memory Management".
 */
#include "internal.h"

/* likex_segment.type */
#define TYPE_CODE        8
#define TYPE_CONFORMING  4	/* code */
#define TYPE_WRITABLE    2	/* data */
#define TYPE_READABLE    2	/* code */
#define TYPE_ACCESSED    1

static struct likex_segment parse_descriptor(u64 d, u16 sel)
{
	struct likex_segment s = {
		.base = (d >> 16 & 0xffffff) | (d >> 56 & 0xff) << 24,
		.limit = (d & 0xffff) | (d >> 48 & 0xf) << 16,
		.selector = sel,
		.type = d >> 40 & 15,
		.s = d >> 44 & 1,
		.dpl = d >> 45 & 3,
		.present = d >> 47 & 1,
		.avl = d >> 52 & 1,
		.l = d >> 53 & 1,
		.db = d >> 54 & 1,
		.g = d >> 55 & 1,
	};

	if (s.g)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

static int load_null(struct likex_emul *e, unsigned int seg, u16 sel)
{
	/* Only 64-bit kernel code may have no stack segment. */
	if (seg == SEG_SS &&
	    (!mode64(e) || e->mode.cpl == 3 || (sel & 3) != e->mode.cpl))
		return emul_fault(e, VEC_GP, 0);
	e->new_seg = (struct likex_segment){
		.selector = sel, .unusable = 1, .dpl = e->mode.cpl,
	};
	/* SS.DPL is where the privilege level is kept. */
	if (seg == SEG_SS)
		e->new_seg.db = 1;
	e->new_seg_nr = seg;
	return 0;
}

static bool load_allowed(const struct likex_emul *e, const struct likex_segment *s,
			 unsigned int seg)
{
	unsigned int rpl = s->selector & 3, cpl = e->mode.cpl;

	if (!s->s)
		return false;
	if (seg == SEG_SS)
		return rpl == cpl && s->dpl == cpl &&
		       (s->type & (TYPE_CODE | TYPE_WRITABLE)) == TYPE_WRITABLE;
	if (!(s->type & TYPE_CODE))
		return s->dpl >= rpl && s->dpl >= cpl;
	if (!(s->type & TYPE_READABLE))
		return false;
	return (s->type & TYPE_CONFORMING) || (s->dpl >= rpl && s->dpl >= cpl);
}

/* Find the descriptor of @sel, if its table is long enough. */
static bool descriptor_lin(const struct likex_emul *e, u16 sel, u64 *lin)
{
	const struct likex_sregs *s = e->sregs;
	u64 base = s->gdt.base;
	u32 limit = s->gdt.limit;

	if (sel & 4) {
		if (s->ldt.unusable)
			return false;
		base = s->ldt.base;
		limit = s->ldt.limit;
	}
	*lin = base + (sel & ~7u);
	if (!(s->efer & EFER_LMA))
		*lin = (u32)*lin;
	return (sel | 7u) <= limit;
}

static int set_accessed(struct likex_emul *e, u64 lin, u64 desc)
{
	u8 old = desc >> 40, new = old | TYPE_ACCESSED;
	struct span s;
	int r;

	r = span_init(e, &s, lin + 5, 1, PF_W | ACC_IMPLICIT);
	if (r)
		return r;
	/* As with page tables, read-only memory cannot be marked. */
	if (!s.host[0] && e->ops->map(e->ctx, s.gpa[0], false))
		return 0;
	if (!s.host[0])
		return emul_unsupported(e, LIKEX_WHY_INSN);
	if (!host_cmpxchg(s.host[0], 1, &old, &new))
		return EMUL_RETRY;
	written(e, s.gpa[0], 1);
	return 0;
}

static int load_descriptor(struct likex_emul *e, unsigned int seg, u16 sel)
{
	u16 error = sel & ~3u;
	u64 desc, lin;
	int r;

	r = demand(e, LIKEX_STATE_GDT | LIKEX_STATE_LDT);
	if (r)
		return r;
	if (!descriptor_lin(e, sel, &lin))
		return emul_fault(e, VEC_GP, error);
	r = system_read(e, lin, &desc, sizeof(desc));
	if (r)
		return r;
	e->new_seg = parse_descriptor(desc, sel);
	if (!load_allowed(e, &e->new_seg, seg))
		return emul_fault(e, VEC_GP, error);
	if (!e->new_seg.present)
		return emul_fault(e, seg == SEG_SS ? VEC_SS : VEC_NP, error);
	if (!(e->new_seg.type & TYPE_ACCESSED)) {
		r = set_accessed(e, lin, desc);
		if (r)
			return r;
		e->new_seg.type |= TYPE_ACCESSED;
	}
	e->new_seg_nr = seg;
	return 0;
}

/*
 * segment_load() - stage a load of @seg with @sel, as MOV and POP do it
 */
int segment_load(struct likex_emul *e, unsigned int seg, u16 sel)
{
	if (seg == SEG_CS)
		return emul_fault_noerr(e, VEC_UD);
	if (e->mode.real) {
		/* Limit and attributes stay what they were. */
		e->new_seg = *segment(e, seg);
		e->new_seg.selector = sel;
		e->new_seg.base = (u32)sel << 4;
		e->new_seg_nr = seg;
		return 0;
	}
	if (!(sel & ~3u))
		return load_null(e, seg, sel);
	return load_descriptor(e, seg, sel);
}
