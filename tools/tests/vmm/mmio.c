// SPDX-License-Identifier: GPL-2.0
/* A virtio device in memory: its registers, its line, and random accesses. */
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit.h"
#include "virtio_mmio.h"

#define MEMORY		0x10000
#define TABLE		0x1000
#define AVAIL		0x2000
#define USED		0x3000
#define DATA		0x4000
#define NUMBER		2
#define ROUNDS		100000

struct rig {
	struct virtio virtio;
	struct memory memory;
	unsigned int served, rises;
	bool high;
	uint64_t listening;		/* the address of kicks */
};

static int64_t serve(void *ctx, unsigned int queue __attribute__((unused)),
		     uint64_t features __attribute__((unused)),
		     struct virtqueue_chain *chain __attribute__((unused)))
{
	struct rig *rig = ctx;

	rig->served++;
	return 5;
}

static void line(void *ctx, unsigned int pin, bool high)
{
	struct rig *rig = ctx;

	CHECK(pin == VIRTIO_MMIO_PIN + NUMBER);
	rig->rises += high && !rig->high;
	rig->high = high;
}

static void listening(void *ctx, bool port, uint64_t at, int kick __attribute__((unused)), bool on)
{
	struct rig *rig = ctx;

	CHECK(!port && on);
	rig->listening = at;
}

static const struct virtio_host host = { .line = line, .listen = listening };
static const struct virtio_kind kind = { .id = 4, .queues = 2, .serve = serve };

static uint32_t get(struct rig *rig, uint32_t offset, unsigned int size)
{
	uint64_t value = ~0ULL;

	virtio_mmio_access(&rig->virtio, offset, false, (uint8_t *)&value, size);
	return value;
}

static void set(struct rig *rig, uint32_t offset, uint64_t value, unsigned int size)
{
	virtio_mmio_access(&rig->virtio, offset, true, (uint8_t *)&value, size);
}

static void run(struct rig *rig)
{
	static const atomic_bool stop;

	virtio_serve(&rig->virtio, &stop);
}

static void start_driver(struct rig *rig)
{
	static const uint32_t rings[] = { TABLE, AVAIL, USED };

	memset(rig->memory.bytes + AVAIL, 0, 4);
	set(rig, VIRTIO_MMIO_STATUS, 0, 4);
	set(rig, VIRTIO_MMIO_STATUS, 3, 4);
	set(rig, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1, 4);
	set(rig, VIRTIO_MMIO_DRIVER_FEATURES, 1, 4);
	set(rig, VIRTIO_MMIO_STATUS, 0xb, 4);
	set(rig, VIRTIO_MMIO_QUEUE_SEL, 1, 4);
	set(rig, VIRTIO_MMIO_QUEUE_NUM, 8, 4);
	for (unsigned int i = 0; i < 3; i++) {
		set(rig, VIRTIO_MMIO_QUEUE_DESC_LOW + 0x10 * i, rings[i], 4);
		set(rig, VIRTIO_MMIO_QUEUE_DESC_HIGH + 0x10 * i, 0, 4);
	}
	set(rig, VIRTIO_MMIO_QUEUE_READY, 1, 4);
	set(rig, VIRTIO_MMIO_STATUS, 0xf, 4);
}

static void offer(struct rig *rig)
{
	struct vring_desc desc = { DATA, 16, VRING_DESC_F_WRITE, 0 };
	uint16_t *avail = memory_at(&rig->memory, AVAIL, 32);

	memory_write(&rig->memory, TABLE, &desc, sizeof(desc));
	avail[2 + avail[1] % 8] = 0;
	avail[1]++;
}

static void test_registers(struct rig *rig)
{
	CHECK(rig->listening == 0xd0000450);
	CHECK(get(rig, 0, 4) == 0x74726976 && get(rig, 4, 4) == 2 && get(rig, 8, 4) == 4);
	CHECK(get(rig, 0, 2) == 0xffff0000 && get(rig, 2, 4) == 0 && get(rig, VIRTIO_MMIO_CONFIG_GENERATION, 4) == 0);
	set(rig, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1, 4);
	CHECK(get(rig, VIRTIO_MMIO_DEVICE_FEATURES, 4) == 1);
	CHECK(get(rig, VIRTIO_MMIO_QUEUE_NUM_MAX, 4) == VIRTQUEUE_MOST);
	set(rig, VIRTIO_MMIO_QUEUE_SEL, 2, 4);
	CHECK(get(rig, VIRTIO_MMIO_QUEUE_NUM_MAX, 4) == 0 && get(rig, VIRTIO_MMIO_QUEUE_READY, 4) == 0);
	CHECK(get(rig, VIRTIO_MMIO_CONFIG, 4) == 0x64636261 && (get(rig, VIRTIO_MMIO_CONFIG + 4, 1) & 0xff) == 'e');
	CHECK(get(rig, VIRTIO_MMIO_CONFIG + 8, 4) == 0 && get(rig, VIRTIO_MMIO_SIZE - 1, 4) == 0);
	/* Only a word is an access. */
	set(rig, VIRTIO_MMIO_STATUS, 3, 1);
	CHECK(get(rig, VIRTIO_MMIO_STATUS, 4) == 0);
}

static void test_line(struct rig *rig)
{
	start_driver(rig);
	CHECK(get(rig, VIRTIO_MMIO_STATUS, 4) == 0xf && get(rig, VIRTIO_MMIO_QUEUE_READY, 4) == 1);
	offer(rig);
	run(rig);
	CHECK(rig->served == 1 && rig->high && get(rig, VIRTIO_MMIO_INTERRUPT_STATUS, 4) == 1);
	offer(rig);
	run(rig);
	CHECK(rig->served == 2 && rig->rises == 1);
	set(rig, VIRTIO_MMIO_INTERRUPT_ACK, 2, 4);
	CHECK(rig->high);
	set(rig, VIRTIO_MMIO_INTERRUPT_ACK, 1, 4);
	CHECK(!rig->high && get(rig, VIRTIO_MMIO_INTERRUPT_STATUS, 4) == 0);
	/* A request that is none: the driver is told to reset the device, which lowers the line. */
	offer(rig);
	memset(rig->memory.bytes + TABLE, 0xff, 16);
	run(rig);
	CHECK(rig->served == 2 && rig->rises == 2 && get(rig, VIRTIO_MMIO_INTERRUPT_STATUS, 4) == 2);
	CHECK(get(rig, VIRTIO_MMIO_STATUS, 4) == 0x4f);
	set(rig, VIRTIO_MMIO_STATUS, 0, 4);
	CHECK(!rig->high && get(rig, VIRTIO_MMIO_STATUS, 4) == 0);
}

static void test_hostile(struct rig *rig)
{
	srand(4);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint32_t offset = rand() % 2 ? rand() % VIRTIO_MMIO_SIZE : rand() % 0x40 * 4;

		if (rand() % 3)
			set(rig, offset, rand() % 2 ? rand() % 0x10 : rand() % 0x4000, 1 << rand() % 4);
		else
			get(rig, offset, 1 << rand() % 4);
		rig->memory.bytes[TABLE + rand() % (DATA - TABLE)] = rand();
		if (round % 64 == 0) {
			start_driver(rig);
			offer(rig);
		}
		if (round % 8 == 0)
			run(rig);
	}
	rig->served = 0;
	start_driver(rig);
	offer(rig);
	run(rig);
	CHECK(rig->served == 1 && get(rig, VIRTIO_MMIO_STATUS, 4) == 0xf && rig->high);
}

void test_mmio(void)
{
	struct rig rig = { 0 };
	struct virtio_config config = { .kind = &kind, .device = &rig, .memory = &rig.memory, .host = &host,
					.ctx = &rig, .space = "abcde", .space_size = 5,
					.kick = eventfd(0, EFD_NONBLOCK) };

	CHECK(!memory_create(&rig.memory, MEMORY));
	virtio_mmio_init(&rig.virtio, &config, NUMBER);
	test_registers(&rig);
	test_line(&rig);
	test_hostile(&rig);
	memory_destroy(&rig.memory);
	close(config.kick);
}
