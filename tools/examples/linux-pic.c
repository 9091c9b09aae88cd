// SPDX-License-Identifier: GPL-2.0
/*
 * A VMM that boots Linux as a PC did before it had APICs: the interrupts come from a pair
 * of 8259s and an 8254, which are in this program, by KVM_INTERRUPT.
 * Usage: linux-pic [/dev/likex|/dev/kvm] none|x2apic|xapic VMLINUX INITRAMFS [WORDS...]
 *
 * With "none" there is no local APIC: give the guest "nolapic noapic acpi=off". HLT ends
 * in user space, which waits. With a local APIC the 8259s are at its pin LINT0, as ExtINT
 * ("virtual wire"): give the guest "noapic nolapic_timer lapic=notscdeadline acpi=off", which
 * keep it from using the timer of the local APIC. HLT waits in the kernel.
 *
 * An interrupt can be sent when the guest takes it at once; until then the program asks
 * for the window (KVM_EXIT_IRQ_WINDOW_OPEN). The time of the 8254 is a timer of the host,
 * whose signal ends KVM_RUN. It is blocked elsewhere, so that none is lost.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "i8254.h"
#include "i8259.h"
#include "vmm.h"

#define NS		1000000000ULL
#define TIMER_LINE	0
#define KERNEL_SIGSET	8	/* size of the kernel's sigset_t */

struct pc {
	struct machine machine;
	struct cpu cpu;
	struct i8259 pic;
	struct i8254 pit;
	sigset_t alarm;
	timer_t timer;
	uint64_t armed;			/* time for which the timer is set */
	unsigned long interrupts, windows, halts;
};

static void need(bool good, const char *what)
{
	if (!good)
		err(1, "%s", what);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS + time.tv_nsec;
}

/* Block the signal of the timer, except in KVM_RUN. */
static void make_timer(struct pc *pc)
{
	struct kvm_signal_mask *none = calloc(1, sizeof(*none) + KERNEL_SIGSET);

	need(none, "mask");
	none->len = KERNEL_SIGSET;
	sigemptyset(&pc->alarm);
	sigaddset(&pc->alarm, SIGALRM);
	need(!sigprocmask(SIG_BLOCK, &pc->alarm, NULL), "sigprocmask");
	need(!timer_create(CLOCK_MONOTONIC, NULL, &pc->timer), "timer_create");
	cpu_ioctl(&pc->cpu, KVM_SET_SIGNAL_MASK, none, "KVM_SET_SIGNAL_MASK");
	free(none);
}

/* Take the edges of the 8254, and set the timer to the next one. */
static void keep_time(struct pc *pc)
{
	struct itimerspec time = { 0 };
	uint64_t next;

	if (i8254_fired(&pc->pit, now()))
		i8259_raise(&pc->pic, TIMER_LINE);
	next = i8254_next(&pc->pit);
	if (next == pc->armed)
		return;
	pc->armed = next;
	if (next != I8254_NEVER) {
		time.it_value.tv_sec = next / NS;
		time.it_value.tv_nsec = next % NS;
	}
	need(!timer_settime(pc->timer, TIMER_ABSTIME, &time, NULL), "timer_settime");
}

/* Send the interrupt of the 8259s, or ask for the window. */
static void send_interrupt(struct pc *pc)
{
	struct kvm_run *run = pc->cpu.vcpu.run;
	struct kvm_interrupt interrupt;

	if (i8259_intr(&pc->pic) && run->ready_for_interrupt_injection) {
		interrupt.irq = i8259_acknowledge(&pc->pic);
		cpu_ioctl(&pc->cpu, KVM_INTERRUPT, &interrupt, "KVM_INTERRUPT");
		run->ready_for_interrupt_injection = 0;
		pc->interrupts++;
	}
	run->request_interrupt_window = i8259_intr(&pc->pic);
}

static void port(struct pc *pc)
{
	struct kvm_run *run = pc->cpu.vcpu.run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint16_t at = run->io.port;
	bool known;

	if (run->io.direction == KVM_EXIT_IO_IN)
		known = i8259_read(&pc->pic, at, data) || i8254_read(&pc->pit, at, data, now());
	else
		known = i8259_write(&pc->pic, at, *data) || i8254_write(&pc->pit, at, *data, now());
	if (!known)
		serial(run);
}

static void end(const struct pc *pc)
{
	printf("linux-pic: %lu interrupts, %lu windows, %lu halts\n", pc->interrupts, pc->windows,
	       pc->halts);
	exit(0);
}

static void handle_exit(struct pc *pc)
{
	struct kvm_run *run = pc->cpu.vcpu.run;
	int signal;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return port(pc);
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		pc->windows++;
		return;
	case KVM_EXIT_HLT:
		pc->halts++;
		if (!i8259_intr(&pc->pic))
			sigwait(&pc->alarm, &signal);
		return;
	case KVM_EXIT_SHUTDOWN:
		return end(pc);
	default:
		errx(1, "exit reason %u", run->exit_reason);
	}
}

static void run(struct pc *pc)
{
	const struct timespec at_once = { 0 };

	for (;;) {
		int r;

		keep_time(pc);
		send_interrupt(pc);
		r = likex_vcpu_run(pc->cpu.emulator);
		/* Edges until now come before a new count that the guest writes. */
		keep_time(pc);
		if (!r)
			handle_exit(pc);
		else if (r == -EINTR)
			sigtimedwait(&pc->alarm, NULL, &at_once);
		else
			errx(1, "KVM_RUN: %s", strerror(-r));
	}
}

int main(int argc, char **argv)
{
	struct pc pc = { .machine.cpus = 1, .armed = I8254_NEVER };

	if (argc < 5)
		errx(2, "usage: linux-pic DEVICE none|x2apic|xapic VMLINUX INITRAMFS [WORDS...]");
	pc.machine.apic = apic_of(argv[2]);
	machine_create(&pc.machine, argv[1]);
	machine_boot(&pc.machine, &pc.cpu, argv[3], argv[4], argv + 5);
	make_timer(&pc);
	run(&pc);
}
