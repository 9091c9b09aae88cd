/* SPDX-License-Identifier: GPL-2.0 */
/* The thread of a vCPU. */
#ifndef LIKEXVM_CPU_H
#define LIKEXVM_CPU_H

struct cpu;

/* Let SIGRTMIN interrupt a thread's system call; before any thread. Return 0 or a negative errno. */
int cpu_prepare(void);

/* Run a vCPU (struct cpu *) until its machine ends; the function of its thread. */
void *cpu_run(void *arg);

/* Have the thread look at the requests in its struct cpu. */
void cpu_kick(struct cpu *cpu);

#endif
