/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts that the VMMs for Linux share: a machine with Linux in its memory, its vCPUs, and
 * the output half of a serial port.
 */
#ifndef LIKEX_EXAMPLES_VMM_H
#define LIKEX_EXAMPLES_VMM_H

#include <likex/vcpu.h>
#include <linux/likex.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_CPUS	8

/* The local APICs: none, or in the kernel, in one of their modes */
enum apic { APIC_NONE, APIC_X, APIC_X2 };

struct machine {
	int dev, vm, cpus;
	bool likex;			/* one descriptor for all */
	enum apic apic;
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

/* Complete an access to the xAPIC page, which LiKeX leaves to user space. */
void access_apic(struct cpu *cpu);

#endif
