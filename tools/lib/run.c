// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Running a vCPU: the kernel's raw exits in, KVM's exits out.
 *
 * Registers are worked on where they are: in the run area, if the kernel
 * keeps them there, else in a copy that ioctls fill and write back. Changes are
 * noted in vcpu->dirty, and go to the kernel with the next run.
 *
 * A kernel may not have all ioctls yet. State without one (-ENOTTY) is missed
 * only by an instruction that needs it.
 */
#include <asm/processor-flags.h>
#include <cpuid.h>
#include <errno.h>
#include <likex/vcpu.h>
#include <linux/likex.h>
#include <stdlib.h>
#include <string.h>

#include "sized.h"

#define SYNC_ALL (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

#define VECTOR_DB 1
#define VECTOR_UD 6
#define VECTOR_PF 14
#define DR6_BS (1ull << 14)

/* The registers of a local APIC in xAPIC mode, where each guest leaves them. */
#define APIC_PAGE 0xfee00000ull
#define APIC_SIZE 0x1000ull

#define XSAVE_BV 512
#define XFEATURE_PKRU 9

/*
 * Offset of the value of an INS or OUTS: in the exit's own part of the run area,
 * after the members that describe it, so that one mapped page is enough.
 */
#define PIO_DATA (offsetof(struct kvm_run, padding) + 128)

_Static_assert(offsetof(struct kvm_run, padding) + 256 <= 4096,
	       "exit data is within the first page");
_Static_assert(sizeof(struct likex_exit_mmio) <= 256, "fits the exit data");

/* The library's registers are KVM's: one is used as the other. */
#define SAME(ours, member, kvms) \
	_Static_assert(offsetof(struct ours, member) == offsetof(struct kvms, member), \
		       "layout of " #ours)

SAME(likex_regs, rflags, kvm_regs);
SAME(likex_regs, rsp, kvm_regs);
SAME(likex_segment, limit, kvm_segment);
SAME(likex_segment, selector, kvm_segment);
SAME(likex_segment, dpl, kvm_segment);
SAME(likex_segment, unusable, kvm_segment);
SAME(likex_dtable, limit, kvm_dtable);
SAME(likex_sregs, ss, kvm_sregs);
SAME(likex_sregs, ldt, kvm_sregs);
SAME(likex_sregs, idt, kvm_sregs);
SAME(likex_sregs, cr4, kvm_sregs);
SAME(likex_sregs, interrupt_bitmap, kvm_sregs);
_Static_assert(sizeof(struct likex_regs) == sizeof(struct kvm_regs), "size of registers");
_Static_assert(sizeof(struct likex_segment) == sizeof(struct kvm_segment), "size of a segment");
_Static_assert(sizeof(struct likex_sregs) == sizeof(struct kvm_sregs), "size of registers");

struct likex_vcpu {
	struct likex_vcpu_config cfg;
	struct likex_vcpu_ops ops;
	struct likex_emul *emul;
	uint8_t refuse;			/* enum likex_refuse */
	struct likex_step step;
	struct likex_trap trap;
	struct likex_vcpu_error error;

	uint64_t synced;		/* KVM_SYNC_X86_*: the kernel keeps them in the run area */
	struct kvm_sync_regs copy;	/* of the others */
	struct kvm_regs *regs;		/* in either place */
	struct kvm_sregs *sregs;
	struct kvm_vcpu_events *events;
	struct kvm_regs had;		/* the kernel's values of @regs until the next run */
	uint64_t dirty;			/* KVM_SYNC_X86_*: of these three */
	bool no_events;			/* the kernel gives and takes none */
	bool drop_ud;			/* KVM's #UD for what is emulated here */
	bool stale;			/* user space has set registers by ioctl */
	uint64_t pend_rip;		/* of the instruction that waits */

	bool fpu_valid;			/* @xsave and @xcrs are the vCPU's */
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
};

static int call(struct likex_vcpu *v, unsigned long cmd, void *arg)
{
	int r = v->ops.ioctl(v->cfg.handle, cmd, arg);

	return r < 0 ? r : 0;
}

/* The emulator's callbacks. */

static void *emul_map(void *ctx, uint64_t gpa, bool write)
{
	struct likex_vcpu *v = ctx;

	return v->cfg.map(v->cfg.ctx, gpa, write);
}

static void emul_dirty(void *ctx, uint64_t gpa, uint32_t len)
{
	struct likex_vcpu *v = ctx;

	v->cfg.dirty(v->cfg.ctx, gpa, len);
}

static int emul_io(void *ctx, struct likex_io *io)
{
	struct likex_vcpu *v = ctx;

	return v->cfg.io(v->cfg.ctx, io);
}

static int emul_bulk(void *ctx, const struct likex_bulk *bulk)
{
	struct likex_vcpu *v = ctx;

	return v->cfg.bulk(v->cfg.ctx, bulk);
}

static int fpu_fetch(struct likex_vcpu *v)
{
	int r;

	if (v->fpu_valid)
		return 0;
	r = call(v, KVM_GET_XSAVE, &v->xsave);
	if (!r)
		r = call(v, KVM_GET_XCRS, &v->xcrs);
	v->fpu_valid = !r;
	/* -EINVAL: the state is larger than a struct kvm_xsave, as with AMX. */
	return r == -ENOTTY || r == -EINVAL ? -EOPNOTSUPP : r;
}

static int emul_fpu_get(void *ctx, struct likex_fpu *fpu)
{
	struct likex_vcpu *v = ctx;
	unsigned int i;
	int r;

	r = fpu_fetch(v);
	if (r)
		return r;
	fpu->xsave = &v->xsave;
	fpu->xcr0 = 1;
	for (i = 0; i < v->xcrs.nr_xcrs && i < KVM_MAX_XCRS; i++)
		if (v->xcrs.xcrs[i].xcr == 0)
			fpu->xcr0 = v->xcrs.xcrs[i].value;
	return 0;
}

static int emul_fpu_put(void *ctx)
{
	struct likex_vcpu *v = ctx;

	return call(v, KVM_SET_XSAVE, &v->xsave);
}

static int emul_pkru(void *ctx, uint32_t *pkru)
{
	struct likex_vcpu *v = ctx;
	const char *area = (const char *)&v->xsave;
	unsigned int a, at, c, d;
	uint64_t bv;
	int r;

	r = fpu_fetch(v);
	if (r)
		return r;
	*pkru = 0;
	memcpy(&bv, area + XSAVE_BV, sizeof(bv));
	if (!(bv >> XFEATURE_PKRU & 1))
		return 0;
	if (!__get_cpuid_count(0xd, XFEATURE_PKRU, &a, &at, &c, &d) ||
	    at + sizeof(*pkru) > sizeof(v->xsave))
		return -EOPNOTSUPP;
	memcpy(pkru, area + at, sizeof(*pkru));
	return 0;
}

/* The vCPU's registers, from the kernel and back. */

static int fetch(struct likex_vcpu *v, uint64_t part, unsigned long cmd, void *to)
{
	/* Values that a program has put there itself are newer than the kernel's. */
	if ((v->synced & part) && (!v->stale || (v->cfg.run->kvm_dirty_regs & part)))
		return 0;
	return call(v, cmd, to);
}

static int events_fetch(struct likex_vcpu *v)
{
	int r;

	if (v->no_events)
		return 0;
	r = fetch(v, KVM_SYNC_X86_EVENTS, KVM_GET_VCPU_EVENTS, v->events);
	v->no_events = r == -ENOTTY;
	return v->no_events ? 0 : r;
}

/*
 * While an access is pending, the kernel's registers are those with which the
 * instruction began: what a repeated one has done since is in @regs alone. So
 * only what user space has changed is taken. A new RIP means all of it.
 */
static void regs_merge(struct likex_vcpu *v, const struct kvm_regs *now)
{
	const __u64 *had = (const __u64 *)&v->had, *from = (const __u64 *)now;
	__u64 *to = (__u64 *)v->regs;
	unsigned int i;

	for (i = 0; i < sizeof(*now) / sizeof(*from); i++)
		if (from[i] != had[i] || now->rip != v->had.rip)
			to[i] = from[i];
	v->had = *now;
}

static int regs_fetch(struct likex_vcpu *v)
{
	struct kvm_regs now;
	int r;

	if (v->stale) {
		r = call(v, KVM_GET_REGS, &now);
		if (!r)
			regs_merge(v, &now);
		return r;
	}
	r = fetch(v, KVM_SYNC_X86_REGS, KVM_GET_REGS, v->regs);
	v->had = *v->regs;
	return r;
}

static int state_fetch(struct likex_vcpu *v)
{
	int r;

	r = regs_fetch(v);
	if (!r)
		r = fetch(v, KVM_SYNC_X86_SREGS, KVM_GET_SREGS, v->sregs);
	if (!r)
		r = events_fetch(v);
	if (!r)
		v->stale = false;
	return r;
}

static int state_flush_ioctl(struct likex_vcpu *v)
{
	int r = 0;

	if (v->dirty & KVM_SYNC_X86_REGS)
		r = call(v, KVM_SET_REGS, v->regs);
	if (!r && (v->dirty & KVM_SYNC_X86_SREGS))
		r = call(v, KVM_SET_SREGS, v->sregs);
	/* Last: setting registers drops a pending exception. */
	if (!r && (v->dirty & KVM_SYNC_X86_EVENTS))
		r = call(v, KVM_SET_VCPU_EVENTS, v->events);
	return r;
}

static int state_flush(struct likex_vcpu *v)
{
	int r = 0;

	if (v->dirty & ~v->synced)
		r = state_flush_ioctl(v);
	else if (v->dirty)
		v->cfg.run->kvm_dirty_regs |= v->dirty;
	if (!r)
		v->dirty = 0;
	return r;
}

/*
 * Before events are changed, the kernel's are asked for anew: the program may
 * have queued an interrupt since the exit. And of the structure only what is
 * meant is to be taken: an NMI may come in yet.
 */
static int events_change(struct likex_vcpu *v)
{
	struct kvm_vcpu_events *ev = v->events;
	int r;

	if (v->dirty & KVM_SYNC_X86_EVENTS)
		return 0;
	if (v->cfg.run->kvm_dirty_regs & v->synced & KVM_SYNC_X86_EVENTS) {
		/* The program's own, with what it means. */
		ev->flags |= KVM_VCPUEVENT_VALID_SHADOW;
	} else {
		r = call(v, KVM_GET_VCPU_EVENTS, ev);
		if (r)
			return r;
		ev->flags = KVM_VCPUEVENT_VALID_SHADOW;
	}
	v->dirty |= KVM_SYNC_X86_EVENTS;
	return 0;
}

static int inject(struct likex_vcpu *v, uint8_t vector, bool has_error,
		  uint32_t error)
{
	struct kvm_vcpu_events *ev = v->events;
	int r = events_change(v);

	if (r)
		return r;
	ev->exception.injected = 1;
	ev->exception.pending = 0;
	ev->exception.nr = vector;
	ev->exception.has_error_code = has_error;
	ev->exception.error_code = error;
	return 0;
}

static int inject_step(struct likex_vcpu *v)
{
	struct kvm_debugregs dr;
	int r;

	r = call(v, KVM_GET_DEBUGREGS, &dr);
	if (r)
		return r;
	dr.dr6 |= DR6_BS;
	r = call(v, KVM_SET_DEBUGREGS, &dr);
	return r ? r : inject(v, VECTOR_DB, false, 0);
}

/* The interrupt shadow after the instruction, and KVM's #UD for it. */
static int retire_events(struct likex_vcpu *v, uint8_t shadow)
{
	struct kvm_vcpu_events *ev = v->events;
	int r;

	/* Without events, a shadow that began or ended cannot be told. */
	if (v->no_events || (!v->drop_ud && ev->interrupt.shadow == shadow))
		return 0;
	r = events_change(v);
	if (r)
		return r;
	/* Unless the program has put another exception in its place. */
	if (v->drop_ud && ev->exception.nr == VECTOR_UD)
		ev->exception.injected = ev->exception.pending = 0;
	v->drop_ud = false;
	ev->interrupt.shadow = shadow;
	return 0;
}

/* Note the effects of a finished instruction besides its own results. */
static int retire(struct likex_vcpu *v)
{
	uint32_t done = v->step.events;
	int r;

	v->dirty |= KVM_SYNC_X86_REGS;
	if (done & LIKEX_EVENT_SREGS)
		v->dirty |= KVM_SYNC_X86_SREGS;
	r = retire_events(v, done & LIKEX_EVENT_MOV_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0);
	if (!r && (done & LIKEX_EVENT_SINGLE_STEP))
		r = inject_step(v);
	return r;
}

/* Exits to the caller: the functions return 1, or this for an access to APIC_PAGE. */
#define EXIT_APIC 2

static int exit_mmio(struct kvm_run *run, const struct likex_io *io)
{
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = io->addr;
	memcpy(run->mmio.data, io->data, sizeof(run->mmio.data));
	run->mmio.len = io->len;
	run->mmio.is_write = io->write;
	return (io->addr & -APIC_SIZE) == APIC_PAGE ? EXIT_APIC : 1;
}

static int exit_pio(struct kvm_run *run, const struct likex_io *io)
{
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = io->write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.size = io->len;
	run->io.port = io->addr;
	run->io.count = 1;
	run->io.data_offset = PIO_DATA;
	memcpy((char *)run + PIO_DATA, io->data, io->len);
	return 1;
}

static int exit_io(struct likex_vcpu *v)
{
	const struct likex_io *io = &v->step.io;

	v->pend_rip = v->regs->rip;
	if (io->space == LIKEX_SPACE_PIO)
		return exit_pio(v->cfg.run, io);
	return exit_mmio(v->cfg.run, io);
}

/* The value that the caller has put into the run area. */
static void take_value(struct likex_vcpu *v)
{
	struct likex_io *io = &v->step.io;

	if (io->write)
		return;
	if (io->space == LIKEX_SPACE_PIO)
		memcpy(io->data, (char *)v->cfg.run + PIO_DATA, io->len);
	else
		memcpy(io->data, v->cfg.run->mmio.data, sizeof(io->data));
}

static void note_refusal(struct likex_vcpu *v)
{
	const struct likex_step *st = &v->step;

	v->error.why = st->why;
	v->error.rip = v->regs->rip;
	v->error.insn_len = st->insn_len;
	memcpy(v->error.insn, st->insn, sizeof(v->error.insn));
}

static int exit_unsupported(struct likex_vcpu *v)
{
	struct kvm_run *run = v->cfg.run;
	const struct likex_step *st = &v->step;
	int r;

	/* A repeated instruction may have got some way: the caller is to see it. */
	r = call(v, KVM_SET_REGS, v->regs);
	if (r)
		return r;
	note_refusal(v);
	memset(run->padding, 0, sizeof(run->padding));
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	/* In units of 64 bits: the flags, then the size and the bytes. */
	run->emulation_failure.ndata = 1;
	if (!st->insn_len)
		return 1;
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags =
		KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = st->insn_len;
	memcpy(run->emulation_failure.insn_bytes, st->insn, st->insn_len);
	return 1;
}

static int deliver_fault(struct likex_vcpu *v)
{
	const struct likex_fault *f = &v->step.fault;

	if (v->no_events) {
		if (!v->step.why)
			v->step.why = LIKEX_WHY_STATE;
		return exit_unsupported(v);
	}
	/* A #UD that stands for a refusal. */
	if (v->step.why)
		note_refusal(v);
	if (f->vector == VECTOR_PF) {
		v->sregs->cr2 = f->cr2;
		v->dirty |= KVM_SYNC_X86_SREGS;
	}
	/* The instructions retired before it, if any, have changed registers. */
	v->dirty |= KVM_SYNC_X86_REGS;
	return inject(v, f->vector, f->has_error, f->error);
}

/* After a callback's error, a repeated instruction's iterations before it stay done. */
static __attribute__((noinline, cold)) int emulate_failed(struct likex_vcpu *v, int error)
{
	call(v, KVM_SET_REGS, v->regs);
	return error;
}

/*
 * Execute, or go on with, the instruction. Returns 1 or EXIT_APIC for an exit to
 * the caller, 0 to run on, or a negative errno.
 */
static int emulate(struct likex_vcpu *v)
{
	int r;

	v->step.pause = v->cfg.run->immediate_exit;
	r = likex_emul_step(v->emul, &v->step);
	switch (r) {
	case LIKEX_DONE:
	case LIKEX_MORE:
		/* The processor itself goes on with what is left of a REP. */
		return retire(v);
	case LIKEX_IO:
		return exit_io(v);
	case LIKEX_FAULT:
		return deliver_fault(v);
	case LIKEX_UNSUPPORTED:
		return exit_unsupported(v);
	default:
		return emulate_failed(v, r);
	}
}

static unsigned int privilege(const struct likex_vcpu *v)
{
	if (!(v->sregs->cr0 & X86_CR0_PE))
		return 0;
	return v->regs->rflags & X86_EFLAGS_VM ? 3 : v->sregs->ss.dpl & 3;
}

/* Single-step whose trap cannot be delivered: refused, as the emulator refuses. */
static int refuse_step(struct likex_vcpu *v)
{
	v->step.why = LIKEX_WHY_STATE;
	v->step.insn_len = 0;
	if (v->no_events || v->refuse == LIKEX_REFUSE_EXIT ||
	    (v->refuse == LIKEX_REFUSE_USER_UD && !privilege(v)))
		return exit_unsupported(v);
	v->step.fault = (struct likex_fault){ .vector = VECTOR_UD };
	return deliver_fault(v);
}

/*
 * Execute the instruction that trapped; returns as emulate(). Single-step is
 * refused beforehand if its trap could not be delivered: once the device has
 * seen the access, it would be too late.
 */
static int emulate_trapped(struct likex_vcpu *v)
{
	struct kvm_debugregs dr;
	int r = 0;

	if (v->regs->rflags & X86_EFLAGS_TF)
		r = v->no_events ? -ENOTTY : call(v, KVM_GET_DEBUGREGS, &dr);
	if (r == -ENOTTY)
		return refuse_step(v);
	return r ? r : emulate(v);
}

static bool trap_likex(struct likex_vcpu *v)
{
	struct likex_exit_mmio exit;

	memcpy(&exit, v->cfg.run->padding, sizeof(exit));
	v->trap.gpa = exit.gpa;
	v->trap.gva = exit.gva;
	v->trap.kind = exit.access;
	if (exit.flags & LIKEX_MMIO_GVA_VALID)
		v->trap.flags |= LIKEX_TRAP_GVA;
	if (exit.flags & LIKEX_MMIO_PAGE_WALK)
		v->trap.flags |= LIKEX_TRAP_PAGE_WALK;
	if (exit.flags & LIKEX_MMIO_EVENT)
		v->trap.flags |= LIKEX_TRAP_EVENT;
	return true;
}

static bool trap_kvm(struct likex_vcpu *v)
{
	const struct kvm_run *run = v->cfg.run;
	unsigned int len;

	if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION)
		return false;
	if (run->emulation_failure.ndata >= 3 &&
	    (run->emulation_failure.flags &
	     KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
		len = run->emulation_failure.insn_size;
		if (len > LIKEX_INSN_MAX)
			len = LIKEX_INSN_MAX;
		memcpy(v->trap.insn, run->emulation_failure.insn_bytes, len);
		v->trap.insn_len = len;
	}
	return true;
}

/*
 * With KVM_CAP_EXIT_ON_EMULATION_FAILURE off, KVM has also queued a #UD for the
 * instruction that it could not emulate. If the instruction is emulated here,
 * the #UD has to go.
 */
static bool ud_queued(const struct likex_vcpu *v)
{
	const struct kvm_vcpu_events *ev = v->events;

	return v->cfg.run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
	       ev->exception.nr == VECTOR_UD &&
	       (ev->exception.injected || ev->exception.pending);
}

/* Return true if the exit asks for an instruction to be decoded. */
static bool trap_exit(struct likex_vcpu *v)
{
	memset(&v->trap, 0, sizeof(v->trap));
	switch (v->cfg.run->exit_reason) {
	case LIKEX_EXIT_MMIO:
		return trap_likex(v);
	case KVM_EXIT_INTERNAL_ERROR:
		return trap_kvm(v);
	default:
		return false;
	}
}

static int run_kernel(struct likex_vcpu *v)
{
	int r;

	r = state_flush(v);
	if (r)
		return r;
	v->cfg.run->kvm_valid_regs |= v->synced;
	v->fpu_valid = false;
	r = v->ops.run(v->cfg.handle);
	return r < 0 ? r : 0;
}

static int run_once(struct likex_vcpu *v)
{
	int r;

	r = run_kernel(v);
	if (r)
		return r;
	if (!trap_exit(v))
		return 1;
	/* The values in the run area are of this exit. */
	v->stale = false;
	r = state_fetch(v);
	if (r)
		return r;
	v->drop_ud = ud_queued(v);
	v->step.trap = &v->trap;
	return emulate_trapped(v);
}

/* Go on with the instruction that waits; returns as emulate(). */
static int complete(struct likex_vcpu *v)
{
	int r = v->stale ? state_fetch(v) : 0;

	if (r)
		return r;
	if (v->regs->rip != v->pend_rip) {
		/* RIP has been changed: the processor can go on from there. */
		likex_emul_cancel(v->emul);
		return 0;
	}
	take_value(v);
	return emulate(v);
}

/*
 * Carry out the access that waits, to the page of a local APIC that LiKeX has in the kernel:
 * the caller has no part in it. Without such an APIC the caller knows what is there. Return
 * true if the guest can go on.
 */
static __attribute__((noinline, cold)) bool apic_access(struct likex_vcpu *v)
{
	struct kvm_run *run = v->cfg.run;
	struct likex_lapic_access access = {
		.offset = run->mmio.phys_addr & (APIC_SIZE - 1),
		.flags = run->mmio.is_write ? LIKEX_LAPIC_WRITE : 0,
	};

	memcpy(&access.value, run->mmio.data, sizeof(access.value));
	if (call(v, LIKEX_LAPIC_ACCESS, &access))
		return false;
	if (access.flags & LIKEX_LAPIC_EOI) {
		run->exit_reason = KVM_EXIT_IOAPIC_EOI;
		run->eoi.vector = access.vector;
		return false;
	}
	memcpy(run->mmio.data, &access.value, sizeof(access.value));
	return true;
}

int likex_vcpu_run(struct likex_vcpu *v)
{
	bool waits = likex_emul_pending(v->emul);
	int r;

	do {
		r = waits ? complete(v) : run_once(v);
		waits = r == EXIT_APIC && apic_access(v);
	} while (!r || waits);
	return r < 0 ? r : 0;
}

bool likex_vcpu_pending(const struct likex_vcpu *v)
{
	return likex_emul_pending(v->emul);
}

void likex_vcpu_invalidate(struct likex_vcpu *v)
{
	v->stale = true;
	v->fpu_valid = false;
}

void likex_vcpu_error(const struct likex_vcpu *v, struct likex_vcpu_error *error)
{
	sized_fill(error, &v->error, sizeof(v->error));
}

void likex_vcpu_get_stats(const struct likex_vcpu *v,
			  struct likex_emul_stats *stats)
{
	likex_emul_get_stats(v->emul, stats);
}

static void state_init(struct likex_vcpu *v)
{
	struct kvm_sync_regs *in_run = &v->cfg.run->s.regs;

	v->synced = v->cfg.sync_regs & SYNC_ALL;
	v->regs = v->synced & KVM_SYNC_X86_REGS ? &in_run->regs : &v->copy.regs;
	v->sregs = v->synced & KVM_SYNC_X86_SREGS ? &in_run->sregs : &v->copy.sregs;
	v->events = v->synced & KVM_SYNC_X86_EVENTS ? &in_run->events : &v->copy.events;
	v->step.size = sizeof(v->step);
	v->step.regs = (struct likex_regs *)v->regs;
	v->step.sregs = (struct likex_sregs *)v->sregs;
}

/* Each structure's members that there were from the beginning. */
#define CONFIG_LEAST (offsetof(struct likex_vcpu_config, emul) + sizeof(void *))
#define OPS_LEAST sizeof(struct likex_vcpu_ops)

static int take_config(struct likex_vcpu *v, const struct likex_vcpu_config *config)
{
	struct likex_emul_ops ops = {
		.size = sizeof(ops), .map = emul_map, .fpu_get = emul_fpu_get,
		.fpu_put = emul_fpu_put, .pkru = emul_pkru,
	};
	int r;

	r = sized_copy(&v->cfg, sizeof(v->cfg), config, CONFIG_LEAST);
	if (!r)
		r = sized_copy(&v->ops, sizeof(v->ops), v->cfg.ops, OPS_LEAST);
	if (r)
		return r;
	if (!v->ops.run || !v->ops.ioctl || !v->cfg.run || !v->cfg.map)
		return -EINVAL;
	ops.generation = v->cfg.generation;
	if (v->cfg.dirty)
		ops.dirty = emul_dirty;
	if (v->cfg.io)
		ops.io = emul_io;
	if (v->cfg.bulk)
		ops.bulk = emul_bulk;
	/* Checked by the emulator, as it is. */
	if (v->cfg.emul && v->cfg.emul->size > offsetof(struct likex_emul_config, refuse))
		v->refuse = v->cfg.emul->refuse;
	v->emul = likex_emul_new(&ops, v, v->cfg.emul);
	return v->emul ? 0 : -errno;
}

struct likex_vcpu *likex_vcpu_new(const struct likex_vcpu_config *config)
{
	struct likex_vcpu *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return NULL;
	r = take_config(v, config);
	if (r) {
		free(v);
		errno = -r;
		return NULL;
	}
	state_init(v);
	return v;
}

void likex_vcpu_free(struct likex_vcpu *v)
{
	if (!v)
		return;
	likex_emul_free(v->emul);
	free(v);
}
