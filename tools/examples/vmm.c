// SPDX-License-Identifier: GPL-2.0
/* See vmm.h. */
#include "vmm.h"

#include <err.h>
#include <fcntl.h>
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
#define APIC		(1U << 9)
#define X2APIC		(1U << 21)
#define TSC_DEADLINE	(1U << 24)
#define HYPERVISOR	(1U << 31)
#define KVM_CLOCKS	(1U << 0 | 1U << 3 | 1U << 24)

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

void cpu_ioctl(struct cpu *cpu, unsigned long cmd, void *arg, const char *what)
{
	int r = cpu->machine->ops->ioctl(&cpu->handle, cmd, arg);

	if (r < 0)
		errx(1, "%s: %s", what, strerror(-r));
}

enum apic apic_of(const char *word)
{
	return !strcmp(word, "x2apic") ? APIC_X2 : !strcmp(word, "xapic") ? APIC_X : APIC_NONE;
}

void machine_create(struct machine *m, const char *device)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { PINS } };
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	int vm;

	m->dev = check(open(device, O_RDWR | O_CLOEXEC), device);
	vm = check(ioctl(m->dev, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	m->likex = !vm;
	m->vm = m->likex ? m->dev : vm;
	m->ops = m->likex ? likex_ops_session() : likex_ops_kvm();
	if (m->apic)
		check(ioctl(m->vm, KVM_ENABLE_CAP, &split), "KVM_CAP_SPLIT_IRQCHIP");
	m->sync_regs = ioctl(m->dev, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	m->memory = map_memory(MEMORY, -1, 0);
	region.userspace_addr = (uintptr_t)m->memory;
	check(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region), "memory");
}

static void set_features(const struct cpu *cpu, struct kvm_cpuid_entry2 *leaf)
{
	const struct machine *m = cpu->machine;

	leaf->ebx = (leaf->ebx & 0xffff) | m->cpus << 16 | cpu->handle.vcpu << 24;
	leaf->ecx |= TSC_DEADLINE | HYPERVISOR | X2APIC;
	if (m->apic != APIC_X2)
		leaf->ecx &= ~X2APIC;
	if (m->apic == APIC_NONE) {
		leaf->ecx &= ~TSC_DEADLINE;
		leaf->edx &= ~APIC;
	}
}

static void set_cpuid(struct cpu *cpu)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + LEAVES * sizeof(cpuid->entries[0]));

	check(cpuid ? 0 : -1, "CPUID");
	cpuid->nent = LEAVES;
	check(ioctl(cpu->machine->dev, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *leaf = &cpuid->entries[i];

		if (leaf->function == 1) {
			set_features(cpu, leaf);
		} else if (leaf->function == 0xb) {
			leaf->eax = leaf->ebx = leaf->ecx = 0;
			leaf->edx = cpu->handle.vcpu;
		} else if (leaf->function == KVM_FEATURES) {
			leaf->eax &= KVM_CLOCKS;
		}
	}
	cpu_ioctl(cpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
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
	cpu_ioctl(cpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1;
	cpu_ioctl(cpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	cpu_ioctl(cpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
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

void machine_boot(struct machine *m, struct cpu *cpus, const char *kernel, const char *initramfs,
		  char **words)
{
	uint32_t entry;

	if (m->apic)
		make_mp_table(m->memory, m->cpus);
	make_start_info(m->memory, initramfs, words);
	entry = load_kernel(m->memory, kernel);
	for (int id = 0; id < m->cpus; id++)
		make_cpu(&cpus[id], m, id);
	cpus[0].handle.many = m->cpus > 1;
	start(&cpus[0], entry);
}

void serial(const struct kvm_run *run)
{
	unsigned char *data = (unsigned char *)run + run->io.data_offset;
	size_t size = (size_t)run->io.size * run->io.count;

	if (run->io.direction == KVM_EXIT_IO_IN)
		memset(data, run->io.port == LINE_STATUS ? 0x60 : 0xff, size);
	else if (run->io.port == SERIAL)
		check(write(1, data, run->io.count), "output");
}

void access_apic(struct cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	struct likex_lapic_access access = {
		.offset = run->mmio.phys_addr - APIC_PAGE,
		.flags = run->mmio.is_write ? LIKEX_LAPIC_WRITE : 0,
	};

	memcpy(&access.value, run->mmio.data, 4);
	cpu_ioctl(cpu, LIKEX_LAPIC_ACCESS, &access, "LIKEX_LAPIC_ACCESS");
	memcpy(run->mmio.data, &access.value, 4);
}
