/* SPDX-License-Identifier: GPL-2.0 */
/* The state of a vCPU for a person who debugs a guest. */
#ifndef LIKEXVM_DUMP_H
#define LIKEXVM_DUMP_H

#include <stdio.h>

#include "hypervisor.h"

/* Print registers, and the instruction's bytes. The vCPU must not run. */
void dump_vcpu(FILE *to, const struct vcpu *vcpu, const struct memory *memory);

#endif
