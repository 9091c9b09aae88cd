/* SPDX-License-Identifier: GPL-2.0 */
/* A console of virtio with one port (virtio 1.2, "Console Device"): Linux's hvc0. */
#ifndef LIKEXVM_HVC_H
#define LIKEXVM_HVC_H

#include "virtio.h"

#define HVC_RECEIVE	0		/* the queue of input */
#define HVC_WAITING	256		/* bytes that have come in, and that the guest has not taken */

struct hvc_host {
	/* The guest has sent bytes; false if they cannot be written. */
	bool (*output)(void *ctx, const uint8_t *bytes, size_t size);
	/* There is room for input again. */
	void (*room)(void *ctx);
};

struct hvc {
	const struct hvc_host *host;
	void *ctx;			/* for the host's functions */
	pthread_mutex_t lock;		/* protects what follows; taken with the device's lock held, too */
	uint8_t waiting[HVC_WAITING];
	size_t count;
};

void hvc_init(struct hvc *hvc, const struct hvc_host *host, void *ctx);

/* Set the members of a configuration that make a device of the console. */
void hvc_describe(struct hvc *hvc, struct virtio_config *config);

/* Bytes come in. Return how many there is room for; the device is to be kicked if there are any. */
size_t hvc_receive(struct hvc *hvc, const uint8_t *bytes, size_t count);

#endif
