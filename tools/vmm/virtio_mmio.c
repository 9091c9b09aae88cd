// SPDX-License-Identifier: GPL-2.0
/* See virtio_mmio.h. */
#include "virtio_mmio.h"

#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <sys/eventfd.h>

#define MAGIC		0x74726976	/* virt */
#define VERSION		2
#define VENDOR		0x1af4
#define WORD		4

/* Registers that PCI has, too, and their offsets there */
static const struct {
	uint16_t here, common;
} known[] = {
	{ VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_PCI_COMMON_DFSELECT },
	{ VIRTIO_MMIO_DEVICE_FEATURES, VIRTIO_PCI_COMMON_DF },
	{ VIRTIO_MMIO_DRIVER_FEATURES_SEL, VIRTIO_PCI_COMMON_GFSELECT },
	{ VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_PCI_COMMON_GF },
	{ VIRTIO_MMIO_QUEUE_SEL, VIRTIO_PCI_COMMON_Q_SELECT },
	{ VIRTIO_MMIO_QUEUE_NUM_MAX, VIRTIO_PCI_COMMON_Q_SIZE },
	{ VIRTIO_MMIO_QUEUE_NUM, VIRTIO_PCI_COMMON_Q_SIZE },
	{ VIRTIO_MMIO_QUEUE_READY, VIRTIO_PCI_COMMON_Q_ENABLE },
	{ VIRTIO_MMIO_STATUS, VIRTIO_PCI_COMMON_STATUS },
	{ VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_PCI_COMMON_Q_DESCLO },
	{ VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_PCI_COMMON_Q_DESCHI },
	{ VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_PCI_COMMON_Q_AVAILLO },
	{ VIRTIO_MMIO_QUEUE_AVAIL_HIGH, VIRTIO_PCI_COMMON_Q_AVAILHI },
	{ VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_PCI_COMMON_Q_USEDLO },
	{ VIRTIO_MMIO_QUEUE_USED_HIGH, VIRTIO_PCI_COMMON_Q_USEDHI },
};

#define NONE		0xffffU		/* no register of the common ones */

static uint32_t common(uint32_t offset)
{
	for (unsigned int i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].here == offset)
			return known[i].common;
	return NONE;
}

static void set_line(const struct virtio *virtio)
{
	const struct virtio_config *config = &virtio->config;

	config->host->line(config->ctx, virtio->pin, virtio->state.isr);
}

static void interrupt(struct virtio *virtio, uint16_t vector __attribute__((unused)), uint8_t isr)
{
	virtio->state.isr |= isr;
	set_line(virtio);
}

static uint32_t read_register(struct virtio *virtio, uint32_t offset)
{
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return virtio->config.kind->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return virtio->state.isr;
	default:
		return common(offset) == NONE ? 0 : virtio_read(virtio, common(offset));
	}
}

static void write_register(struct virtio *virtio, uint32_t offset, uint32_t value)
{
	if (offset == VIRTIO_MMIO_QUEUE_NOTIFY)
		eventfd_write(virtio->config.kick, 1);
	else if (offset == VIRTIO_MMIO_INTERRUPT_ACK)
		virtio->state.isr &= ~value;
	else if (common(offset) != NONE)
		virtio_write(virtio, common(offset), value);
	set_line(virtio);
}

/* Registers have a word each. Another access to them does nothing. */
static uint32_t access_word(struct virtio *virtio, uint32_t offset, bool write, uint32_t value,
			    unsigned int size)
{
	if (offset >= VIRTIO_MMIO_CONFIG)
		return write ? 0 : virtio_read_space(virtio, offset - VIRTIO_MMIO_CONFIG);
	if (offset % WORD || size != WORD)
		return 0;
	if (!write)
		return read_register(virtio, offset);
	write_register(virtio, offset, value);
	return 0;
}

void virtio_mmio_access(struct virtio *virtio, uint32_t offset, bool write, uint8_t *data,
			unsigned int size)
{
	pthread_mutex_lock(&virtio->lock);
	for (unsigned int i = 0, part; i < size; i += part) {
		uint32_t value = 0;

		part = size - i < WORD ? size - i : WORD;
		memcpy(&value, data + i, write ? part : 0);
		value = access_word(virtio, offset + i, write, value, part);
		if (!write)
			memcpy(data + i, &value, part);
	}
	pthread_mutex_unlock(&virtio->lock);
}

void virtio_mmio_init(struct virtio *virtio, const struct virtio_config *config, unsigned int number)
{
	virtio_init(virtio, config);
	virtio->interrupt = interrupt;
	virtio->pin = VIRTIO_MMIO_PIN + number;
	config->host->listen(config->ctx, false, VIRTIO_MMIO_AT + number * VIRTIO_MMIO_SIZE +
			     VIRTIO_MMIO_QUEUE_NOTIFY, config->kick, true);
}
