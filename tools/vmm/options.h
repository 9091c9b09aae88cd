/* SPDX-License-Identifier: GPL-2.0 */
/* The options of "likexvm run" and "likexvm check". */
#ifndef LIKEXVM_OPTIONS_H
#define LIKEXVM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cpuid.h"

#define OPTIONS_DISKS	16

struct options {
	const char *kernel, *initrd, *cmdline, *console, *disks[OPTIONS_DISKS];
	const char *node;		/* the hypervisor's device */
	unsigned int nr_disks;
	uint64_t memory, cpus;
	enum apic apic;
	bool populate, rng, hvc, mmio, no_reset;
};

/* Take the words from the command's name on. Return COMMAND_GOES_ON, or an exit status. */
int options_parse(struct options *options, int argc, char **argv);

#endif
