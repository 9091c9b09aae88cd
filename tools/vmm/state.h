/* SPDX-License-Identifier: GPL-2.0 */
/* The states in which a vCPU begins: flat segments, and pages that map memory at its own addresses. */
#ifndef LIKEXVM_STATE_H
#define LIKEXVM_STATE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

#define STATE_CODE	0x10	/* selectors, as Linux's boot protocol has them */
#define STATE_DATA	0x18

/* Protected mode, or long mode with the page tables at @root */
void state_protected(struct kvm_sregs *sregs);
void state_long(struct kvm_sregs *sregs, uint64_t root);

/* The size of page tables for @gigabytes */
uint64_t state_tables_size(uint64_t gigabytes);

/* Write page tables at @at: pages of 2 MiB. False if there is no memory for them. */
bool state_make_tables(const struct memory *memory, uint64_t at, uint64_t gigabytes);

#endif
