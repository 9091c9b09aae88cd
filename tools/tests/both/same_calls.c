// SPDX-License-Identifier: GPL-2.0
/* same: calls of a vCPU, each with arguments near to valid ones. */
#include "same.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Describe a call in the log, if there is one. */
void say(struct pair *p, const char *format, ...)
{
	va_list args;

	if (!p->log)
		return;
	va_start(args, format);
	vfprintf(p->log, format, args);
	va_end(args);
}

int side_ioctl(const struct side *side, enum fd_kind kind, unsigned long cmd, const void *arg)
{
	int fd = kind == FD_SYS ? side->sys : kind == FD_VM ? side->vm : side->vcpu;
	int result = ioctl(fd, cmd, arg);

	return result < 0 ? -errno : result;
}

/* Make one call on both sides and compare the results; return KVM's. */
int both(struct pair *p, enum fd_kind kind, unsigned long cmd, const void *kvm, const void *likex)
{
	int result[SIDES] = {
		side_ioctl(&p->side[KVM], kind, cmd, kvm),
		side_ioctl(&p->side[LIKEX], kind, cmd, likex),
	};

	say(p, " = %d, LiKeX %d\n", result[KVM], result[LIKEX]);
	/* The index tells kinds of differences apart. */
	same(p, "result", (result[KVM] & 0xff) << 8 | (result[LIKEX] & 0xff), result[KVM],
	     result[LIKEX]);
	return result[KVM];
}

static void get_part(struct pair *p, unsigned int part)
{
	say(p, "%s\n", p->op);
	part_compare(p, part);
}

/* An APIC timer that fires in the middle of a program would make it depend on time. */
static void stop_timer(struct kvm_lapic_state *lapic)
{
	uint32_t *count = (uint32_t *)(lapic->regs + 0x380),
		 *now = (uint32_t *)(lapic->regs + 0x390);

	if (*count)
		*count |= 0xf0000000;
	*now = *count;
}

static void fit(struct rnd *r, struct state *state, unsigned int part)
{
	if (part == PART_LAPIC)
		stop_timer(&state->lapic);
	/* SMM, which LiKeX does not have, is not worth many programs. */
	if (part == PART_EVENTS && !rnd_rarely(r, 8))
		memset(&state->events.smi, 0, sizeof(state->events.smi));
}

/* KVM_SET_REGS takes it away on KVM. */
bool has_exception(struct pair *p)
{
	struct kvm_vcpu_events events = {};

	side_ioctl(&p->side[KVM], FD_VCPU, KVM_GET_VCPU_EVENTS, &events);
	return events.exception.injected || events.exception.pending;
}

/* See KVM_SET_FPU in api.rst. */
static void look_at_fpu(struct pair *p)
{
	static struct state state;

	part_get(p, PART_XSAVE, KVM, &state);
	if ((state.xsave.region[128] & 3) != 3)
		p->past.fpu_lost = true;
}

static void look_at_events(struct pair *p, int result, const struct kvm_vcpu_events *events)
{
	p->nmi_request |= events->nmi.pending;
	if (result)
		end_by(p, "refused");
	else if (events->exception.injected &&
		 (events->exception.nr == 3 || events->exception.nr == 4))
		end_by(p, "INT3");
	else if (events->interrupt.injected && events->interrupt.soft)
		end_by(p, "INT n");
	else if (events->smi.latched_init && p->split && (events->flags & KVM_VCPUEVENT_VALID_SMM))
		end_by(p, "latched_init");
}

/* LiKeX has dropped bits that do not exist: go on without them on both sides. */
static void agree_on_lapic(struct pair *p)
{
	static struct state state;

	part_get(p, PART_LAPIC, LIKEX, &state);
	p->op = "SET_LAPIC again";
	both(p, FD_VCPU, KVM_SET_LAPIC, &state.lapic, &state.lapic);
	part_compare(p, PART_LAPIC);
}

static void set_part(struct pair *p, struct rnd *r, unsigned int part)
{
	static const unsigned char changes[] = { 0, 1, 1, 1, 2, 2, 3, 8 };
	static struct state state;
	void *data = (char *)&state + parts[part].offset;
	int result;

	memset(data, 0, parts[part].size);
	part_get(p, part, KVM, &state);
	say(p, "%s", p->op);
	for (unsigned int n = changes[rnd_below(r, COUNT(changes))]; n; n--)
		mutate(p, r, parts[part].fields, parts[part].nr_fields, data);
	fit(r, &state, part);
	p->args = data;
	/* LiKeX has no reserved bits of CR0, which a guest of KVM can read. */
	state.sregs.cr0 &= CR0_BITS;
	state.sregs2.cr0 &= CR0_BITS;
	/* An unusable CS means nothing to a processor that runs. */
	if (part == PART_SREGS)
		state.sregs.cs.unusable = 0;
	if (part == PART_SREGS2)
		state.sregs2.cs.unusable = 0;
	if (part == PART_REGS && has_exception(p)) {
		end_by(p, "exception");
		return;
	}
	result = both(p, FD_VCPU, parts[part].set, data, data);
	p->args = NULL;
	if (part == PART_FPU)
		look_at_fpu(p);
	if (part == PART_EVENTS)
		look_at_events(p, result, &state.events);
	part_compare(p, part);
	if (part == PART_LAPIC && p->split && !p->different && !p->ended)
		agree_on_lapic(p);
}

#define PART_CALLS(name, part)							\
	static void get_##name(struct pair *p, struct rnd *r)			\
	{									\
		(void)r;							\
		get_part(p, part);						\
	}									\
	static void set_##name(struct pair *p, struct rnd *r)			\
	{									\
		set_part(p, r, part);						\
	}

PART_CALLS(regs, PART_REGS)
PART_CALLS(sregs, PART_SREGS)
PART_CALLS(sregs2, PART_SREGS2)
PART_CALLS(fpu, PART_FPU)
PART_CALLS(xsave, PART_XSAVE)
PART_CALLS(xcrs, PART_XCRS)
PART_CALLS(debugregs, PART_DEBUGREGS)
PART_CALLS(events, PART_EVENTS)
PART_CALLS(mp_state, PART_MP_STATE)
PART_CALLS(lapic, PART_LAPIC)

#define MSRS_ROOM	4

struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry entry[MSRS_ROOM];
};

static void get_msrs(struct pair *p, struct rnd *r)
{
	struct msrs args[SIDES] = {};
	unsigned int n = rnd_rarely(r, 16) ? 0 : 1 + rnd_below(r, MSRS_ROOM);
	int got[SIDES], common;

	args[0].head.nmsrs = n;
	say(p, "%s", p->op);
	for (unsigned int i = 0; i < n; i++) {
		args[0].entry[i].index = msr_choose(p, r);
		say(p, " %#x", args[0].entry[i].index);
	}
	args[1] = args[0];
	for (int i = 0; i < SIDES; i++)
		got[i] = side_ioctl(&p->side[i], FD_VCPU, KVM_GET_MSRS, &args[i]);
	say(p, " = %d, LiKeX %d\n", got[KVM], got[LIKEX]);
	common = got[KVM] < got[LIKEX] ? got[KVM] : got[LIKEX];
	/* Name the MSR at which one of the two has stopped. */
	if (got[KVM] != got[LIKEX])
		same(p, "stop", common < 0 ? 0 : args[0].entry[common].index, got[KVM] > common,
		     got[LIKEX] > common);
	for (int i = 0; i < common; i++)
		same(p, "value", args[0].entry[i].index, args[KVM].entry[i].data,
		     args[LIKEX].entry[i].data);
}

/* One MSR at a time: which one differs, then, is clear. */
static void set_msrs(struct pair *p, struct rnd *r)
{
	struct msrs args = { .head.nmsrs = 1 };
	struct kvm_msr_entry *e = &args.entry[0];
	uint64_t now[SIDES] = {};
	int result[SIDES], got[SIDES];

	e->index = msr_choose(p, r);
	msr_get(&p->side[KVM], e->index, &now[KVM]);
	e->data = msr_value(r, e->index, now[KVM]);
	e->reserved = rnd_rarely(r, 16);
	for (int i = 0; i < SIDES; i++)
		result[i] = side_ioctl(&p->side[i], FD_VCPU, KVM_SET_MSRS, &args);
	say(p, "%s %#x=%#llx = %d, LiKeX %d\n", p->op, e->index, (unsigned long long)e->data,
	    result[KVM], result[LIKEX]);
	same(p, "set", e->index, result[KVM], result[LIKEX]);
	for (int i = 0; i < SIDES; i++)
		got[i] = msr_get(&p->side[i], e->index, &now[i]);
	if (got[KVM] == 1 && got[LIKEX] == 1)
		same(p, "value", e->index, now[KVM], now[LIKEX]);
}

static void set_cpuid(struct pair *p, struct rnd *r)
{
	struct kvm_cpuid2 *set = p->cpuid;
	struct kvm_cpuid_entry2 *e = &set->entries[set->nent ? rnd_below(r, set->nent) : 0],
				old = *e;
	unsigned int nent = set->nent;

	say(p, "%s", p->op);
	switch (rnd_below(r, 4)) {
	case 0:
		set->nent = 0x101 | (rnd_value(r, nent) & 0xfff);
		break;
	case 1:
		e->ecx ^= 1u << rnd_below(r, 32);
		break;
	case 2:
		e->function = rnd_value(r, e->function);
		break;
	}
	say(p, " nent %u, function %#x", set->nent, e->function);
	if (!both(p, FD_VCPU, KVM_SET_CPUID2, set, set) &&
	    (set->nent != nent || memcmp(e, &old, sizeof(old))))
		p->renew = true;
	set->nent = nent;
	*e = old;
}

static const struct field cpuid_fields[] = {
	{ "function", offsetof(struct kvm_cpuid_entry2, function), 4, 0, 1 },
	{ "index", offsetof(struct kvm_cpuid_entry2, index), 4, 0, 1 },
	{ "flags", offsetof(struct kvm_cpuid_entry2, flags), 4, 0, 1 },
	{ "eax", offsetof(struct kvm_cpuid_entry2, eax), 4, 0, 1 },
	{ "ebx", offsetof(struct kvm_cpuid_entry2, ebx), 4, 0, 1 },
	{ "ecx", offsetof(struct kvm_cpuid_entry2, ecx), 4, 0, 1 },
	{ "edx", offsetof(struct kvm_cpuid_entry2, edx), 4, 0, 1 },
	{ "padding", offsetof(struct kvm_cpuid_entry2, padding), 4, 4, 3 },
};

#define CPUID_ROOM	64

static void get_cpuid(struct pair *p, struct rnd *r)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_ROOM];
	} got[SIDES];

	got[KVM].head.nent = rnd_rarely(r, 4) ? rnd_below(r, CPUID_ROOM) : CPUID_ROOM;
	got[LIKEX].head.nent = got[KVM].head.nent;
	say(p, "%s nent %u", p->op, got[KVM].head.nent);
	if (both(p, FD_VCPU, KVM_GET_CPUID2, &got[KVM], &got[LIKEX]))
		return;
	same(p, "nent", 0, got[KVM].head.nent, got[LIKEX].head.nent);
	for (unsigned int i = 0; i < got[KVM].head.nent && i < CPUID_ROOM && !p->different; i++)
		compare_fields(p, "CPUID", cpuid_fields, COUNT(cpuid_fields),
			       &got[KVM].head.entries[i], &got[LIKEX].head.entries[i]);
}

static void interrupt(struct pair *p, struct rnd *r)
{
	struct kvm_interrupt irq = { rnd_rarely(r, 8) ? (uint32_t)rnd_value(r, 0) :
							rnd_below(r, 256) };

	/* See KVM_INTERRUPT in api.rst: KVM expects that the guest accepts it. */
	if (!p->split &&
	    !(p->side[KVM].run->ready_for_interrupt_injection && p->side[KVM].run->if_flag) &&
	    irq.irq < 256) {
		say(p, "%s: not now\n", p->op);
		return;
	}
	say(p, "%s %u", p->op, irq.irq);
	/* With a local APIC, no ioctl takes it away. */
	p->renew |= p->split;
	p->past.extint |= p->split;
	both(p, FD_VCPU, KVM_INTERRUPT, &irq, &irq);
	part_compare(p, PART_EVENTS);
}

static void nmi(struct pair *p, struct rnd *r)
{
	(void)r;
	say(p, "%s", p->op);
	p->nmi_request = true;
	both(p, FD_VCPU, KVM_NMI, NULL, NULL);
	part_compare(p, PART_EVENTS);
}

static bool is_stepping(const struct pair *p)
{
	return p->debug & KVM_GUESTDBG_SINGLESTEP;
}

static void guest_debug(struct pair *p, struct rnd *r)
{
	static const uint32_t flags[] = {
		KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_SW_BP,
		KVM_GUESTDBG_USE_HW_BP, KVM_GUESTDBG_USE_HW_BP, KVM_GUESTDBG_USE_SW_BP,
		KVM_GUESTDBG_INJECT_DB, KVM_GUESTDBG_INJECT_BP, KVM_GUESTDBG_BLOCKIRQ,
	};
	struct kvm_guest_debug debug = { .control = rnd_rarely(r, 4) ? 0 : KVM_GUESTDBG_ENABLE };

	for (unsigned int n = rnd_below(r, 3); n; n--)
		debug.control |= flags[rnd_below(r, COUNT(flags))];
	if (rnd_rarely(r, 8))
		debug.control |= rnd_value(r, 0);
	for (int i = 0; i < 4; i++)
		debug.arch.debugreg[i] = AT_CODE + rnd_below(r, 32);
	debug.arch.debugreg[7] = 0x400 | rnd_below(r, 256);
	say(p, "%s control %#x, DR7 %#llx", p->op, debug.control,
	    (unsigned long long)debug.arch.debugreg[7]);
	if (!both(p, FD_VCPU, KVM_SET_GUEST_DEBUG, &debug, &debug))
		p->debug = debug.control;
	p->past.stepped |= is_stepping(p);
	if ((debug.control & (KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_INJECT_DB)) ==
	    KVM_GUESTDBG_INJECT_BP)
		end_by(p, "INJECT_BP");
	part_compare(p, PART_REGS);
	part_compare(p, PART_DEBUGREGS);
}

static void translate(struct pair *p, struct rnd *r)
{
	struct kvm_translation got[SIDES] = {};

	got[KVM].linear_address = got[LIKEX].linear_address = rnd_value(r, AT_DATA);
	p->past.translated = true;
	p->args = &got[LIKEX].linear_address;
	say(p, "%s %#llx", p->op, (unsigned long long)got[KVM].linear_address);
	if (both(p, FD_VCPU, KVM_TRANSLATE, &got[KVM], &got[LIKEX]))
		return;
	same(p, "valid", 0, got[KVM].valid, got[LIKEX].valid);
	if (got[KVM].valid && got[LIKEX].valid)
		same(p, "physical", 0, got[KVM].physical_address, got[LIKEX].physical_address);
}

static void vcpu_tsc_khz(struct pair *p, struct rnd *r)
{
	int now = ioctl(p->side[KVM].vcpu, KVM_GET_TSC_KHZ, 0);
	uintptr_t khz = now;

	if (rnd_rarely(r, 2))
		khz = rnd_value(r, khz);
	say(p, "%s %zu", p->op, (size_t)khz);
	p->args = &khz;
	both(p, FD_VCPU, KVM_SET_TSC_KHZ, (void *)khz, (void *)khz);
	same(p, "khz", 0, ioctl(p->side[KVM].vcpu, KVM_GET_TSC_KHZ, 0),
	     ioctl(p->side[LIKEX].vcpu, KVM_GET_TSC_KHZ, 0));
	if (ioctl(p->side[KVM].vcpu, KVM_GET_TSC_KHZ, 0) != now)
		p->renew = true;
}

static void clock_ctrl(struct pair *p, struct rnd *r)
{
	(void)r;
	say(p, "%s", p->op);
	both(p, FD_VCPU, KVM_KVMCLOCK_CTRL, NULL, NULL);
}

static void vapic_addr(struct pair *p, struct rnd *r)
{
	struct kvm_vapic_addr addr = { rnd_rarely(r, 4) ? rnd_value(r, AT_DATA) : 0 };

	say(p, "%s %#llx", p->op, (unsigned long long)addr.vapic_addr);
	both(p, FD_VCPU, KVM_SET_VAPIC_ADDR, &addr, &addr);
	addr.vapic_addr = 0;
	for (int i = 0; i < SIDES; i++)
		side_ioctl(&p->side[i], FD_VCPU, KVM_SET_VAPIC_ADDR, &addr);
}

static void mce(struct pair *p, struct rnd *r)
{
	uint64_t cap = rnd_rarely(r, 2) ? rnd_value(r, MCG_CAP) :
					  (MCG_CAP & ~0xffu) | rnd_below(r, 34);

	say(p, "%s %#llx", p->op, (unsigned long long)cap);
	p->args = &cap;
	both(p, FD_VCPU, KVM_X86_SETUP_MCE, &cap, &cap);
	p->mce_changed = true;
}

const struct op vcpu_ops[] = {
	{ "GET_REGS",		get_regs,	1 },
	{ "SET_REGS",		set_regs,	5 },
	{ "GET_SREGS",		get_sregs,	2 },
	{ "SET_SREGS",		set_sregs,	6 },
	{ "GET_SREGS2",		get_sregs2,	1 },
	{ "SET_SREGS2",		set_sregs2,	5 },
	{ "GET_FPU",		get_fpu,	1 },
	{ "SET_FPU",		set_fpu,	3 },
	{ "GET_XSAVE",		get_xsave,	1 },
	{ "SET_XSAVE",		set_xsave,	4 },
	{ "GET_XCRS",		get_xcrs,	1 },
	{ "SET_XCRS",		set_xcrs,	3 },
	{ "GET_DEBUGREGS",	get_debugregs,	1 },
	{ "SET_DEBUGREGS",	set_debugregs,	3 },
	{ "GET_VCPU_EVENTS",	get_events,	1 },
	{ "SET_VCPU_EVENTS",	set_events,	5 },
	{ "GET_MP_STATE",	get_mp_state,	1 },
	{ "SET_MP_STATE",	set_mp_state,	2 },
	{ "GET_LAPIC",		get_lapic,	2 },
	{ "SET_LAPIC",		set_lapic,	5 },
	{ "GET_MSRS",		get_msrs,	3 },
	{ "SET_MSRS",		set_msrs,	8 },
	{ "GET_CPUID2",		get_cpuid,	2 },
	{ "SET_CPUID2",		set_cpuid,	2 },
	{ "INTERRUPT",		interrupt,	4 },
	{ "NMI",		nmi,		3 },
	{ "SET_GUEST_DEBUG",	guest_debug,	3 },
	{ "TRANSLATE",		translate,	1 },
	{ "vCPU TSC_KHZ",	vcpu_tsc_khz,	1 },
	{ "KVMCLOCK_CTRL",	clock_ctrl,	1 },
	{ "SET_VAPIC_ADDR",	vapic_addr,	1 },
	{ "SETUP_MCE",		mce,		1 },
};

const unsigned int nr_vcpu_ops = COUNT(vcpu_ops);
