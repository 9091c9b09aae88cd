/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts that the VMMs for Linux share: a machine with Linux in its memory, its vCPUs, and
 * the output half of a serial port.
 */
#ifndef LIKEX_EXAMPLES_VMM_H
#define LIKEX_EXAMPLES_VMM_H

#include "cpuid.h"
#include "hypervisor.h"

#define MAX_CPUS	8

struct machine {
	struct vm vm;
	struct memory memory;
	int cpus;
	enum apic apic;
};

struct cpu {
	struct machine *machine;
	struct vcpu vcpu;
	struct likex_vcpu *emulator;
};

/* All of these end the program with a message if they fail. */

/* Return the mode of a word of the command line. */
enum apic apic_of(const char *word);

/* Make a VM with memory and local APICs; @m has the number of vCPUs and the APICs' mode. */
void machine_create(struct machine *m, const char *device);

/*
 * Load a kernel with a PVH entry, an initramfs and words of the kernel's command line, which
 * end with NULL, and make the vCPUs. The first is at the kernel's entry.
 */
void machine_boot(struct machine *m, struct cpu *cpus, const char *kernel, const char *initramfs,
		  char **words);

void cpu_ioctl(struct cpu *cpu, unsigned long cmd, void *arg, const char *what);

/* A serial port that is always ready to send; other ports are empty. */
void serial(const struct kvm_run *run);

#endif
