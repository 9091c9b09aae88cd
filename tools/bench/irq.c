// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts: VMs with the local APIC in the kernel, in x2APIC mode.
 *
 * The ticks of these metrics are elapsed ones, not the thread's own: work that a host's
 * interrupt does for a guest must count. All threads share one processor, so nothing
 * runs beside what is measured; only measure_ipi() wants two.
 */
#include <errno.h>
#include <linux/likex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"

#define ROUNDS		1000
#define GSI		3
#define VECTOR		0xc0		/* its entry in the IVT is above the other programs */
#define IRQ_CODE	0x400		/* address of the programs of irq-guest.S */
#define STACK		0xff0
#define KICK_PORT	0x30
#define DEADLINE	5000		/* ticks, longer than setting a timer takes */

#define APIC_BASE	0xfee00000UL
#define BSP		(1UL << 8)
#define X2APIC		(1UL << 10)
#define ENABLED		(1UL << 11)
#define SPURIOUS	0x0f0
#define SPURIOUS_ON	0x1ff
#define LVT_TIMER	0x320
#define TSC_DEADLINE	(1U << 18)
#define ICR_ASSERT	(1U << 14)
#define CPUID_DEADLINE	(1U << 24)	/* of leaf 1, ECX */

extern const char irq_guest[], irq_guest_end[], irq_handler[], irq_ping[], irq_spin[],
	irq_send_halt[], irq_halt_send[], irq_halt_kick[], irq_window[], irq_timer[], irq_kick[],
	irq_eoi[], irq_empty[];

/* A VM with one or two vCPUs */
struct machine {
	struct vm	vm;
	unsigned int	cpus;
	int		fd[2];
	struct kvm_run	*run[2];
	pthread_t	thread;
	int		cpu;		/* processor of the thread, -1: any */
};

static void vcpu_ioctl(struct machine *m, unsigned int id, const char *what, unsigned long cmd,
		       void *arg)
{
	struct likex_vcpu_ioctl wrapped = { .vcpu = id, .cmd = cmd, .arg = (uintptr_t)arg };
	bool wrap = m->cpus > 1 && m->vm.vm == m->vm.sys;

	need(what, ioctl(m->fd[id], wrap ? LIKEX_VCPU_IOCTL : cmd, wrap ? &wrapped : arg) < 0 ?
		   -errno : 0);
}

static void vm_ioctl(struct machine *m, const char *what, unsigned long cmd, void *arg)
{
	need(what, ioctl(m->vm.vm, cmd, arg) < 0 ? -errno : 0);
}

static int run(struct machine *m, unsigned int id)
{
	unsigned long arg = m->vm.vm == m->vm.sys ? id : 0;

	return ioctl(m->fd[id], KVM_RUN, arg) ? -errno : (int)m->run[id]->exit_reason;
}

static void run_to_end(struct machine *m)
{
	int got = run(m, 0);

	need("KVM_RUN", got);
	if (got != KVM_EXIT_IO) {
		fprintf(stderr, "likex-bench: exit reason %d, expected an OUT\n", got);
		exit(1);
	}
}

/* Point a vCPU at a program of irq-guest.S. */
static void set_program(struct machine *m, unsigned int id, const char *program,
			struct kvm_regs regs)
{
	regs.rip = IRQ_CODE + (program - irq_guest);
	regs.rsp = STACK - 0x80 * id;
	regs.rflags = 2;
	vcpu_ioctl(m, id, "KVM_SET_REGS", KVM_SET_REGS, &regs);
}

static void set_cpuid(struct machine *m, unsigned int id)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid(&m->vm);

	for (unsigned int i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= CPUID_DEADLINE;
	vcpu_ioctl(m, id, "KVM_SET_CPUID2", KVM_SET_CPUID2, cpuid);
	free(cpuid);
}

static void set_register(struct kvm_lapic_state *state, unsigned int at, unsigned int value)
{
	memcpy(state->regs + at, &value, sizeof(value));
}

static void start_lapic(struct machine *m, unsigned int id)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_lapic_state state;
	struct kvm_sregs sregs;

	set_cpuid(m, id);
	vcpu_ioctl(m, id, "KVM_GET_SREGS", KVM_GET_SREGS, &sregs);
	sregs.cs.base = sregs.cs.selector = 0;
	sregs.apic_base = APIC_BASE | ENABLED | X2APIC | (id ? 0 : BSP);
	vcpu_ioctl(m, id, "KVM_SET_SREGS", KVM_SET_SREGS, &sregs);
	vcpu_ioctl(m, id, "KVM_GET_LAPIC", KVM_GET_LAPIC, &state);
	set_register(&state, SPURIOUS, SPURIOUS_ON);
	set_register(&state, LVT_TIMER, TSC_DEADLINE | VECTOR);
	vcpu_ioctl(m, id, "KVM_SET_LAPIC", KVM_SET_LAPIC, &state);
	vcpu_ioctl(m, id, "KVM_SET_MP_STATE", KVM_SET_MP_STATE, &runnable);
}

/* Make a VM without a vCPU, with the local APICs in the kernel. */
static void create_split(const struct bench *b, struct vm *vm)
{
	need(b->device, vm_create(vm, b->device));
	need("KVM_CAP_SPLIT_IRQCHIP", enable_lapic(vm));
	need("memory", vm_set_slot(vm, 0, 0, b->memory, PAGE));
}

static void add_second(struct machine *m)
{
	bool one = m->vm.vm == m->vm.sys;
	int fd = ioctl(m->vm.vm, KVM_CREATE_VCPU, 1);

	need("a second vCPU", fd < 0 ? -errno : 0);
	m->fd[1] = one ? m->vm.sys : fd;
	m->run[1] = mmap(NULL, m->vm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd[1],
			 one ? m->vm.run_size : 0);
	need("its run area", m->run[1] == MAP_FAILED ? -errno : 0);
}

static void make(const struct bench *b, struct machine *m, unsigned int cpus)
{
	unsigned int handler = IRQ_CODE + (irq_handler - irq_guest);

	*m = (struct machine){ .cpus = cpus, .cpu = -1 };
	create_split(b, &m->vm);
	need("a vCPU", vm_create_vcpu(&m->vm));
	m->fd[0] = m->vm.vcpu;
	m->run[0] = m->vm.run;
	if (cpus > 1)
		add_second(m);
	memcpy(b->memory + IRQ_CODE, irq_guest, irq_guest_end - irq_guest);
	memcpy(b->memory + 4 * VECTOR, &handler, sizeof(handler));
	for (unsigned int id = 0; id < cpus; id++)
		start_lapic(m, id);
}

static void unmake(struct machine *m)
{
	if (m->cpus > 1) {
		munmap(m->run[1], m->vm.run_size);
		if (m->fd[1] != m->vm.sys)
			close(m->fd[1]);
	}
	vm_destroy(&m->vm);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	need("affinity", sched_setaffinity(0, sizeof(set), &set) ? -errno : 0);
}

static void ignore(int signal)
{
	(void)signal;
}

/* Run the last vCPU until a signal. */
static void *run_last(void *arg)
{
	struct machine *m = arg;

	if (m->cpu >= 0)
		pin(m->cpu);
	while (run(m, m->cpus - 1) == -EAGAIN)
		;
	return NULL;
}

static void start_last(struct machine *m)
{
	struct sigaction action = { .sa_handler = ignore };

	sigaction(SIGUSR1, &action, NULL);
	if (pthread_create(&m->thread, NULL, run_last, m))
		die("a thread", -EAGAIN);
	/* It is in the guest, or halts, before anything is measured. */
	usleep(20000);
}

static void stop_last(struct machine *m)
{
	pthread_kill(m->thread, SIGUSR1);
	pthread_join(m->thread, NULL);
}

static long program_ticks(struct machine *m, const char *program, struct kvm_regs regs)
{
	unsigned long start;

	set_program(m, 0, program, regs);
	start = __rdtsc();
	run_to_end(m);
	return __rdtsc() - start;
}

static long loop_ticks(struct machine *m, const char *program)
{
	struct kvm_regs regs = { .rsi = ROUNDS };

	/* Once before: page tables and caches are filled. */
	program_ticks(m, program, regs);
	return program_ticks(m, program, regs);
}

static void add_route(struct machine *m, int line, int kick)
{
	const struct kvm_irq_routing_entry entry = {
		.gsi = GSI, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = APIC_BASE, .data = VECTOR },
	};
	struct kvm_irq_routing *routes = calloc(1, sizeof(*routes) + sizeof(entry));
	struct kvm_ioeventfd io = {
		.addr = KICK_PORT, .len = 1, .fd = kick, .flags = KVM_IOEVENTFD_FLAG_PIO,
	};
	struct kvm_irqfd irq = { .fd = line, .gsi = GSI };

	if (!routes)
		die("a route", -ENOMEM);
	routes->nr = 1;
	routes->entries[0] = entry;
	vm_ioctl(m, "KVM_SET_GSI_ROUTING", KVM_SET_GSI_ROUTING, routes);
	free(routes);
	vm_ioctl(m, "KVM_IRQFD", KVM_IRQFD, &irq);
	vm_ioctl(m, "KVM_IOEVENTFD", KVM_IOEVENTFD, &io);
}

/* From a write to an eventfd outside of the guest to the interrupt's end, less a run without. */
static long irqfd_ticks(struct machine *m, int line)
{
	unsigned long start, one = 1;
	long with = 0, without = 0;

	set_program(m, 0, irq_window, (struct kvm_regs){});
	for (int i = 0; i < ROUNDS; i++) {
		start = __rdtsc();
		run_to_end(m);
		without += __rdtsc() - start;
		start = __rdtsc();
		need("an eventfd", write(line, &one, sizeof(one)) < 0 ? -errno : 0);
		run_to_end(m);
		with += __rdtsc() - start;
	}
	return (with - without) / ROUNDS;
}

/* From an MSI of the VMM's to a halted vCPU, to the VMM that waits for the vCPU's kick. */
static long wake_ticks(const struct bench *b)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE, .data = VECTOR };
	int line = eventfd(0, EFD_CLOEXEC), kick = eventfd(0, EFD_CLOEXEC);
	unsigned long start, count;
	struct machine m;
	long ticks;

	make(b, &m, 1);
	add_route(&m, line, kick);
	set_program(&m, 0, irq_halt_kick, (struct kvm_regs){});
	start_last(&m);
	start = __rdtsc();
	for (int i = 0; i < ROUNDS; i++) {
		vm_ioctl(&m, "KVM_SIGNAL_MSI", KVM_SIGNAL_MSI, &msi);
		need("a kick", read(kick, &count, sizeof(count)) < 0 ? -errno : 0);
	}
	ticks = (__rdtsc() - start) / ROUNDS;
	stop_last(&m);
	unmake(&m);
	close(line);
	close(kick);
	return ticks;
}

/* Two vCPUs in turn: each sends the other an interrupt and halts. */
static long ipi_wake_ticks(const struct bench *b)
{
	struct machine m;
	long ticks;

	make(b, &m, 2);
	set_program(&m, 1, irq_halt_send, (struct kvm_regs){ .rdi = ICR_ASSERT | VECTOR });
	start_last(&m);
	ticks = program_ticks(&m, irq_send_halt, (struct kvm_regs){
		.rsi = ROUNDS, .rdi = ICR_ASSERT | VECTOR, .rbp = 1 });
	stop_last(&m);
	unmake(&m);
	return ticks / (2 * ROUNDS);
}

static void measure_one_vcpu(const struct bench *b)
{
	int line = eventfd(0, EFD_CLOEXEC), kick = eventfd(0, EFD_CLOEXEC);
	struct kvm_regs timer = { .rsi = ROUNDS, .rdi = DEADLINE };
	struct machine m;
	long empty;

	make(b, &m, 1);
	add_route(&m, line, kick);
	empty = loop_ticks(&m, irq_empty);
	print_ticks("eoi", (loop_ticks(&m, irq_eoi) - empty) / ROUNDS);
	print_ticks("ioeventfd", (loop_ticks(&m, irq_kick) - empty) / ROUNDS);
	print_ticks("irqfd", irqfd_ticks(&m, line));
	print_ticks("timer_fire", program_ticks(&m, irq_timer, timer) / ROUNDS - DEADLINE);
	unmake(&m);
	close(line);
	close(kick);
}

void measure_irq(const struct bench *b)
{
	measure_one_vcpu(b);
	print_ticks("hlt_wake", wake_ticks(b));
	print_ticks("ipi_wake", ipi_wake_ticks(b));
}

/* Between two vCPUs that run, each on a processor of its own. */
void measure_ipi(const struct bench *b)
{
	struct kvm_regs regs = { .rsi = ROUNDS, .rdi = ICR_ASSERT | VECTOR, .rbp = 1 };
	struct machine m;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	pin(0);
	make(b, &m, 2);
	m.cpu = 1;
	set_program(&m, 1, irq_spin, (struct kvm_regs){});
	start_last(&m);
	program_ticks(&m, irq_ping, regs);
	print_ticks("ipi", program_ticks(&m, irq_ping, regs) / ROUNDS);
	stop_last(&m);
	unmake(&m);
}
