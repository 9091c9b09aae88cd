/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM and its vCPUs on /dev/likex, with one descriptor for all, or on /dev/kvm, with one
 * for each. Functions return 0 or a negative errno, after a message that names the call.
 */
#ifndef LIKEXVM_HYPERVISOR_H
#define LIKEXVM_HYPERVISOR_H

#include <likex/vcpu.h>
#include <linux/likex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

struct vm {
	int dev, fd;			/* the same on /dev/likex */
	bool likex;
	const struct likex_vcpu_ops *ops;
	uint64_t sync_regs;
	size_t run_size;
};

struct vcpu {
	const struct likex_vcpu_ops *ops;
	struct likex_handle handle;
	struct kvm_run *run;
	size_t run_size;
};

/*
 * Return the device of a hypervisor: "likex", "kvm", or "auto", which is /dev/likex where
 * it is there and else /dev/kvm; NULL for another name.
 */
const char *hypervisor_node(const char *name);

int vm_open(struct vm *vm, const char *node);
void vm_close(struct vm *vm);

/* Make guest memory visible to the VM. */
int vm_add_memory(const struct vm *vm, const struct memory *memory);

/* Give each vCPU a local APIC in the kernel. An IOAPIC with @pins pins is the caller's. */
int vm_split_irqchip(const struct vm *vm, unsigned int pins);

/* @many: the VM has more than this vCPU. */
int vcpu_open(struct vcpu *vcpu, const struct vm *vm, unsigned int id, bool many);
void vcpu_close(struct vcpu *vcpu);

/* Return what the ioctl does, or a negative errno, with no message. */
int vcpu_ioctl(const struct vcpu *vcpu, unsigned long cmd, void *arg);

/* The same, with a message if it fails. */
int vcpu_set(const struct vcpu *vcpu, unsigned long cmd, void *arg, const char *what);

/* Return the CPUID leaves that the hypervisor supports (to free()), or NULL. */
struct kvm_cpuid2 *vm_supported_cpuid(const struct vm *vm);

#endif
