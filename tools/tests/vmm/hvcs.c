// SPDX-License-Identifier: GPL-2.0
/* The console of virtio: output, input that waits for buffers, and requests that no driver makes. */
#include <errno.h>
#include <string.h>

#include "hvc.h"
#include "unit.h"

#define QUEUE_OUT	1

struct rig {
	struct hvc hvc;
	struct virtio_config config;
	uint8_t sent[64];
	size_t count;
	unsigned int rooms;
	bool broken;
};

static bool output(void *ctx, const uint8_t *bytes, size_t size)
{
	struct rig *rig = ctx;

	if (rig->broken)
		return false;
	CHECK(size <= sizeof(rig->sent) - rig->count);
	memcpy(rig->sent + rig->count, bytes, size);
	rig->count += size;
	return true;
}

static void room(void *ctx)
{
	struct rig *rig = ctx;

	rig->rooms++;
}

static const struct hvc_host host = { .output = output, .room = room };

static int64_t serve(struct rig *rig, unsigned int queue, struct virtqueue_chain chain)
{
	return rig->config.kind->serve(rig->config.device, queue, 0, &chain);
}

static bool ready(struct rig *rig, unsigned int queue)
{
	return rig->config.kind->ready(rig->config.device, queue);
}

static void test_output(struct rig *rig)
{
	char text[] = "some words";
	struct virtqueue_chain chain = { .reads = 2, .buffers = { { text, 5 }, { text + 5, 5 } } };

	CHECK(ready(rig, QUEUE_OUT) && !serve(rig, QUEUE_OUT, chain));
	CHECK(rig->count == 10 && !memcmp(rig->sent, text, 10));
	/* Bytes that cannot be written are lost. */
	rig->broken = true;
	CHECK(!serve(rig, QUEUE_OUT, chain) && rig->count == 10);
	rig->broken = false;
	chain.reads = 0;
	chain.writes = 2;
	CHECK(serve(rig, QUEUE_OUT, chain) == -EINVAL && rig->count == 10);
}

static void test_input(struct rig *rig)
{
	uint8_t bytes[2 * HVC_WAITING], got[HVC_WAITING] = { 0 };
	struct virtqueue_chain chain = { .writes = 2, .buffers = { { got, 3 }, { got + 3, 4 } } };

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = i;
	CHECK(!ready(rig, HVC_RECEIVE) && hvc_receive(&rig->hvc, bytes, 0) == 0 && !ready(rig, HVC_RECEIVE));
	CHECK(hvc_receive(&rig->hvc, bytes, 9) == 9 && ready(rig, HVC_RECEIVE));
	CHECK(hvc_receive(&rig->hvc, bytes + 9, HVC_WAITING) == HVC_WAITING - 9);
	CHECK(hvc_receive(&rig->hvc, bytes, 1) == 0 && !rig->rooms);
	CHECK(serve(rig, HVC_RECEIVE, chain) == 7 && !memcmp(got, bytes, 7) && rig->rooms == 1);
	CHECK(hvc_receive(&rig->hvc, bytes + HVC_WAITING, 9) == 7);
	chain.writes = 1;
	chain.buffers[0] = (struct iovec){ got, sizeof(got) };
	CHECK(serve(rig, HVC_RECEIVE, chain) == HVC_WAITING && !memcmp(got, bytes + 7, HVC_WAITING));
	CHECK(!ready(rig, HVC_RECEIVE));
	/* A buffer to read is none for input. */
	CHECK(hvc_receive(&rig->hvc, bytes, 1) == 1);
	chain.reads = 1;
	chain.writes = 0;
	CHECK(serve(rig, HVC_RECEIVE, chain) == -EINVAL && ready(rig, HVC_RECEIVE));
}

void test_hvcs(void)
{
	struct rig rig = { 0 };

	hvc_init(&rig.hvc, &host, &rig);
	hvc_describe(&rig.hvc, &rig.config);
	CHECK(rig.config.kind->id == 3 && rig.config.kind->queues == 2);
	test_output(&rig);
	test_input(&rig);
}
