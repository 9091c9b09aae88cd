// SPDX-License-Identifier: GPL-2.0
/* See virtio_pci.h. */
#include "virtio_pci.h"

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <sys/eventfd.h>

#define VENDOR		0x1af4
#define MODERN_ID	0x1040		/* and virtio's id of the kind */
#define WORD		4

/* Parts of the memory BAR */
#define PART		0x1000
enum { PART_COMMON, PART_ISR, PART_SPACE, PART_MSIX };
#define PENDING		0x800		/* offset in PART_MSIX of what is pending */

/* Fields of an entry of the MSI-X table */
enum { ENTRY_LOW, ENTRY_HIGH, ENTRY_DATA, ENTRY_CONTROL };

static void send(struct virtio *virtio, unsigned int vector)
{
	const struct virtio_config *config = &virtio->config;
	const uint32_t *entry = virtio->table[vector];

	if (virtio->control & PCI_MSIX_FLAGS_MASKALL ||
	    entry[ENTRY_CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT) {
		virtio->pending |= 1U << vector;
		return;
	}
	virtio->pending &= ~(1U << vector);
	config->host->message(config->ctx, entry[ENTRY_LOW] | (uint64_t)entry[ENTRY_HIGH] << 32,
			      entry[ENTRY_DATA]);
}

static void send_pending(struct virtio *virtio)
{
	for (unsigned int vector = 0; vector < VIRTIO_VECTORS; vector++)
		if (virtio->control & PCI_MSIX_FLAGS_ENABLE && virtio->pending >> vector & 1)
			send(virtio, vector);
}

static void interrupt(struct virtio *virtio, uint16_t vector, uint8_t isr)
{
	if (!(virtio->control & PCI_MSIX_FLAGS_ENABLE))
		virtio->state.isr |= isr;
	else if (vector < VIRTIO_VECTORS)
		send(virtio, vector);
}

static uint32_t read_msix(const struct virtio *virtio, uint32_t offset)
{
	if (offset == PENDING)
		return virtio->pending;
	return offset < sizeof(virtio->table) && !(offset % WORD) ?
	       (&virtio->table[0][0])[offset / WORD] : 0;
}

static void write_msix(struct virtio *virtio, uint32_t offset, uint32_t value)
{
	if (offset >= sizeof(virtio->table) || offset % WORD)
		return;
	virtio->table[offset / sizeof(virtio->table[0])][offset / WORD % 4] = value;
	send_pending(virtio);
}

/* The driver reads and writes each field with its own width; wider accesses reach only one. */
static uint32_t read_part(struct virtio *virtio, uint32_t offset)
{
	uint32_t value = 0;

	switch (offset / PART) {
	case PART_COMMON:
		return virtio_read(virtio, offset);
	case PART_ISR:
		value = virtio->state.isr;
		virtio->state.isr = 0;
		return value;
	case PART_SPACE:
		return virtio_read_space(virtio, offset % PART);
	default:
		return read_msix(virtio, offset % PART);
	}
}

static uint32_t bar_read(void *ctx, enum pci_bar bar, uint32_t offset)
{
	struct virtio *virtio = ctx;
	uint32_t value;

	if (bar == PCI_PORTS)
		return 0;
	pthread_mutex_lock(&virtio->lock);
	value = read_part(virtio, offset);
	pthread_mutex_unlock(&virtio->lock);
	return value;
}

static void bar_write(void *ctx, enum pci_bar bar, uint32_t offset, uint32_t value)
{
	struct virtio *virtio = ctx;

	if (bar == PCI_PORTS) {
		/* A kick that no eventfd has taken, such as one byte */
		eventfd_write(virtio->config.kick, 1);
		return;
	}
	pthread_mutex_lock(&virtio->lock);
	if (offset / PART == PART_COMMON)
		virtio_write(virtio, offset, value);
	else if (offset / PART == PART_MSIX)
		write_msix(virtio, offset % PART, value);
	pthread_mutex_unlock(&virtio->lock);
}

static void listen(const struct virtio *virtio, uint16_t port, bool on)
{
	const struct virtio_config *config = &virtio->config;

	for (unsigned int i = 0; port && i < config->kind->queues; i++)
		config->host->listen(config->ctx, true, port + i * sizeof(uint16_t), config->kick, on);
}

/* Follow the BAR of ports, and MSI-X's control. */
static void configured(void *ctx)
{
	struct virtio *virtio = ctx;
	uint32_t port = pci_bar_at(&virtio->pci, PCI_PORTS);

	if (port > UINT16_MAX || port < PCI_PORTS_FIRST)
		port = 0;
	if (port != virtio->port) {
		listen(virtio, virtio->port, false);
		listen(virtio, port, true);
		virtio->port = port;
	}
	pthread_mutex_lock(&virtio->lock);
	memcpy(&virtio->control, virtio->pci.config + virtio->msix + PCI_MSIX_FLAGS,
	       sizeof(virtio->control));
	send_pending(virtio);
	pthread_mutex_unlock(&virtio->lock);
}

static void add_part(struct pci_device *pci, uint8_t type, enum pci_bar bar, uint32_t offset,
		     uint32_t size)
{
	struct virtio_pci_notify_cap cap = {
		.cap = { .cap_vndr = PCI_CAP_ID_VNDR, .cap_len = sizeof(cap.cap), .cfg_type = type,
			 .bar = bar, .offset = offset, .length = size },
		.notify_off_multiplier = sizeof(uint16_t),
	};

	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
		cap.cap.cap_len = sizeof(cap);
	pci_add_capability(pci, &cap, cap.cap.cap_len);
}

static uint8_t add_msix(struct pci_device *pci)
{
	const uint32_t msix[] = { PCI_CAP_ID_MSIX | (VIRTIO_VECTORS - 1) << 16,
				  PART_MSIX * PART | PCI_MEMORY,
				  (PART_MSIX * PART + PENDING) | PCI_MEMORY };
	uint8_t at = pci_add_capability(pci, msix, sizeof(msix));

	pci->writable[at + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	return at;
}

void virtio_pci_init(struct virtio *virtio, const struct virtio_config *config)
{
	static const struct pci_ops ops = { bar_read, bar_write, configured };
	const struct virtio_kind *kind = config->kind;
	uint32_t id = VENDOR | (MODERN_ID + kind->id) << 16;

	virtio_init(virtio, config);
	virtio->interrupt = interrupt;
	for (unsigned int i = 0; i < VIRTIO_VECTORS; i++)
		virtio->table[i][ENTRY_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	pci_device_init(&virtio->pci, id, kind->class, &ops, virtio);
	memcpy(virtio->pci.config + PCI_SUBSYSTEM_VENDOR_ID, &id, sizeof(id));
	virtio->msix = add_msix(&virtio->pci);
	add_part(&virtio->pci, VIRTIO_PCI_CAP_COMMON_CFG, PCI_MEMORY, PART_COMMON * PART,
		 sizeof(struct virtio_pci_common_cfg));
	add_part(&virtio->pci, VIRTIO_PCI_CAP_ISR_CFG, PCI_MEMORY, PART_ISR * PART, 1);
	add_part(&virtio->pci, VIRTIO_PCI_CAP_NOTIFY_CFG, PCI_PORTS, 0,
		 kind->queues * sizeof(uint16_t));
	if (config->space_size)
		add_part(&virtio->pci, VIRTIO_PCI_CAP_DEVICE_CFG, PCI_MEMORY, PART_SPACE * PART,
			 config->space_size);
}

