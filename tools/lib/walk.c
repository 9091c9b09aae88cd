// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The guest's page tables: linear to guest-physical address.
 *
 * Source: Intel SDM volume 3, chapter "Paging", for formats, reserved bits,
 * access rights, accessed and dirty flags, and the page-fault error code.
 */
#include "internal.h"
#include <errno.h>

#define PTE_P  BIT(0)
#define PTE_W  BIT(1)
#define PTE_U  BIT(2)
#define PTE_A  BIT(5)
#define PTE_D  BIT(6)
#define PTE_PS BIT(7)
#define PTE_NX BIT(63)

#define ADDR_52 0x000ffffffffff000ull

/* The formats differ in a few numbers only. */
struct format {
	u8 levels;
	u8 entry;		/* bytes of an entry */
	u8 index_bits;
	u64 cr3_addr;
};

static const struct format formats[] = {
	[PAGING_32]  = { 2, 4, 10, 0xfffff000 },
	[PAGING_PAE] = { 3, 8,  9, 0xffffffe0 },
	[PAGING_4L]  = { 4, 8,  9, ADDR_52 },
	[PAGING_5L]  = { 5, 8,  9, ADDR_52 },
};

/* One walk on its way down. */
struct walk {
	const struct format *fmt;
	u64 lin;
	u32 access;
	unsigned int level;	/* of @pte; 1 is the last */
	u64 gpa;		/* address of @pte; ~0 for a PDPTE register */
	u64 pte;
	u64 rights;		/* W and U of all levels, NX of any */
};

static int page_fault(struct likex_emul *e, const struct walk *w, u32 error)
{
	u64 cr4 = e->sregs->cr4;

	error |= w->access & (PF_W | PF_U);
	/* The fetch bit is reported only where fetches can be forbidden. */
	if ((w->access & PF_I) &&
	    ((cr4 & X86_CR4_SMEP) ||
	     ((cr4 & X86_CR4_PAE) && (e->sregs->efer & EFER_NXE))))
		error |= PF_I;
	e->step->fault.cr2 = w->lin;
	return emul_fault(e, VEC_PF, error);
}

static int read_pdpte(struct likex_emul *e, struct walk *w, unsigned int index)
{
	u64 pdptrs[4];
	int r = e->ops->pdptrs(e->ctx, pdptrs);

	if (r)
		return r;
	w->pte = pdptrs[index];
	w->gpa = ~0ull;
	return 0;
}

static int read_entry(struct likex_emul *e, struct walk *w, u64 table)
{
	unsigned int shift = 12 + w->fmt->index_bits * (w->level - 1);
	u64 index = (w->lin >> shift) & (BIT(w->fmt->index_bits) - 1);
	const void *host;

	if (e->mode.paging == PAGING_PAE && w->level == 3) {
		index &= 3;
		if (e->ops->pdptrs)
			return read_pdpte(e, w, index);
	}
	w->gpa = table + index * w->fmt->entry;
	host = e->ops->map(e->ctx, w->gpa, false);
	if (!host)
		return emul_unsupported(e, LIKEX_WHY_PAGE_TABLE);
	w->pte = 0;
	host_copy(&w->pte, host, w->fmt->entry);
	return 0;
}

/* A large page's address bits that have to be zero, below @size. */
static u64 large_rsvd(unsigned int from, unsigned int to)
{
	return (BIT(to) - 1) & ~(BIT(from) - 1);
}

static u64 reserved_bits_32(const struct likex_emul *e, const struct walk *w,
			    bool leaf)
{
	unsigned int phys = e->cfg.maxphyaddr < 40 ? e->cfg.maxphyaddr : 40;

	/* PSE-36: bits 20:13 of a 4M page are address bits 39:32. */
	if (leaf && w->level == 2)
		return large_rsvd(phys - 19, 22);
	return 0;
}

static u64 reserved_bits(const struct likex_emul *e, const struct walk *w,
			 bool leaf)
{
	u64 rsvd = e->rsvd_phys;

	if (e->mode.paging == PAGING_32)
		return reserved_bits_32(e, w, leaf);
	if (e->mode.paging == PAGING_PAE) {
		/* No ignored bits above the address, but for XD in bit 63. */
		rsvd |= large_rsvd(52, 63);
		if (w->level == 3)
			return rsvd | PTE_NX | large_rsvd(5, 9) | large_rsvd(1, 3);
	}
	if (!(e->sregs->efer & EFER_NXE))
		rsvd |= PTE_NX;
	if (w->level == 3 && !(e->cfg.features & LIKEX_FEATURE_1G_PAGES))
		return rsvd | PTE_PS;
	if (w->level >= 4)
		return rsvd | PTE_PS;
	if (leaf && w->level > 1)
		rsvd |= large_rsvd(13, 12 + 9 * (w->level - 1));
	return rsvd;
}

static bool is_leaf(const struct likex_emul *e, const struct walk *w)
{
	if (w->level == 1)
		return true;
	if (!(w->pte & PTE_PS) || w->level > 3)
		return false;
	switch (e->mode.paging) {
	case PAGING_32:
		return e->sregs->cr4 & X86_CR4_PSE;
	case PAGING_PAE:
		return w->level == 2;
	default:
		return true;
	}
}

/*
 * Set A or D as the processor does: atomically, and only if the entry is
 * still what the walk was based on.
 */
static int set_flags(struct likex_emul *e, const struct walk *w, u64 flags)
{
	u64 new = w->pte | flags;
	void *host;

	if (new == w->pte)
		return 0;
	host = e->ops->map(e->ctx, w->gpa, true);
	/* Tables in read-only memory work; nothing is marked there. */
	if (!host)
		return 0;
	if (!host_cmpxchg(host, w->fmt->entry, &w->pte, &new))
		return EMUL_RETRY;
	written(e, w->gpa, w->fmt->entry);
	return 0;
}

/* Protection keys apply to data accesses to user pages in long mode. */
static int key_denies(struct likex_emul *e, const struct walk *w, bool *denied)
{
	unsigned int key = (w->pte >> 59) & 15;
	u32 pkru;
	int r;

	*denied = false;
	if (!(e->sregs->cr4 & X86_CR4_PKE) || e->mode.paging < PAGING_4L ||
	    (w->access & PF_I) || !(w->rights & PTE_U))
		return 0;
	r = e->ops->pkru ? e->ops->pkru(e->ctx, &pkru) : -EOPNOTSUPP;
	if (r == -EOPNOTSUPP)
		return emul_unsupported(e, LIKEX_WHY_STATE);
	if (r)
		return r;
	pkru >>= key * 2;
	if (pkru & 1)
		*denied = true;
	else if ((pkru & 2) && (w->access & PF_W))
		*denied = (w->access & PF_U) || (e->sregs->cr0 & X86_CR0_WP);
	return 0;
}

static bool fetch_denied(const struct likex_emul *e, u32 access, u64 rights)
{
	bool user_page = rights & PTE_U;

	if (rights & PTE_NX)
		return true;
	if (access & PF_U)
		return !user_page;
	return user_page && (e->sregs->cr4 & X86_CR4_SMEP);
}

static bool data_denied(const struct likex_emul *e, u32 access, u64 rights)
{
	bool read_only = (access & PF_W) && !(rights & PTE_W);
	bool user_page = rights & PTE_U;

	if (access & PF_U)
		return !user_page || read_only;
	if (user_page && (e->sregs->cr4 & X86_CR4_SMAP) &&
	    ((access & ACC_IMPLICIT) || !(e->r[REG_RFLAGS] & X86_EFLAGS_AC)))
		return true;
	return read_only && (e->sregs->cr0 & X86_CR0_WP);
}

static int check_rights(struct likex_emul *e, const struct walk *w)
{
	bool key, denied;
	int r;

	r = key_denies(e, w, &key);
	if (r)
		return r;
	denied = w->access & PF_I ? fetch_denied(e, w->access, w->rights) :
				    data_denied(e, w->access, w->rights);
	if (denied || key)
		return page_fault(e, w, PF_P | (key ? PF_PK : 0));
	return 0;
}

/* W and U must be set at each level, NX at any one; a PDPTE of PAE has none. */
static void add_rights(const struct likex_emul *e, struct walk *w)
{
	if (e->mode.paging == PAGING_PAE && w->level == 3)
		return;
	w->rights &= w->pte | ~(PTE_W | PTE_U);
	w->rights |= w->pte & PTE_NX;
}

static u64 leaf_gpa(const struct likex_emul *e, const struct walk *w)
{
	unsigned int shift = 12 + w->fmt->index_bits * (w->level - 1);
	u64 offset = w->lin & (BIT(shift) - 1);

	if (e->mode.paging == PAGING_32 && w->level == 2)
		return (w->pte & 0xffc00000) | ((w->pte >> 13 & 0xff) << 32) | offset;
	return (w->pte & ADDR_52 & ~(BIT(shift) - 1)) | offset;
}

static int finish(struct likex_emul *e, struct walk *w, u64 *gpa)
{
	int r = check_rights(e, w);

	if (!r && !(w->access & ACC_CHECK))
		r = set_flags(e, w, PTE_A | (w->access & PF_W ? PTE_D : 0));
	*gpa = leaf_gpa(e, w);
	return r;
}

static int walk_once(struct likex_emul *e, struct walk *w, u64 *gpa)
{
	u64 table = e->sregs->cr3 & w->fmt->cr3_addr;
	bool leaf;
	int r;

	w->rights = PTE_W | PTE_U;
	for (w->level = w->fmt->levels; ; w->level--) {
		r = read_entry(e, w, table);
		if (r)
			return r;
		if (!(w->pte & PTE_P))
			return page_fault(e, w, 0);
		leaf = is_leaf(e, w);
		if (w->pte & reserved_bits(e, w, leaf))
			return page_fault(e, w, PF_P | PF_RSVD);
		add_rights(e, w);
		if (leaf)
			return finish(e, w, gpa);
		if (e->mode.paging != PAGING_PAE || w->level != 3) {
			r = set_flags(e, w, PTE_A);
			if (r)
				return r;
		}
		table = w->pte & ADDR_52;
	}
}

static int walk_full(struct likex_emul *e, u64 lin, u32 access, u64 *gpa)
{
	struct walk w = {
		.fmt = &formats[e->mode.paging], .lin = lin, .access = access,
	};
	int r;

	/* Entries are of another format, or do not stay what they are. */
	e->trail.levels = 0;
	/* Another vCPU may change an entry while we set a flag in it. */
	do {
		r = walk_once(e, &w, gpa);
	} while (r == EMUL_RETRY);
	return r;
}

/*
 * The usual walk, in a few instructions a level: long mode, 4K page, nothing
 * reserved, every flag set already. Anything else is left to walk_once(),
 * which starts again.
 */
static bool walk_usual(struct likex_emul *e, u64 lin, u32 access, u64 *gpa)
{
	static const u64 none;
	u64 table = e->sregs->cr3 & ADDR_52, all = ~0ull, any = 0, pte;
	unsigned int shift = e->mode.va_bits - 9, n = 0;
	const volatile u64 *host;

	for (;; shift -= 9) {
		host = e->ops->map(e->ctx, table | (lin >> shift & 511) << 3, false);
		if (!host)
			return false;
		pte = *host;
		if ((pte & (PTE_P | PTE_A | PTE_PS)) != (PTE_P | PTE_A))
			return false;
		e->trail.step[n].at = host;
		e->trail.step[n++].entry = pte;
		all &= pte;
		any |= pte;
		table = pte & ADDR_52;
		if (shift == 12)
			break;
	}
	e->trail.levels = n;
	if (n < LEVELS_MAX)
		e->trail.step[n] = (struct trail_step){ .at = &none };
	if ((access & PF_W) && !(pte & PTE_D))
		return false;
	if (any & e->mode.rsvd)
		return false;
	*gpa = table | (lin & PAGE_MASK);
	all = (all & (PTE_W | PTE_U)) | (any & PTE_NX);
	if (access & PF_I)
		return !fetch_denied(e, access, all);
	/* Protection keys are for data in user pages. */
	if ((all & PTE_U) && (e->sregs->cr4 & X86_CR4_PKE))
		return false;
	return !data_denied(e, access, all);
}

/*
 * walk() - translate @lin for @access (PF_W, PF_U, PF_I, ACC_*)
 *
 * Sets accessed and dirty flags. The upper levels' accessed flags are set on
 * the way down, so a walk that faults further below leaves them set, as the
 * processor does.
 */
int walk(struct likex_emul *e, u64 lin, u32 access, u64 *gpa)
{
	e->trail.levels = 0;
	if (e->mode.paging == PAGING_NONE) {
		*gpa = lin;
		return 0;
	}
	if (e->mode.paging >= PAGING_4L && walk_usual(e, lin, access, gpa))
		return 0;
	return walk_full(e, lin, access, gpa);
}
