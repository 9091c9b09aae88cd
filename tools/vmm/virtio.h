/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio device (virtio 1.2, "Basic Facilities of a Virtio Device") without its transport,
 * which is in virtio_pci.h or virtio_mmio.h; modern only. A device kind has functions that
 * serve its requests, by a thread of the device's own: the guest's kicks set an eventfd that
 * the thread waits for. A vCPU that uses a register does not wait for a request, except to
 * reset the device.
 */
#ifndef LIKEXVM_VIRTIO_H
#define LIKEXVM_VIRTIO_H

#include <linux/virtio_config.h>
#include <stdatomic.h>

#include "pci.h"
#include "virtqueue.h"

#define VIRTIO_QUEUES	2		/* the most that a device has */
#define VIRTIO_VECTORS	(VIRTIO_QUEUES + 1)
#define VIRTIO_FEATURE(bit)	(1ULL << (bit))
#define VIRTIO_ISR_QUEUE	1
#define VIRTIO_ISR_CONFIG	2

struct virtio_kind {
	uint16_t id;			/* of virtio */
	uint32_t class;			/* of PCI */
	unsigned int queues;
	/* If there is one: tell whether a request of a queue can be served now. */
	bool (*ready)(void *ctx, unsigned int queue);
	/*
	 * Serve a request of a queue, with the features that the guest has accepted. Return how many
	 * bytes have been written to it, or -EINVAL if it is no request of this kind.
	 */
	int64_t (*serve)(void *ctx, unsigned int queue, uint64_t features,
			 struct virtqueue_chain *chain);
};

struct virtio_host {
	/* Send a message-signalled interrupt. */
	void (*message)(void *ctx, uint64_t address, uint32_t data);
	/* Set the line of a pin of the IOAPIC. */
	void (*line)(void *ctx, unsigned int pin, bool high);
	/*
	 * Let what the guest writes, two bytes to a port or four to memory, set the eventfd, or
	 * no longer.
	 */
	void (*listen)(void *ctx, bool port, uint64_t at, int kick, bool on);
	/* The device's thread cannot work. */
	void (*failed)(void *ctx);
};

/* Set by the device's maker */
struct virtio_config {
	const struct virtio_kind *kind;
	void *device;			/* for the kind's function */
	uint64_t features;		/* that the device has, besides VIRTIO_F_VERSION_1 */
	const void *space;		/* the device's own configuration */
	size_t space_size;
	const struct memory *memory;
	int kick;			/* eventfd */
	const struct virtio_host *host;
	void *ctx;			/* for the host's functions */
};

struct virtio_queue {
	struct virtqueue ring;		/* does not change while enabled */
	uint16_t vector;
	bool enabled;
};

struct virtio {
	struct virtio_config config;
	/* The transport's; called with the lock held. @isr: VIRTIO_ISR_QUEUE or _CONFIG */
	void (*interrupt)(struct virtio *virtio, uint16_t vector, uint8_t isr);
	unsigned int pin;		/* MMIO: of the IOAPIC */
	struct pci_device pci;		/* protected by the bus's lock */
	uint16_t port;			/* of the first queue's kicks, or 0; likewise */
	uint8_t msix;			/* offset of the capability */
	/*
	 * Protects what follows. Not held while a request is served, and handed to threads in
	 * the order in which they wait, so that a guest's many requests keep no vCPU out.
	 */
	pthread_mutex_t lock;
	bool busy;			/* a request is served */
	pthread_cond_t idle;		/* not busy any more */
	unsigned int resets;		/* vCPUs that wait for that: no other request begins */
	/* Zero after a reset of the device */
	struct virtio_state {
		uint64_t accepted;
		uint32_t device_select, driver_select;
		uint16_t select, vector;
		uint8_t status, isr;
		struct virtio_queue queues[VIRTIO_QUEUES];
	} state;
	/* MSI-X: message control, table, and the vectors that wait to be unmasked */
	uint16_t control;
	uint32_t table[VIRTIO_VECTORS][4];
	uint32_t pending;
};

/* For a transport, which sets interrupt() then. */
void virtio_init(struct virtio *virtio, const struct virtio_config *config);

/* Access a register by its offset in struct virtio_pci_common_cfg, with the lock held. */
uint32_t virtio_read(struct virtio *virtio, uint32_t offset);
void virtio_write(struct virtio *virtio, uint32_t offset, uint32_t value);

/* Return up to four bytes of the kind's configuration. */
uint32_t virtio_read_space(const struct virtio *virtio, uint32_t offset);

/* Tell whether a driver uses a queue. */
bool virtio_used(struct virtio *virtio, unsigned int queue);

/* Serve all requests that there are, or until @stop. */
void virtio_serve(struct virtio *virtio, const atomic_bool *stop);

#endif
