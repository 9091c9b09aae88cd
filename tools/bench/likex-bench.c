// SPDX-License-Identifier: GPL-2.0
/*
 * likex-bench: what the life of a small VM costs, on /dev/kvm or /dev/likex.
 *
 * The same program runs on both. It counts work, not time: ticks of the thread's
 * own processor time. In the emulated machine a tick is about one instruction,
 * so figures are path lengths, and the same from run to run. Sleeping (a grace
 * period, say) is no work of the thread's; it is counted apart, as the number of
 * times that it gave up the processor.
 *
 * Prints a line for each metric: its name, unit and value.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "vm.h"

#define PAGE		0x1000UL
#define LIVES		21	/* VMs made one after the other; the median counts */
#define SLOT_ROUNDS	21
#define ROUNDTRIPS	1001
#define LOOPS		1000
#define TOUCHED		128	/* pages faulted in */
#define VMS		100	/* VMs held at once for vm_bytes */

/* Where each guest program lies in the guest's first page. */
enum { AT_HALT = 0x000, AT_PIO = 0x040, AT_EMPTY = 0x080, AT_CPUID = 0x0c0, AT_MSR = 0x100, AT_TOUCH = 0x140 };

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
	{ AT_MSR,   { 0x66, 0xb9, 0xa0, 0x01, 0, 0,	/* mov $IA32_MISC_ENABLE, %ecx */
		      0x0f, 0x32,			/* 1: rdmsr */
		      0x4e,				/* dec %si */
		      0x75, 0xfb,			/* jnz 1b */
		      0xf4 } },
	{ AT_TOUCH, { 0xb8, 0x00, 0x01,			/* mov $0x100, %ax: the second page */
		      0xb9, TOUCHED, 0,			/* mov $TOUCHED, %cx */
		      0x8e, 0xd8,			/* 1: mov %ax, %ds */
		      0xa2, 0, 0,			/* mov %al, 0 */
		      0x05, 0x00, 0x01,			/* add $0x100, %ax */
		      0xe2, 0xf6,			/* loop 1b */
		      0xf4 } },
};

struct cost {
	long	ticks;		/* the thread's own work */
	long	sleeps;		/* times it waited for something */
};

struct bench {
	const char	*device;
	double		ticks_per_ns;
	long		clock_ticks;	/* what reading the clocks costs */
	unsigned char	*memory;	/* guest memory, all of it touched by the host */
	size_t		memory_size;
};

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "likex-bench: %s: %s\n", what, strerror(-error));
	exit(1);
}

static void need(const char *what, int error)
{
	if (error < 0)
		die(what, error);
}

static long now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* The clock is read last at a start and first at an end, so that it alone lies between. */
static struct cost begin(void)
{
	struct cost at = { .sleeps = sleeps() };

	at.ticks = now_ns(CLOCK_THREAD_CPUTIME_ID);
	return at;
}

static struct cost spent(const struct bench *b, struct cost since)
{
	long ns = now_ns(CLOCK_THREAD_CPUTIME_ID);

	return (struct cost){
		.ticks = (ns - since.ticks) * b->ticks_per_ns + 0.5 - b->clock_ticks,
		.sleeps = sleeps() - since.sleeps,
	};
}

static int by_value(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static long median(long *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

static struct cost median_cost(const struct cost *costs, size_t count)
{
	long ticks[count], waits[count];

	for (size_t i = 0; i < count; i++) {
		ticks[i] = costs[i].ticks;
		waits[i] = costs[i].sleeps;
	}
	return (struct cost){ median(ticks, count), median(waits, count) };
}

static void print_ticks(const char *name, long ticks)
{
	printf("%s ticks %ld\n", name, ticks);
}

static void print_cost(const char *name, const struct cost *costs, size_t count)
{
	struct cost middle = median_cost(costs, count);

	print_ticks(name, middle.ticks);
	printf("%s_sleeps count %ld\n", name, middle.sleeps);
}

/* The TSC's rate against the kernel's clock, and what measuring costs by itself. */
static void calibrate(struct bench *b)
{
	long reads[101], start = now_ns(CLOCK_MONOTONIC_RAW), ns;
	unsigned long tsc = __rdtsc();

	do
		ns = now_ns(CLOCK_MONOTONIC_RAW) - start;
	while (ns < 20000000);
	b->ticks_per_ns = (double)(__rdtsc() - tsc) / ns;

	for (size_t i = 0; i < 101; i++)
		reads[i] = spent(b, begin()).ticks;
	b->clock_ticks = median(reads, 101);
}

static void prepare_memory(struct bench *b)
{
	b->memory_size = (1 + TOUCHED) * PAGE;
	b->memory = mmap(NULL, b->memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->memory == MAP_FAILED)
		die("guest memory", -errno);
	/* Page by page, so that faults are 4K ones; present, so that they are EPT's alone. */
	madvise(b->memory, b->memory_size, MADV_NOHUGEPAGE);
	memset(b->memory, 0, b->memory_size);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		memcpy(b->memory + programs[i].at, programs[i].code, sizeof(programs[i].code));
}

static void create(const struct bench *b, struct vm *vm, size_t memory)
{
	need(b->device, vm_create(vm, b->device));
	need("memory slot", vm_set_slot(vm, 0, 0, b->memory, memory));
	need("vCPU", vm_create_vcpu(vm));
	need("registers", vm_start_real_mode(vm, AT_HALT));
}

static void run_to(struct vm *vm, int reason)
{
	int got = vm_run(vm);

	need("KVM_RUN", got);
	if (got != reason) {
		fprintf(stderr, "likex-bench: exit reason %d, expected %d\n", got, reason);
		exit(1);
	}
}

/* Work of one run of the program at @at, which loops @loops times and halts. */
static long run_program(const struct bench *b, struct vm *vm, unsigned int at, unsigned int loops)
{
	struct kvm_regs regs = { .rip = at, .rsi = loops, .rflags = 2 };
	struct cost start;

	need("KVM_SET_REGS", ioctl(vm->vcpu, KVM_SET_REGS, &regs) ? -errno : 0);
	start = begin();
	run_to(vm, KVM_EXIT_HLT);
	return spent(b, start).ticks;
}

/*
 * A life is about as long as the period of the timer. Begun at the same phase, all
 * would have its interrupt at the same place, and so would the median.
 */
static void shift_phase(int round)
{
	for (volatile int i = 0; i < 701 * round; i++)
		;
}

static void measure_life(const struct bench *b)
{
	struct cost whole[LIVES], run[LIVES], end[LIVES];

	for (int i = 0; i < LIVES; i++) {
		struct cost start = begin(), at;
		struct vm vm;

		create(b, &vm, PAGE);
		at = begin();
		run_to(&vm, KVM_EXIT_HLT);
		run[i] = spent(b, at);
		whole[i] = spent(b, start);
		/* The clock was read once more in between. */
		whole[i].ticks -= b->clock_ticks;
		at = begin();
		vm_destroy(&vm);
		end[i] = spent(b, at);
		shift_phase(i);
	}
	print_cost("create_first_exit", whole, LIVES);
	print_cost("first_run", run, LIVES);
	print_cost("close", end, LIVES);
}

static void measure_slots(const struct bench *b)
{
	struct cost add[SLOT_ROUNDS], delete[SLOT_ROUNDS];
	struct vm vm;

	create(b, &vm, PAGE);
	run_to(&vm, KVM_EXIT_HLT);
	for (int i = 0; i < SLOT_ROUNDS; i++) {
		struct cost start = begin();

		need("slot_add", vm_set_slot(&vm, 1, 16 * PAGE, b->memory + PAGE, PAGE));
		add[i] = spent(b, start);
		start = begin();
		need("slot_delete", vm_set_slot(&vm, 1, 16 * PAGE, b->memory + PAGE, 0));
		delete[i] = spent(b, start);
	}
	print_cost("slot_add", add, SLOT_ROUNDS);
	print_cost("slot_delete", delete, SLOT_ROUNDS);
	vm_destroy(&vm);
}

/* From user space into the guest and back: an interrupt now and then is outvoted by the median. */
static void measure_roundtrip(struct vm *vm)
{
	struct kvm_regs regs = { .rip = AT_PIO, .rflags = 2 };
	long ticks[ROUNDTRIPS], empty[ROUNDTRIPS];

	need("KVM_SET_REGS", ioctl(vm->vcpu, KVM_SET_REGS, &regs) ? -errno : 0);
	for (int i = 0; i < ROUNDTRIPS; i++) {
		unsigned long start = __rdtsc();

		empty[i] = __rdtsc() - start;
		start = __rdtsc();
		run_to(vm, KVM_EXIT_IO);
		ticks[i] = __rdtsc() - start;
	}
	print_ticks("pio_roundtrip", median(ticks, ROUNDTRIPS) - median(empty, ROUNDTRIPS));
}

static void measure_exits(const struct bench *b)
{
	long empty, faulting;
	struct vm vm;

	create(b, &vm, b->memory_size);
	run_to(&vm, KVM_EXIT_HLT);
	measure_roundtrip(&vm);
	/* The last OUT is completed at the next entry, which must not be a measured one. */
	run_to(&vm, KVM_EXIT_IO);
	empty = run_program(b, &vm, AT_EMPTY, LOOPS);
	empty = run_program(b, &vm, AT_EMPTY, LOOPS);
	print_ticks("cpuid_exit", (run_program(b, &vm, AT_CPUID, LOOPS) - empty) / LOOPS);
	print_ticks("msr_exit", (run_program(b, &vm, AT_MSR, LOOPS) - empty) / LOOPS);
	faulting = run_program(b, &vm, AT_TOUCH, 0);
	print_ticks("ept_fault_4k", (faulting - run_program(b, &vm, AT_TOUCH, 0)) / TOUCHED);
	vm_destroy(&vm);
}

/* The sum of the numbers that follow a word in a file of /proc, of all lines that begin with it. */
static long sum_of(const char *path, const char *word)
{
	FILE *file = fopen(path, "r");
	char line[256], key[32];
	long number, sum = -1;

	if (!file)
		die(path, -errno);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%31s %ld", key, &number) == 2 && !strcmp(key, word))
			sum = sum < 0 ? number : sum + number;
	fclose(file);
	if (sum < 0)
		die(path, -EIO);
	return sum;
}

/*
 * What the kernel has given out: everything that is not free, page caches emptied.
 * A free page on a processor's own list is in MemFree or not, as it happens: these are
 * counted in /proc/zoneinfo.
 */
static long memory_used(void)
{
	static const char drop[] = "/proc/sys/vm/drop_caches";
	FILE *file = fopen(drop, "w");

	if (!file)
		die(drop, -errno);
	fputs("3\n", file);
	fclose(file);
	/* Frees that wait for a grace period. */
	usleep(500000);
	return -(sum_of("/proc/meminfo", "MemFree:") * 1024 + sum_of("/proc/zoneinfo", "count:") * (long)PAGE);
}

static void measure_memory(const struct bench *b)
{
	static struct vm vms[VMS];
	long before;

	/* Twice: the first round fills caches that the host has anyway. */
	for (int round = 0; round < 2; round++) {
		before = memory_used();
		for (int i = 0; i < VMS; i++) {
			create(b, &vms[i], PAGE);
			run_to(&vms[i], KVM_EXIT_HLT);
		}
		if (round)
			printf("vm_bytes bytes %ld\n", (memory_used() - before) / VMS);
		for (int i = 0; i < VMS; i++)
			vm_destroy(&vms[i]);
	}
}

/*
 * Another process with a VM of its own, for as long as this one measures. A host
 * for functions is never without VMs, and KVM patches its own code when the
 * first vCPU without a local APIC in the kernel comes and when the last one goes
 * (over 300,000 ticks each time), which no further VM pays.
 */
static pid_t start_bystander(struct bench *b)
{
	int ready[2];
	char byte;
	pid_t child;

	if (pipe(ready))
		die("pipe", -errno);
	child = fork();
	if (child < 0)
		die("fork", -errno);
	if (!child) {
		struct vm vm;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prepare_memory(b);
		create(b, &vm, PAGE);
		run_to(&vm, KVM_EXIT_HLT);
		if (write(ready[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		exit(1);	/* it has said why */
	close(ready[0]);
	return child;
}

int main(int argc, char **argv)
{
	pid_t bystander;
	struct bench b = { .device = argv[1] };

	if (argc != 2 || argv[1][0] == '-') {
		printf("usage: likex-bench DEVICE\n\n"
		       "Measure the life of a small VM on DEVICE (/dev/kvm, /dev/likex): a line\n"
		       "for each metric, with name, unit (ticks, bytes, count) and value.\n");
		return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Before there is memory: pages shared with a child would have to be copied first. */
	bystander = start_bystander(&b);
	prepare_memory(&b);
	calibrate(&b);
	measure_life(&b);
	measure_slots(&b);
	measure_exits(&b);
	measure_memory(&b);
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
	return 0;
}
