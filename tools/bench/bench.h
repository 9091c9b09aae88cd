/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions that the benchmark's families of metrics share: clocks and the counting
 * of work (measure.c), the guest and its programs (guest.c). Each family has a file.
 */
#ifndef LIKEX_BENCH_H
#define LIKEX_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "vm.h"

#define PAGE		0x1000UL
#define TOUCHED		128	/* pages of guest memory after the first */

/* Offset of each guest program in the guest's first page. */
enum {
	AT_HALT = 0x000, AT_PIO = 0x040, AT_EMPTY = 0x080, AT_CPUID = 0x0c0, AT_MSR = 0x100,
	AT_TOUCH = 0x140, AT_CPUID_LEAF = 0x180, AT_TOUCH_ONE = 0x1c0, AT_MMIO = 0x200,
	AT_VMCALL = 0x240, AT_MSR_WRITE = 0x280, AT_PIO_STRING = 0x2c0,
};

struct bench {
	const char	*device;
	double		ticks_per_ns;
	long		clock_ticks;	/* cost of reading the clocks */
	unsigned char	*memory;	/* guest memory, all of it touched by the host */
	size_t		memory_size;
	bool		lapic;		/* VMs have the local APIC in the kernel */
};

struct cost {
	long	ticks;		/* the thread's own work */
	long	sleeps;		/* times it waited for something */
};

/* measure.c */

/* End the program if @error is negative, saying what failed. */
void need(const char *what, int error);
_Noreturn void die(const char *what, int error);

/* Find the TSC's rate, and what measuring costs by itself. */
void calibrate(struct bench *b);

/* Work between begin() and spent(). */
struct cost begin(void);
struct cost spent(const struct bench *b, struct cost since);

long median(long *values, size_t count);
/*
 * The interquartile mean of ticks, the median of sleeps. If half of the rounds have
 * one more timer interrupt than the others, the median is one or the other by chance.
 */
struct cost middle_cost(const struct cost *costs, size_t count);

/* Count cycles of the TSC from now on, on a real host. */
void measure_on_host(void);

/*
 * For scripts/bench --profile: the emulator counts the host's instructions from mark() to
 * mark_end(), if @metric is the one that profile() names. So many operations lie between.
 */
void profile(const char *metric);
extern const char *profiled;
void mark_if(const char *metric, long operations);

/* Two instructions where nothing is profiled: they lie within what is measured. */
static inline void mark(const char *metric, long operations)
{
	if (profiled)
		mark_if(metric, operations);
}

static inline void mark_end(const char *metric)
{
	mark(metric, 0);
}

/* Report a metric. */
void print_ticks(const char *name, long ticks);
/* Report the middle of the costs, and how often the thread slept. */
void print_cost(const char *name, const struct cost *costs, size_t count);

/* report.c */

/* Print a metric's line; or keep it, if there are rounds. */
void report(const char *name, const char *unit, long value);
/* Keep the metrics of so many rounds; print what is known of them. */
void report_rounds(size_t count);
void report_json(const struct bench *b);

/* The number after a word in a file of /proc; the sum, if several lines begin with it. */
long sum_of(const char *path, const char *word);

/*
 * A life is about as long as the period of the timer. Begun at the same phase, all
 * would have its interrupt at the same place.
 */
void shift_phase(int round);

/* guest.c */

/* Map @size bytes, by 4K pages, present, with the guest programs in the first. */
unsigned char *guest_memory(size_t size);

#define IOAPIC_PINS	24

/* Have a new VM's local APICs in the kernel, the IOAPIC's pins in user space. */
int enable_lapic(struct vm *vm);

/* Make a VM of one slot and one vCPU that begins at AT_HALT; with a LAPIC at AT_PIO. */
int try_create(const struct bench *b, struct vm *vm, void *memory, size_t size);
void create(const struct bench *b, struct vm *vm, size_t size);

/* Run to an exit, which must be for @reason. */
void run_to(struct vm *vm, int reason);

/* Run a new VM to its first exit. */
void run_first(const struct bench *b, struct vm *vm);

/* Work of one run with these registers to the next HLT. */
long run_program(const struct bench *b, struct vm *vm, struct kvm_regs regs);

/* Get what KVM_GET_SUPPORTED_CPUID says; have the vCPU be that. The caller frees the table. */
struct kvm_cpuid2 *supported_cpuid(struct vm *vm);
struct kvm_cpuid2 *set_supported_cpuid(struct vm *vm);

/* A family of metrics each. */
/* Kernel memory of a VM that has run. */
long vm_bytes(const struct bench *b);

void measure_life(const struct bench *b);
void measure_batched(const struct bench *b);
void measure_process(const struct bench *b);
void measure_lapic(const struct bench *b);
void measure_irq(const struct bench *b);
void measure_ipi(const struct bench *b);
void measure_slots(const struct bench *b);
void measure_exits(const struct bench *b);
void measure_cpuid(const struct bench *b);
void measure_memory(const struct bench *b);
void measure_scale(const struct bench *b);

#endif
