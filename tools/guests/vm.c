// SPDX-License-Identifier: GPL-2.0
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int vm_one_descriptor(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, "likex");
}

int vm_create(struct vm *vm, const char *path)
{
	int got;

	*vm = (struct vm){ .sys = -1, .vm = -1, .vcpu = -1 };
	vm->sys = open(path, O_RDWR | O_CLOEXEC);
	if (vm->sys < 0)
		return -errno;
	got = ioctl(vm->sys, KVM_CREATE_VM, 0);
	if (got < 0)
		return -errno;
	vm->vm = vm_one_descriptor(path) ? vm->sys : got;
	return 0;
}

int vm_create_vcpu(struct vm *vm)
{
	int size = ioctl(vm->sys, KVM_GET_VCPU_MMAP_SIZE, 0);
	int got = ioctl(vm->vm, KVM_CREATE_VCPU, 0);

	if (size < 0 || got < 0)
		return -errno;
	vm->vcpu = vm->vm == vm->sys ? vm->sys : got;
	vm->run_size = size;
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED) {
		vm->run = NULL;
		return -errno;
	}
	return 0;
}

int vm_set_slot(struct vm *vm, unsigned int slot, uint64_t gpa, void *host, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	return ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

int vm_start_real_mode(struct vm *vm, uint64_t rip)
{
	struct kvm_regs regs = { .rip = rip, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs) || ioctl(vm->vcpu, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

int vm_run(struct vm *vm)
{
	/* 0 is what KVM demands, and the id of the only vCPU for LiKeX. */
	return ioctl(vm->vcpu, KVM_RUN, 0) ? -errno : (int)vm->run->exit_reason;
}

void vm_destroy(struct vm *vm)
{
	if (vm->run)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0 && vm->vcpu != vm->sys)
		close(vm->vcpu);
	if (vm->vm >= 0 && vm->vm != vm->sys)
		close(vm->vm);
	if (vm->sys >= 0)
		close(vm->sys);
	*vm = (struct vm){ .sys = -1, .vm = -1, .vcpu = -1 };
}
