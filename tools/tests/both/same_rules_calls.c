// SPDX-License-Identifier: GPL-2.0
/* same: documented differences of other ioctls, and the clocks. See same_rules.c. */
#include "same_rules.h"

#include <errno.h>
#include <string.h>

static bool is_clock_msr(const struct value *v)
{
	return v->index == 0x10 || v->index == 0x3b;
}

/* Guests of KVM have it, guests of LiKeX do not: see "MSRs" in api.rst. */
bool msr_is_missing(uint32_t index)
{
	static const struct {
		uint32_t first, last;
	} missing[] = {
		{ 0x34, 0x34 },			/* SMI count */
		{ 0x48, 0x49 }, { 0x10b, 0x10b },	/* none of this processor */
		{ 0x8c, 0x8f },			/* SGX */
		{ 0x9e, 0x9e },			/* SMBASE */
		{ 0xc1, 0xd0 }, { 0x186, 0x195 }, { 0x1a6, 0x1a7 }, { 0x309, 0x30c },
		{ 0x38d, 0x391 }, { 0x3f1, 0x3f2 }, { 0x4c1, 0x4d8 },
		{ 0x600, 0x600 },		/* those before, too: PMU */
		{ 0x122, 0x122 },		/* TSX */
		{ 0x280, 0x29f },		/* CMCI */
		{ 0x480, 0x491 },		/* VMX */
		{ 0x560, 0x587 },		/* processor trace */
		{ 0xd90, 0xd90 },		/* MPX */
		{ 0xe1, 0xe1 },			/* UMWAIT */
		{ 0x1c4, 0x1c5 },		/* XFD */
		{ 0x40000000, 0x400001ff },	/* Hyper-V */
		{ 0x4b564d02, 0x4b564d02 }, { 0x4b564d04, 0x4b564d08 },	/* KVM's own */
		{ 0xc0000104, 0xc0011fff },	/* AMD */
	};

	for (unsigned int i = 0; i < COUNT(missing); i++)
		if (index >= missing[i].first && index <= missing[i].last)
			return true;
	return false;
}

static bool likex_lacks(const struct value *v)
{
	return v->kvm == 1 && v->likex != 1 && msr_is_missing(v->index);
}

static bool is_apic_bit(const struct value *v)
{
	const struct kvm_cpuid_entry2 *e = v->p->data[KVM];

	return e->function == 1 && (v->kvm ^ v->likex) == 1 << 9;
}

static bool on_vcpu_or_device(const struct value *v)
{
	return v->index != FD_VM && (int)v->kvm == -EINVAL && (int)v->likex == -ENOTTY;
}

static bool likex_has_none(const struct value *v)
{
	return (int)v->likex <= 0;
}

static bool needs_scaling(const struct value *v)
{
	return (int)v->likex == -EINVAL && *(const uintptr_t *)v->p->args != 20000;
}

static bool is_refused(const struct value *v)
{
	return v->kvm == *(const uintptr_t *)v->p->args;
}

static bool is_wide_address(const struct value *v)
{
	return *(const uint64_t *)v->p->args >> 32;
}

static bool is_ppr(const struct value *v)
{
	return v->index == 0xa;
}

static bool is_other_flag(const struct value *v)
{
	const struct kvm_ioeventfd *args = v->p->args;

	return args && (args->flags & ~7u) && (int)v->likex == -EINVAL;
}

static bool is_wide_port(const struct value *v)
{
	const struct kvm_ioeventfd *args = v->p->args;

	return args && (int)v->likex == -EINVAL &&
	       (args->addr > 0xffff || args->addr + args->len > 0x10000 || args->len == 8);
}

static bool is_memory(const struct value *v)
{
	const struct kvm_ioeventfd *args = v->p->args;

	return args && !(args->flags & KVM_IOEVENTFD_FLAG_PIO) && !v->kvm &&
	       (int)v->likex == -EINVAL;
}

static bool is_dropped_mode(const struct value *v)
{
	const struct kvm_msi *msi = v->p->args;

	return !v->likex && is_dropped_data(msi->data);
}

static bool is_for_none(const struct value *v)
{
	return (int)v->kvm == -1 && !v->likex;
}

static bool has_msi_flags(const struct value *v)
{
	const struct kvm_msi *msi = v->p->args;

	return msi->flags && (int)v->likex == -EINVAL;
}

/* NMI or INIT for the logical id of a disabled local APIC */
static bool is_logical_event(const struct value *v)
{
	const struct kvm_msi *msi = v->p->args;

	return (msi->address_lo & 0xc) && (msi->data & 0x400) && (int)v->kvm <= 0 && v->likex == 1;
}

/* TSC-deadline mode */
static bool is_unused_count(const struct value *v)
{
	const uint32_t *registers = v->p->data[LIKEX];

	return v->index == 0x38 && !v->likex && (registers[0x32 * 4] & 0x60000) == 0x40000;
}

static bool is_written_tpr(const struct value *v)
{
	return v->index == 8 && uses_tpr(v);
}

static bool is_tmcct(const struct value *v)
{
	return v->index == 0x39;
}

static bool is_version(const struct value *v)
{
	return v->index == 3 && (v->kvm ^ v->likex) == 1 << 24;
}

static bool is_sipi_message(const struct value *v)
{
	const struct kvm_msi *msi = v->p->args;

	return !v->likex && (msi->data >> 8 & 7) == 6;
}

static bool has_route_of_others(const struct value *v)
{
	const struct kvm_irq_routing *routes = v->p->args;

	for (unsigned int i = 0; i < routes->nr; i++)
		if (routes->entries[i].type > KVM_IRQ_ROUTING_MSI)
			return !v->kvm && (int)v->likex == -EINVAL;
	return false;
}

/* Capabilities whose numbers are in the lists of api.rst */
static bool has_own_number(const struct value *v)
{
	static const unsigned char caps[] = {
		KVM_CAP_NR_VCPUS, KVM_CAP_NR_MEMSLOTS, KVM_CAP_MAX_VCPUS, KVM_CAP_MAX_VCPU_ID,
		KVM_CAP_INTR_SHADOW, KVM_CAP_SYNC_REGS,
	};

	return memchr(caps, v->index, sizeof(caps));
}

static bool is_clock_nowhere(const struct value *v)
{
	return (int)v->kvm == -EINVAL && !v->likex;
}

static bool is_mcg_ctl(const struct value *v)
{
	return v->index == 0x17b && !v->likex;
}

static bool is_cmci(const struct value *v)
{
	const uint64_t *cap = v->p->args;

	return !v->kvm && (int)v->likex == -EINVAL && (*cap & 0x08000400);
}

static bool is_old_ldr(const struct value *v)
{
	uint64_t base = 0;

	msr_get(&v->p->side[LIKEX], 0x1b, &base);
	return v->index == 0xd && (base & 0xc00) != 0xc00;
}

static bool is_x2apic_msr(const struct value *v)
{
	return v->kvm == 1 && v->likex != 1 && v->index >= 0x800 && v->index < 0x900;
}

static bool is_kvms_slot(const struct value *v)
{
	const struct kvm_userspace_memory_region *args = v->p->args;

	return (int)v->kvm == -EEXIST && !v->likex && args->guest_phys_addr <= 0xfee00000 &&
	       args->guest_phys_addr + args->memory_size > 0xfee00000;
}

static bool is_early_cpuid(const struct value *v)
{
	return !v->kvm && (int)v->likex == -EINVAL;
}

static bool is_wide_mtrr(const struct value *v)
{
	return ((v->index >= 0x200 && v->index < 0x210) || v->index == 0x1b) && !v->kvm &&
	       v->likex == 1;
}

static bool is_other_space(const struct value *v)
{
	const struct kvm_userspace_memory_region *args = v->p->args;

	return args->slot >> 16 && (int)v->likex == -EINVAL;
}

static bool is_vapic(const struct value *v)
{
	return !v->kvm && (int)v->likex == -EINVAL;
}

static bool is_deassign(const struct value *v)
{
	const struct kvm_ioeventfd *args = v->p->args;

	return (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) && (int)v->kvm < 0 && (int)v->likex < 0;
}

static bool is_reset_msr(const struct value *v)
{
	return v->p->split && ((v->index >= 0x174 && v->index <= 0x176 && !v->kvm) ||
			       (v->index == 0x277 && v->kvm == 0x0007040600070406));
}

static bool is_not_stable(const struct value *v)
{
	return !v->kvm;
}

/* Bits of a local APIC's register that do not exist. */
static bool is_lapic_bit(const struct value *v)
{
	static const struct { unsigned char first, last; uint32_t exist; } registers[] = {
		{ 0x08, 0x08, 0xff }, { 0x0d, 0x0d, 0xff000000 }, { 0x0e, 0x0e, 0xf0000000 },
		{ 0x0f, 0x0f, 0x3ff }, { 0x10, 0x10, 0xffff0000 }, { 0x11, 0x17, UINT32_MAX },
		{ 0x18, 0x18, 0xffff0000 }, { 0x19, 0x1f, UINT32_MAX }, { 0x20, 0x20, 0xffff0000 },
		{ 0x21, 0x27, UINT32_MAX }, { 0x28, 0x28, 0xff }, { 0x30, 0x30, 0xccfff },
		{ 0x31, 0x31, 0xff000000 }, { 0x32, 0x32, 0x300ff }, { 0x33, 0x34, 0x107ff },
		{ 0x35, 0x36, 0x1a7ff }, { 0x37, 0x37, 0x100ff }, { 0x38, 0x39, UINT32_MAX },
		{ 0x3e, 0x3e, 0xb },
	};

	if (v->index == 0x32 && v->p->has_cpuid && ((v->kvm ^ v->likex) & 1 << 18))
		return false;
	for (unsigned int i = 0; i < COUNT(registers); i++)
		if (v->index >= registers[i].first && v->index <= registers[i].last)
			return !((v->kvm ^ v->likex) & registers[i].exist);
	return true;
}

static bool is_spec_ctrl(const struct value *v)
{
	return v->index == 0x48 || v->index == 0x49 || v->index == 0x10b;
}

static bool is_write_only(const struct value *v)
{
	return v->index == 0xb || v->index == 0x3f;
}

/* Remote read makes a vCPU of KVM runnable. */
static bool is_woken(const struct value *v)
{
	return v->kvm == KVM_MP_STATE_RUNNABLE && v->likex == KVM_MP_STATE_HALTED;
}

static bool is_ospke(const struct value *v)
{
	return (int)v->kvm == -EINVAL && !v->likex;
}

static bool is_efer(const struct value *v)
{
	return v->index == 0xc0000080 && v->kvm == 1 && !v->likex;
}

static bool is_apic_off(const struct value *v)
{
	uint64_t base = 0;

	msr_get(&v->p->side[LIKEX], 0x1b, &base);
	return !(base & 0x800);
}

static bool is_esr(const struct value *v)
{
	return v->index == 0x28 && !v->kvm;
}

static bool is_dropped_message(const struct value *v)
{
	return (int)v->kvm > 0 &&
	       ((int)v->likex == -1 || (!v->likex && v->p->past.dropped_route));
}

/* Paravirtual MSRs of a vCPU that may not have them */
static bool is_enforced(const struct value *v)
{
	return v->p->past.enforced &&
	       (v->index == 0x11 || v->index == 0x12 || v->index >> 8 == 0x4b564d);
}

static bool is_kept_extint(const struct value *v)
{
	return (int)v->kvm == -EEXIST && !v->likex;
}

const struct rule calls_rules[] = {
	{ "*: msr", is_enforced, MASK, "user space has the paravirtual MSRs" },
	{ "*MSRS: *", is_enforced, END, "user space has the paravirtual MSRs" },
	{ "INTERRUPT: result", is_kept_extint, END,
	  "An interrupt of ``KVM_INTERRUPT`` that waits" },
	{ "IRQ_LINE: status", is_dropped_message, END, "SMI, ExtINT and remote read are dropped" },
	{ "*: LAPIC.register", is_esr, MASK, "KVM records none" },
	{ "*: LAPIC.register", is_apic_off, MASK, "``IA32_APIC_BASE`` disables" },
	{ "*: LAPIC.register", is_write_only, MASK, "A register that cannot be read" },
	{ "IRQ_LINE: MP_STATE.mp_state", is_woken, END, "SMI, ExtINT and remote read are dropped" },
	{ "SIGNAL_MSI: MP_STATE.mp_state", is_woken, END,
	  "SMI, ExtINT and remote read are dropped" },
	{ "SET_CPUID2: result", is_ospke, END, "OSPKE does not count" },
	{ "SET_MSRS: set", is_efer, END, "so it cannot change LME while paging is on" },
	{ "SIGNAL_MSI: result", is_dropped_mode, END, "SMI, ExtINT and remote read are dropped" },
	{ "IRQ_LINE: status", is_for_none, MASK, "KVM returns -1 for a broadcast that none accepts" },
	{ "SIGNAL_MSI: result", is_for_none, MASK, "KVM returns -1 for a broadcast that none accepts" },
	{ "SIGNAL_MSI: result", has_msi_flags, END,
	  "It is ``-EINVAL`` without local APICs, and for flags" },
	{ "SIGNAL_MSI: result", is_logical_event, END, "by its logical id" },
	{ "*: LAPIC.register", is_version, MASK, "The version" },
	{ "*: LAPIC.register", is_written_tpr, END, "A shorter write to TPR may be executed" },
	{ "*: LAPIC.register", is_unused_count, MASK, "the initial count is 0" },
	{ "SIGNAL_MSI: result", is_sipi_message, END, "SIPI is for processors only" },
	{ "*: msr", is_mcg_ctl, MASK, "``MCG_CTL`` is 0" },
	{ "SET_MSRS: value", is_mcg_ctl, MASK, "``MCG_CTL`` is 0" },
	{ "SETUP_MCE: result", is_cmci, END, "There is neither CMCI nor LMCE" },
	{ "*: LAPIC.register", is_old_ldr, MASK, "KVM keeps LDR" },
	{ "SET_USER_MEMORY_REGION: result", is_other_space, END, "A VM has at most 32,764 slots" },
	{ "SET_CPUID2: result", is_early_cpuid, END,
	  "After the vCPU has run, it accepts only the CPUID" },
	{ "SET_MSRS: set", is_wide_mtrr, END,
	  "Addresses in MTRRs have the width of the processor" },
	{ "SET_GSI_ROUTING: result", has_route_of_others, END, "So do routes to Hyper-V and Xen" },
	{ "CHECK_EXTENSION: answer", has_own_number, MASK,
	  "The answer is 1 unless the list has another one" },
	{ "KVMCLOCK_CTRL: result", is_clock_nowhere, END, "KVM also for a page" },
	{ "SET_MSRS: set", is_x2apic_msr, END,
	  "``KVM_GET_MSRS`` and ``KVM_SET_MSRS`` do not have them" },
	{ "GET_MSRS: stop", is_x2apic_msr, MASK,
	  "``KVM_GET_MSRS`` and ``KVM_SET_MSRS`` do not have them" },
	{ "SET_USER_MEMORY_REGION: result", is_kvms_slot, END, "KVM has slots of its own" },
	{ "SET_VAPIC_ADDR: result", is_vapic, END, "``KVM_SET_VAPIC_ADDR`` (0 only)" },
	{ "IOEVENTFD: result", is_deassign, MASK, "also for a removal" },
	{ "*: msr", is_reset_msr, MASK, "(SYSENTER and PAT, too, which KVM resets)" },
	{ "*: CLOCK.flags", is_not_stable, MASK, "with the first ``KVM_RUN``" },
	{ "SET_LAPIC: LAPIC.register", is_lapic_bit, MASK,
	  "a register keeps only bits that exist with it" },
	{ "CHECK_EXTENSION: answer", likex_has_none, MASK, "and 0 for all other capabilities" },
	{ "* TSC_KHZ: result", needs_scaling, END, "if the frequency needs TSC scaling" },
	{ "vCPU TSC_KHZ: khz", is_refused, END, "A frequency that is refused" },
	{ "TRANSLATE: *", is_wide_address, MASK, "an address has 32 bits" },
	{ "*: LAPIC.register", is_ppr, MASK, "follows from TPR and the interrupts in service" },
	{ "IOEVENTFD: result", is_other_flag, END, "a flag other than these" },
	{ "IOEVENTFD: result", is_wide_port, END, "A port above 0xffff, and length 8" },
	{ "IOEVENTFD: result", is_memory, END, "Memory returns ``-EINVAL``" },
	{ "*: readable", is_spec_ctrl, MASK, "if the processor has none" },
	{ "*MSRS: set", is_spec_ctrl, END, "if the processor has none" },
	{ "*MSRS: stop", is_spec_ctrl, MASK, "if the processor has none" },
	{ "*: readable", likex_lacks, MASK, "except those of features that LiKeX does not offer" },
	{ "SET_MSRS: set", likex_lacks, END, "except those of features that LiKeX does not offer" },
	{ "GET_MSRS: stop", likex_lacks, MASK,
	  "except those of features that LiKeX does not offer" },
	{ "*: CPUID.edx", is_apic_bit, MASK,
	  "This differs from KVM, since there may be no APIC at all." },
	{ "unknown ioctl: unknown", on_vcpu_or_device, MASK,
	  "(KVM's device and KVM's vCPUs return ``-EINVAL`` for this)" },
	{ "*: MMIO", NULL, END, "takes the place of ``KVM_EXIT_MMIO``" },
	{ "*: LAPIC.register", is_tmcct, MASK, "time: the timer counts" },
	{ "*: endless", NULL, END, "time: a guest that loops is stopped anywhere" },
	{ "*: msr", is_clock_msr, MASK, "time: the TSC counts" },
	{ "*MSRS: value", is_clock_msr, MASK, "time: the TSC counts" },
	{ "*: CLOCK.clock", NULL, MASK, "time: the clock counts" },
	{ "*: CLOCK.realtime", NULL, MASK, "time: the clock counts" },
	{ "*: CLOCK.host_tsc", NULL, MASK, "time: the TSC counts" },
};

const unsigned int nr_calls_rules = COUNT(calls_rules);
