// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Segments: from selector and offset to linear address.
 *
 * Source: Intel SDM volume 3, chapters "Protection" (limit and type checks)
 * and "Protected-Mode Memory Management" (descriptors).
 */
#include "internal.h"

/* kvm_segment.type */
#define TYPE_CODE        8
#define TYPE_EXPAND_DOWN 4	/* data */
#define TYPE_CONFORMING  4	/* code */
#define TYPE_WRITABLE    2	/* data */
#define TYPE_READABLE    2	/* code */
#define TYPE_ACCESSED    1

struct kvm_segment *segment(struct likex_emul *e, unsigned int seg)
{
	struct kvm_sregs *s = e->sregs;
	struct kvm_segment *const segs[] = {
		[SEG_ES] = &s->es, [SEG_CS] = &s->cs, [SEG_SS] = &s->ss,
		[SEG_DS] = &s->ds, [SEG_FS] = &s->fs, [SEG_GS] = &s->gs,
	};

	return segs[seg];
}

static int segment_fault(struct likex_emul *e, unsigned int seg)
{
	return emul_fault(e, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
}

static bool type_denies(const struct kvm_segment *s, bool write)
{
	if (s->unusable || !s->present)
		return true;
	if (s->type & TYPE_CODE)
		return write || !(s->type & TYPE_READABLE);
	return write && !(s->type & TYPE_WRITABLE);
}

static bool limit_denies(const struct kvm_segment *s, u64 off, unsigned int len)
{
	u64 last = off + len - 1;

	if ((s->type & (TYPE_CODE | TYPE_EXPAND_DOWN)) == TYPE_EXPAND_DOWN)
		return off <= s->limit || last > (s->db ? 0xffffffff : 0xffff);
	/* A flat segment has no end: an access wraps round to 0. */
	return s->limit != 0xffffffff && last > s->limit;
}

/*
 * Alignment is checked only for user code, and only where both the system
 * (CR0.AM) and the program (EFLAGS.AC) ask for it. Whether it is for operands
 * of more than 8 bytes is left to the processor: Intel's do not, AMD's do.
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
	const struct kvm_segment *s = segment(e, seg);

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

static int resolve_piece(struct likex_emul *e, struct span *s, unsigned int seg,
			 const struct piece *p, bool write)
{
	u32 access = (write ? PF_W : 0) | (e->mode.cpl == 3 ? PF_U : 0);
	u64 lin;
	int r;

	if (mode64(e))
		r = linear_64(e, seg, p, access, &lin);
	else
		r = linear_legacy(e, seg, p, access, &lin);
	if (r)
		return r;
	return span_init(e, s, lin, p->len, access);
}

/*
 * mem_resolve() - everything that comes before an access: segment, alignment,
 * page tables
 */
int mem_resolve(struct likex_emul *e, struct span *s, unsigned int seg, u64 off,
		unsigned int len, bool write)
{
	const struct piece p = { .off = off, .len = len, .whole = len };

	return resolve_piece(e, s, seg, &p, write);
}

/*
 * mem_resolve_part() - as mem_resolve(), for what is at @at of an operand of
 * @whole bytes, whose alignment is the one that counts
 */
int mem_resolve_part(struct likex_emul *e, struct span *s, unsigned int seg, u64 off,
		     unsigned int at, unsigned int len, unsigned int whole, bool write)
{
	const struct piece p = { .off = off, .len = len, .at = at, .whole = whole };

	return resolve_piece(e, s, seg, &p, write);
}

static struct kvm_segment parse_descriptor(u64 d, u16 sel)
{
	struct kvm_segment s = {
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
	e->new_seg = (struct kvm_segment){
		.selector = sel, .unusable = 1, .dpl = e->mode.cpl,
	};
	/* SS.DPL is where the privilege level is kept. */
	if (seg == SEG_SS)
		e->new_seg.db = 1;
	e->new_seg_nr = seg;
	return 0;
}

static bool load_allowed(const struct likex_emul *e, const struct kvm_segment *s,
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

/* Where the descriptor of @sel is, if its table is long enough. */
static bool descriptor_lin(const struct likex_emul *e, u16 sel, u64 *lin)
{
	const struct kvm_sregs *s = e->sregs;
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
	return host_cmpxchg(s.host[0], 1, &old, &new) ? 0 : EMUL_RETRY;
}

static int load_descriptor(struct likex_emul *e, unsigned int seg, u16 sel)
{
	u16 error = sel & ~3u;
	u64 desc, lin;
	int r;

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
