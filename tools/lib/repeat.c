// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Many iterations of a repeated string instruction at once: those of STOS, MOVS,
 * INS and OUTS that stay on one page, of memory and of a device each. They
 * change no flags and can no longer fault once the first of them could not.
 *
 * emul.c does the first and the last iteration, and each special one (over the end
 * of a page, at a limit). So nothing fails here: an iteration that cannot be done
 * with others is left, and is done singly.
 */
#include "internal.h"

/* One side of the copy: where its first element is, and how far the next one. */
struct side {
	u8 *host;		/* NULL: a device's */
	u64 gpa;		/* or port */
	s64 stride;
	u8 kind;		/* enum kind */
};

enum kind { MEMORY, PORT, VALUE };

struct run {
	struct side from, to;
	u64 value;		/* of all elements, for STOS */
	unsigned int size;
	u64 count;		/* how many can be done at most */
	u64 done;
	u64 generation;
};

static bool backwards(const struct likex_emul *e)
{
	return e->r[REG_RFLAGS] & X86_EFLAGS_DF;
}

/* How many elements there are from @at up to the end of @size bytes, or down to 0. */
static u64 room(const struct likex_emul *e, const struct run *run, u64 at, u64 size)
{
	if (backwards(e))
		return at / run->size + 1;
	return (size - at) / run->size;
}

static void limit(struct run *run, u64 count)
{
	if (run->count > count)
		run->count = count;
}

/*
 * The elements at @seg:@reg, as far as they are on one page and the index does
 * not wrap. Returns false if the first one is not to be had that simply.
 */
static bool memory_side(struct likex_emul *e, const struct insn *in, struct run *run,
			struct side *side, unsigned int seg, unsigned int reg, bool write)
{
	u64 index = e->r[reg] & in->amask, lin, last;
	struct piece first = { .off = index, .len = run->size, .whole = run->size }, end = first;
	u32 access = (write ? PF_W : 0) | e->mode.user;
	struct span s;

	if (mem_resolve(e, &s, seg, index, run->size, write) || s.len[1])
		return false;
	limit(run, room(e, run, s.gpa[0] & PAGE_MASK, PAGE_SIZE));
	/* For 64-bit indexes, pages are the narrower limit. */
	if (in->asize < 8)
		limit(run, room(e, run, index, in->amask + 1));
	side->stride = backwards(e) ? -(s64)run->size : (s64)run->size;
	end.off += side->stride * (run->count - 1);
	if (!run->count || segment_linear(e, seg, &first, access, &lin) ||
	    segment_linear(e, seg, &end, access, &last))
		return false;
	side->host = s.host[0];
	side->gpa = s.gpa[0];
	/* A read of memory that is mapped for reading only stays one. */
	return last - lin == end.off - index;
}

static void port_side(struct likex_emul *e, struct side *side)
{
	side->gpa = (u16)e->r[REG_RDX];
	side->kind = PORT;
}

static bool sides(struct likex_emul *e, const struct insn *in, struct run *run)
{
	switch (in->op->sub) {
	case STR_STOS:
		run->value = e->r[REG_RAX] & size_mask(run->size);
		run->from.host = (u8 *)&run->value;
		run->from.kind = VALUE;
		return memory_side(e, in, run, &run->to, SEG_ES, REG_RDI, true);
	case STR_MOVS:
		return memory_side(e, in, run, &run->from, in->seg, REG_RSI, false) &&
		       memory_side(e, in, run, &run->to, SEG_ES, REG_RDI, true);
	case STR_INS:
		port_side(e, &run->from);
		return memory_side(e, in, run, &run->to, SEG_ES, REG_RDI, true);
	case STR_OUTS:
		port_side(e, &run->to);
		return memory_side(e, in, run, &run->from, in->seg, REG_RSI, false);
	default:
		return false;
	}
}

static bool still_there(const struct likex_emul *e, const struct side *side, s64 done,
			bool write)
{
	if (side->kind != MEMORY)
		return true;
	return e->ops->map(e->ctx, side->gpa + side->stride * done, write) ==
	       (side->host ? side->host + side->stride * done : NULL);
}

/* To memory, each element in one access, in order. */
static void copy(struct run *run)
{
	u8 *to = run->to.host, *from = run->from.host;

	for (; run->done < run->count; run->done++) {
		host_copy_one(to, from, run->size);
		to += run->to.stride;
		from += run->from.stride;
	}
}

/* As many as the device takes at once. */
static int bulk(struct likex_emul *e, struct run *run, const struct side *device,
		bool write)
{
	const struct side *memory = write ? &run->from : &run->to;
	struct likex_bulk b = {
		.addr = device->gpa, .stride = device->stride,
		.data = memory->host, .data_stride = memory->stride,
		.count = run->count, .size = run->size, .write = write,
		.space = device->kind == PORT ? LIKEX_SPACE_PIO : LIKEX_SPACE_MMIO,
	};
	int r;

	if (!e->ops->bulk || run->count < 2)
		return 0;
	r = e->ops->bulk(e->ctx, &b);
	if (r > 0) {
		e->ios++;
		run->done = r;
		limit(run, run->done);
	}
	return r < 0 ? r : 0;
}

/*
 * Without a generation, ask for the addresses anew: the device that has just been
 * accessed may have changed the guest's memory.
 */
static bool memory_changed(const struct likex_emul *e, const struct run *run)
{
	return !still_there(e, &run->from, run->done, false) ||
	       !still_there(e, &run->to, run->done, true);
}

static inline bool run_changed(const struct likex_emul *e, const struct run *run,
			       const volatile u64 *generation)
{
	return generation ? *generation != run->generation : memory_changed(e, run);
}

static struct likex_io first_io(const struct run *run, const struct side *device, bool write)
{
	return (struct likex_io){
		.addr = device->gpa, .len = run->size, .write = write,
		.space = device->kind == PORT ? LIKEX_SPACE_PIO : LIKEX_SPACE_MMIO,
	};
}

/* One by one, until the device wants one handed out or memory changes. */
static int write_device(struct likex_emul *e, struct run *run)
{
	int (*call)(void *ctx, struct likex_io *io) = e->ops->io;
	const volatile u64 *generation = e->ops->generation;
	struct likex_io io = first_io(run, &run->to, true);
	const u64 count = run->count, next = run->to.stride;
	const u8 *from = run->from.host;
	void *ctx = e->ctx;
	u64 done = 0;
	int r = 0;

	while (done < count) {
		host_copy_one(io.data, from, io.len);
		r = call(ctx, &io);
		if (r)
			break;
		run->done = ++done;
		if (run_changed(e, run, generation) || e->step->pause)
			break;
		io.addr += next;
		from += run->from.stride;
	}
	e->ios++;
	return r;
}

/*
 * The same for reads. A value whose place in memory is no longer what it was is
 * left in the log: the next single iteration finds it there, and places it.
 */
static int read_device(struct likex_emul *e, struct run *run)
{
	struct likex_io io = first_io(run, &run->from, false);
	u8 *to = run->to.host;
	int r = 0;

	while (run->done < run->count && !e->step->pause) {
		r = e->ops->io(e->ctx, &io);
		if (r)
			break;
		if (run_changed(e, run, e->ops->generation)) {
			e->log[0] = io;
			e->log_len = 1;
			break;
		}
		host_copy_one(to, io.data, run->size);
		run->done++;
		io.addr += run->from.stride;
		to += run->to.stride;
	}
	e->ios++;
	return r;
}

static int perform(struct likex_emul *e, struct run *run)
{
	bool write = run->from.host;
	const struct side *device = write ? &run->to : &run->from;
	int r;

	if (write && run->to.host) {
		copy(run);
		return 0;
	}
	/* From one device to another, or all to be handed out. */
	if ((!write && !run->to.host) || !e->ops->io)
		return 0;
	r = bulk(e, run, device, write);
	if (!r && !run->done)
		r = write ? write_device(e, run) : read_device(e, run);
	/* The device wants the next one handed out. */
	e->hand_out = r > 0;
	return r < 0 ? r : 0;
}

/* Report the bytes written, all on one page, from the lowest address on. */
static void tell(struct likex_emul *e, const struct run *run)
{
	u64 gpa = run->to.gpa, len = run->done * run->size;

	if (!run->done || !run->to.host || run->to.kind != MEMORY)
		return;
	if (run->to.stride < 0)
		gpa -= len - run->size;
	written(e, gpa, len);
}

/* The registers after @n iterations. */
static void advance(struct likex_emul *e, const struct insn *in, u64 n)
{
	reg64 *regs = (reg64 *)e->step->regs;
	u64 by = backwards(e) ? -(n * in->osize) : n * in->osize;

	reg_merge(&regs[REG_RCX], in->asize, e->r[REG_RCX] - n);
	if (in->op->sub != STR_OUTS)
		reg_merge(&regs[REG_RDI], in->asize, e->r[REG_RDI] + by);
	if (in->op->sub == STR_MOVS || in->op->sub == STR_OUTS)
		reg_merge(&regs[REG_RSI], in->asize, e->r[REG_RSI] + by);
}

/*
 * repeat() - after an iteration: do as many as can be done at once, except the
 * last one of all
 * @most: how many may be done
 *
 * Returns 0, or an errno of a callback.
 */
int repeat(struct likex_emul *e, const struct insn *in, u32 most)
{
	struct run run = { .size = in->osize };
	int r;

	run.count = (e->r[REG_RCX] & in->amask) - 1;
	limit(&run, most);
	if (e->ops->generation)
		run.generation = *e->ops->generation;
	if (!run.count)
		return 0;
	if (!sides(e, in, &run)) {
		/* The next single iteration meets the same, and reports it. */
		e->step->why = LIKEX_WHY_NONE;
		e->step->insn_len = 0;
		return 0;
	}
	r = perform(e, &run);
	tell(e, &run);
	advance(e, in, run.done);
	e->rep_done += run.done;
	return r;
}
