// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One instruction from beginning to end: what the public functions do.
 */
#include "vec_form.h"
#include <errno.h>

static u8 paging_mode(const struct likex_sregs *s)
{
	if (!(s->cr0 & X86_CR0_PG))
		return PAGING_NONE;
	if (s->efer & EFER_LMA)
		return s->cr4 & X86_CR4_LA57 ? PAGING_5L : PAGING_4L;
	return s->cr4 & X86_CR4_PAE ? PAGING_PAE : PAGING_32;
}

/* Rules for linear addresses and pages that are not emulated. */
static bool mode_unsupported(const struct likex_sregs *s)
{
	return (s->efer & EFER_LMA) &&
	       ((s->cr4 & X86_CR4_PKS) || (s->efer & (EFER_LMSLE | EFER_UAIE)));
}

static __attribute__((noinline, cold)) void mode_control(struct likex_emul *e)
{
	const struct likex_sregs *s = e->sregs;
	struct mode *m = &e->mode;

	m->cr0 = s->cr0;
	m->cr3 = s->cr3;
	m->cr4 = s->cr4;
	m->efer = s->efer;
	m->paging = paging_mode(s);
	m->long_mode = s->efer & EFER_LMA;
	m->real = m->vm86 = false;
	linear_mode(e);
	m->plain_control = !m->lam && !m->lass;
	m->rsvd = e->rsvd_phys | (s->efer & EFER_NXE ? 0 : BIT(63));
	m->unsupported = mode_unsupported(s);
	e->code.lin = 1;
}

/* Outside of long mode there is real mode, and virtual-8086 mode. */
static void mode_legacy(struct likex_emul *e)
{
	const struct likex_sregs *s = e->sregs;
	struct mode *m = &e->mode;
	bool protected = s->cr0 & X86_CR0_PE;

	m->vm86 = protected && (e->r[REG_RFLAGS] & X86_EFLAGS_VM);
	m->real = m->vm86 || !protected;
	/* SS.DPL is the privilege level, but where there are no levels. */
	if (m->real)
		m->cpl = m->vm86 ? 3 : 0;
}

static inline void mode_init(struct likex_emul *e)
{
	const struct likex_sregs *s = e->sregs;
	struct mode *m = &e->mode;

	if ((m->cr3 ^ s->cr3) | (m->cr0 ^ s->cr0) | (m->cr4 ^ s->cr4) |
	    (m->efer ^ s->efer))
		mode_control(e);
	m->cpl = s->ss.dpl & 3;
	if (m->long_mode && s->cs.l) {
		m->bits = 64;
		m->plain = m->plain_control && !(e->r[REG_RFLAGS] & X86_EFLAGS_AC);
	} else {
		m->bits = s->cs.db ? 32 : 16;
		m->plain = false;
		if (!m->long_mode)
			mode_legacy(e);
	}
	/* PF_U at level 3, else 0 */
	m->user = (m->cpl + 1) & PF_U;
}

/* An access that no instruction can finish. */
static bool trap_refused(const struct likex_trap *t)
{
	return (t->flags & (LIKEX_TRAP_EVENT | LIKEX_TRAP_PAGE_WALK)) ||
	       t->kind == LIKEX_TRAP_FETCH;
}

static enum likex_reason trap_reason(const struct likex_trap *t)
{
	if (t->flags & LIKEX_TRAP_EVENT)
		return LIKEX_WHY_EVENT;
	return t->flags & LIKEX_TRAP_PAGE_WALK ? LIKEX_WHY_PAGE_TABLE :
						 LIKEX_WHY_FETCH;
}

/* The device wants its transaction handed out. */
static __attribute__((noinline, cold)) int hand_out(struct likex_emul *e)
{
	e->hand_out = false;
	e->io = e->step->io;
	return LIKEX_IO;
}

/* One transaction, of at most 8 bytes from @pos of the data on. */
static inline int device_write(struct likex_emul *e, u64 addr, unsigned int pos,
			       unsigned int len)
{
	struct likex_io *io = &e->step->io;
	int r = 1;

	io->addr = addr;
	memcpy(io->data, e->wr.data + pos, sizeof(io->data));
	io->len = len;
	io->write = true;
	io->space = e->wr.span.space;
	if (e->ops->io && !e->hand_out)
		r = e->ops->io(e->ctx, io);
	e->ios++;
	return r > 0 ? hand_out(e) : r;
}

/* A device's part of the write, as much as one transaction has, from @pos on. */
static int commit_device(struct likex_emul *e, u64 addr, unsigned int len)
{
	struct staged *w = &e->wr;
	int r;

	if (len > 8)
		len = 8;
	r = device_write(e, addr, w->pos, len);
	if (!r)
		w->pos += len;
	return r;
}

/* A page's part into memory, unless that is gone; it is the device's then. */
static bool commit_host(struct likex_emul *e, unsigned int i, unsigned int from)
{
	struct staged *w = &e->wr;
	u8 *host = span_host(e, &w->span, i);

	w->span.host[i] = host;
	if (!host)
		return false;
	host_copy(host, w->data + from, w->span.len[i]);
	written(e, w->span.gpa[i], w->span.len[i]);
	return true;
}

/* The part on one page, which begins at @from of the data. */
static int commit_page(struct likex_emul *e, unsigned int i, unsigned int from)
{
	struct staged *w = &e->wr;
	unsigned int end = from + w->span.len[i];
	int r = 0;

	if (w->span.host[i] && w->pos < end && commit_host(e, i, from))
		w->pos = end;
	while (w->pos < end && !r)
		r = commit_device(e, w->span.gpa[i] + w->pos - from, end - w->pos);
	return r;
}

static int commit_plain(struct likex_emul *e)
{
	struct span *s = &e->wr.span;
	int r;

	r = commit_page(e, 0, 0);
	if (!r && s->len[1])
		r = commit_page(e, 1, s->len[0]);
	return r;
}

/* Locked in memory: all at once, or from the beginning. */
static int commit_locked(struct likex_emul *e)
{
	struct staged *w = &e->wr;

	if (w->span.len[1] && w->span.host[1] != w->span.host[0] + w->span.len[0])
		return emul_unsupported(e, LIKEX_WHY_LOCK);
	if (!host_cmpxchg(w->span.host[0], w->len, w->old, w->data))
		return EMUL_RETRY;
	written(e, w->span.gpa[0], w->span.len[0]);
	if (w->span.len[1])
		written(e, w->span.gpa[1], w->span.len[1]);
	return 0;
}

/* How far the bytes from @pos on are alike: all written, or none. */
static unsigned int run_end(const struct staged *w)
{
	bool on = w->enable >> w->pos & 1;
	unsigned int end = w->pos + 1;

	while (end < w->len && (w->enable >> end & 1) == on)
		end++;
	return end;
}

/* Of a masked store, what lies from @pos on in one page and is written at once. */
static int commit_run(struct likex_emul *e, unsigned int end)
{
	struct staged *w = &e->wr;
	unsigned int i = w->pos >= w->span.len[0], from = i ? w->span.len[0] : 0;
	unsigned int at = w->pos - from, len = end - w->pos;
	u8 *host = span_host(e, &w->span, i);

	if (len > w->span.len[i] - at)
		len = w->span.len[i] - at;
	if (!host)
		return commit_device(e, w->span.gpa[i] + at, len);
	host_copy(host + at, w->data + w->pos, len);
	written(e, w->span.gpa[i] + at, len);
	w->pos += len;
	return 0;
}

static int commit_masked(struct likex_emul *e)
{
	struct staged *w = &e->wr;
	unsigned int end;
	int r = 0;

	while (w->pos < w->len && !r) {
		end = run_end(w);
		if (w->enable >> w->pos & 1)
			r = commit_run(e, end);
		else
			w->pos = end;
	}
	return r;
}

static __attribute__((noinline)) int commit_special(struct likex_emul *e)
{
	const struct span *s = &e->wr.span;

	if (e->wr.how == STAGED_MASKED)
		return commit_masked(e);
	/* A device has no atomic access: it sees a read, then a write. */
	if (s->host[0] && (!s->len[1] || s->host[1]))
		return commit_locked(e);
	return commit_plain(e);
}

static int commit_memory(struct likex_emul *e)
{
	return e->wr.how == STAGED_PLAIN ? commit_plain(e) : commit_special(e);
}

/*
 * After a wait user space may have changed registers: only those that the
 * instruction changes are written.
 */
static void commit_merge(struct likex_emul *e)
{
	const reg64 *old = (const reg64 *)&e->old, *new = (const reg64 *)&e->new;
	reg64 *to = (reg64 *)e->step->regs;
	unsigned int i;

	for (i = 0; i < REG_COUNT; i++)
		if (new[i] != old[i])
			to[i] = new[i];
}

static void commit_registers(struct likex_emul *e, bool waited)
{
	/* RF stays for what is left of a repeated instruction. */
	e->new.rflags = e->again ? e->flags | X86_EFLAGS_RF : e->flags & ~X86_EFLAGS_RF;
	if (waited)
		commit_merge(e);
	else
		*e->step->regs = e->new;
	if (e->new_seg_nr != REG_NONE) {
		*segment(e, e->new_seg_nr) = e->new_seg;
		e->events |= LIKEX_EVENT_SREGS;
		e->changed_seg |= LIKEX_STATE_ES << e->new_seg_nr;
		if (e->new_seg_nr == SEG_SS)
			e->events |= LIKEX_EVENT_MOV_SS;
	}
}

/* It may fail; what loads a vector register writes no memory. */
static __attribute__((noinline)) int commit_fpu(struct likex_emul *e)
{
	int r = 0;

	if (e->events & EVENT_X87)
		r = x87_commit(e);
	if (!r && e->ops->fpu_put)
		r = e->ops->fpu_put(e->ctx);
	return r;
}

/* Commit vector state and registers, after memory. */
static __attribute__((noinline)) int commit_rest(struct likex_emul *e, bool waited)
{
	int r;

	if (e->events & (LIKEX_EVENT_FPU | EVENT_X87)) {
		r = commit_fpu(e);
		if (r)
			return r;
	}
	commit_registers(e, waited);
	e->log_len = 0;
	return 0;
}

/* Make real what an instruction has staged that goes on after a transaction. */
static int commit_waited(struct likex_emul *e)
{
	int r = commit_memory(e);

	if (r == LIKEX_IO)
		e->phase = PHASE_WRITE;
	return r ? r : commit_rest(e, true);
}

/* Wait for the only transaction of an instruction that writes no general register. */
static inline int commit_last(struct likex_emul *e)
{
	e->phase = PHASE_LAST;
	e->old.rflags = e->r[REG_RFLAGS];
	return LIKEX_IO;
}

/* That transaction is carried out. Flags are as in commit_merge(). */
static inline int finish_last(struct likex_emul *e)
{
	struct likex_regs *to = e->step->regs;
	u64 flags = e->flags & ~X86_EFLAGS_RF;

	e->phase = PHASE_IDLE;
	e->log_len = 0;
	to->rip = e->new.rip;
	if (flags != e->old.rflags)
		to->rflags = flags;
	return LIKEX_DONE;
}

/* Keep the registers as they are now, and as they are to be, until the wait is over. */
static __attribute__((noinline)) int commit_waits(struct likex_emul *e)
{
	u64 rip = e->new.rip;

	e->phase = PHASE_WRITE;
	e->old = *e->step->regs;
	if (e->no_gpr) {
		e->new = e->old;
		e->new.rip = rip;
	}
	return LIKEX_IO;
}

/* The same for one that has not waited. */
static inline int commit(struct likex_emul *e)
{
	struct likex_regs *to = e->step->regs;
	const struct span *s = &e->wr.span;
	int r = 0;

	/* The usual case: one transaction. */
	if (e->no_gpr && e->wr.len && !s->host[0] && !s->len[1]) {
		r = device_write(e, s->gpa[0], 0, e->wr.len);
		if (r)
			return r == LIKEX_IO ? commit_last(e) : r;
	} else if (e->wr.len) {
		r = commit_memory(e);
		if (r)
			return r == LIKEX_IO ? commit_waits(e) : r;
	}
	if (!e->no_gpr)
		return commit_rest(e, false);
	to->rip = e->new.rip;
	to->rflags = e->flags & ~X86_EFLAGS_RF;
	e->log_len = 0;
	return 0;
}

/* A vector's alignment comes before what #AC and the page tables say. */
static int check_alignment(struct likex_emul *e, const struct insn *in)
{
	u64 lin = ea_offset(e, in);

	if (in->seg == SEG_FS || in->seg == SEG_GS || !mode64(e))
		lin += segment(e, in->seg)->base;
	return lin & (in->msize - 1) ? emul_fault(e, VEC_GP, 0) : 0;
}

static __attribute__((noinline)) int resolve(struct likex_emul *e,
					     const struct insn *in)
{
	return mem_resolve(e, &e->mem, in->seg, ea_offset(e, in), in->msize,
			   in->access & PF_W);
}

/* The usual case, in a few instructions: on the page that trapped. */
static inline int resolve_plain(struct likex_emul *e, const struct insn *in)
{
	u64 lin = ea_offset(e, in);

	if (!plain_address(e, lin, in->msize) ||
	    !trapped_page(e, lin, in->access, &e->mem.gpa[0]))
		return resolve(e, in);
	span_one(&e->mem, in->msize, in->access & PF_W);
	return 0;
}

static __attribute__((noinline)) int prepare(struct likex_emul *e,
					     const struct insn *in)
{
	int r = 0;

	if (in->op->flags & (OP_VEC | OP_X87))
		r = vector_check(e, in);
	/* A masked operand is the handler's to resolve. */
	if (r || in->mem == REG_NONE || (in->op->flags & OP_SELF) || in->evex)
		return r;
	if (in->op->flags & OP_ALIGN)
		r = check_alignment(e, in);
	return r ? r : resolve(e, in);
}

/* One instruction, or one iteration of a repeated one. */
static inline int execute(struct likex_emul *e, const struct insn *in)
{
	u64 rip = e->r[REG_RIP] + in->len;
	int r = 0;

	e->no_gpr = in->no_gpr;
	if (!in->no_gpr)
		e->new = *e->step->regs;
	e->flags = e->r[REG_RFLAGS];
	e->new.rip = mode64(e) ? rip : (u32)rip;
	e->wr.len = 0;
	e->log_pos = 0;
	e->again = false;
	e->new_seg_nr = REG_NONE;
	if (in->prep == PREP_PLAIN)
		r = resolve_plain(e, in);
	else if (in->prep)
		r = prepare(e, in);
	if (r)
		return r;
	r = in->op->exec(e, in);
	return r ? r : commit(e);
}

/* Return true if the processor would now look for traps and interrupts. */
static bool repeat_pauses(struct likex_emul *e)
{
	return ++e->rep_done >= e->cfg.rep_budget ||
	       (e->begin_flags & X86_EFLAGS_TF) || e->step->pause;
}

static int run(struct likex_emul *e)
{
	const struct insn *in;
	int r;

	r = decode(e);
	if (r)
		return r;
	in = e->cur;
	if (e->demands) {
		r = demand(e, in->uses);
		if (r)
			return r;
	}
	for (;;) {
		r = execute(e, in);
		if (r == EMUL_RETRY)
			continue;
		if (r)
			return r;
		if (!e->again)
			return LIKEX_DONE;
		if (repeat_pauses(e))
			return LIKEX_MORE;
		r = repeat(e, in, e->cfg.rep_budget - e->rep_done);
		if (r)
			return r;
		/* A value in the log has yet to be used. */
		if ((e->rep_done >= e->cfg.rep_budget || e->step->pause) && !e->log_len)
			return LIKEX_MORE;
	}
}

/*
 * Continue after LIKEX_IO, whose transaction the caller has carried out. On its
 * own, so that a step without it has fewer registers to save.
 */
static __attribute__((noinline)) int resume(struct likex_emul *e)
{
	bool write = e->phase == PHASE_WRITE;
	int r;

	e->phase = PHASE_IDLE;
	if (!write) {
		memcpy(e->io.data, e->step->io.data, sizeof(e->io.data));
		e->log[e->log_len++] = e->io;
		return run(e);
	}
	e->wr.pos += e->io.len;
	r = commit_waited(e);
	if (r)
		return r;
	if (!e->again)
		return LIKEX_DONE;
	return repeat_pauses(e) ? LIKEX_MORE : run(e);
}

static inline void bind(struct likex_emul *e, struct likex_step *step)
{
	e->step = step;
	e->r = (const reg64 *)step->regs;
	e->sregs = step->sregs;
	e->cur = NULL;
	step->events = 0;
	step->why = LIKEX_WHY_NONE;
	step->insn_len = 0;
}

static inline int begin(struct likex_emul *e)
{
	const struct likex_trap *t;

	/* The trap is of the instruction that is dropped. */
	if (e->phase != PHASE_IDLE)
		e->step->trap = NULL;
	t = e->step->trap;
	e->phase = PHASE_IDLE;
	e->log_len = 0;
	e->rep_done = 0;
	e->events = 0;
	e->hand_out = false;
	e->begin_flags = e->r[REG_RFLAGS];
	if (t && trap_refused(t))
		return emul_unsupported(e, trap_reason(t));
	if (e->mode.unsupported)
		return emul_unsupported(e, LIKEX_WHY_MODE);
	return run(e);
}

/* Turn a refusal into #UD for the guest, if the configuration says so. */
static int refused(struct likex_emul *e)
{
	u8 why = e->step->why, how = e->cfg.refuse;

	/* No instruction's fault: the guest cannot be told of it. */
	if (why == LIKEX_WHY_EVENT || why == LIKEX_WHY_PAGE_TABLE)
		return LIKEX_UNSUPPORTED;
	if (how == LIKEX_REFUSE_EXIT || (how == LIKEX_REFUSE_USER_UD && !e->mode.cpl))
		return LIKEX_UNSUPPORTED;
	return emul_fault_noerr(e, VEC_UD);
}

/* The instruction is over, with this result. */
static inline int over(struct likex_emul *e, int r)
{
	struct likex_step *step = e->step;

	step->trap = NULL;
	if (r == LIKEX_DONE || r == LIKEX_MORE) {
		step->events = e->events;
		/* A load of SS holds the trap back for one instruction. */
		if ((e->begin_flags & X86_EFLAGS_TF) && !(e->events & LIKEX_EVENT_MOV_SS))
			step->events |= LIKEX_EVENT_SINGLE_STEP;
	}
	return r;
}

/* The instruction is over, unless it has to wait for a transaction. */
static inline int over_or_waits(struct likex_emul *e, int r)
{
	if (r == LIKEX_IO) {
		e->pend_rip = e->step->regs->rip;
		return r;
	}
	if (r == LIKEX_UNSUPPORTED)
		r = refused(e);
	return over(e, r);
}

/* Go on with an instruction, on its own like resume(). */
static __attribute__((noinline)) int step_waited(struct likex_emul *e)
{
	if (e->phase == PHASE_LAST)
		return over(e, finish_last(e));
	mode_init(e);
	return over_or_waits(e, resume(e));
}

/* A step whose registers are there, as far as they have been asked for. */
static int step_bound(struct likex_emul *e)
{
	if (e->phase != PHASE_IDLE && e->pend_rip == e->step->regs->rip)
		return step_waited(e);
	mode_init(e);
	return over_or_waits(e, begin(e));
}

static __attribute__((noinline)) int step_on_demand(struct likex_emul *e)
{
	int r = demand_begin(e);

	if (r)
		return r;
	r = step_bound(e);
	demand_end(e);
	return r;
}

int likex_emul_step(struct likex_emul *e, struct likex_step *step)
{
	if (step->size < sizeof(*step))
		return -EINVAL;
	bind(e, step);
	return e->demands ? step_on_demand(e) : step_bound(e);
}

void likex_emul_cancel(struct likex_emul *e)
{
	e->phase = PHASE_IDLE;
	e->log_len = 0;
	e->rep_done = 0;
}

bool likex_emul_pending(const struct likex_emul *e)
{
	return e->phase != PHASE_IDLE;
}

int likex_emul_translate(struct likex_emul *e, struct likex_step *step,
			 uint64_t lin, uint32_t access, uint64_t *gpa)
{
	int r = 0;

	if (step->size < sizeof(*step))
		return -EINVAL;
	bind(e, step);
	if (e->demands)
		r = demand_begin(e);
	if (r)
		return r;
	mode_init(e);
	if (e->mode.unsupported)
		return emul_unsupported(e, LIKEX_WHY_MODE);
	access &= PF_W | PF_U | PF_I;
	if (e->mode.paging >= PAGING_4L ? linear_denied(e, lin, access) : lin >> 32)
		return emul_fault(e, VEC_GP, 0);
	return walk(e, lin, access, gpa);
}
