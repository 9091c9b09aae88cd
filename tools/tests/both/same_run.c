// SPDX-License-Identifier: GPL-2.0
/* same: KVM_RUN, its run page, and the exits. */
#include "same.h"

#include <errno.h>
#include <linux/likex.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

/* No guest of a program needs so long, unless it loops or sleeps. */
#define RUN_US	30000

#define SIZE(n)		sizeof(((struct kvm_run *)0)->n)
#define FIELD(n)	{ #n, offsetof(struct kvm_run, n), SIZE(n), 0, 1 }

static const struct field common[] = {
	FIELD(request_interrupt_window), FIELD(immediate_exit), FIELD(flags), FIELD(cr8),
	FIELD(ready_for_interrupt_injection), FIELD(if_flag), FIELD(apic_base),
	FIELD(kvm_valid_regs), FIELD(kvm_dirty_regs),
};

static const struct field io[] = {
	FIELD(io.direction), FIELD(io.size), FIELD(io.port), FIELD(io.count),
};

static const struct field debug[] = {
	FIELD(debug.arch.exception), FIELD(debug.arch.pc), FIELD(debug.arch.dr6),
	FIELD(debug.arch.dr7),
};

static const struct field fail_entry[] = {
	FIELD(fail_entry.hardware_entry_failure_reason),
};

static const struct field internal[] = {
	FIELD(internal.suberror), FIELD(internal.ndata),
	{ "internal.data", offsetof(struct kvm_run, internal.data), 8, 8, 16 },
};

static const struct field msr[] = {
	FIELD(msr.error), FIELD(msr.reason), FIELD(msr.index), FIELD(msr.data),
};

static const struct field eoi[] = { FIELD(eoi.vector) };

#define EXIT(reason, fields)	{ KVM_EXIT_##reason, #reason, fields, COUNT(fields) }

static const struct {
	unsigned int		reason;
	const char		*name;
	const struct field	*fields;
	unsigned int		nr_fields;
} exits[] = {
	EXIT(IO, io), EXIT(DEBUG, debug), EXIT(FAIL_ENTRY, fail_entry),
	EXIT(INTERNAL_ERROR, internal), EXIT(X86_RDMSR, msr), EXIT(X86_WRMSR, msr),
	EXIT(IOAPIC_EOI, eoi),
};

static void set_timer(unsigned int us)
{
	struct itimerval time = { { 0, us }, { 0, us } };

	setitimer(ITIMER_REAL, &time, NULL);
}

static int run_once(const struct side *side)
{
	int result;

	set_timer(RUN_US);
	result = ioctl(side->vcpu, KVM_RUN, 0) ? -errno : 0;
	set_timer(0);
	return result;
}

static void *io_data(struct kvm_run *run)
{
	return (char *)run + run->io.data_offset;
}

/* The data of OUT must be the same; IN gets the same. */
static void complete_io(struct pair *p, struct rnd *r)
{
	struct kvm_run *kvm = p->side[KVM].run, *likex = p->side[LIKEX].run;
	size_t size = (size_t)kvm->io.size * kvm->io.count;

	if (p->different || size > 1024)
		return;
	for (size_t i = 0; i < size; i++) {
		if (kvm->io.direction == KVM_EXIT_IO_OUT)
			same(p, "io.data", i, ((unsigned char *)io_data(kvm))[i],
			     ((unsigned char *)io_data(likex))[i]);
		else
			((unsigned char *)io_data(kvm))[i] = ((unsigned char *)io_data(likex))[i] =
				rnd_next(r);
	}
}

/* LiKeX's exit for memory has the place of KVM's; the program ends there. */
static void compare_mmio(struct pair *p)
{
	const struct kvm_run *kvm = p->side[KVM].run;
	const struct likex_exit_mmio *mmio = (void *)p->side[LIKEX].run->padding;

	if (kvm->exit_reason == KVM_EXIT_MMIO) {
		same(p, "mmio.phys_addr", 0, kvm->mmio.phys_addr, mmio->gpa);
		same(p, "mmio.is_write", 0, kvm->mmio.is_write, mmio->access == LIKEX_MMIO_WRITE);
		end_by(p, "MMIO");
		return;
	}
	/* KVM cannot emulate, or emulates the access itself. */
	say(p, "  memory exit: gpa %#llx access %u flags %x\n", mmio->gpa, mmio->access,
	    mmio->flags);
	same(p, "exit instead of memory", kvm->exit_reason, kvm->exit_reason, LIKEX_EXIT_MMIO);
}

static void say_exit(struct pair *p, const char *side, const struct kvm_run *run)
{
	say(p, "  %s: exit %#x if %u ready %u cr8 %llx", side, run->exit_reason, run->if_flag,
	    run->ready_for_interrupt_injection, run->cr8);
	if (run->exit_reason == KVM_EXIT_IO)
		say(p, " %s port %x size %u count %u", run->io.direction ? "OUT" : "IN",
		    run->io.port, run->io.size, run->io.count);
	if (run->exit_reason == KVM_EXIT_MMIO)
		say(p, " %s at %#llx, %u bytes", run->mmio.is_write ? "write" : "read",
		    run->mmio.phys_addr, run->mmio.len);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		say(p, " suberror %u %llx %llx %llx", run->internal.suberror, run->internal.data[0],
		    run->internal.data[1], run->internal.data[2]);
	if (run->exit_reason == KVM_EXIT_DEBUG)
		say(p, " exception %u pc %llx dr6 %llx", run->debug.arch.exception,
		    run->debug.arch.pc, run->debug.arch.dr6);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		say(p, " %llx", run->fail_entry.hardware_entry_failure_reason);
	say(p, "\n");
}

static void compare_sync(struct pair *p)
{
	const struct kvm_run *kvm = p->side[KVM].run, *likex = p->side[LIKEX].run;

	if (kvm->kvm_valid_regs & KVM_SYNC_X86_REGS)
		compare_fields(p, "s.REGS", parts[PART_REGS].fields, parts[PART_REGS].nr_fields,
			       &kvm->s.regs.regs, &likex->s.regs.regs);
	if (kvm->kvm_valid_regs & KVM_SYNC_X86_SREGS)
		compare_fields(p, "s.SREGS", parts[PART_SREGS].fields, parts[PART_SREGS].nr_fields,
			       &kvm->s.regs.sregs, &likex->s.regs.sregs);
	if (kvm->kvm_valid_regs & KVM_SYNC_X86_EVENTS)
		compare_fields(p, "s.VCPU_EVENTS", parts[PART_EVENTS].fields,
			       parts[PART_EVENTS].nr_fields, &kvm->s.regs.events,
			       &likex->s.regs.events);
}

static void compare_exit(struct pair *p)
{
	const struct kvm_run *kvm = p->side[KVM].run, *likex = p->side[LIKEX].run;

	same(p, "exit_reason", kvm->exit_reason << 8 | likex->exit_reason, kvm->exit_reason,
	     likex->exit_reason);
	if (p->different || p->ended)
		return;
	for (unsigned int i = 0; i < COUNT(exits); i++)
		if (exits[i].reason == kvm->exit_reason)
			compare_fields(p, exits[i].name, exits[i].fields, exits[i].nr_fields, kvm,
				       likex);
}

/* The signal has ended both: compare if the vCPUs sleep; if they run, each is somewhere. */
static void interrupted(struct pair *p)
{
	struct kvm_mp_state state = {};

	if (p->side[KVM].run->immediate_exit)
		return;
	side_ioctl(&p->side[KVM], FD_VCPU, KVM_GET_MP_STATE, &state);
	if (state.mp_state == KVM_MP_STATE_RUNNABLE)
		end_by(p, "endless");
}

static struct kvm_sregs get_sregs(const struct side *side)
{
	struct kvm_sregs sregs = {};

	side_ioctl(side, FD_VCPU, KVM_GET_SREGS, &sregs);
	memset(sregs.interrupt_bitmap, 0, sizeof(sregs.interrupt_bitmap));
	return sregs;
}

/* The instruction at RIP, of code in slot 0 that is not mapped elsewhere, is a string I/O. */
bool at_string(const struct side *side)
{
	struct kvm_sregs sregs = {};
	struct kvm_regs regs = {};
	uint64_t at;

	if (side_ioctl(side, FD_VCPU, KVM_GET_REGS, &regs) ||
	    side_ioctl(side, FD_VCPU, KVM_GET_SREGS, &sregs))
		return false;
	at = regs.rip;
	/* The base counts outside of 64-bit mode, and the sum has 32 bits. */
	if (!(sregs.efer & 0x400) || !sregs.cs.l)
		at = (uint32_t)(at + sregs.cs.base);
	while (at < RAM_SIZE - 1 && strchr("\x66\x67\xf2\xf3", side->ram[at]))
		at++;
	return at < RAM_SIZE && (side->ram[at] & 0xfc) == 0x6c;
}

/* Keep the registers that the next run completes the exit with. */
static void note_io(struct pair *p)
{
	for (int i = 0; i < SIDES; i++)
		side_ioctl(&p->side[i], FD_VCPU, KVM_GET_REGS, &p->past.io_regs[i]);
	p->past.io_sregs = get_sregs(&p->side[LIKEX]);
	p->past.string_exit = at_string(&p->side[LIKEX]);
	p->past.had_string |= p->past.string_exit;
}

/* User space has changed registers that the last exit is completed with. */
static bool has_moved(struct pair *p)
{
	struct kvm_regs now[SIDES] = {};
	struct kvm_sregs sregs;

	if (p->side[LIKEX].run->exit_reason != KVM_EXIT_IO)
		return false;
	for (int i = 0; i < SIDES; i++)
		side_ioctl(&p->side[i], FD_VCPU, KVM_GET_REGS, &now[i]);
	sregs = get_sregs(&p->side[LIKEX]);
	if (p->past.string_exit)
		return memcmp(now, p->past.io_regs, sizeof(now)) ||
		       memcmp(&sregs, &p->past.io_sregs, sizeof(sregs));
	return now[LIKEX].rip != p->past.io_regs[LIKEX].rip ||
	       sregs.cs.base != p->past.io_sregs.cs.base;
}

static bool has_bitmap(const struct kvm_sregs *sregs)
{
	const uint64_t *bitmap = (const uint64_t *)sregs->interrupt_bitmap;

	return bitmap[0] || bitmap[1] || bitmap[2] || bitmap[3];
}

/* Events of two kinds: the two sides deliver them in another order. */
static bool several_events(struct pair *p)
{
	struct kvm_vcpu_events events = {};

	side_ioctl(&p->side[KVM], FD_VCPU, KVM_GET_VCPU_EVENTS, &events);
	if (p->side[KVM].run->kvm_dirty_regs & KVM_SYNC_X86_EVENTS)
		events = p->side[KVM].run->s.regs.events;
	p->past.irq_waits = events.interrupt.injected;
	if (p->side[KVM].run->kvm_dirty_regs & KVM_SYNC_X86_SREGS)
		p->past.irq_waits |= has_bitmap(&p->side[KVM].run->s.regs.sregs);
	p->past.event_waits = p->past.irq_waits || events.nmi.injected || events.exception.injected;
	return !!events.exception.injected + !!events.interrupt.injected +
	       (events.nmi.injected || events.nmi.pending) > 1;
}

/* KVM delivers the event of a failed entry once more, even if it was taken away. */
static void failed_entry(struct pair *p)
{
	struct kvm_vcpu_events events = {};

	if (p->side[KVM].run->exit_reason != KVM_EXIT_FAIL_ENTRY)
		return;
	side_ioctl(&p->side[KVM], FD_VCPU, KVM_GET_VCPU_EVENTS, &events);
	if (!events.exception.injected && !events.interrupt.injected && !events.nmi.injected)
		return;
	if (!p->different)
		end_by(p, "failed event");
}

/* Else KVM fails the entry, if the processor notices. */
static bool accepts_irq(struct pair *p)
{
	struct kvm_vcpu_events events = {};
	struct kvm_regs regs = {};

	side_ioctl(&p->side[KVM], FD_VCPU, KVM_GET_REGS, &regs);
	side_ioctl(&p->side[KVM], FD_VCPU, KVM_GET_VCPU_EVENTS, &events);
	return (regs.rflags & 0x200) && !events.interrupt.shadow;
}

static bool is_asleep(const struct side *side)
{
	struct kvm_mp_state state = {};

	side_ioctl(side, FD_VCPU, KVM_GET_MP_STATE, &state);
	return state.mp_state != KVM_MP_STATE_RUNNABLE;
}

/* Name the rule by which the program ends before this run, if there is one. */
static const char *ends_before(struct pair *p)
{
	if (several_events(p))
		return "several events";
	if (p->past.irq_waits && !accepts_irq(p))
		return "irq";
	if (p->nmi_request && is_asleep(&p->side[KVM]))
		return "NMI wakes";
	if (p->past.string_exit && p->slots_changed)
		return "deleted";
	if ((p->debug & KVM_GUESTDBG_BLOCKIRQ) && (p->past.irq_waits || p->past.extint))
		return "BLOCKIRQ";
	if ((p->side[KVM].run->kvm_dirty_regs & KVM_SYNC_X86_REGS) && has_exception(p))
		return "exception";
	return has_moved(p) ? "moved" : NULL;
}

/* The other side has an exit: give this one more time, unless it sleeps. */
static int run_on(const struct side *side)
{
	int result = -EINTR;

	for (int n = 0; n < 20 && result == -EINTR && !is_asleep(side); n++)
		result = run_once(side);
	return result;
}

static void run_both(struct pair *p, int *result)
{
	const struct kvm_run *kvm = p->side[KVM].run;
	bool had_string = p->past.string_exit;

	for (int i = 0; i < SIDES; i++)
		result[i] = run_once(&p->side[i]);
	for (int i = 0; i < SIDES; i++)
		if (result[i] == -EINTR && result[!i] != -EINTR && !kvm->immediate_exit)
			result[i] = run_on(&p->side[i]);
	/* A run that is refused completes nothing. */
	p->past.string_exit = had_string && result[KVM] == -EINVAL;
	p->renew |= !result[KVM] && kvm->exit_reason == KVM_EXIT_FAIL_ENTRY;
	p->nmi_request &= result[KVM] && kvm->immediate_exit;
	p->past.raw_fpu |= result[KVM] == -EINVAL || kvm->immediate_exit;
	say(p, "%s = %d, LiKeX %d\n", p->op, result[KVM], result[LIKEX]);
	if (result[KVM] && result[KVM] == result[LIKEX])
		return;
	say_exit(p, "KVM", kvm);
	say_exit(p, "LiKeX", p->side[LIKEX].run);
}

static void compare_results(struct pair *p, const int *result)
{
	const struct kvm_run *kvm = p->side[KVM].run;

	p->args = &kvm->s.regs.sregs;
	if (result[KVM] == -EINTR && result[LIKEX] == -EINTR)
		interrupted(p);
	else if (!result[LIKEX] && p->side[LIKEX].run->exit_reason == LIKEX_EXIT_MMIO)
		compare_mmio(p);
	else if (!result[KVM] && kvm->exit_reason == KVM_EXIT_FAIL_ENTRY && p->past.irq_waits)
		end_by(p, "irq");
	else if (result[KVM] == -EINVAL && result[LIKEX] == -EINVAL &&
		 (kvm->kvm_dirty_regs & KVM_SYNC_X86_EVENTS))
		end_by(p, "refused");
	else
		same(p, "run", kvm->exit_reason, result[KVM], result[LIKEX]);
}

static void run(struct pair *p, struct rnd *r)
{
	const struct kvm_run *kvm = p->side[KVM].run, *likex = p->side[LIKEX].run;
	const char *rule = ends_before(p);
	int result[SIDES];
	bool has_io;

	if (rule) {
		end_by(p, rule);
		return;
	}
	run_both(p, result);
	compare_results(p, result);
	if (p->different || p->ended)
		return;

	has_io = !result[KVM] && kvm->exit_reason == KVM_EXIT_IO &&
		 likex->exit_reason == KVM_EXIT_IO;
	if (has_io)
		note_io(p);
	if (!result[KVM])
		compare_exit(p);
	failed_entry(p);
	if (p->different || p->ended)
		return;
	part_compare(p, PART_REGS);
	compare_fields(p, "page", common, COUNT(common), kvm, likex);
	compare_sync(p);
	if (has_io)
		complete_io(p, r);
}

/* Fields of the run page that user space writes */
static void page(struct pair *p, struct rnd *r)
{
	unsigned int kind = rnd_below(r, 6);
	uint64_t value = rnd_rarely(r, 8) ? rnd_value(r, 0) : rnd_below(r, 9);

	say(p, "%s field %u = %#llx\n", p->op, kind, (unsigned long long)value);
	for (int i = 0; i < SIDES; i++) {
		struct kvm_run *run = p->side[i].run;

		switch (kind) {
		case 0:
			run->immediate_exit = value & 1;
			break;
		case 1 ... 2:
			run->request_interrupt_window = value & 1;
			break;
		case 3:
			run->cr8 = value;
			break;
		default:
			run->kvm_valid_regs = value;
		}
	}
}

/* Give registers to KVM_RUN in its page. */
static void sync(struct pair *p, struct rnd *r)
{
	static const unsigned int order[] = { PART_REGS, PART_SREGS, PART_EVENTS };
	static struct state state;
	unsigned int dirty = rnd_rarely(r, 8) ? rnd_value(r, 0) : 1u << rnd_below(r, 3);

	if ((dirty & KVM_SYNC_X86_REGS) && has_exception(p)) {
		end_by(p, "exception");
		return;
	}
	if ((dirty & (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS)) &&
	    p->side[LIKEX].run->exit_reason == KVM_EXIT_IO) {
		end_by(p, "moved");
		return;
	}
	say(p, "%s dirty %#x", p->op, dirty);
	for (unsigned int i = 0; i < COUNT(order); i++) {
		const struct part *part = &parts[order[i]];

		part_get(p, order[i], KVM, &state);
		if (dirty & 1u << i)
			mutate(p, r, part->fields, part->nr_fields, (char *)&state + part->offset);
	}
	memset(&state.events.smi, 0, sizeof(state.events.smi));
	state.sregs.cs.unusable = 0;
	state.sregs.cr0 &= CR0_BITS;
	say(p, "\n");
	for (int i = 0; i < SIDES; i++) {
		p->side[i].run->kvm_dirty_regs = dirty;
		p->side[i].run->s.regs.regs = state.regs;
		p->side[i].run->s.regs.sregs = state.sregs;
		p->side[i].run->s.regs.events = state.events;
	}
}

/* Complete an exit, so that no later run does. */
void finish_run(struct pair *p)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };

	for (int i = 0; i < SIDES; i++) {
		memset(p->side[i].run, 0, sizeof(*p->side[i].run));
		side_ioctl(&p->side[i], FD_VCPU, KVM_SET_MP_STATE, &runnable);
		p->side[i].run->immediate_exit = 1;
		/* KVM's INS into memory without a slot has an exit for each 8 of 1,024 bytes. */
		for (int n = 0; n < 200 && !run_once(&p->side[i]); n++)
			;
		p->side[i].run->immediate_exit = 0;
	}
}

const struct op run_ops[] = {
	{ "RUN",	run,	40 },
	{ "run page",	page,	4 },
	{ "SYNC_REGS",	sync,	4 },
};

const unsigned int nr_run_ops = COUNT(run_ops);
