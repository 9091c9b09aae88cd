// SPDX-License-Identifier: GPL-2.0
/* The PCI bus, the transport of a virtio device that is on it, and a small device. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rng.h"
#include "unit.h"
#include "virtio_pci.h"

#define MEMORY		0x10000
#define TABLE		0x1000
#define AVAIL		0x2000
#define USED		0x3000
#define DATA		0x4000
#define ROUNDS		200000
#define FEATURE		3

/* First addresses of the device in slot 1 */
#define PORTS		0xc020U
#define BAR		0xe0004000U
#define MSIX		(BAR + 0x3000)

struct rig {
	struct pci pci;
	struct virtio virtio, other;
	struct memory memory;
	unsigned int served, messages;
	int listening;			/* balance of calls */
	uint16_t port;			/* of the last call */
	uint64_t address;		/* of the last message */
	uint32_t data;
};

static int64_t serve(void *ctx, unsigned int queue __attribute__((unused)), uint64_t features,
		     struct virtqueue_chain *chain)
{
	struct rig *rig = ctx;

	rig->served++;
	if (features & 1ULL << FEATURE && !chain->writes)
		return -EINVAL;
	for (unsigned int i = chain->reads; i < chain->reads + chain->writes; i++)
		memset(chain->buffers[i].iov_base, 0x5a, chain->buffers[i].iov_len);
	return 7;
}

static void message(void *ctx, uint64_t address, uint32_t data)
{
	struct rig *rig = ctx;

	rig->messages++;
	rig->address = address;
	rig->data = data;
}

static void listening(void *ctx, bool is_port, uint64_t port, int kick __attribute__((unused)), bool on)
{
	struct rig *rig = ctx;

	CHECK(is_port);
	rig->listening += on ? 1 : -1;
	rig->port = port;
}

static const struct virtio_host host = { .message = message, .listen = listening };
static const struct virtio_kind kind = { .id = 4, .class = 0x00ff00, .queues = 2, .serve = serve };

static void reset(struct rig *rig)
{
	struct virtio_config config = {
		.kind = &kind, .device = rig, .features = 1ULL << FEATURE | 1ULL << 40,
		.space = "abcde", .space_size = 5, .memory = &rig->memory, .kick = -1,
		.host = &host, .ctx = rig,
	};

	if (rig->virtio.config.kind)
		close(rig->virtio.config.kick);
	config.kick = eventfd(0, EFD_NONBLOCK);
	rig->served = rig->messages = rig->listening = rig->port = 0;
	memset(rig->memory.bytes, 0, rig->memory.size);
	pci_init(&rig->pci);
	virtio_pci_init(&rig->virtio, &config);
	virtio_pci_init(&rig->other, &config);
	CHECK(pci_add(&rig->pci, &rig->virtio.pci) && pci_add(&rig->pci, &rig->other.pci));
}

static uint32_t port_access(struct rig *rig, uint16_t port, bool write, uint32_t value, unsigned int size)
{
	uint32_t data = write ? value : 0xeeeeeeee;

	return pci_port(&rig->pci, port, write, (uint8_t *)&data, size) ? data : 0xbadbadba;
}

static uint32_t config(struct rig *rig, unsigned int slot, unsigned int at, bool write, uint32_t value,
		       unsigned int size)
{
	port_access(rig, 0xcf8, true, 1U << 31 | slot << 11 | at, 4);
	return port_access(rig, 0xcfc + at % 4, write, value, size) & (size == 4 ? ~0U : (1U << size * 8) - 1);
}

static uint32_t get(struct rig *rig, uint64_t address, unsigned int size)
{
	uint64_t data = 0;

	return pci_mmio(&rig->pci, address, false, (uint8_t *)&data, size) ? data : 0xbadbadba;
}

static void set(struct rig *rig, uint64_t address, uint64_t value, unsigned int size)
{
	CHECK(pci_mmio(&rig->pci, address, true, (uint8_t *)&value, size));
}

static void test_config(struct rig *rig)
{
	unsigned int caps = 0, types = 0;
	uint8_t at;

	reset(rig);
	CHECK(config(rig, 0, 0, false, 0, 4) == 0x00081b36 && config(rig, 0, 0xa, false, 0, 2) == 0x0600);
	CHECK(config(rig, 1, 0, false, 0, 4) == 0x10441af4 && config(rig, 1, 2, false, 0, 2) == 0x1044);
	CHECK(config(rig, 1, 0xb, false, 0, 1) == 0 && config(rig, 1, 0xa, false, 0, 1) == 0xff);
	CHECK(port_access(rig, 0xcf8, false, 0, 4) == (1U << 31 | 1 << 11 | 8 | 2) - 2);
	CHECK(config(rig, 3, 0, false, 0, 4) == 0xbadbadba && config(rig, 31, 0, false, 0, 4) == 0xbadbadba);
	/* Another function, another bus, and a register that is not enabled */
	port_access(rig, 0xcf8, true, 1U << 31 | 1 << 11 | 1 << 8, 4);
	CHECK(port_access(rig, 0xcfc, false, 0, 4) == 0xbadbadba);
	port_access(rig, 0xcf8, true, 1U << 31 | 1 << 16, 4);
	CHECK(port_access(rig, 0xcfc, false, 0, 4) == 0xbadbadba);
	port_access(rig, 0xcf8, true, 1 << 11, 4);
	CHECK(port_access(rig, 0xcfc, false, 0, 4) == 0xbadbadba);
	/* Bytes of the address port, and an access across the end of the data port */
	CHECK(port_access(rig, 0xcfb, false, 0, 1) == 0xbadbadba && port_access(rig, 0xcf9, true, 6, 1) == 0xbadbadba);
	config(rig, 1, 0, false, 0, 4);
	CHECK(port_access(rig, 0xcfe, false, 0, 4) == 0xbadbadba && port_access(rig, 0xcfa, false, 0, 4) == 0xbadbadba);
	config(rig, 1, 0, true, 0, 4);
	CHECK(config(rig, 1, 0, false, 0, 4) == 0x10441af4 && (config(rig, 1, 6, false, 0, 2) & 0x10));
	for (at = config(rig, 1, 0x34, false, 0, 1); at && caps < 10; at = config(rig, 1, at + 1, false, 0, 1)) {
		caps++;
		types |= config(rig, 1, at, false, 0, 1) == 9 ? 1 << config(rig, 1, at + 3, false, 0, 1) : 1;
	}
	CHECK(caps == 5 && types == 0x1f);
}

static void test_bars(struct rig *rig)
{
	reset(rig);
	CHECK(get(rig, BAR, 4) == 0xbadbadba && port_access(rig, PORTS, true, 0, 2) == 0xbadbadba);
	CHECK(config(rig, 1, 0x10, false, 0, 4) == (PORTS | 1) && config(rig, 1, 0x14, false, 0, 4) == BAR);
	config(rig, 1, 0x10, true, ~0U, 4);
	config(rig, 1, 0x14, true, ~0U, 4);
	config(rig, 1, 0x18, true, ~0U, 4);
	CHECK(config(rig, 1, 0x10, false, 0, 4) == 0xffffffe1 && config(rig, 1, 0x14, false, 0, 4) == 0xffffc000);
	CHECK(!config(rig, 1, 0x18, false, 0, 4) && !rig->listening);
	config(rig, 1, 0x10, true, PORTS, 4);
	config(rig, 1, 0x14, true, BAR, 4);
	config(rig, 1, 4, true, 0xffff, 2);
	CHECK(config(rig, 1, 4, false, 0, 2) == 0x407 && rig->listening == 2 && rig->port == PORTS + 2);
	CHECK(get(rig, BAR + 18, 2) == 2 && port_access(rig, PORTS, true, 0, 2) == 0);
	CHECK(get(rig, BAR + 0x4000, 4) == 0xbadbadba && get(rig, BAR - 1, 1) == 0xbadbadba);
	CHECK(get(rig, BAR + 0x3ffe, 4) == 0xbadbadba && get(rig, BAR + 0x3ffc, 4) == 0);
	CHECK(port_access(rig, PORTS + 0x1e, false, 0, 4) == 0xbadbadba);
	/* Moved, byte by byte for the ports: each kick is listened to at the new place. */
	config(rig, 1, 0x11, true, 0xd0, 1);
	CHECK(rig->listening == 2 && rig->port == 0xd022 && port_access(rig, 0xd020, true, 0, 1) == 0);
	config(rig, 1, 0x14, true, 0xc0000000, 4);
	CHECK(get(rig, 0xc0000012, 2) == 2 && get(rig, BAR + 18, 2) == 0xbadbadba);
	/* Places where no device is: low ports, high ports, the IOAPIC, another's */
	config(rig, 1, 0x10, true, 0x3e0, 4);
	CHECK(!rig->listening && port_access(rig, 0x3e0, true, 0, 2) == 0xbadbadba);
	config(rig, 1, 0x10, true, 0x1c020, 4);
	CHECK(!rig->listening && port_access(rig, 0xc020, true, 0, 2) == 0xbadbadba);
	config(rig, 1, 0x14, true, 0xfec00000, 4);
	CHECK(get(rig, 0xfec00012, 2) == 0xbadbadba);
	config(rig, 2, 4, true, 7, 2);
	config(rig, 1, 0x10, true, PORTS + 0x20, 4);
	config(rig, 1, 0x14, true, BAR + 0x4000, 4);
	CHECK(rig->listening == 4 && get(rig, BAR + 0x4012, 2) == 2);
	config(rig, 1, 4, true, 0, 2);
	CHECK(rig->listening == 2 && get(rig, BAR + 0x4012, 2) == 2);
}

static void start(struct rig *rig)
{
	reset(rig);
	config(rig, 1, 4, true, 7, 2);
}

static uint32_t status(struct rig *rig, uint32_t value)
{
	set(rig, BAR + 20, value, 1);
	return get(rig, BAR + 20, 1);
}

static void accept(struct rig *rig, uint32_t low, uint32_t high)
{
	set(rig, BAR + 8, 0, 4);
	set(rig, BAR + 12, low, 4);
	set(rig, BAR + 8, 1, 4);
	set(rig, BAR + 12, high, 4);
	set(rig, BAR + 8, 2, 4);
	set(rig, BAR + 12, ~0U, 4);
}

static void test_features(struct rig *rig)
{
	start(rig);
	set(rig, BAR, 1, 4);
	CHECK(get(rig, BAR + 4, 4) == (1 | 1 << 8));
	set(rig, BAR, 0, 4);
	CHECK(get(rig, BAR + 4, 4) == 1 << FEATURE && get(rig, BAR, 4) == 0);
	set(rig, BAR, 2, 4);
	CHECK(get(rig, BAR + 4, 4) == 0);
	CHECK(status(rig, 3) == 3 && status(rig, 0xb) == 3);
	accept(rig, 1 << FEATURE, 0);
	CHECK(status(rig, 0xb) == 3);
	accept(rig, 1 << 2, 1);
	CHECK(status(rig, 0xb) == 3);
	accept(rig, 1 << FEATURE, 1);
	CHECK(status(rig, 0xb) == 0xb);
	accept(rig, 0, 0);
	set(rig, BAR + 8, 1, 4);
	CHECK(get(rig, BAR + 12, 4) == 1 && status(rig, 0) == 0 && get(rig, BAR + 12, 4) == 0);
	/* The configuration of the kind, and nothing after it */
	CHECK(get(rig, BAR + 0x2000, 4) == 0x64636261 && get(rig, BAR + 0x2004, 1) == 'e');
	CHECK(get(rig, BAR + 0x2004, 4) == 'e' && get(rig, BAR + 0x2005, 4) == 0 && get(rig, BAR + 0x2fff, 1) == 0);
	set(rig, BAR + 0x2000, 0, 4);
	CHECK(get(rig, BAR + 0x2001, 1) == 'b');
}

static void set_ring(struct rig *rig, uint16_t queue, uint16_t size)
{
	static const uint32_t rings[] = { TABLE, 0, AVAIL, 0, USED, 0 };

	set(rig, BAR + 22, queue, 2);
	set(rig, BAR + 24, size, 2);
	for (unsigned int i = 0; i < 6; i++)
		set(rig, BAR + 32 + 4 * i, rings[i], 4);
	set(rig, BAR + 26, queue + 1, 2);
	set(rig, BAR + 28, 1, 2);
}

/* Let a request wait in queue 0: a buffer to write. */
static void offer(struct rig *rig, uint64_t address)
{
	struct vring_desc desc = { address, 16, VRING_DESC_F_WRITE, 0 };
	uint16_t *avail = memory_at(&rig->memory, AVAIL, 32);

	memory_write(&rig->memory, TABLE, &desc, sizeof(desc));
	avail[2 + avail[1] % 8] = 0;
	avail[1]++;
}

static void run(struct rig *rig)
{
	atomic_bool stop = false;

	virtio_serve(&rig->virtio, &stop);
}

static void start_driver(struct rig *rig)
{
	start(rig);
	status(rig, 3);
	accept(rig, 1 << FEATURE, 1);
	CHECK(status(rig, 0xb) == 0xb);
	set_ring(rig, 0, 8);
	CHECK(get(rig, BAR + 28, 2) == 1);
}

static void test_queues_of(struct rig *rig)
{
	start_driver(rig);
	offer(rig, DATA);
	run(rig);
	CHECK(!rig->served && status(rig, 0xf) == 0xf);
	/* An enabled queue stays as it is. */
	set(rig, BAR + 24, 256, 2);
	set(rig, BAR + 32, 0x8000, 4);
	CHECK(get(rig, BAR + 24, 2) == 8 && get(rig, BAR + 32, 4) == TABLE && get(rig, BAR + 30, 2) == 0);
	run(rig);
	CHECK(rig->served == 1 && rig->memory.bytes[DATA + 15] == 0x5a && !rig->messages);
	CHECK(get(rig, BAR + 0x1000, 1) == 1 && get(rig, BAR + 0x1000, 1) == 0);
	CHECK(rig->memory.bytes[USED + 2] == 1 && rig->memory.bytes[USED + 8] == 7);
	/* Vectors and queues that there are not */
	set(rig, BAR + 26, 3, 2);
	set(rig, BAR + 16, 0xfffe, 2);
	CHECK(get(rig, BAR + 26, 2) == 0xffff && get(rig, BAR + 16, 2) == 0xffff);
	set(rig, BAR + 22, 2, 2);
	set(rig, BAR + 24, 8, 2);
	set(rig, BAR + 28, 1, 2);
	CHECK(get(rig, BAR + 24, 2) == 0 && get(rig, BAR + 28, 2) == 0 && get(rig, BAR + 32, 4) == 0);
	/* A request that is none stops the device until its reset. */
	offer(rig, ~0ULL);
	run(rig);
	CHECK(get(rig, BAR + 20, 1) == 0x4f && get(rig, BAR + 0x1000, 1) == 2);
	offer(rig, DATA);
	run(rig);
	CHECK(rig->served == 1 && status(rig, 0xf) == 0x4f && status(rig, 0) == 0);
	set(rig, BAR + 22, 0, 2);
	CHECK(get(rig, BAR + 28, 2) == 0 && get(rig, BAR + 24, 2) == VIRTQUEUE_MOST);
	set_ring(rig, 1, 7);
	CHECK(get(rig, BAR + 28, 2) == 0 && get(rig, BAR + 20, 1) == 0x40);
}

static void test_messages(struct rig *rig)
{
	uint8_t at = rig->virtio.msix;

	start_driver(rig);
	status(rig, 0xf);
	CHECK(config(rig, 1, at, false, 0, 1) == 0x11 && config(rig, 1, at + 2, false, 0, 2) == 2);
	config(rig, 1, at + 2, true, 0xffff, 2);
	CHECK(config(rig, 1, at + 2, false, 0, 2) == 0xc002 && get(rig, MSIX + 0x1c, 4) == 1);
	set(rig, MSIX + 0x10, 0xfee0100000001234ULL, 8);
	set(rig, MSIX + 0x18, 0x41, 4);
	offer(rig, DATA);
	run(rig);
	CHECK(rig->served == 1 && !rig->messages && get(rig, MSIX + 0x800, 4) == 2);
	set(rig, MSIX + 0x1c, 0, 4);
	CHECK(!rig->messages);
	config(rig, 1, at + 2, true, 0x8000, 2);
	CHECK(rig->messages == 1 && rig->address == 0xfee0100000001234ULL && rig->data == 0x41);
	CHECK(!get(rig, MSIX + 0x800, 4));
	offer(rig, DATA);
	run(rig);
	CHECK(rig->messages == 2 && get(rig, MSIX + 0x14, 4) == 0xfee01000);
	set(rig, MSIX + 0x1c, 1, 4);
	offer(rig, DATA);
	run(rig);
	set(rig, MSIX + 0x1c, 0, 4);
	CHECK(rig->messages == 3);
	/* Without a vector there is no message; the table ends after three entries. */
	set(rig, BAR + 26, 0xffff, 2);
	offer(rig, DATA);
	run(rig);
	CHECK(rig->served == 4 && rig->messages == 3);
	set(rig, MSIX + 0x30, 1, 4);
	set(rig, MSIX + 0x12, ~0U, 4);
	set(rig, MSIX + 0x800, ~0U, 4);
	CHECK(!get(rig, MSIX + 0x30, 4) && !get(rig, MSIX + 0x800, 4) && get(rig, MSIX + 0x10, 4) == 0x1234);
}

static void scribble(struct rig *rig)
{
	static const unsigned int sizes[] = { 1, 2, 4, 8 };
	uint64_t value = rand() % 4 ? (uint64_t)rand() % 0x4000 : (uint64_t)rand() << 33 | rand();
	unsigned int size = sizes[rand() % 4], half = size % 8 ? size : 4;
	bool write = rand() % 2;

	switch (rand() % 5) {
	case 0:
		config(rig, rand() % 4, (rand() % 256) & ~(half - 1), write, value, half);
		break;
	case 1:
		pci_port(&rig->pci, rand() % 4 ? 0xc000 + rand() % 0x60 : rand(), write, (uint8_t *)&value, half);
		break;
	case 2:
		pci_mmio(&rig->pci, 0xe0000000 + rand() % 0x10000, write, (uint8_t *)&value, size);
		break;
	case 3:
		pci_mmio(&rig->pci, BAR + rand() % 64, write, (uint8_t *)&value, size);
		break;
	default:
		rig->memory.bytes[TABLE + rand() % (DATA - TABLE)] = rand();
	}
}

/* All registers and rings are scribbled over; a reset makes the device work again. */
static void test_hostile(struct rig *rig)
{
	start_driver(rig);
	status(rig, 0xf);
	srand(2);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		scribble(rig);
		if (round % 64)
			continue;
		run(rig);
		config(rig, 1, 0x10, true, PORTS, 4);
		config(rig, 1, 0x14, true, BAR, 4);
		config(rig, 1, 4, true, 7, 2);
		if (get(rig, BAR + 20, 1) != 0xf) {
			memset(rig->memory.bytes + AVAIL, 0, 4);
			status(rig, 0);
			status(rig, 3);
			accept(rig, 0, 1);
			set_ring(rig, 0, 8);
			status(rig, 0xf);
		}
		offer(rig, DATA);
		run(rig);
	}
	CHECK(rig->served > 1000 && rig->messages + rig->listening > 0);
	memset(rig->memory.bytes, 0, rig->memory.size);
	rig->served = 0;
	status(rig, 0);
	accept(rig, 0, 1);
	CHECK(status(rig, 0xb) == 0xb);
	set_ring(rig, 0, 8);
	CHECK(status(rig, 0xf) == 0xf);
	offer(rig, DATA);
	run(rig);
	CHECK(rig->served == 1 && get(rig, BAR + 20, 1) == 0xf);
}

static void test_rng(void)
{
	uint8_t bytes[RNG_MOST + 8] = { 0 };
	struct virtqueue_chain chain = { .writes = 2, .buffers = { { bytes, 100 },
								   { bytes + 100, RNG_MOST - 92 } } };
	struct virtio_config config = { 0 };
	unsigned int zeros = 0;

	rng_describe(&config);
	CHECK(config.kind->serve(NULL, 0, 0, &chain) == RNG_MOST);
	for (unsigned int i = 0; i < RNG_MOST; i++)
		zeros += !bytes[i];
	CHECK(zeros < RNG_MOST / 8 && !bytes[RNG_MOST] && !bytes[RNG_MOST + 7]);
	CHECK(config.kind->serve(NULL, 0, 0, &chain) == 8);
	CHECK(config.kind->serve(NULL, 0, 0, &chain) == -EINVAL);
	chain.reads = 2;
	chain.writes = 0;
	CHECK(config.kind->serve(NULL, 0, 0, &chain) == -EINVAL);
}

void test_bus(void)
{
	struct rig rig = { 0 };

	CHECK(!memory_create(&rig.memory, MEMORY));
	test_config(&rig);
	test_bars(&rig);
	test_features(&rig);
	test_queues_of(&rig);
	test_messages(&rig);
	test_hostile(&rig);
	test_rng();
	close(rig.virtio.config.kick);
	memory_destroy(&rig.memory);
}
