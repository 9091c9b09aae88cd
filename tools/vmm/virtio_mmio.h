/* SPDX-License-Identifier: GPL-2.0 */
/* A virtio device in memory (virtio 1.2, "Virtio Over MMIO"), with a line to the IOAPIC. */
#ifndef LIKEXVM_VIRTIO_MMIO_H
#define LIKEXVM_VIRTIO_MMIO_H

#include "virtio.h"

#define VIRTIO_MMIO_AT		0xd0000000U	/* of the first device */
#define VIRTIO_MMIO_SIZE	0x200
#define VIRTIO_MMIO_PIN		5		/* of the first device */
#define VIRTIO_MMIO_MOST	11		/* devices: the other pins of an ISA bus */

/* Make the device that has a number. */
void virtio_mmio_init(struct virtio *virtio, const struct virtio_config *config, unsigned int number);

/* A guest's access to the device's registers */
void virtio_mmio_access(struct virtio *virtio, uint32_t offset, bool write, uint8_t *data,
			unsigned int size);

#endif
