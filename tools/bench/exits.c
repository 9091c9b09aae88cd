// SPDX-License-Identifier: GPL-2.0
/*
 * Exits: to user space and back, or handled in the kernel.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "bench.h"

#define ROUNDTRIPS	1001
#define LOOPS		1000
#define FAULT_ROUNDS	16
#define SEGMENT		0x100		/* of real mode: a page */
#define APART		16		/* pages, of which one is there */
#define APART_PAGES	14		/* in the memory that real mode reaches */
#define ABSENT		0x3fffffff	/* a leaf beyond the last basic one */

/* Pages to be touched: each @step-th from the first on, which has the programs. */
struct faults {
	unsigned char	*memory;
	size_t		size;
	int		nr, step;
};

/* From user space into the guest and back: an interrupt now and then is outvoted by the median. */
static void measure_roundtrip(struct vm *vm, const char *name, unsigned int at)
{
	struct kvm_regs regs = { .rip = at, .rflags = 2 };
	long ticks[ROUNDTRIPS], empty[ROUNDTRIPS];

	need("KVM_SET_REGS", ioctl(vm->vcpu, KVM_SET_REGS, &regs) ? -errno : 0);
	mark(name, ROUNDTRIPS);
	for (int i = 0; i < ROUNDTRIPS; i++) {
		unsigned long start = __rdtsc();

		empty[i] = __rdtsc() - start;
		start = __rdtsc();
		run_to(vm, KVM_EXIT_IO);
		ticks[i] = __rdtsc() - start;
	}
	mark_end(name);
	print_ticks(name, median(ticks, ROUNDTRIPS) - median(empty, ROUNDTRIPS));
}

static long run_loop(const struct bench *b, struct vm *vm, unsigned int at)
{
	return run_program(b, vm, (struct kvm_regs){ .rip = at, .rsi = LOOPS });
}

/* The exit of a loop's instruction; @empty: ticks of a loop without it */
static void measure_loop(const struct bench *b, struct vm *vm, const char *name,
			 unsigned int at, long empty)
{
	long ticks;

	mark(name, LOOPS);
	ticks = run_loop(b, vm, at);
	mark_end(name);
	print_ticks(name, (ticks - empty) / LOOPS);
}

/* Fault in pages of a new VM; a second run over the same pages has no faults. */
static struct cost fault_cost(const struct bench *b, const char *name, const struct faults *f)
{
	struct kvm_regs touch = {
		.rip = AT_TOUCH, .rax = f->step * SEGMENT, .rbx = f->step * SEGMENT, .rcx = f->nr,
	};
	struct vm vm;
	long ticks;

	need(b->device, try_create(b, &vm, f->memory, f->size));
	run_to(&vm, KVM_EXIT_HLT);
	mark(name, f->nr);
	ticks = run_program(b, &vm, touch);
	mark_end(name);
	ticks -= run_program(b, &vm, touch);
	vm_destroy(&vm);
	return (struct cost){ .ticks = ticks };
}

/* A round is some periods of the timer long, and one interrupt more is 1 or 2 % of it. */
static void measure_faults(const struct bench *b, const char *name, const struct faults *f)
{
	struct cost rounds[FAULT_ROUNDS];

	for (int i = 0; i < FAULT_ROUNDS; i++) {
		shift_phase(i);
		rounds[i] = fault_cost(b, name, f);
	}
	print_ticks(name, middle_cost(rounds, FAULT_ROUNDS).ticks / f->nr);
}

/* Pages that have no neighbours in the host, so that each fault maps one page. */
static void measure_single_faults(const struct bench *b)
{
	struct faults f = { .nr = APART_PAGES, .step = APART, .size = (1 + APART_PAGES) * APART * PAGE };

	f.memory = guest_memory(f.size);
	for (int i = 0; i <= APART_PAGES; i++) {
		if (madvise(f.memory + (i * APART + 1) * PAGE, (APART - 1) * PAGE, MADV_DONTNEED))
			die("MADV_DONTNEED", -errno);
	}
	measure_faults(b, "ept_fault_4k", &f);
	munmap(f.memory, f.size);
}

void measure_exits(const struct bench *b)
{
	struct vm vm;
	long empty;

	create(b, &vm, b->memory_size);
	run_to(&vm, KVM_EXIT_HLT);
	measure_roundtrip(&vm, "pio_roundtrip", AT_PIO);
	/* The first entry completes the last OUT, and its ticks are outvoted. */
	measure_roundtrip(&vm, "pio_string", AT_PIO_STRING);
	/* The last OUTS is completed at the next entry, which must not be a measured one. */
	run_to(&vm, KVM_EXIT_IO);
	empty = run_loop(b, &vm, AT_EMPTY);
	empty = run_loop(b, &vm, AT_EMPTY);
	measure_loop(b, &vm, "cpuid_exit", AT_CPUID, empty);
	measure_loop(b, &vm, "msr_exit", AT_MSR, empty);
	measure_loop(b, &vm, "msr_write_exit", AT_MSR_WRITE, empty);
	measure_loop(b, &vm, "vmcall", AT_VMCALL, empty);
	vm_destroy(&vm);
	measure_single_faults(b);
	measure_faults(b, "fault_around_4k", &(struct faults){
		.memory = b->memory, .size = b->memory_size, .nr = TOUCHED, .step = 1,
	});
}

static void measure_leaf(const struct bench *b, struct vm *vm, const char *name,
			 const struct kvm_cpuid_entry2 *leaf, long empty)
{
	struct kvm_regs regs = {
		.rip = AT_CPUID_LEAF, .rsi = LOOPS, .rdi = leaf->function, .rbp = leaf->index,
	};

	print_ticks(name, (run_program(b, vm, regs) - empty) / LOOPS);
}

/* CPUID with a table as a VMM sets it, by where in the table the answer is. */
void measure_cpuid(const struct bench *b)
{
	const struct kvm_cpuid_entry2 absent = { .function = ABSENT };
	struct kvm_cpuid2 *table;
	struct vm vm;
	long empty;

	create(b, &vm, PAGE);
	table = set_supported_cpuid(&vm);
	run_to(&vm, KVM_EXIT_HLT);
	empty = run_loop(b, &vm, AT_EMPTY);
	empty = run_loop(b, &vm, AT_EMPTY);
	measure_leaf(b, &vm, "cpuid_exit_full_first", &table->entries[0], empty);
	measure_leaf(b, &vm, "cpuid_exit_full_last", &table->entries[table->nent - 1], empty);
	measure_leaf(b, &vm, "cpuid_exit_full_absent", &absent, empty);
	free(table);
	vm_destroy(&vm);
}
