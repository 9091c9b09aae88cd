/* SPDX-License-Identifier: GPL-2.0 */
/* A Linux kernel in a guest's memory, and all that it finds there when it starts. */
#ifndef LIKEXVM_BOOT_H
#define LIKEXVM_BOOT_H

#include "hypervisor.h"
#include "file.h"

struct boot {
	const struct file *kernel, *initrd;	/* the initrd may be empty */
	const char *cmdline;
	unsigned int cpus;			/* those with local APICs; 0: none */
	bool ioapic;
	bool acpi;				/* tables, besides the MP table */
	bool pci;				/* tell of a PCI bus there */
};

/* The state in which the first vCPU starts */
struct boot_entry {
	uint64_t rip;
	bool pvh;				/* protected mode; else long mode */
};

/* Fill the memory. Return NULL, or words that say why it cannot be. */
const char *boot_load(const struct memory *memory, const struct boot *boot,
		      struct boot_entry *entry);

/* Set the first vCPU to the entry. Return 0, or a negative errno after a message. */
int boot_set(const struct vcpu *vcpu, const struct boot_entry *entry);

#endif
