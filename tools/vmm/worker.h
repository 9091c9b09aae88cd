/* SPDX-License-Identifier: GPL-2.0 */
/* A virtio device with the thread that serves its requests. */
#ifndef LIKEXVM_WORKER_H
#define LIKEXVM_WORKER_H

#include "virtio.h"

struct worker {
	struct virtio virtio;
	pthread_t thread;
	atomic_bool stop;
	bool running;			/* the thread has been made */
	int kick;			/* eventfd */
};

/* A device's place: on the PCI bus, or in memory with a number */
#define WORKER_PCI	-1

/*
 * Make the device, whose eventfd this makes, too, and start the thread. Return 0, or a
 * negative errno after a message.
 */
int worker_start(struct worker *worker, const struct virtio_config *config, int place);

/* Let the thread look for requests. */
void worker_kick(struct worker *worker);

/*
 * With @stop set: interrupt the thread's system call, so that it ends after the request that it
 * serves, and wait for a moment. Return true if it has ended.
 */
bool worker_ended(struct worker *worker);

/* Close the eventfd. No vCPU may run any more. */
void worker_close(struct worker *worker);

/* Wait for a moment; tell whether the thread has ended. */
bool thread_ended(pthread_t thread);

#endif
