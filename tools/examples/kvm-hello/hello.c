// SPDX-License-Identifier: GPL-2.0
/*
 * A guest in real mode says Hello three times, and halts after each. It makes
 * the system calls that src/main.rs makes through kvm-ioctls, in their order,
 * and like that knows /dev/kvm alone.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MEMORY	0x4000	/* bytes */
#define PORT	0xf1
#define TIMES	3

/* mov $byte, %al; outb %al, $PORT */
#define SAY(byte)	0xb0, (byte), 0xe6, PORT

static const uint8_t code[] = {
	SAY('H'), SAY('e'), SAY('l'), SAY('l'), SAY('o'), SAY('\n'),
	0xf4,				/* hlt */
	0xeb, (uint8_t)-(6 * 4 + 3),	/* jmp to the begin */
};

static int call(int fd, unsigned long request, const char *name, void *arg)
{
	int value = ioctl(fd, request, arg);

	if (value < 0)
		err(1, "%s", name);
	return value;
}

#define CALL(fd, request, arg)	call(fd, request, #request, (void *)(arg))

static void set_up_memory(int vm)
{
	void *host = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.memory_size	= MEMORY,
		.userspace_addr	= (uintptr_t)host,
	};

	if (host == MAP_FAILED)
		err(1, "mmap");
	memcpy(host, code, sizeof(code));
	CALL(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void set_up_vcpu(int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	CALL(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.selector = 0;
	sregs.cs.base = 0;
	CALL(vcpu, KVM_SET_SREGS, &sregs);
	CALL(vcpu, KVM_GET_REGS, &regs);
	regs.rip = 0;
	regs.rflags = 2;
	CALL(vcpu, KVM_SET_REGS, &regs);
}

static void run(int vcpu, const struct kvm_run *state)
{
	for (int halts = 0; halts < TIMES;) {
		CALL(vcpu, KVM_RUN, 0);
		if (state->exit_reason == KVM_EXIT_HLT) {
			printf("KVM_EXIT_HLT\n");
			halts++;
		} else if (state->exit_reason == KVM_EXIT_IO && state->io.direction == KVM_EXIT_IO_OUT && state->io.port == PORT) {
			fwrite((const char *)state + state->io.data_offset, state->io.size, state->io.count, stdout);
		} else {
			errx(1, "an exit that was not expected: %u", state->exit_reason);
		}
	}
}

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, vcpu;
	struct kvm_run *state;
	size_t size;

	if (kvm < 0)
		err(1, "/dev/kvm");
	vm = CALL(kvm, KVM_CREATE_VM, 0);
	size = CALL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	set_up_memory(vm);
	vcpu = CALL(vm, KVM_CREATE_VCPU, 0);
	state = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (state == MAP_FAILED)
		err(1, "mmap of the run area");
	set_up_vcpu(vcpu);
	run(vcpu, state);
	return 0;
}
