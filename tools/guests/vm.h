/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One VM with one vCPU, on either interface: /dev/kvm with its three
 * descriptors, or /dev/likex with one. It has only the functions that the benchmark
 * and the small guests need; errors are -errno.
 */
#ifndef LIKEX_TOOLS_VM_H
#define LIKEX_TOOLS_VM_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

struct vm {
	int		sys;		/* the device: system ioctls */
	int		vm;		/* VM ioctls; with one descriptor the same as sys */
	int		vcpu;		/* vCPU ioctls; likewise */
	struct kvm_run	*run;
	size_t		run_size;	/* bytes mapped at run */
};

/* Return 1 if the device at @path has everything on one descriptor, else 0. */
int vm_one_descriptor(const char *path);

/* Open the device at @path and create an empty VM. */
int vm_create(struct vm *vm, const char *path);

/* Create vCPU 0 and map its run area. */
int vm_create_vcpu(struct vm *vm);

/* Lay @size bytes at @host into the guest at @gpa as @slot; size 0 deletes it. */
int vm_set_slot(struct vm *vm, unsigned int slot, uint64_t gpa, void *host, size_t size);

/* Start vCPU 0 in real mode at @rip with CS at 0 and all else as after reset. */
int vm_start_real_mode(struct vm *vm, uint64_t rip);

/* Run until an exit to user space; returns its reason (KVM_EXIT_...). */
int vm_run(struct vm *vm);

/* Close everything, in the order in which KVM's documentation has it. */
void vm_destroy(struct vm *vm);

#endif
