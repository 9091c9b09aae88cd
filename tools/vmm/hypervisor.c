// SPDX-License-Identifier: GPL-2.0
/* See hypervisor.h. */
#include "hypervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "report.h"

#define LIKEX		"/dev/likex"
#define KVM		"/dev/kvm"
#define LEAVES		256

const char *hypervisor_node(const char *name)
{
	if (!strcmp(name, "likex"))
		return LIKEX;
	if (!strcmp(name, "kvm"))
		return KVM;
	if (strcmp(name, "auto") != 0)
		return NULL;
	return access(LIKEX, F_OK) && !access(KVM, F_OK) ? KVM : LIKEX;
}

static int failed(const char *what)
{
	return complain(-errno, "%s", what);
}

int vm_open(struct vm *vm, const char *node)
{
	int size;

	*vm = (struct vm){ .fd = -1, .dev = open(node, O_RDWR | O_CLOEXEC) };
	if (vm->dev < 0)
		return failed(node);
	vm->fd = ioctl(vm->dev, KVM_CREATE_VM, 0);
	size = ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm->fd < 0 || size < (int)sizeof(struct kvm_run)) {
		vm_close(vm);
		return failed("KVM_CREATE_VM");
	}
	/* /dev/likex has no other descriptor for a VM. */
	vm->likex = !vm->fd;
	vm->fd = vm->likex ? vm->dev : vm->fd;
	vm->ops = vm->likex ? likex_ops_session() : likex_ops_kvm();
	vm->sync_regs = ioctl(vm->dev, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	vm->run_size = size;
	return 0;
}

void vm_close(struct vm *vm)
{
	int error = errno;

	if (vm->fd >= 0 && vm->fd != vm->dev)
		close(vm->fd);
	if (vm->dev >= 0)
		close(vm->dev);
	vm->fd = vm->dev = -1;
	errno = error;
}

int vm_add_memory(const struct vm *vm, const struct memory *memory)
{
	struct memory_part parts[2];
	unsigned int count = memory_parts(memory, parts);

	for (unsigned int i = 0; i < count; i++) {
		struct kvm_userspace_memory_region region = {
			.slot = i, .guest_phys_addr = parts[i].gpa,
			.memory_size = parts[i].size,
			.userspace_addr = (uintptr_t)parts[i].bytes,
		};

		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
			return failed("KVM_SET_USER_MEMORY_REGION");
	}
	return 0;
}

int vm_split_irqchip(const struct vm *vm, unsigned int pins)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { pins } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &split) ? failed("KVM_CAP_SPLIT_IRQCHIP") : 0;
}

int vcpu_open(struct vcpu *vcpu, const struct vm *vm, unsigned int id, bool many)
{
	int fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	void *run;

	*vcpu = (struct vcpu){ .ops = vm->ops, .run_size = vm->run_size };
	if (fd < 0)
		return failed("KVM_CREATE_VCPU");
	vcpu->handle = (struct likex_handle){ vm->likex ? vm->fd : fd, id, many };
	run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->handle.fd,
		   vm->likex ? (off_t)(id * vm->run_size) : 0);
	if (run == MAP_FAILED) {
		vcpu_close(vcpu);
		return failed("the run area");
	}
	vcpu->run = run;
	return 0;
}

void vcpu_close(struct vcpu *vcpu)
{
	int error = errno;

	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	/* On /dev/likex the descriptor is the VM's. */
	if (vcpu->ops == likex_ops_kvm())
		close(vcpu->handle.fd);
	*vcpu = (struct vcpu){ 0 };
	errno = error;
}

int vcpu_ioctl(const struct vcpu *vcpu, unsigned long cmd, void *arg)
{
	return vcpu->ops->ioctl((void *)&vcpu->handle, cmd, arg);
}

int vcpu_set(const struct vcpu *vcpu, unsigned long cmd, void *arg, const char *what)
{
	int r = vcpu_ioctl(vcpu, cmd, arg);

	return r < 0 ? complain(r, "%s", what) : 0;
}

struct kvm_cpuid2 *vm_supported_cpuid(const struct vm *vm)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + LEAVES * sizeof(cpuid->entries[0]));

	if (!cpuid) {
		complain(-ENOMEM, "CPUID");
		return NULL;
	}
	cpuid->nent = LEAVES;
	if (ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		failed("KVM_GET_SUPPORTED_CPUID");
		free(cpuid);
		return NULL;
	}
	return cpuid;
}
