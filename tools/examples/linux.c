// SPDX-License-Identifier: GPL-2.0
/*
 * A VMM that boots Linux: an uncompressed kernel with a PVH entry, an initramfs, several
 * vCPUs, memory, and the output half of a serial port. The local APICs are in the
 * kernel. The guest ends it by a reboot with "reboot=t".
 * Usage: linux [/dev/likex|/dev/kvm] CPUS x2apic|xapic VMLINUX INITRAMFS [WORDS...]
 *
 * In xAPIC mode LiKeX leaves accesses to the APIC to user space: likex_vcpu_run()
 * decodes them, and LIKEX_LAPIC_ACCESS carries them out.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <likex/vcpu.h>
#include <linux/likex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pvh.h"

#define SERIAL		0x3f8
#define LINE_STATUS	0x3fd
#define PINS		24
#define KVM_FEATURES	0x40000001
#define LEAVES		256

/* Of CPUID: local APIC ids are the vCPUs' ids. */
#define X2APIC		(1U << 21)
#define TSC_DEADLINE	(1U << 24)
#define HYPERVISOR	(1U << 31)
#define KVM_CLOCKS	(1U << 0 | 1U << 3 | 1U << 24)

struct machine {
	int dev, vm, cpus;
	bool likex, x2apic;
	char *memory;
	uint64_t sync_regs;
	const struct likex_vcpu_ops *ops;
};

struct cpu {
	struct machine *machine;
	struct likex_handle handle;
	struct likex_vcpu *vcpu;
	struct kvm_run *run;
};

static void *map_memory(size_t size, int fd, off_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, offset);

	return at == MAP_FAILED ? err(1, "mmap"), NULL : at;
}

static void *map(void *ctx, uint64_t gpa, bool write __attribute__((unused)))
{
	return gpa < MEMORY ? (char *)ctx + gpa : NULL;
}

static void vcpu_ioctl(struct cpu *cpu, unsigned long cmd, void *arg, const char *what)
{
	int r = cpu->machine->ops->ioctl(&cpu->handle, cmd, arg);

	if (r < 0)
		errx(1, "%s: %s", what, strerror(-r));
}

static void set_cpuid(struct cpu *cpu)
{
	struct machine *m = cpu->machine;
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + LEAVES * sizeof(cpuid->entries[0]));

	check(cpuid ? 0 : -1, "CPUID");
	cpuid->nent = LEAVES;
	check(ioctl(m->dev, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *leaf = &cpuid->entries[i];

		if (leaf->function == 1) {
			leaf->ebx = (leaf->ebx & 0xffff) | m->cpus << 16 | cpu->handle.vcpu << 24;
			leaf->ecx |= TSC_DEADLINE | HYPERVISOR | X2APIC;
			if (!m->x2apic)
				leaf->ecx &= ~X2APIC;
		} else if (leaf->function == 0xb) {
			leaf->eax = leaf->ebx = leaf->ecx = 0;
			leaf->edx = cpu->handle.vcpu;
		} else if (leaf->function == KVM_FEATURES) {
			leaf->eax &= KVM_CLOCKS;
		}
	}
	vcpu_ioctl(cpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
}

/* The state that a PVH kernel starts in: protected mode without paging. */
static void start(struct cpu *cpu, uint32_t entry)
{
	struct kvm_segment data = { .limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1,
				    .db = 1, .s = 1, .g = 1 }, code = data;
	struct kvm_regs regs = { .rip = entry, .rbx = START_INFO, .rflags = 2 };
	struct kvm_sregs sregs;

	code.selector = 0x8;
	code.type = 0xb;
	vcpu_ioctl(cpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1;
	vcpu_ioctl(cpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	vcpu_ioctl(cpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static void make_cpu(struct cpu *cpu, struct machine *m, int id)
{
	int size = check(ioctl(m->dev, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	int fd = check(ioctl(m->vm, KVM_CREATE_VCPU, id), "KVM_CREATE_VCPU");
	struct likex_vcpu_config config = {
		.size = sizeof(config), .map = map, .ctx = m->memory, .handle = &cpu->handle,
		.sync_regs = m->sync_regs, .ops = m->ops,
	};

	cpu->machine = m;
	cpu->handle = (struct likex_handle){ m->likex ? m->dev : fd, id, id > 0 };
	cpu->run = map_memory(size, cpu->handle.fd, m->likex ? (off_t)id * size : 0);
	config.run = cpu->run;
	cpu->vcpu = likex_vcpu_new(&config);
	check(cpu->vcpu ? 0 : -1, "liblikex");
	set_cpuid(cpu);
}

/* A serial port that is always ready to send; other ports are empty. */
static void serial(const struct kvm_run *run)
{
	unsigned char *data = (unsigned char *)run + run->io.data_offset;
	size_t size = (size_t)run->io.size * run->io.count;

	if (run->io.direction == KVM_EXIT_IO_IN)
		memset(data, run->io.port == LINE_STATUS ? 0x60 : 0xff, size);
	else if (run->io.port == SERIAL)
		check(write(1, data, run->io.count), "output");
}

static void access_apic(struct cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	struct likex_lapic_access access = {
		.offset = run->mmio.phys_addr - APIC_PAGE,
		.flags = run->mmio.is_write ? LIKEX_LAPIC_WRITE : 0,
	};

	memcpy(&access.value, run->mmio.data, 4);
	vcpu_ioctl(cpu, LIKEX_LAPIC_ACCESS, &access, "LIKEX_LAPIC_ACCESS");
	memcpy(run->mmio.data, &access.value, 4);
}

static void *run(void *arg)
{
	struct cpu *cpu = arg;

	for (;;) {
		int r = likex_vcpu_run(cpu->vcpu);

		/* KVM says EAGAIN when a vCPU has got the message that starts it. */
		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (!r && cpu->run->exit_reason == KVM_EXIT_SHUTDOWN)
			exit(0);
		if (!r && cpu->run->exit_reason == KVM_EXIT_IO)
			serial(cpu->run);
		else if (!r && cpu->run->exit_reason == KVM_EXIT_MMIO)
			access_apic(cpu);
		else
			errx(1, "vCPU %u: %d, exit reason %u", cpu->handle.vcpu, r,
			     cpu->run->exit_reason);
	}
}

int main(int argc, char **argv)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { PINS } };
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct machine m = { 0 };
	struct cpu cpus[8];
	pthread_t thread;
	uint32_t entry;
	int vm;

	m.cpus = argc < 6 ? 0 : atoi(argv[2]);
	if (m.cpus < 1 || m.cpus > 8)
		errx(2, "usage: linux DEVICE CPUS x2apic|xapic VMLINUX INITRAMFS [WORDS...]");
	m.x2apic = !strcmp(argv[3], "x2apic");
	m.dev = check(open(argv[1], O_RDWR | O_CLOEXEC), argv[1]);
	vm = check(ioctl(m.dev, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	m.likex = !vm;
	m.vm = m.likex ? m.dev : vm;
	m.ops = m.likex ? likex_ops_session() : likex_ops_kvm();
	check(ioctl(m.vm, KVM_ENABLE_CAP, &split), "KVM_CAP_SPLIT_IRQCHIP");
	m.sync_regs = ioctl(m.dev, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	m.memory = map_memory(MEMORY, -1, 0);
	region.userspace_addr = (uintptr_t)m.memory;
	check(ioctl(m.vm, KVM_SET_USER_MEMORY_REGION, &region), "memory");
	make_mp_table(m.memory, m.cpus);
	make_start_info(m.memory, argv[5], argv + 6);
	entry = load_kernel(m.memory, argv[4]);
	for (int id = 0; id < m.cpus; id++)
		make_cpu(&cpus[id], &m, id);
	cpus[0].handle.many = m.cpus > 1;
	start(&cpus[0], entry);
	for (int id = 1; id < m.cpus; id++)
		if (pthread_create(&thread, NULL, run, &cpus[id]))
			errx(1, "no thread for vCPU %d", id);
	run(&cpus[0]);
}
