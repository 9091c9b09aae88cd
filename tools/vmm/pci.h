/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PCI bus without bridges, with configuration mechanism 1. A device has two BARs: ports, and
 * memory below 4 GiB. Each has an address from the beginning, and moves as the guest says.
 * Ports below PCI_PORTS_FIRST and addresses outside of the window are never a device's.
 * Any thread may call. A device's read() and write() are called without the lock, so that one
 * which waits keeps no vCPU from the others; configured() is called with it.
 */
#ifndef LIKEXVM_PCI_H
#define LIKEXVM_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_SLOTS		32
#define PCI_PORTS_FIRST		0x1000
#define PCI_WINDOW		0xc0000000U	/* to PCI_WINDOW_END, which is the IOAPIC */
#define PCI_WINDOW_END		0xfec00000U

/* The BARs, by number, and their sizes */
enum pci_bar { PCI_PORTS, PCI_MEMORY };
#define PCI_PORTS_SIZE		0x20
#define PCI_MEMORY_SIZE		0x4000

struct pci_ops {
	/* Access up to four bytes at an offset into a BAR. */
	uint32_t (*read)(void *ctx, enum pci_bar bar, uint32_t offset);
	void (*write)(void *ctx, enum pci_bar bar, uint32_t offset, uint32_t value);
	/* The guest has written to the configuration space. */
	void (*configured)(void *ctx);
};

struct pci_device {
	uint8_t config[256];
	uint8_t writable[256];		/* bits of it that the guest can change */
	uint8_t end;			/* of the capabilities */
	const struct pci_ops *ops;
	void *ctx;
};

struct pci {
	pthread_mutex_t lock;		/* protects what follows */
	uint32_t address;		/* register that the data port is */
	unsigned int count;
	struct pci_device *devices[PCI_SLOTS];
	struct pci_device bridge;	/* the host's, in slot 0 */
};

/* Make a bus that has nothing except its host bridge. */
void pci_init(struct pci *pci);

/* @class: base class, subclass and interface; @id: device and vendor. */
void pci_device_init(struct pci_device *device, uint32_t id, uint32_t class,
		     const struct pci_ops *ops, void *ctx);

/* Add a capability, whose second byte is set here. Return its offset. */
uint8_t pci_add_capability(struct pci_device *device, const void *bytes, size_t size);

/* Put a device into the next slot; false if there is none. Before any vCPU runs. */
bool pci_add(struct pci *pci, struct pci_device *device);

/* Return the address of a BAR, or 0 while the device does not answer there. */
uint32_t pci_bar_at(const struct pci_device *device, enum pci_bar bar);

/* A guest's access to a port or an address; false if there is nothing of the bus. */
bool pci_port(struct pci *pci, uint16_t port, bool write, uint8_t *data, unsigned int size);
bool pci_mmio(struct pci *pci, uint64_t address, bool write, uint8_t *data, unsigned int size);

#endif
