/* SPDX-License-Identifier: GPL-2.0 */
/* A virtio device on a PCI bus (virtio 1.2, "Virtio Over PCI Bus"), with interrupts by MSI-X only. */
#ifndef LIKEXVM_VIRTIO_PCI_H
#define LIKEXVM_VIRTIO_PCI_H

#include "virtio.h"

/* Make the device: its member pci can be put on a bus. */
void virtio_pci_init(struct virtio *virtio, const struct virtio_config *config);

#endif
