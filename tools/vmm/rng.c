// SPDX-License-Identifier: GPL-2.0
/* See rng.h. */
#include "rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <sys/random.h>

#define CLASS		0x00ff00	/* of no other class */

/* A driver takes fewer bytes than it has asked for. */
static int64_t serve(void *ctx __attribute__((unused)), unsigned int queue __attribute__((unused)),
		     uint64_t features __attribute__((unused)), struct virtqueue_chain *chain)
{
	uint8_t bytes[RNG_MOST];
	ssize_t got = getrandom(bytes, sizeof(bytes), 0);
	size_t used = virtqueue_push(chain, bytes, got < 0 ? 0 : got);

	return used ? (int64_t)used : -EINVAL;
}

static const struct virtio_kind kind = {
	.id = VIRTIO_ID_RNG, .class = CLASS, .queues = 1, .serve = serve,
};

void rng_describe(struct virtio_config *config)
{
	config->kind = &kind;
	config->device = NULL;
	config->features = 0;
	config->space = NULL;
	config->space_size = 0;
}
