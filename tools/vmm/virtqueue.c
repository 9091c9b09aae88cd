// SPDX-License-Identifier: GPL-2.0
/* See virtqueue.h. */
#include "virtqueue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define RING_FIELD	4		/* offset of the ring in avail and in used */

static uint64_t avail_size(const struct virtqueue *queue)
{
	return RING_FIELD + queue->size * 2ULL;
}

static uint64_t used_size(const struct virtqueue *queue)
{
	return RING_FIELD + queue->size * (uint64_t)sizeof(struct vring_used_elem);
}

static void *find(const struct virtqueue *queue, uint64_t at, uint64_t size, unsigned int align)
{
	return at % align ? NULL : memory_at(queue->memory, at, size);
}

bool virtqueue_valid(const struct virtqueue *queue)
{
	uint64_t size = queue->size;

	if (!size || size > VIRTQUEUE_MOST || size & (size - 1))
		return false;
	return find(queue, queue->table, size * sizeof(struct vring_desc), 16) &&
	       find(queue, queue->avail, avail_size(queue), 2) &&
	       find(queue, queue->used, used_size(queue), 4);
}

static uint16_t read_avail(const struct virtqueue *queue, uint64_t offset)
{
	uint8_t *avail = memory_at(queue->memory, queue->avail, avail_size(queue));

	return __atomic_load_n((uint16_t *)(avail + offset), __ATOMIC_ACQUIRE);
}

/* The guest may change a descriptor at any time: each field is read once. */
static struct vring_desc read_descriptor(const struct virtqueue *queue, uint16_t index)
{
	uint64_t at = queue->table + index * (uint64_t)sizeof(struct vring_desc);
	const volatile struct vring_desc *desc = memory_at(queue->memory, at, sizeof(*desc));

	return (struct vring_desc){ .addr = desc->addr, .len = desc->len, .flags = desc->flags,
				    .next = desc->next };
}

/* Add a buffer; buffers to read come first. */
static int add(const struct virtqueue *queue, struct virtqueue_chain *chain,
	       const struct vring_desc *desc)
{
	unsigned int count = chain->reads + chain->writes;
	bool write = desc->flags & VRING_DESC_F_WRITE;
	void *bytes = memory_at(queue->memory, desc->addr, desc->len);

	if (count == queue->size || !desc->len || !bytes || desc->flags & VRING_DESC_F_INDIRECT)
		return -EINVAL;
	if (!write && chain->writes)
		return -EINVAL;
	chain->buffers[count] = (struct iovec){ bytes, desc->len };
	if (write)
		chain->writes++;
	else
		chain->reads++;
	return 0;
}

int virtqueue_take(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	uint16_t waiting = read_avail(queue, 2) - queue->seen, index;
	struct vring_desc desc;

	if (!waiting)
		return 0;
	if (waiting > queue->size)
		return -EINVAL;
	index = read_avail(queue, RING_FIELD + 2ULL * (queue->seen % queue->size));
	chain->head = index;
	chain->reads = chain->writes = 0;
	/* add() ends a chain that is a circle, after as many buffers as there are descriptors. */
	do {
		if (index >= queue->size)
			return -EINVAL;
		desc = read_descriptor(queue, index);
		if (add(queue, chain, &desc))
			return -EINVAL;
		index = desc.next;
	} while (desc.flags & VRING_DESC_F_NEXT);
	queue->seen++;
	return 1;
}

bool virtqueue_give(struct virtqueue *queue, uint16_t head, uint32_t bytes)
{
	uint8_t *used = memory_at(queue->memory, queue->used, used_size(queue));
	struct vring_used_elem *entry = (void *)(used + RING_FIELD);

	entry += queue->done % queue->size;
	entry->id = head;
	entry->len = bytes;
	queue->done++;
	__atomic_store_n((uint16_t *)(used + 2), queue->done, __ATOMIC_RELEASE);
	/* The guest sets its flag and then looks at the index; this is the other order. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(read_avail(queue, 0) & VRING_AVAIL_F_NO_INTERRUPT);
}

/* Copy between buffers, which lose what is copied, and bytes. Return how many. */
static size_t copy(struct iovec *buffers, unsigned int count, uint8_t *bytes, size_t size,
		   bool to_guest)
{
	size_t done = 0;

	for (struct iovec *buffer = buffers; buffer < buffers + count; buffer++) {
		size_t part = size - done < buffer->iov_len ? size - done : buffer->iov_len;

		if (to_guest)
			memcpy(buffer->iov_base, bytes + done, part);
		else
			memcpy(bytes + done, buffer->iov_base, part);
		buffer->iov_base = (uint8_t *)buffer->iov_base + part;
		buffer->iov_len -= part;
		done += part;
	}
	return done;
}

bool virtqueue_pull(struct virtqueue_chain *chain, void *to, size_t size)
{
	return copy(chain->buffers, chain->reads, to, size, false) == size;
}

size_t virtqueue_push(struct virtqueue_chain *chain, const void *from, size_t size)
{
	return copy(chain->buffers + chain->reads, chain->writes, (void *)from, size, true);
}

uint8_t *virtqueue_last(struct virtqueue_chain *chain)
{
	struct iovec *buffer = &chain->buffers[chain->reads + chain->writes - 1];

	if (!chain->writes || !buffer->iov_len)
		return NULL;
	return (uint8_t *)buffer->iov_base + --buffer->iov_len;
}
