/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine with an operating system: a VM, its devices, and a thread for each vCPU. The
 * thread that has made it waits for its end at @wake.
 */
#ifndef LIKEXVM_GUEST_H
#define LIKEXVM_GUEST_H

#include <pthread.h>
#include <stdatomic.h>

#include "board.h"
#include "boot.h"
#include "cpuid.h"
#include "disk.h"
#include "hvc.h"
#include "worker.h"

struct guest;

struct cpu {
	struct guest *guest;
	struct vcpu vcpu;
	struct likex_vcpu *emulator;
	pthread_t thread;
	bool running;			/* the thread has been made */
	atomic_bool dump;		/* print the registers */
};

struct guest {
	/* Set by the caller */
	const char *node;
	uint64_t memory_size;
	bool populate;			/* take all memory at once */
	unsigned int nr_cpus;
	enum apic apic;
	struct boot boot;
	int output;			/* descriptor of the console */
	struct disk *disks;
	unsigned int nr_disks;
	bool rng, hvc;			/* a source of random numbers; a console of virtio */
	bool mmio;			/* virtio devices in memory instead of on a PCI bus */
	bool check;			/* make the machine, and do not start it */

	/* Of guest_start(), until guest_stop() */
	struct vm vm;
	struct memory memory;
	struct board board;
	char *cmdline;			/* if not that of @boot */
	struct pci pci;			/* empty, and not told of, without devices on it */
	struct worker *workers;		/* virtio devices */
	unsigned int nr_workers;
	struct hvc console;
	struct worker *console_worker;	/* NULL: none */
	struct cpu *cpus;
	struct kvm_irq_routing *routes;
	int wake;			/* eventfd: the machine has ended, or the console has room */
	atomic_int end;			/* enum end: the first that came */
};

/* Make the machine and start it. Return 0, or a negative errno after a message. */
int guest_start(struct guest *guest);

/* End the machine, if it has not ended by itself. */
void guest_end(struct guest *guest, enum end end);

/* Bytes for the console: return how many of them it has taken, which may be none. */
size_t guest_receive(struct guest *guest, const uint8_t *bytes, size_t count);

/* Wait for the threads of the vCPUs, and free the machine. */
void guest_stop(struct guest *guest);

/* Print statistics now, and have each vCPU print its registers. */
void guest_dump(struct guest *guest);

#endif
