/* SPDX-License-Identifier: GPL-2.0 */
/* The hypervisor's statistics (KVM_GET_STATS_FD): exits by reason, and more. */
#ifndef LIKEXVM_STATS_H
#define LIKEXVM_STATS_H

#include <stdio.h>

#include "hypervisor.h"

/* Print the counters that are not 0, of a VM or of a vCPU. */
void stats_print(FILE *to, const struct vm *vm);
void stats_print_vcpu(FILE *to, const struct vcpu *vcpu, bool likex);

/* The same from a descriptor of the statistics, under a title. */
void stats_print_file(FILE *to, int fd, const char *title);

#endif
