// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * String instructions. A handler does one iteration; emul.c repeats it while
 * emul->again is set. So a repeated instruction can stop between any two
 * iterations, with registers that say where it stands.
 */
#include "internal.h"

#define REP_NE 0xf2

static u64 index_offset(struct likex_emul *e, const struct insn *in,
			unsigned int reg)
{
	return e->r[reg] & size_mask(in->asize);
}

static void advance(struct likex_emul *e, const struct insn *in, unsigned int reg)
{
	s64 by = in->osize;

	if (e->r[REG_RFLAGS] & X86_EFLAGS_DF)
		by = -by;
	gpr_write(e, reg, in->asize, e->r[reg] + by);
}

static int source(struct likex_emul *e, const struct insn *in, struct span *s)
{
	return mem_resolve(e, s, in->seg, index_offset(e, in, REG_RSI),
			   in->osize, false);
}

static int destination(struct likex_emul *e, const struct insn *in,
		       struct span *s, bool write)
{
	return mem_resolve(e, s, SEG_ES, index_offset(e, in, REG_RDI),
			   in->osize, write);
}

/* For those that only read there. */
static int read_source(struct likex_emul *e, const struct insn *in, u64 *value)
{
	struct span from;
	int r = source(e, in, &from);

	*value = 0;
	return r ? r : span_read(e, &from, value);
}

/* MOVS resolves both sides first: a device is not read for a write that faults. */
static int movs(struct likex_emul *e, const struct insn *in)
{
	struct span from, to;
	u64 v = 0;
	int r;

	r = source(e, in, &from);
	if (!r)
		r = destination(e, in, &to, true);
	if (!r)
		r = span_read(e, &from, &v);
	if (r)
		return r;
	stage_value(e, &to, v);
	advance(e, in, REG_RSI);
	advance(e, in, REG_RDI);
	return 0;
}

/*
 * The manuals leave the order open; Intel's processors look at ES:RDI first,
 * AMD's at the source.
 */
static int cmps(struct likex_emul *e, const struct insn *in)
{
	unsigned int first = e->cfg.vendor != LIKEX_VENDOR_AMD, i;
	struct span s[2];	/* the source, and ES:RDI */
	u64 v[2] = { 0, 0 };
	int r = 0;

	for (i = 0; i < 2 && !r; i++)
		r = i == first ? source(e, in, &s[0]) :
				 destination(e, in, &s[1], false);
	for (i = 0; i < 2 && !r; i++)
		r = span_read(e, &s[i ^ first], &v[i ^ first]);
	if (r)
		return r;
	alu(ALU_CMP, v[0], v[1], in->osize, &e->flags);
	advance(e, in, REG_RSI);
	advance(e, in, REG_RDI);
	return 0;
}

static int stos(struct likex_emul *e, const struct insn *in)
{
	struct span to;
	u64 v = e->r[REG_RAX];
	int r;

	r = destination(e, in, &to, true);
	if (r)
		return r;
	stage_value(e, &to, v);
	advance(e, in, REG_RDI);
	return 0;
}

static int lods(struct likex_emul *e, const struct insn *in)
{
	u64 v;
	int r = read_source(e, in, &v);

	if (r)
		return r;
	gpr_write(e, REG_RAX, in->osize, v);
	advance(e, in, REG_RSI);
	return 0;
}

static int scas(struct likex_emul *e, const struct insn *in)
{
	struct span s;
	u64 v = 0;
	int r;

	r = destination(e, in, &s, false);
	if (!r)
		r = span_read(e, &s, &v);
	if (r)
		return r;
	alu(ALU_CMP, e->r[REG_RAX], v, in->osize, &e->flags);
	advance(e, in, REG_RDI);
	return 0;
}

#define TSS_IO_MAP 0x66		/* offset of the I/O map's offset */

/*
 * Ports are open to privilege levels up to IOPL; for others, and always in
 * virtual-8086 mode, the TSS has a map with a bit for each port.
 */
static int port_check(struct likex_emul *e, u16 port, unsigned int len)
{
	const struct likex_segment *tr = &e->sregs->tr;
	unsigned int iopl = e->r[REG_RFLAGS] >> 12 & 3;
	u16 base, bits;
	u64 at;
	int r;

	if (!e->mode.vm86 && e->mode.cpl <= iopl)
		return 0;
	r = demand(e, LIKEX_STATE_TR);
	if (r)
		return r;
	/* Only a 32- or 64-bit TSS has a map. */
	if (tr->unusable || !tr->present || (tr->type & ~2u) != 9 ||
	    tr->limit < TSS_IO_MAP + 1)
		return emul_fault(e, VEC_GP, 0);
	r = system_read(e, tr->base + TSS_IO_MAP, &base, sizeof(base));
	if (r)
		return r;
	at = base + port / 8;
	/* Two bytes are always read, since the bits may straddle them. */
	if (at + 1 > tr->limit)
		return emul_fault(e, VEC_GP, 0);
	r = system_read(e, tr->base + at, &bits, sizeof(bits));
	if (r)
		return r;
	if (bits >> (port & 7) & (BIT(len) - 1))
		return emul_fault(e, VEC_GP, 0);
	return 0;
}

static int ins(struct likex_emul *e, const struct insn *in)
{
	u16 port = e->r[REG_RDX];
	struct span to;
	u64 v = 0;
	int r;

	r = port_check(e, port, in->osize);
	if (!r)
		r = destination(e, in, &to, true);
	if (!r)
		r = io_read(e, LIKEX_SPACE_PIO, port, in->osize, &v);
	if (r)
		return r;
	stage_value(e, &to, v);
	advance(e, in, REG_RDI);
	return 0;
}

static int outs(struct likex_emul *e, const struct insn *in)
{
	struct span to = { .space = LIKEX_SPACE_PIO, .write = true };
	u64 v;
	int r;

	to.gpa[0] = (u16)e->r[REG_RDX];
	to.len[0] = in->osize;
	r = port_check(e, to.gpa[0], in->osize);
	if (!r)
		r = read_source(e, in, &v);
	if (r)
		return r;
	stage_value(e, &to, v);
	advance(e, in, REG_RSI);
	return 0;
}

/* Return true if a repeated comparison has found what it looks for. */
static bool found(const struct likex_emul *e, const struct insn *in)
{
	if (in->op->sub != STR_CMPS && in->op->sub != STR_SCAS)
		return false;
	return (in->rep == REP_NE) == !!(e->flags & X86_EFLAGS_ZF);
}

/*
 * A count of 0: the port is checked even so. With 32-bit addresses, Intel's
 * processors write back the count, and MOVS and STOS their pointers: the upper
 * halves go.
 */
static int nothing_to_do(struct likex_emul *e, const struct insn *in)
{
	if (in->op->sub == STR_INS || in->op->sub == STR_OUTS) {
		int r = port_check(e, e->r[REG_RDX], in->osize);

		if (r)
			return r;
	}
	if (e->cfg.vendor == LIKEX_VENDOR_AMD)
		return 0;
	gpr_write(e, REG_RCX, in->asize, 0);
	if (in->op->sub != STR_MOVS && in->op->sub != STR_STOS)
		return 0;
	gpr_write(e, REG_RDI, in->asize, e->r[REG_RDI]);
	if (in->op->sub == STR_MOVS)
		gpr_write(e, REG_RSI, in->asize, e->r[REG_RSI]);
	return 0;
}

int exec_string(struct likex_emul *e, const struct insn *in)
{
	static const exec_fn iteration[] = {
		[STR_MOVS] = movs, [STR_CMPS] = cmps, [STR_STOS] = stos,
		[STR_LODS] = lods, [STR_SCAS] = scas, [STR_INS] = ins,
		[STR_OUTS] = outs,
	};
	u64 count = index_offset(e, in, REG_RCX);
	int r;

	if (in->rep && !count)
		return nothing_to_do(e, in);
	r = iteration[in->op->sub](e, in);
	if (r || !in->rep)
		return r;
	gpr_write(e, REG_RCX, in->asize, count - 1);
	if (count > 1 && !found(e, in)) {
		e->again = true;
		/* On Intel's processors, flags change only with the last iteration. */
		if (e->cfg.vendor != LIKEX_VENDOR_AMD)
			e->flags = e->r[REG_RFLAGS];
		e->new.rip = e->r[REG_RIP];
	}
	return 0;
}
