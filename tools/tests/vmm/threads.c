// SPDX-License-Identifier: GPL-2.0
/* A device's thread and those of vCPUs: who waits for whom. */
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit.h"
#include "virtio_pci.h"

#define MEMORY		0x10000
#define TABLE		0x1000
#define AVAIL		0x2000
#define USED		0x3000
#define DATA		0x4000
#define DRIVER		0xf		/* status with a driver */
#define TURNS		200
#define FEW		16		/* requests between two registers' accesses */

/* The memory BARs of the devices in slots 1 and 2 */
#define BAR		0xe0004000U
#define OTHER		0xe0008000U

struct rig {
	struct pci pci;
	struct virtio virtio, other;
	struct memory memory;
	sem_t begun, go;
	bool endless;			/* each request is followed by another, and none waits */
	bool ended;			/* the request has been served */
	bool ended_first;		/* before the device's reset */
	atomic_uint served;
	atomic_bool stop;
};

static void offer(struct rig *rig)
{
	uint16_t *avail = memory_at(&rig->memory, AVAIL, 32);

	__atomic_store_n(&avail[1], avail[1] + 1, __ATOMIC_RELEASE);
}

static int64_t serve(void *ctx, unsigned int queue __attribute__((unused)),
		     uint64_t features __attribute__((unused)), struct virtqueue_chain *chain)
{
	struct rig *rig = ctx;

	atomic_fetch_add(&rig->served, 1);
	if (rig->endless) {
		offer(rig);
		return 0;
	}
	sem_post(&rig->begun);
	sem_wait(&rig->go);
	memset(chain->buffers[0].iov_base, 0x5a, chain->buffers[0].iov_len);
	rig->ended = true;
	return 0;
}

static void nothing(void *ctx __attribute__((unused)), uint64_t address __attribute__((unused)),
		    uint32_t data __attribute__((unused)))
{
}

static void listening(void *ctx __attribute__((unused)), bool port __attribute__((unused)),
		      uint64_t at __attribute__((unused)), int kick __attribute__((unused)),
		      bool on __attribute__((unused)))
{
}

static const struct virtio_host host = { .message = nothing, .listen = listening };
static const struct virtio_kind kind = { .id = 4, .class = 0x00ff00, .queues = 1, .serve = serve };

static uint32_t get(struct rig *rig, uint64_t address, unsigned int size)
{
	uint32_t value = 0;

	CHECK(pci_mmio(&rig->pci, address, false, (uint8_t *)&value, size));
	return value;
}

static void set(struct rig *rig, uint64_t address, uint32_t value, unsigned int size)
{
	CHECK(pci_mmio(&rig->pci, address, true, (uint8_t *)&value, size));
}

static void show_bars(struct rig *rig, unsigned int slot)
{
	uint32_t at = 1U << 31 | slot << 11 | 4, on = 7;

	CHECK(pci_port(&rig->pci, 0xcf8, true, (uint8_t *)&at, 4));
	CHECK(pci_port(&rig->pci, 0xcfc, true, (uint8_t *)&on, 2));
}

/* Let a driver take the device, and make a request. */
static void start_driver(struct rig *rig)
{
	static const uint32_t rings[] = { TABLE, 0, AVAIL, 0, USED, 0 };
	struct vring_desc desc = { DATA, 16, VRING_DESC_F_WRITE, 0 };

	memset(rig->memory.bytes, 0, rig->memory.size);
	memory_write(&rig->memory, TABLE, &desc, sizeof(desc));
	set(rig, BAR + VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	set(rig, BAR + VIRTIO_PCI_COMMON_GF, 1, 4);
	set(rig, BAR + VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
	set(rig, BAR + VIRTIO_PCI_COMMON_Q_SIZE, 8, 2);
	for (unsigned int i = 0; i < 6; i++)
		set(rig, BAR + VIRTIO_PCI_COMMON_Q_DESCLO + 4 * i, rings[i], 4);
	set(rig, BAR + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	set(rig, BAR + VIRTIO_PCI_COMMON_STATUS, DRIVER, 1);
	CHECK(get(rig, BAR + VIRTIO_PCI_COMMON_STATUS, 1) == DRIVER);
	offer(rig);
}

static void *work(void *arg)
{
	struct rig *rig = arg;

	virtio_serve(&rig->virtio, &rig->stop);
	return NULL;
}

static void *reset(void *arg)
{
	struct rig *rig = arg;

	set(rig, BAR + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	rig->ended_first = rig->ended;
	return NULL;
}

/* While a request is served, registers answer; a reset waits, and no other access. */
static void test_slow(struct rig *rig)
{
	pthread_t worker, vcpu;

	start_driver(rig);
	CHECK(!pthread_create(&worker, NULL, work, rig));
	sem_wait(&rig->begun);
	CHECK(get(rig, BAR + VIRTIO_PCI_COMMON_STATUS, 1) == DRIVER);
	CHECK(get(rig, OTHER + VIRTIO_PCI_COMMON_STATUS, 1) == 0);
	show_bars(rig, 1);
	CHECK(!pthread_create(&vcpu, NULL, reset, rig));
	usleep(20000);
	CHECK(get(rig, BAR + VIRTIO_PCI_COMMON_STATUS, 1) == DRIVER);
	CHECK(get(rig, OTHER + VIRTIO_PCI_COMMON_STATUS, 1) == 0);
	show_bars(rig, 2);
	/* The next one does not begin. */
	offer(rig);
	sem_post(&rig->go);
	pthread_join(vcpu, NULL);
	pthread_join(worker, NULL);
	CHECK(rig->ended_first && atomic_load(&rig->served) == 1 && rig->memory.bytes[DATA] == 0x5a);
	CHECK(rig->memory.bytes[USED + 2] == 1);
	CHECK(!get(rig, BAR + VIRTIO_PCI_COMMON_STATUS, 1) && !get(rig, BAR + VIRTIO_PCI_COMMON_Q_ENABLE, 2));
}

/* A vCPU gets its turn among requests without an end. Now and then another thread runs instead. */
static void test_endless(struct rig *rig)
{
	unsigned int quick = 0;
	pthread_t worker;

	rig->endless = true;
	start_driver(rig);
	CHECK(!pthread_create(&worker, NULL, work, rig));
	while (!atomic_load(&rig->served))
		usleep(1000);
	for (unsigned int i = 0; i < TURNS; i++) {
		unsigned int before;

		usleep(100);
		before = atomic_load(&rig->served);
		get(rig, BAR + VIRTIO_PCI_COMMON_STATUS, 1);
		quick += atomic_load(&rig->served) - before <= FEW;
	}
	CHECK(quick >= TURNS / 2);
	/* One request is served at the time of the reset, at the most. */
	set(rig, BAR + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	pthread_join(worker, NULL);
	CHECK(!get(rig, BAR + VIRTIO_PCI_COMMON_STATUS, 1));
}

void test_threads(void)
{
	struct rig rig = { 0 };
	struct virtio_config config = { .kind = &kind, .device = &rig, .memory = &rig.memory,
					.host = &host, .kick = -1 };

	CHECK(!memory_create(&rig.memory, MEMORY));
	sem_init(&rig.begun, 0, 0);
	sem_init(&rig.go, 0, 0);
	pci_init(&rig.pci);
	virtio_pci_init(&rig.virtio, &config);
	virtio_pci_init(&rig.other, &config);
	CHECK(pci_add(&rig.pci, &rig.virtio.pci) && pci_add(&rig.pci, &rig.other.pci));
	show_bars(&rig, 1);
	show_bars(&rig, 2);
	test_slow(&rig);
	test_endless(&rig);
	memory_destroy(&rig.memory);
}
