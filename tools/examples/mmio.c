// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest VMM with a device: a guest that stores to and loads from an
 * address where there is no memory.
 * Usage: mmio [/dev/likex|/dev/kvm]
 *
 * All is KVM's interface but likex_vcpu_run(), instead of ioctl(KVM_RUN).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <likex/vcpu.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MEMORY 0x10000
#define RW (PROT_READ | PROT_WRITE)

static const unsigned char guest[] = {
	0xb8, 0x00, 0xd0, 0x8e, 0xd8,		/* mov ax, 0xd000; mov ds, ax */
	0xc6, 0x06, 0, 0, 0x12, 0x8a, 0x1e, 0, 0,	/* mov byte [0], 0x12; mov bl, [0] */
	0xc7, 0x06, 0, 0, 0x34, 0x12, 0x8b, 0x1e, 0, 0,	/* mov word [0], 0x1234; mov bx, [0] */
	0x66, 0xc7, 0x06, 0, 0, 0x78, 0x56, 0x34, 0x12,	/* mov dword [0], 0x12345678 */
	0x66, 0xa1, 0, 0,			/* mov eax, [0] */
	0x0f, 0xc7, 0x0e, 0, 0, 0xf4,		/* cmpxchg8b [0], writes ECX:EBX; hlt */
};

/* All that the library has to know of the guest's memory. */
static void *map(void *ctx, uint64_t gpa, bool write __attribute__((unused)))
{
	return gpa < MEMORY ? (char *)ctx + gpa : NULL;
}

/* The device: one register. */
static void device(struct kvm_run *run, uint64_t *reg)
{
	void *to = run->mmio.is_write ? (void *)reg : run->mmio.data;

	memcpy(to, run->mmio.is_write ? run->mmio.data : (void *)reg, run->mmio.len);
	printf("%s %llx, %u bytes\n", run->mmio.is_write ? "write" : "read ",
	       run->mmio.phys_addr, run->mmio.len);
}

static void check(bool ok, const char *what)
{
	if (!ok)
		err(1, "%s", what);
}

/* On /dev/likex creating returns 0: all is on the one descriptor. */
static int create(int fd, unsigned long what)
{
	int new = ioctl(fd, what, 0);

	check(new >= 0, what == KVM_CREATE_VM ? "KVM_CREATE_VM" : "KVM_CREATE_VCPU");
	return new ? new : fd;
}

int main(int argc, char **argv)
{
	const char *node = argc > 1 ? argv[1] : "/dev/likex";
	char *memory = mmap(NULL, MEMORY, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY, .userspace_addr = (uintptr_t)memory,
	};
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
	struct likex_vcpu_config config = { .size = sizeof(config), .map = map, .ctx = memory };
	int fd = open(node, O_RDWR | O_CLOEXEC), vm, r = -ENOMEM;
	struct likex_handle vcpu = { 0 };
	struct likex_vcpu *v;
	struct kvm_sregs sregs;
	uint64_t reg = 0;

	check(fd >= 0 && memory != MAP_FAILED, node);
	memcpy(memory + regs.rip, guest, sizeof(guest));
	vm = create(fd, KVM_CREATE_VM);
	check(!ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "memory region");
	vcpu.fd = create(vm, KVM_CREATE_VCPU);
	config.run = mmap(NULL, ioctl(fd, KVM_GET_VCPU_MMAP_SIZE, 0), RW, MAP_SHARED,
			  vcpu.fd, 0);
	check(config.run != MAP_FAILED, "run area");
	check(!ioctl(vcpu.fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	check(!ioctl(vcpu.fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(!ioctl(vcpu.fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");

	config.ops = vm == fd ? likex_ops_session() : likex_ops_kvm();
	config.handle = &vcpu;
	config.sync_regs = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	v = likex_vcpu_new(&config);
	while (v && !(r = likex_vcpu_run(v)) && config.run->exit_reason == KVM_EXIT_MMIO)
		device(config.run, &reg);
	if (r || ioctl(vcpu.fd, KVM_GET_REGS, &regs))
		errx(1, "run: %s", strerror(-r));
	printf("exit %u, eax %#llx, ebx %#llx\n", config.run->exit_reason, regs.rax, regs.rbx);
	return config.run->exit_reason != KVM_EXIT_HLT || regs.rax != 0x12345678 || reg != 0x1234;
}
