// SPDX-License-Identifier: GPL-2.0
/* Virtqueues: good requests, and rings and descriptors that no driver writes. */
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"
#include "virtqueue.h"

#define MEMORY		0x10000
#define SIZE		8
#define TABLE		0x1000
#define AVAIL		0x2000
#define USED		0x3000
#define DATA		0x4000
#define ROUNDS		100000

struct rig {
	struct memory memory;
	struct virtqueue queue;
	struct virtqueue_chain chain;
	struct vring_desc *table;
	uint16_t *avail, *used;
};

static void reset(struct rig *rig)
{
	memset(rig->memory.bytes, 0, MEMORY);
	rig->queue = (struct virtqueue){ &rig->memory, SIZE, TABLE, AVAIL, USED, 0, 0 };
	rig->table = memory_at(&rig->memory, TABLE, 1);
	rig->avail = memory_at(&rig->memory, AVAIL, 1);
	rig->used = memory_at(&rig->memory, USED, 1);
	for (uint16_t i = 0; i < SIZE; i++)
		rig->table[i] = (struct vring_desc){ DATA + i * 0x100, 0x100,
						     i < SIZE - 1 ? VRING_DESC_F_NEXT : 0, i + 1 };
	/* Good ones after the table, which are not to be used */
	rig->table[SIZE] = rig->table[SIZE + 1] = rig->table[SIZE - 1];
}

static void offer(struct rig *rig, uint16_t head)
{
	rig->avail[2 + rig->avail[1] % SIZE] = head;
	rig->avail[1]++;
}

static void test_good(struct rig *rig)
{
	reset(rig);
	CHECK(virtqueue_valid(&rig->queue) && virtqueue_take(&rig->queue, &rig->chain) == 0);
	rig->table[6].flags |= VRING_DESC_F_WRITE;
	rig->table[7].flags |= VRING_DESC_F_WRITE;
	offer(rig, 5);
	offer(rig, 0);
	CHECK(virtqueue_take(&rig->queue, &rig->chain) == 1);
	CHECK(rig->chain.head == 5 && rig->chain.reads == 1 && rig->chain.writes == 2);
	CHECK(rig->chain.buffers[2].iov_base == rig->memory.bytes + DATA + 0x700);
	CHECK(virtqueue_give(&rig->queue, 5, 77));
	CHECK(rig->used[1] == 1 && rig->used[2] == 5 && rig->used[4] == 77);
	CHECK(virtqueue_take(&rig->queue, &rig->chain) == 1 && rig->chain.reads == 6);
	CHECK(virtqueue_take(&rig->queue, &rig->chain) == 0);
	rig->avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	CHECK(!virtqueue_give(&rig->queue, 0, 0) && rig->used[1] == 2);
	/* Positions wrap. */
	for (unsigned int i = 2; i < 70000; i++) {
		offer(rig, 7);
		if (virtqueue_take(&rig->queue, &rig->chain) != 1)
			CHECK(false);
		virtqueue_give(&rig->queue, 7, i);
	}
	CHECK(rig->used[1] == (uint16_t)70000);
}

static void test_bad(struct rig *rig)
{
	static const struct vring_desc bad[] = {
		{ DATA, 0, 0, 0 }, { MEMORY - 1, 2, 0, 0 }, { ~0ULL, 16, 0, 0 },
		{ DATA, ~0U, 0, 0 }, { DATA, 16, VRING_DESC_F_INDIRECT, 0 },
		{ DATA, 16, VRING_DESC_F_NEXT, 0 }, { DATA, 16, VRING_DESC_F_NEXT, SIZE },
		{ DATA, 16, VRING_DESC_F_NEXT, 0xffff },
		{ DATA, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 7 },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		reset(rig);
		rig->table[0] = bad[i];
		offer(rig, 0);
		CHECK(virtqueue_take(&rig->queue, &rig->chain) == -EINVAL);
	}
	reset(rig);
	offer(rig, SIZE);
	CHECK(virtqueue_take(&rig->queue, &rig->chain) == -EINVAL);
	reset(rig);
	rig->avail[1] = SIZE + 1;
	CHECK(virtqueue_take(&rig->queue, &rig->chain) == -EINVAL);
}

/* Bytes of a request, however they are spread over its buffers */
static void test_bytes(struct rig *rig)
{
	uint8_t bytes[0x300];

	reset(rig);
	rig->table[4].flags |= VRING_DESC_F_WRITE;
	rig->table[5] = (struct vring_desc){ DATA + 0x500, 1, VRING_DESC_F_WRITE, 0 };
	for (int i = 0; i < 0x500; i++)
		rig->memory.bytes[DATA + i] = i / 3;
	offer(rig, 1);
	CHECK(virtqueue_take(&rig->queue, &rig->chain) == 1 && rig->chain.reads == 3);
	CHECK(virtqueue_pull(&rig->chain, bytes, 16) && bytes[15] == 0x10f / 3);
	CHECK(rig->chain.buffers[0].iov_len == 0xf0);
	CHECK(virtqueue_pull(&rig->chain, bytes, 0x1f0) && bytes[0x1ef] == (0x2ff / 3 & 0xff));
	CHECK(!rig->chain.buffers[1].iov_len && rig->chain.buffers[2].iov_len == 0x100);
	CHECK(!virtqueue_pull(&rig->chain, bytes, 0x101) && !virtqueue_pull(&rig->chain, bytes, 1));
	CHECK(virtqueue_last(&rig->chain) == rig->memory.bytes + DATA + 0x500);
	CHECK(!virtqueue_last(&rig->chain));
	reset(rig);
	offer(rig, 7);
	CHECK(virtqueue_take(&rig->queue, &rig->chain) == 1 && !virtqueue_last(&rig->chain));
}

static bool valid(struct rig *rig, uint16_t size, uint64_t table, uint64_t avail, uint64_t used)
{
	struct virtqueue queue = { &rig->memory, size, table, avail, used, 0, 0 };

	return virtqueue_valid(&queue);
}

static void test_valid(struct rig *rig)
{
	CHECK(valid(rig, SIZE, TABLE, AVAIL, USED) && !valid(rig, 0, TABLE, AVAIL, USED));
	CHECK(!valid(rig, 7, TABLE, AVAIL, USED) && !valid(rig, 512, TABLE, AVAIL, USED));
	CHECK(!valid(rig, SIZE, TABLE + 8, AVAIL, USED) && !valid(rig, SIZE, TABLE, AVAIL + 1, USED));
	CHECK(!valid(rig, SIZE, TABLE, AVAIL, USED + 2) && !valid(rig, SIZE, TABLE, AVAIL, ~3ULL));
	CHECK(valid(rig, SIZE, MEMORY - 128, AVAIL, USED) && !valid(rig, SIZE, MEMORY - 112, AVAIL, USED));
}

/* Scribble over the rings: each answer is a request within memory, none, or an error. */
static void test_scribbled(struct rig *rig)
{
	srand(1);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		reset(rig);
		for (int i = rand() % 8; i >= 0; i--)
			rig->memory.bytes[TABLE + rand() % (AVAIL + 32 - TABLE)] = rand();
		offer(rig, rand() % SIZE);
		rig->queue.seen = rig->avail[1] - 1;
		if (virtqueue_take(&rig->queue, &rig->chain) != 1)
			continue;
		for (unsigned int i = 0; i < rig->chain.reads + rig->chain.writes; i++)
			memset(rig->chain.buffers[i].iov_base, 0, rig->chain.buffers[i].iov_len);
		virtqueue_give(&rig->queue, rig->chain.head, 0);
	}
}

void test_queues(void)
{
	struct rig rig;

	CHECK(!memory_create(&rig.memory, MEMORY));
	test_good(&rig);
	test_bad(&rig);
	test_bytes(&rig);
	test_valid(&rig);
	test_scribbled(&rig);
	memory_destroy(&rig.memory);
}
