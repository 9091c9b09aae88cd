// SPDX-License-Identifier: GPL-2.0
/* See vmm.h. */
#include "vmm.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"

#define MEMORY		(48UL << 20)
#define WORDS		512
#define SERIAL		0x3f8
#define LINE_STATUS	0x3fd
#define PINS		24

/* Functions of likexvm have told what failed. */
static void check(int result)
{
	if (result)
		exit(1);
}

static void *map(void *ctx, uint64_t gpa, bool write __attribute__((unused)))
{
	return memory_at(ctx, gpa, 1);
}

void cpu_ioctl(struct cpu *cpu, unsigned long cmd, void *arg, const char *what)
{
	check(vcpu_set(&cpu->vcpu, cmd, arg, what));
}

enum apic apic_of(const char *word)
{
	return !strcmp(word, "x2apic") ? APIC_X2 : !strcmp(word, "xapic") ? APIC_X : APIC_NONE;
}

void machine_create(struct machine *m, const char *device)
{
	check(vm_open(&m->vm, device));
	if (m->apic)
		check(vm_split_irqchip(&m->vm, PINS));
	if (memory_create(&m->memory, MEMORY))
		err(1, "memory");
	check(vm_add_memory(&m->vm, &m->memory));
}

static void set_cpuid(struct cpu *cpu)
{
	const struct machine *m = cpu->machine;
	struct kvm_cpuid2 *cpuid = vm_supported_cpuid(&m->vm);

	if (!cpuid)
		exit(1);
	cpuid_adapt(cpuid, m->apic, cpu->vcpu.handle.vcpu, m->cpus);
	cpu_ioctl(cpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
}

static void make_cpu(struct cpu *cpu, struct machine *m, int id)
{
	struct likex_vcpu_config config = {
		.size = sizeof(config), .map = map, .ctx = &m->memory, .ops = m->vm.ops,
		.handle = &cpu->vcpu.handle, .sync_regs = m->vm.sync_regs,
	};

	cpu->machine = m;
	check(vcpu_open(&cpu->vcpu, &m->vm, id, m->cpus > 1));
	config.run = cpu->vcpu.run;
	cpu->emulator = likex_vcpu_new(&config);
	if (!cpu->emulator)
		err(1, "liblikex");
	set_cpuid(cpu);
}

static void load(struct machine *m, struct boot_entry *entry, const char *kernel_path,
		 const char *initramfs_path, const char *cmdline)
{
	struct file kernel, initramfs;
	struct boot boot = { .kernel = &kernel, .initrd = &initramfs, .cmdline = cmdline,
			     .cpus = m->apic ? m->cpus : 0 };
	const char *error;

	check(file_read(&kernel, kernel_path, MEMORY));
	check(file_read(&initramfs, initramfs_path, MEMORY));
	error = boot_load(&m->memory, &boot, entry);
	if (error)
		errx(1, "%s %s", kernel_path, error);
	file_free(&kernel);
	file_free(&initramfs);
}

void machine_boot(struct machine *m, struct cpu *cpus, const char *kernel, const char *initramfs,
		  char **words)
{
	char line[WORDS] = "quiet panic=-1 reboot=t earlyprintk=serial,ttyS0,115200,keep";
	struct boot_entry entry;

	for (size_t at = strlen(line); *words && at < sizeof(line); words++)
		at += snprintf(line + at, sizeof(line) - at, " %s", *words);
	load(m, &entry, kernel, initramfs, line);
	for (int id = 0; id < m->cpus; id++)
		make_cpu(&cpus[id], m, id);
	check(boot_set(&cpus[0].vcpu, &entry));
}

void serial(const struct kvm_run *run)
{
	unsigned char *data = (unsigned char *)run + run->io.data_offset;
	size_t size = (size_t)run->io.size * run->io.count;

	if (run->io.direction == KVM_EXIT_IO_IN)
		memset(data, run->io.port == LINE_STATUS ? 0x60 : 0xff, size);
	else if (run->io.port == SERIAL && write_all(STDOUT_FILENO, data, run->io.count))
		err(1, "output");
}
