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

/*
 * Make the device, whose eventfd this makes, too, and start the thread. Return 0, or a
 * negative errno after a message.
 */
int worker_start(struct worker *worker, const struct virtio_config *config);

/* End the thread after the request that it serves. */
void worker_stop(struct worker *worker);

#endif
