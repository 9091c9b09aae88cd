/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A split virtqueue (virtio 1.2, "Split Virtqueues"), from the side of the device. All that
 * it has is the guest's and may change at any time: each field is read once, then checked.
 */
#ifndef LIKEXVM_VIRTQUEUE_H
#define LIKEXVM_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "memory.h"

#define VIRTQUEUE_MOST	256		/* the largest queue, and the longest chain */

struct virtqueue {
	const struct memory *memory;
	uint16_t size;			/* a power of 2, or 0: not set up */
	uint64_t table, avail, used;	/* guest-physical */
	uint16_t seen, done;		/* positions in avail and used */
};

/* A request: buffers that the device reads, then those that it writes */
struct virtqueue_chain {
	uint16_t head;
	unsigned int reads, writes;
	struct iovec buffers[VIRTQUEUE_MOST];
};

/* Tell whether size and addresses can be those of a queue: to be called before the first use. */
bool virtqueue_valid(const struct virtqueue *queue);

/* Take the next request. Return 1, 0 if there is none, or -EINVAL for a queue that is broken. */
int virtqueue_take(struct virtqueue *queue, struct virtqueue_chain *chain);

/* Give a request back; the device has written @bytes. Return true if the guest wants an interrupt. */
bool virtqueue_give(struct virtqueue *queue, uint16_t head, uint32_t bytes);

/* Copy the first bytes of those to read, and take them away. False if there are not so many. */
bool virtqueue_pull(struct virtqueue_chain *chain, void *to, size_t size);

/* Copy to the first bytes of those to write, and take them away. Return how many there were. */
size_t virtqueue_push(struct virtqueue_chain *chain, const void *from, size_t size);

/* Take away the last byte of those to write. Return it, or NULL if there is none. */
uint8_t *virtqueue_last(struct virtqueue_chain *chain);

#endif
