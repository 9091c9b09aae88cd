/* SPDX-License-Identifier: GPL-2.0 */
/* CPUID of a guest with several vCPUs, from the leaves that the hypervisor supports. */
#ifndef LIKEXVM_CPUID_H
#define LIKEXVM_CPUID_H

#include <linux/kvm.h>
#include <stdint.h>

/* The local APICs: none, or in the kernel, in one of their modes */
enum apic { APIC_NONE, APIC_X, APIC_X2 };

/* Change the leaves for the vCPU @id of @cpus, whose APIC id is its id. */
void cpuid_adapt(struct kvm_cpuid2 *cpuid, enum apic apic, unsigned int id, unsigned int cpus);

#endif
