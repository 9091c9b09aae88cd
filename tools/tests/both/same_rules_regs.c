// SPDX-License-Identifier: GPL-2.0
/* same: documented differences in a vCPU's registers, and in memory. See same_rules.c. */
#include "same_rules.h"

#include <errno.h>
#include <string.h>

bool is_step(const struct value *v)
{
	return v->p->debug & KVM_GUESTDBG_SINGLESTEP;
}

static bool no_exception(const struct value *v)
{
	const struct kvm_vcpu_events *kvm = v->p->data[KVM], *likex = v->p->data[LIKEX];

	return !kvm->exception.injected && !likex->exception.injected;
}

static bool no_interrupt(const struct value *v)
{
	const struct kvm_vcpu_events *kvm = v->p->data[KVM], *likex = v->p->data[LIKEX];

	return !kvm->interrupt.injected && !likex->interrupt.injected;
}

static bool is_busy(const struct value *v)
{
	return !v->kvm && (int)v->likex == -EBUSY;
}

/* The emulated processor sets RF if the delivery of an event exits, as the stack is not mapped. */
static bool is_stack_flag(const struct value *v)
{
	return (v->kvm ^ v->likex) == 1 && (v->index & 3) == 2 && v->index >> 12 == 0xe;
}

/* One of the two was a message. */
static bool is_second_nmi(const struct value *v)
{
	return v->p->split && v->kvm == 2 && v->likex == 1;
}

/* TF in a flags image on the stack */
static bool is_pushed_trap(const struct value *v)
{
	return v->p->past.stepped && (v->kvm ^ v->likex) == 1 && (v->index & 1);
}

static bool kvm_has_none(const struct value *v)
{
	return !v->kvm;
}

#define NO_EVENT	"fields of an exception or an interrupt that is absent"

static bool fpu_lost(const struct value *v)
{
	return v->p->past.fpu_lost;
}

static bool is_canonical(uint64_t address)
{
	return address + 0x800000000000 < 0x1000000000000;
}

/* Segments with bases, and the fields before, are the same in both structures of SREGS. */
bool is_bad_base(const struct value *v)
{
	const struct kvm_sregs *s = v->p->args;
	const struct kvm_segment *segments = &s->cs;

	if ((int)v->kvm == -EINVAL || (int)v->likex != -EINVAL)
		return false;
	for (int i = 0; i < 8; i++)
		if (!is_canonical(segments[i].base))
			return true;
	return !is_canonical(s->gdt.base) || !is_canonical(s->idt.base);
}

bool is_wide_cr3(const struct value *v)
{
	const struct kvm_sregs *s = v->p->args;

	return (int)v->kvm != -EINVAL && (int)v->likex == -EINVAL && s->cr3 >> 36;
}

static bool is_smm(const struct value *v)
{
	const struct kvm_vcpu_events *e = v->p->args;

	return (int)v->likex == -EINVAL && (e->smi.smm || e->smi.pending || e->smi.smm_inside_nmi);
}

static bool is_outs(const struct value *v)
{
	const struct kvm_run *run = v->p->side[LIKEX].run;

	return run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_OUT &&
	       v->p->past.string_exit;
}

static bool is_table_bit(const struct value *v, unsigned int bits)
{
	return (v->index < 0x3000 || v->index >= AT_PD) && v->index < AT_CLOCK &&
	       !((v->kvm ^ v->likex) & ~bits);
}

static bool kvm_has_translated(const struct value *v)
{
	return v->p->past.translated && is_table_bit(v, 0x20);
}

/* INS waits for its data. */
static bool is_ins(const struct value *v)
{
	return v->p->side[LIKEX].run->exit_reason == KVM_EXIT_IO && is_table_bit(v, 0x60) &&
	       v->p->past.string_exit;
}

/* KVM's RIP is at an instruction with REP, and RCX is 0. */
static bool is_done_rep(const struct value *v)
{
	const struct kvm_regs *kvm = v->p->data[KVM];

	return !kvm->rcx && v->likex - v->kvm < 6;
}

static bool is_resume_flag(const struct value *v)
{
	return (v->kvm ^ v->likex) == 0x10000 && (v->kvm & 0x10000);
}

/* RF in a flags image on the stack */
static bool is_pushed_flag(const struct value *v)
{
	return (v->kvm ^ v->likex) == 1 && (v->index & 3) == 2 &&
	       ((v->kvm & 1) || v->p->past.had_string);
}

static bool is_trap_flag(const struct value *v)
{
	return v->p->past.stepped && (v->kvm ^ v->likex) == 0x100;
}

/* The processor has entered in real mode. */
static bool is_entered_type(const struct value *v)
{
	return (v->kvm ^ v->likex) == (3 ^ 0xb);
}

bool is_efer_without_cpuid(const struct value *v)
{
	const struct kvm_sregs *s = v->p->args;

	return !v->p->has_cpuid && s->efer && (int)v->kvm == -EINVAL && !v->likex;
}

static bool no_error_code(const struct value *v)
{
	const struct kvm_vcpu_events *kvm = v->p->data[KVM], *likex = v->p->data[LIKEX];

	return !kvm->exception.has_error_code && !likex->exception.has_error_code;
}

/* The stack of an event at the end of REP INS or OUTS: RIP, which may be one instruction further */
static bool is_pushed_rip(const struct value *v)
{
	return v->p->past.had_string && v->likex - v->kvm < 6;
}

static bool raw_fpu(const struct value *v)
{
	return v->p->past.raw_fpu;
}

static bool is_early_gd(const struct value *v)
{
	return (v->p->debug & KVM_GUESTDBG_INJECT_DB) && (v->kvm ^ v->likex) == 1 << 13;
}

/* Clocks and steal time in the guest's memory, written at other times on the two sides */
static bool is_clock_memory(const struct value *v)
{
	static const struct { uint32_t msr, size; } clocks[] = {
		{ 0x11, 12 }, { 0x12, 32 }, { 0x4b564d03, 64 },
	};
	uint64_t at;

	for (unsigned int i = 0; i < COUNT(clocks); i++)
		if (msr_get(&v->p->side[LIKEX], clocks[i].msr, &at) == 1 && at &&
		    v->index - (at & ~1ull) <= clocks[i].size)
			return true;
	return false;
}

/* Bits that the debug registers do not have, of a value that user space has set */
static bool is_debug_bit(const struct value *v)
{
	return !((v->kvm ^ v->likex) & ~0xdc00ull);
}

static bool is_other_state(const struct value *v)
{
	const struct kvm_mp_state *state = v->p->args;

	return state->mp_state == KVM_MP_STATE_AP_RESET_HOLD && !v->kvm && (int)v->likex == -EINVAL;
}

/* KVM loads no PDPTEs if one is not valid. */
static bool is_pdpte(const struct value *v)
{
	return v->likex & 1;
}

bool is_cr4_without_cpuid(const struct value *v)
{
	const struct kvm_sregs *s = v->p->args;

	return !v->p->has_cpuid && s->cr4 >> 11 && (int)v->kvm == -EINVAL && !v->likex;
}

static bool is_lost_irq(const struct value *v)
{
	return !v->kvm && v->likex;
}

static bool is_cr0(const struct value *v)
{
	return ((v->kvm & ~0x1ffaffc0ull) | 0x10) == v->likex;
}

static bool fpu_unused(const struct value *v)
{
	struct kvm_xsave xsave = {};

	side_ioctl(&v->p->side[KVM], FD_VCPU, KVM_GET_XSAVE, &xsave);
	return (xsave.region[128] & 3) != 3;
}

static bool is_sipi(const struct value *v)
{
	return v->kvm == KVM_MP_STATE_RUNNABLE && v->likex == KVM_MP_STATE_SIPI_RECEIVED;
}

#define NO_EVENT	"fields of an exception or an interrupt that is absent"

const struct rule regs_rules[] = {
	{ "SET_VCPU_EVENTS: INT n", NULL, END,
	  "A software interrupt (``interrupt.soft``) is not injected" },
	{ "*: memory", is_pushed_trap, MASK, "each see only a TF that they have set themselves" },
	{ "*: *SREGS*.tr.l", kvm_has_none, MASK, "If the window is open" },
	{ "*: *SREGS*.ldt.l", kvm_has_none, MASK, "If the window is open" },
	{ "*: VCPU_EVENTS.nmi.pending", is_second_nmi, MASK,
	  "counts an NMI that a vCPU keeps until its SIPI comes" },
	{ "*: VCPU_EVENTS.sipi_vector", NULL, MASK,
	  "``KVM_GET_VCPU_EVENTS`` returns ``sipi_vector``" },
	{ "SET_GUEST_DEBUG: result", is_busy, END, "return ``-EBUSY`` while an exception is in" },
	{ "*: several events", NULL, END, "each is delivered" },
	{ "*: *XSAVE.*", fpu_lost, MASK, "with KVM the change may be lost" },
	{ "*: *FPU.*", fpu_lost, MASK, "with KVM the change may be lost" },
	{ "SET_SREGS*: result", is_bad_base, END, "must be canonical. KVM accepts any base" },
	{ "SET_SREGS*: result", is_wide_cr3, END, "KVM accepts any value outside of long mode" },
	{ "SET_VCPU_EVENTS: result", is_smm, END, "if a field of ``smi`` says SMM" },
	{ "*: *VCPU_EVENTS.exception.pending", NULL, MASK,
	  "So an exception is either in delivery (``injected``) or absent." },
	{ "*: moved", NULL, END, "or CS to another base" },
	{ "*REGS.rflags", is_resume_flag, MASK, "clears RF" },
	{ "*: *VCPU_EVENTS.exception.error_code", no_error_code, MASK, NO_EVENT },
	{ "SET_VCPU_EVENTS: refused", NULL, END, "has set a part" },
	{ "SET_VCPU_EVENTS: latched_init", NULL, END, "``latched_init``" },
	{ "*: memory", is_pushed_rip, END, "After the last element" },
	{ "*: *FPU.*", raw_fpu, MASK, "reserved bits of the FPU" },
	{ "*: XSAVE.*", raw_fpu, MASK, "reserved bits of the FPU" },
	{ "SET_VCPU_EVENTS: INT3", NULL, END, "have the length 1" },
	{ "*: SREGS2.pdptrs", is_pdpte, MASK, "an entry of the PDPT" },
	{ "SET_SREGS*: result", is_cr4_without_cpuid, END,
	  "user space may set any bit that the machine has" },
	{ "SET_GUEST_DEBUG: INJECT_BP", NULL, END, "have the length 1" },
	{ "*: *VCPU_EVENTS.interrupt.injected", is_lost_irq, END,
	  "or loses the interrupt after an exception" },
	{ "*: memory", is_clock_memory, MASK, "time: the kernel writes the time" },
	{ "*DEBUGREGS.dr7", is_early_gd, END, "clears DR7.GD at once" },
	{ "*DEBUGREGS.dr?", is_debug_bit, MASK, "bits that the registers do not have" },
	{ "*: page.ready_for_interrupt_injection", is_outs, MASK, "At the exit of OUTS" },
	{ "*: *VCPU_EVENTS.interrupt.shadow", is_outs, MASK, "At the exit of OUTS" },
	{ "SET_MP_STATE: result", is_other_state, END, "there are the states of KVM's x86 guests" },
	{ "*: *VCPU_EVENTS.interrupt.shadow", is_step, MASK,
	  "also in the shadow of STI and MOV SS" },
	{ "*: exception", NULL, END, "``KVM_SET_REGS`` removes no exception" },
	{ "*: memory", kvm_has_translated, MASK, "(KVM sets accessed bits)" },
	{ "*: memory", is_ins, MASK, "write access to the memory before the exit" },
	{ "*: *REGS.rip", is_done_rep, MASK, "After the last element" },
	{ "*: *SREGS*.cr0", is_cr0, MASK,
	  "reserved bits of the low half are 0. KVM keeps the value" },
	{ "*: memory", is_pushed_flag, MASK, "clears RF" },
	{ "*: memory", is_stack_flag, MASK, "time: the stack may be mapped, or not yet" },
	{ "*REGS.r*", is_trap_flag, MASK, "each see only a TF that they have set themselves" },
	{ "*: *SREGS*.cs.type", is_entered_type, MASK, "If the window is open" },
	{ "SET_SREGS*: result", is_efer_without_cpuid, END,
	  "KVM refuses LME and NX of EFER there" },
	{ "*: FPU.*", fpu_unused, MASK, "of a part that is not in use" },
	{ "*: MP_STATE.mp_state", is_sipi, END,
	  "A vCPU that has received SIPI starts with the next run" },
	{ "*: *VCPU_EVENTS.smi.latched_init", NULL, MASK, "``latched_init``" },
	{ "*: *REGS.rsi", is_outs, MASK, "At the exit of OUTS" },
	{ "*: *REGS.rcx", is_outs, MASK, "At the exit of OUTS" },
	{ "*: *REGS.rip", is_outs, MASK, "At the exit of OUTS" },
	{ "*: FPU.mxcsr", NULL, MASK, "``KVM_GET_FPU`` returns MXCSR, where KVM returns 0" },
	{ "*: *VCPU_EVENTS.exception_*", NULL, MASK,
	  "as KVM without ``KVM_CAP_EXCEPTION_PAYLOAD``" },
	{ "*: *VCPU_EVENTS.exception.*", no_exception, MASK, NO_EVENT },
	{ "*: *VCPU_EVENTS.interrupt.nr", no_interrupt, MASK, NO_EVENT },
	{ "*: *VCPU_EVENTS.interrupt.soft", no_interrupt, MASK, NO_EVENT },
};

const unsigned int nr_regs_rules = COUNT(regs_rules);
