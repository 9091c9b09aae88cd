// SPDX-License-Identifier: GPL-2.0
/*
 * The guest: its memory, its programs, and running them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "bench.h"

#define CPUID_ENTRIES	256

static const struct {
	unsigned int	at;
	unsigned char	code[32];
} programs[] = {
	{ AT_HALT,  { 0xf4,				/* hlt */
		      0xeb, 0xfd } },			/* jmp AT_HALT */
	{ AT_PIO,   { 0xe6, 0x10,			/* 1: out %al, $0x10 */
		      0xeb, 0xfc } },			/* jmp 1b */
	/* The loops count in %si; an empty one is measured to be subtracted. */
	{ AT_EMPTY, { 0x4e,				/* 1: dec %si */
		      0x75, 0xfd,			/* jnz 1b */
		      0xf4 } },
	{ AT_CPUID, { 0x31, 0xc0,			/* 1: xor %ax, %ax */
		      0x0f, 0xa2,			/* cpuid */
		      0x4e,				/* dec %si */
		      0x75, 0xf9,			/* jnz 1b */
		      0xf4 } },
	/* The leaf's number is in %edi, its index in %ebp. */
	{ AT_CPUID_LEAF, { 0x66, 0x89, 0xf8,		/* 1: mov %edi, %eax */
		      0x66, 0x89, 0xe9,			/* mov %ebp, %ecx */
		      0x0f, 0xa2,			/* cpuid */
		      0x4e,				/* dec %si */
		      0x75, 0xf5,			/* jnz 1b */
		      0xf4 } },
	{ AT_MSR,   { 0x66, 0xb9, 0xa0, 0x01, 0, 0,	/* mov $IA32_MISC_ENABLE, %ecx */
		      0x0f, 0x32,			/* 1: rdmsr */
		      0x4e,				/* dec %si */
		      0x75, 0xfb,			/* jnz 1b */
		      0xf4 } },
	/* Segments of pages from %ax on, at steps of %bx; their number is in %cx. */
	{ AT_TOUCH, { 0x8e, 0xd8,			/* 1: mov %ax, %ds */
		      0xa2, 0, 0,			/* mov %al, 0 */
		      0x01, 0xd8,			/* add %bx, %ax */
		      0xe2, 0xf7,			/* loop 1b */
		      0xf4 } },
	{ AT_TOUCH_ONE, { 0xb8, 0x00, 0x01,		/* mov $0x100, %ax: the second page */
		      0x8e, 0xd8,			/* mov %ax, %ds */
		      0xa2, 0, 0,			/* mov %al, 0 */
		      0xf4 } },
	{ AT_VMCALL, { 0x66, 0xb8, 0xff, 0, 0, 0,	/* 1: mov $255, %eax: a call that does not exist */
		      0x0f, 0x01, 0xc1,			/* vmcall */
		      0x4e,				/* dec %si */
		      0x75, 0xf4,			/* jnz 1b */
		      0xf4 } },
	{ AT_MSR_WRITE, { 0x66, 0xb9, 0xfc, 0x01, 0, 0,	/* mov $IA32_POWER_CTL, %ecx */
		      0x66, 0x31, 0xc0,			/* xor %eax, %eax */
		      0x66, 0x31, 0xd2,			/* xor %edx, %edx */
		      0x0f, 0x30,			/* 1: wrmsr */
		      0x4e,				/* dec %si */
		      0x75, 0xfb,			/* jnz 1b */
		      0xf4 } },
	{ AT_PIO_STRING, { 0xba, 0x10, 0,		/* mov $0x10, %dx */
		      0x31, 0xf6,			/* 1: xor %si, %si */
		      0x6e,				/* outsb */
		      0xeb, 0xfb } },			/* jmp 1b */
	/* For 64-bit mode. */
	{ AT_MMIO,  { 0x89, 0x07,			/* 1: mov %eax, (%rdi) */
		      0xeb, 0xfc } },			/* jmp 1b */
};

unsigned char *guest_memory(size_t size)
{
	unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("guest memory", -errno);
	/* Page by page, so that faults are 4K ones; present, so that they are EPT's alone. */
	madvise(memory, size, MADV_NOHUGEPAGE);
	memset(memory, 0, size);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		memcpy(memory + programs[i].at, programs[i].code, sizeof(programs[i].code));
	return memory;
}

int enable_lapic(struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { IOAPIC_PINS } };

	return ioctl(vm->vm, KVM_ENABLE_CAP, &cap) ? -errno : 0;
}

int try_create(const struct bench *b, struct vm *vm, void *memory, size_t size)
{
	int error = vm_create(vm, b->device);

	if (!error && b->lapic)
		error = enable_lapic(vm);
	if (!error)
		error = vm_set_slot(vm, 0, 0, memory, size);
	if (!error)
		error = vm_create_vcpu(vm);
	return error ? error : vm_start_real_mode(vm, b->lapic ? AT_PIO : AT_HALT);
}

void create(const struct bench *b, struct vm *vm, size_t size)
{
	need(b->device, try_create(b, vm, b->memory, size));
}

void run_to(struct vm *vm, int reason)
{
	int got = vm_run(vm);

	need("KVM_RUN", got);
	if (got != reason) {
		fprintf(stderr, "likex-bench: exit reason %d, expected %d\n", got, reason);
		exit(1);
	}
}

void run_first(const struct bench *b, struct vm *vm)
{
	/* A vCPU with a LAPIC halts in the kernel. */
	run_to(vm, b->lapic ? KVM_EXIT_IO : KVM_EXIT_HLT);
}

long run_program(const struct bench *b, struct vm *vm, struct kvm_regs regs)
{
	struct cost start;

	regs.rflags = 2;
	need("KVM_SET_REGS", ioctl(vm->vcpu, KVM_SET_REGS, &regs) ? -errno : 0);
	start = begin();
	run_to(vm, KVM_EXIT_HLT);
	return spent(b, start).ticks;
}

struct kvm_cpuid2 *supported_cpuid(struct vm *vm)
{
	struct kvm_cpuid2 *table = calloc(1, sizeof(*table) +
					  CPUID_ENTRIES * sizeof(table->entries[0]));

	if (!table)
		die("CPUID", -ENOMEM);
	table->nent = CPUID_ENTRIES;
	if (ioctl(vm->sys, KVM_GET_SUPPORTED_CPUID, table))
		die("KVM_GET_SUPPORTED_CPUID", -errno);
	return table;
}

struct kvm_cpuid2 *set_supported_cpuid(struct vm *vm)
{
	struct kvm_cpuid2 *table = supported_cpuid(vm);

	if (ioctl(vm->vcpu, KVM_SET_CPUID2, table))
		die("KVM_SET_CPUID2", -errno);
	return table;
}
