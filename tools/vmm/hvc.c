// SPDX-License-Identifier: GPL-2.0
/* See hvc.h. */
#include "hvc.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <string.h>

#define CLASS		0x078000	/* another communication controller */

#define SEND		1
#define QUEUES		2

void hvc_init(struct hvc *hvc, const struct hvc_host *host, void *ctx)
{
	*hvc = (struct hvc){ .host = host, .ctx = ctx };
	pthread_mutex_init(&hvc->lock, NULL);
}

size_t hvc_receive(struct hvc *hvc, const uint8_t *bytes, size_t count)
{
	size_t room;

	pthread_mutex_lock(&hvc->lock);
	room = sizeof(hvc->waiting) - hvc->count;
	if (count > room)
		count = room;
	memcpy(hvc->waiting + hvc->count, bytes, count);
	hvc->count += count;
	pthread_mutex_unlock(&hvc->lock);
	return count;
}

static bool ready(void *ctx, unsigned int queue)
{
	struct hvc *hvc = ctx;
	bool waits;

	pthread_mutex_lock(&hvc->lock);
	waits = hvc->count;
	pthread_mutex_unlock(&hvc->lock);
	return queue == SEND || waits;
}

static int64_t receive(struct hvc *hvc, struct virtqueue_chain *chain)
{
	size_t used;

	pthread_mutex_lock(&hvc->lock);
	used = virtqueue_push(chain, hvc->waiting, hvc->count);
	hvc->count -= used;
	memmove(hvc->waiting, hvc->waiting + used, hvc->count);
	pthread_mutex_unlock(&hvc->lock);
	hvc->host->room(hvc->ctx);
	return used ? (int64_t)used : -EINVAL;
}

/* The guest may change its bytes meanwhile, which is its own affair. */
static int64_t send(const struct hvc *hvc, const struct virtqueue_chain *chain)
{
	for (unsigned int i = 0; i < chain->reads; i++)
		if (!hvc->host->output(hvc->ctx, chain->buffers[i].iov_base, chain->buffers[i].iov_len))
			break;
	return chain->reads ? 0 : -EINVAL;
}

static int64_t serve(void *ctx, unsigned int queue, uint64_t features __attribute__((unused)),
		     struct virtqueue_chain *chain)
{
	return queue == SEND ? send(ctx, chain) : receive(ctx, chain);
}

static const struct virtio_kind kind = {
	.id = VIRTIO_ID_CONSOLE, .class = CLASS, .queues = QUEUES, .ready = ready, .serve = serve,
};

void hvc_describe(struct hvc *hvc, struct virtio_config *config)
{
	config->kind = &kind;
	config->device = hvc;
	config->features = 0;
	config->space = NULL;
	config->space_size = 0;
}
