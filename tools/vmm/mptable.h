/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of processors and interrupts of Intel's MultiProcessor Specification, for a
 * guest without ACPI.
 */
#ifndef LIKEXVM_MPTABLE_H
#define LIKEXVM_MPTABLE_H

#include <stdbool.h>

#include "memory.h"

#define MPTABLE_AT	0xf0000		/* in the BIOS's area, where Linux looks */
#define MPTABLE_CPUS	128

/*
 * Write it. @ioapic: with an IOAPIC at its usual address, whose pins are the lines of the
 * ISA bus. False if there is no memory for it, or for too many processors.
 */
bool mptable_make(const struct memory *memory, unsigned int cpus, bool ioapic);

#endif
