/* SPDX-License-Identifier: GPL-2.0 */
/* ACPI tables of a hardware-reduced machine: processors, IOAPIC, devices, sleep and reset. */
#ifndef LIKEXVM_ACPI_H
#define LIKEXVM_ACPI_H

#include <stdbool.h>

#include "memory.h"

#define ACPI_AT		0xe0000		/* the first table, in the BIOS's area */
#define ACPI_SIZE	0x10000

/* Write them. @pci: with a PCI bus. False if there is no memory for them. */
bool acpi_make(const struct memory *memory, unsigned int cpus, bool pci);

#endif
