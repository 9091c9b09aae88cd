// SPDX-License-Identifier: GPL-2.0
/* same: documented differences of KVM_RUN and its exits. See same_rules.c. */
#define _GNU_SOURCE	/* memmem() */

#include "same_rules.h"

#include <errno.h>
#include <linux/likex.h>
#include <string.h>

static bool kvm_fails_entry(const struct value *v)
{
	struct kvm_vcpu_events events = {};

	side_ioctl(&v->p->side[LIKEX], FD_VCPU, KVM_GET_VCPU_EVENTS, &events);
	return v->kvm == KVM_EXIT_FAIL_ENTRY && (events.interrupt.injected || v->p->past.irq_waits);
}

static bool is_string(const struct value *v)
{
	return v->p->past.string_exit;
}

static bool kvm_reads_first(const struct value *v)
{
	return !v->kvm && v->likex;
}

static const struct likex_exit_mmio *exit_mmio(const struct value *v)
{
	return (const void *)v->p->side[LIKEX].run->padding;
}

static bool likex_opens(const struct value *v)
{
	return v->likex == KVM_EXIT_IRQ_WINDOW_OPEN;
}

static bool event_wakes(const struct value *v)
{
	return (int)v->kvm == -EINTR && !v->likex && v->p->past.event_waits;
}

static bool is_again(const struct value *v)
{
	return (int)v->kvm == -EAGAIN;
}

static bool is_length(const struct value *v)
{
	const struct kvm_run *kvm = v->p->side[KVM].run;

	return kvm->exit_reason == KVM_EXIT_FAIL_ENTRY &&
	       kvm->fail_entry.hardware_entry_failure_reason == 7;
}

static bool is_walk(const struct value *v)
{
	return exit_mmio(v)->flags & LIKEX_MMIO_PAGE_WALK;
}

static bool waits_for_sipi(const struct value *v)
{
	struct kvm_mp_state state = {};

	side_ioctl(&v->p->side[KVM], FD_VCPU, KVM_GET_MP_STATE, &state);
	return state.mp_state == KVM_MP_STATE_UNINITIALIZED ||
	       state.mp_state == KVM_MP_STATE_INIT_RECEIVED;
}

/* KVM's INS finds the fault after the port, LiKeX's before. */
static bool is_fault_of_ins(const struct value *v)
{
	const struct kvm_run *kvm = v->p->side[KVM].run;

	return kvm->exit_reason == KVM_EXIT_IO && kvm->io.direction == KVM_EXIT_IO_IN &&
	       at_string(&v->p->side[KVM]) && !v->p->past.string_exit;
}

static bool while_event(const struct value *v)
{
	return exit_mmio(v)->flags & LIKEX_MMIO_EVENT;
}

static bool is_irq_instead(const struct value *v)
{
	return v->kvm == KVM_EXIT_FAIL_ENTRY && v->p->past.irq_waits;
}

static bool is_ins_instead(const struct value *v)
{
	const struct kvm_run *kvm = v->p->side[KVM].run;

	return kvm->exit_reason == KVM_EXIT_IO && at_string(&v->p->side[KVM]);
}

static bool is_old_bitmap(const struct value *v)
{
	return v->kvm & ~v->likex;
}

static bool is_next_access(const struct value *v)
{
	return v->kvm - v->likex + 64 < 128;
}

static bool is_bad_pdpte(const struct value *v)
{
	struct kvm_sregs sregs = {};

	side_ioctl(&v->p->side[LIKEX], FD_VCPU, KVM_GET_SREGS, &sregs);
	return v->likex == KVM_EXIT_FAIL_ENTRY && (sregs.cr4 & 0x20) && sregs.cr0 >> 31 &&
	       !(sregs.efer & 0x400);
}

static bool is_trapped_hlt(const struct value *v)
{
	struct kvm_vcpu_events events = {};
	struct kvm_regs regs = {};

	side_ioctl(&v->p->side[KVM], FD_VCPU, KVM_GET_REGS, &regs);
	side_ioctl(&v->p->side[KVM], FD_VCPU, KVM_GET_VCPU_EVENTS, &events);
	return v->kvm == KVM_EXIT_HLT && ((regs.rflags & 0x100) || events.nmi.pending);
}

/* Without a local APIC, its MSRs are unknown to LiKeX; KVM calls the access invalid. */
static bool is_unknown_x2apic(const struct value *v)
{
	for (int i = 0; i < SIDES && !v->p->split; i++) {
		const struct kvm_run *run = v->p->side[i].run;

		if ((run->exit_reason == KVM_EXIT_X86_RDMSR ||
		     run->exit_reason == KVM_EXIT_X86_WRMSR) && run->msr.index >> 8 == 8)
			return true;
	}
	return false;
}

static bool kvm_cannot_emulate(const struct value *v)
{
	return v->kvm == KVM_EXIT_INTERNAL_ERROR || exit_mmio(v)->access == LIKEX_MMIO_FETCH;
}

static bool is_apic_page(const struct value *v)
{
	return v->p->split && exit_mmio(v)->gpa >> 12 == 0xfee00;
}

static bool is_wide_sync(const struct value *v)
{
	const struct kvm_run *run = v->p->side[LIKEX].run;

	return (int)v->likex == -EINVAL && (run->kvm_valid_regs >> 32 || run->kvm_dirty_regs >> 32);
}

static bool is_bp(const struct value *v)
{
	return v->p->side[KVM].run->debug.arch.exception == 3;
}

/* KVM does not set RF between elements. */
static bool is_string_breakpoint(const struct value *v)
{
	return v->kvm == KVM_EXIT_DEBUG && v->p->past.had_string;
}

static bool is_x2apic_reason(const struct value *v)
{
	return !v->p->split && v->p->side[LIKEX].run->msr.index >> 8 == 8;
}

/* KVM traps after the instruction that follows OUTS. */
static bool is_late_trap(const struct value *v)
{
	return v->p->past.had_string && (v->p->past.io_regs[LIKEX].rflags & 0x100);
}

/* KVM has still marked a page as one without a slot. */
static bool is_delivery(const struct value *v)
{
	const struct kvm_run *kvm = v->p->side[KVM].run;

	return kvm->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
	       kvm->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV;
}

static bool is_refused_asleep(const struct value *v)
{
	return (int)v->likex == -EINVAL && waits_for_sipi(v);
}

/* KVM looks at the window when the signal has woken it. */
static bool is_window_asleep(const struct value *v)
{
	return !v->kvm && (int)v->likex == -EINTR && waits_for_sipi(v) &&
	       v->p->side[KVM].run->exit_reason == KVM_EXIT_IRQ_WINDOW_OPEN;
}

/* An interrupt that has come, or is let in by RFLAGS.IF, and a shadow that user space has set */
static bool is_shadow_asleep(const struct value *v)
{
	struct kvm_vcpu_events events = {};
	struct kvm_mp_state state = {};

	side_ioctl(&v->p->side[KVM], FD_VCPU, KVM_GET_VCPU_EVENTS, &events);
	side_ioctl(&v->p->side[KVM], FD_VCPU, KVM_GET_MP_STATE, &state);
	return (int)v->kvm == -EINTR && !v->likex && events.interrupt.shadow &&
	       state.mp_state == KVM_MP_STATE_HALTED;
}

/* The guest has an instruction that loads the address of the TPR. */
bool uses_tpr(const struct value *v)
{
	static const unsigned char tpr[] = { 0x80, 0x00, 0xe0, 0xfe };

	return v->p->split && memmem(v->p->side[LIKEX].ram + AT_CODE, AT_DATA - AT_CODE, tpr, sizeof(tpr));
}

/* KVM fails an entry with a shadow that the end of OUTS would have ended. */
static bool is_shadow_of_outs(const struct value *v)
{
	return v->kvm == KVM_EXIT_FAIL_ENTRY && v->p->past.had_string;
}

static bool is_taken_interrupt(const struct value *v)
{
	struct kvm_vcpu_events kvm = {}, likex = {};

	side_ioctl(&v->p->side[KVM], FD_VCPU, KVM_GET_VCPU_EVENTS, &kvm);
	side_ioctl(&v->p->side[LIKEX], FD_VCPU, KVM_GET_VCPU_EVENTS, &likex);
	return v->p->side[LIKEX].run->exit_reason == KVM_EXIT_FAIL_ENTRY &&
	       likex.interrupt.injected && !kvm.interrupt.injected;
}

static unsigned int kvm_exit(const struct value *v)
{
	return v->p->side[KVM].run->exit_reason;
}

/* The guest has halted, or was halted. */
static bool is_window_first(const struct value *v)
{
	return v->p->split && v->kvm == KVM_EXIT_IRQ_WINDOW_OPEN;
}

static bool is_held_window(const struct value *v)
{
	return !v->kvm && (int)v->likex == -EINTR && kvm_exit(v) == KVM_EXIT_IRQ_WINDOW_OPEN &&
	       (v->p->debug & KVM_GUESTDBG_BLOCKIRQ);
}

static bool is_held_nmi(const struct value *v)
{
	struct kvm_vcpu_events events = {};

	side_ioctl(&v->p->side[KVM], FD_VCPU, KVM_GET_VCPU_EVENTS, &events);
	return !v->kvm && (int)v->likex == -EINTR && events.nmi.pending;
}

static bool is_early_step(const struct value *v)
{
	return is_step(v) && !v->kvm && (int)v->likex == -EINTR &&
	       v->p->side[KVM].run->immediate_exit;
}

static bool is_pat(const struct value *v)
{
	return v->kvm == KVM_EXIT_X86_WRMSR && v->p->side[KVM].run->msr.index == 0x277;
}

static bool is_real_type(const struct value *v)
{
	const struct kvm_sregs *s = &v->p->past.io_sregs;

	return v->p->past.had_string && !(s->cr0 & 1) && !(s->es.type & 2);
}

/* A request that a program before has made, by an MSR of Hyper-V */
static bool is_hyperv(const struct value *v)
{
	return v->kvm == KVM_EXIT_SYSTEM_EVENT;
}

static bool is_no_exit(const struct value *v)
{
	return v->kvm == KVM_EXIT_UNKNOWN;
}

/* KVM does not step on after user space has set registers. */
static bool is_lost_step(const struct value *v)
{
	return is_step(v) && !v->likex && v->p->side[LIKEX].run->exit_reason == KVM_EXIT_DEBUG;
}

const struct rule run_rules[] = {
	{ "RUN: run", is_lost_step, END, "A step uses the monitor trap flag instead of TF" },
	{ "RUN: exit_reason", is_no_exit, END, "KVM has been seen to end a run with it" },
	{ "RUN: exit_reason", is_window_first, END, "that waits then comes first" },
	{ "RUN: exit_reason", is_hyperv, END, "halt polling and Hyper-V" },
	{ "RUN: refused", NULL, END, "has set a part" },
	{ "RUN: IO.*", is_real_type, END, "In real mode INS writes to a segment of any type" },
	{ "RUN: exit_reason", is_real_type, END, "In real mode INS writes to a segment of any type" },
	{ "RUN: run", is_real_type, END, "In real mode INS writes to a segment of any type" },
	{ "RUN: exit_reason", is_pat, END, "The processor checks what a guest writes to PAT" },
	{ "RUN: run", is_early_step, END, "the next run reports the step over an instruction" },
	{ "RUN: run", is_held_window, END, "the interrupt window is closed" },
	{ "RUN: run", is_held_nmi, END, "KVM also ends a HLT for an NMI that is blocked" },
	{ "RUN: page.ready_for_interrupt_injection", is_taken_interrupt, END,
	  "an interrupt that the failed entry was for" },
	{ "RUN: run", is_refused_asleep, END, "before it waits for SIPI" },
	{ "RUN: run", is_shadow_asleep, END, "KVM ends no HLT for an interrupt while a shadow" },
	{ "RUN: run", is_window_asleep, END, "then returns only for a signal" },
	{ "RUN: page.cr8", uses_tpr, END, "A shorter write to TPR may be executed" },
	{ "RUN: exit_reason", is_shadow_of_outs, END, "At the exit of OUTS" },
	{ "RUN: exit_reason", is_delivery, END, "``KVM_INTERNAL_ERROR_DELIVERY_EV``" },
	{ "RUN: DEBUG.debug.arch.dr?", is_bp, MASK, "KVM leaves old values" },
	{ "RUN: exit_reason", is_string_breakpoint, END, "Between two elements RF is set" },
	{ "RUN: X86_*MSR.msr.reason", is_x2apic_reason, MASK, "unknown MSRs" },
	{ "RUN: REGS.*", is_late_trap, END, "the trap of TF comes after OUTS" },
	{ "RUN: exit_reason", is_late_trap, END, "the trap of TF comes after OUTS" },
	{ "RUN: IO.*", is_late_trap, END, "the trap of TF comes after OUTS" },
	{ "RUN: exit_reason", kvm_fails_entry, END, "Otherwise KVM fails the next entry" },
	{ "RUN: run", is_bad_base, END, "must be canonical. KVM accepts any base" },
	{ "RUN: run", is_wide_cr3, END, "KVM accepts any value outside of long mode" },
	{ "RUN: exit_reason", is_length, END, "have the length 1" },
	{ "RUN: FAIL_ENTRY.*", is_length, END, "have the length 1" },
	{ "RUN: exit instead of memory", is_walk, END, "the access was the guest's own page walk" },
	{ "RUN: REGS.*", waits_for_sipi, END, "before it waits for SIPI" },
	{ "RUN: page.kvm_dirty_regs", waits_for_sipi, END, "before it waits for SIPI" },
	{ "RUN: BLOCKIRQ", NULL, END, "also holds back the interrupt" },
	{ "RUN: run", is_length, END, "have the length 1" },
	{ "RUN: mmio.*", while_event, MASK, "while an event was delivered, which is kept" },
	{ "RUN: failed event", NULL, END, "the event of a failed entry" },
	{ "RUN: run", is_cr4_without_cpuid, END,
	  "user space may set any bit that the machine has" },
	{ "RUN: mmio.phys_addr", is_apic_page, END, "an access is a ``LIKEX_EXIT_MMIO``" },
	{ "RUN: IO.*", is_fault_of_ins, END,
	  "So the guest gets a fault before the VMM accesses the port" },
	{ "RUN: exit_reason", is_fault_of_ins, END,
	  "So the guest gets a fault before the VMM accesses the port" },
	{ "RUN: exit_reason", is_unknown_x2apic, END, "unknown MSRs" },
	{ "RUN: exit instead of memory", is_irq_instead, END,
	  "Otherwise KVM fails the next entry" },
	{ "RUN: exit instead of memory", is_ins_instead, END,
	  "``LIKEX_EXIT_MMIO`` takes the place of this exit if the memory operand has no slot" },
	{ "RUN: NMI wakes", NULL, END, "an NMI that is blocked" },
	{ "RUN: s.SREGS.interrupt_bitmap", is_old_bitmap, MASK, "KVM leaves old bits" },
	{ "RUN: mmio.phys_addr", is_next_access, MASK, "several accesses" },
	{ "RUN: exit_reason", is_bad_pdpte, END, "an entry of the PDPT" },
	{ "RUN: exit_reason", is_trapped_hlt, END, "(KVM reports the HLT first)" },
	{ "RUN: irq", NULL, END, "Otherwise KVM fails the next entry" },
	{ "RUN: deleted", NULL, END, "It writes nothing if the slot was deleted in between" },
	{ "RUN: page.ready_for_interrupt_injection", is_step, MASK,
	  "also in the shadow of STI and MOV SS" },
	{ "RUN: exit instead of memory", kvm_cannot_emulate, END,
	  "It reports an access to an address without a slot" },
	{ "RUN: exit instead of memory", is_apic_page, END, "an access is a ``LIKEX_EXIT_MMIO``" },
	{ "RUN: run", is_wide_sync, END, "a bit that is no field" },
	{ "RUN: exit_reason", likex_opens, END, "If the window is open" },
	{ "RUN: run", event_wakes, END, "An event in delivery ends" },
	{ "RUN: run", is_again, END, "KVM returns ``-EAGAIN``" },
	{ "RUN: run", is_efer_without_cpuid, END, "KVM refuses LME and NX of EFER there" },
	{ "RUN: exit instead of memory", while_event, END,
	  "while an event was delivered, which is kept" },
	{ "RUN: IO.io.count", is_string, END, "``io.count`` is the number of elements" },
	{ "RUN: mmio.is_write", kvm_reads_first, END, "a data write, or a read and write" },
	{ "RUN: exit_reason", is_step, END, "It ends after every instruction," },
	{ "RUN: DEBUG.*", is_step, END, "It ends after every instruction," },
};

const unsigned int nr_run_rules = COUNT(run_rules);
