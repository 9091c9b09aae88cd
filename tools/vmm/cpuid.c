// SPDX-License-Identifier: GPL-2.0
/* See cpuid.h. */
#include "cpuid.h"

#define KVM_FEATURES	0x40000001
#define TOPOLOGY	0xb
#define TOPOLOGY_V2	0x1f

#define APIC		(1U << 9)
#define X2APIC		(1U << 21)
#define TSC_DEADLINE	(1U << 24)
#define HYPERVISOR	(1U << 31)
/* Both clocks, and that they agree on all vCPUs */
#define KVM_CLOCKS	(1U << 0 | 1U << 3 | 1U << 24)

static void set_features(struct kvm_cpuid_entry2 *leaf, enum apic apic, unsigned int id,
			 unsigned int cpus)
{
	leaf->ebx = (leaf->ebx & 0xffff) | (cpus & 0xff) << 16 | (id & 0xff) << 24;
	leaf->ecx |= TSC_DEADLINE | HYPERVISOR | X2APIC;
	if (apic != APIC_X2)
		leaf->ecx &= ~X2APIC;
	if (apic == APIC_NONE) {
		leaf->ecx &= ~TSC_DEADLINE;
		leaf->edx &= ~APIC;
	}
}

void cpuid_adapt(struct kvm_cpuid2 *cpuid, enum apic apic, unsigned int id, unsigned int cpus)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *leaf = &cpuid->entries[i];

		switch (leaf->function) {
		case 1:
			set_features(leaf, apic, id, cpus);
			break;
		case TOPOLOGY:
		case TOPOLOGY_V2:
			/* No level: each vCPU is a package of its own. */
			leaf->eax = leaf->ebx = leaf->ecx = 0;
			leaf->edx = id;
			break;
		case KVM_FEATURES:
			leaf->eax &= KVM_CLOCKS;
			break;
		default:
			break;
		}
	}
}
