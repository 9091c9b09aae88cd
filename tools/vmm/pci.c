// SPDX-License-Identifier: GPL-2.0
/* See pci.h, and the "PCI Local Bus Specification" 3.0: "Configuration Space". */
#include "pci.h"

#include <linux/pci_regs.h>
#include <string.h>

/* Ports of configuration mechanism 1 */
#define ADDRESS		0xcf8
#define DATA		0xcfc
#define ENABLE		(1U << 31)
#define RESERVED	0x7f000003U
#define REGISTER(a)	((a) & 0xfc)
#define FUNCTION(a)	((a) >> 8 & 0xffff)	/* bus, slot and function */
#define SLOT(a)		((a) >> 11 & 31)

/* The first addresses of BARs, one after another by slot */
#define PORTS_AT	0xc000
#define MEMORY_AT	0xe0000000U

#define BRIDGE_ID	0x00081b36	/* QEMU's generic host bridge */
#define BRIDGE_CLASS	0x060000
#define WORD		4

static const struct {
	uint32_t size, type;
	uint8_t command;		/* bit that lets the device answer */
} bars[] = {
	[PCI_PORTS] = { PCI_PORTS_SIZE, PCI_BASE_ADDRESS_SPACE_IO, PCI_COMMAND_IO },
	[PCI_MEMORY] = { PCI_MEMORY_SIZE, PCI_BASE_ADDRESS_SPACE_MEMORY, PCI_COMMAND_MEMORY },
};

static void not_configured(void *ctx __attribute__((unused)))
{
}

/* It has no BARs. */
static const struct pci_ops bridge_ops = { .configured = not_configured };

void pci_device_init(struct pci_device *device, uint32_t id, uint32_t class,
		     const struct pci_ops *ops, void *ctx)
{
	uint32_t revision = class << 8 | 1;

	*device = (struct pci_device){ .end = PCI_STD_HEADER_SIZEOF, .ops = ops, .ctx = ctx };
	memcpy(device->config, &id, sizeof(id));
	memcpy(device->config + PCI_CLASS_REVISION, &revision, sizeof(revision));
	device->writable[PCI_INTERRUPT_LINE] = 0xff;
}

uint8_t pci_add_capability(struct pci_device *device, const void *bytes, size_t size)
{
	uint8_t at = device->end;

	memcpy(device->config + at, bytes, size);
	device->config[at + PCI_CAP_LIST_NEXT] = device->config[PCI_CAPABILITY_LIST];
	device->config[PCI_CAPABILITY_LIST] = at;
	device->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	device->end = at + ((size + WORD - 1) & ~(WORD - 1UL));
	return at;
}

static unsigned int bar_register(enum pci_bar bar)
{
	return PCI_BASE_ADDRESS_0 + bar * WORD;
}

static void set_bar(struct pci_device *device, enum pci_bar bar, uint32_t at)
{
	uint32_t value = at | bars[bar].type, mask = ~(bars[bar].size - 1);

	memcpy(device->config + bar_register(bar), &value, sizeof(value));
	memcpy(device->writable + bar_register(bar), &mask, sizeof(mask));
}

bool pci_add(struct pci *pci, struct pci_device *device)
{
	if (pci->count == PCI_SLOTS)
		return false;
	set_bar(device, PCI_PORTS, PORTS_AT + pci->count * PCI_PORTS_SIZE);
	set_bar(device, PCI_MEMORY, MEMORY_AT + pci->count * PCI_MEMORY_SIZE);
	device->writable[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	device->writable[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8;
	pci->devices[pci->count++] = device;
	return true;
}

void pci_init(struct pci *pci)
{
	*pci = (struct pci){ .count = 1 };
	pthread_mutex_init(&pci->lock, NULL);
	pci_device_init(&pci->bridge, BRIDGE_ID, BRIDGE_CLASS, &bridge_ops, NULL);
	pci->devices[0] = &pci->bridge;
}

uint32_t pci_bar_at(const struct pci_device *device, enum pci_bar bar)
{
	uint32_t value;

	if (!(device->config[PCI_COMMAND] & bars[bar].command))
		return 0;
	memcpy(&value, device->config + bar_register(bar), sizeof(value));
	return value & ~(bars[bar].size - 1);
}

/* Return the device whose register the data port is, or NULL. */
static struct pci_device *selected(const struct pci *pci)
{
	unsigned int slot = SLOT(pci->address);

	if (!(pci->address & ENABLE) || FUNCTION(pci->address) != slot << 3 || slot >= pci->count)
		return NULL;
	return pci->devices[slot];
}

static void access_config(struct pci_device *device, unsigned int at, bool write, uint8_t *data,
			  unsigned int size)
{
	if (!write) {
		memcpy(data, device->config + at, size);
		return;
	}
	for (unsigned int i = at; i < at + size; i++, data++)
		device->config[i] = (device->config[i] & ~device->writable[i]) |
				    (*data & device->writable[i]);
	device->ops->configured(device->ctx);
}

/* Only an access to all of the address port is one; a device has no port across its end. */
static bool configure(struct pci *pci, uint16_t port, bool write, uint8_t *data, unsigned int size)
{
	struct pci_device *device = selected(pci);

	if (port == ADDRESS && size == WORD) {
		if (!write)
			memcpy(data, &pci->address, size);
		else
			memcpy(&pci->address, data, size);
		pci->address &= ~RESERVED;
		return true;
	}
	if (port < DATA || port % WORD + size > WORD || !device)
		return false;
	access_config(device, REGISTER(pci->address) + port % WORD, write, data, size);
	return true;
}

static void access_bar(const struct pci_device *device, enum pci_bar bar, uint32_t offset,
		       bool write, uint8_t *data, unsigned int size)
{
	for (unsigned int i = 0, part; i < size; i += part) {
		uint32_t value = 0;

		part = size - i < WORD ? size - i : WORD;
		if (write) {
			memcpy(&value, data + i, part);
			device->ops->write(device->ctx, bar, offset + i, value);
			continue;
		}
		value = device->ops->read(device->ctx, bar, offset + i);
		memcpy(data + i, &value, part);
	}
}

/* Return the device that has all these bytes in a BAR, and their offset there. The lowest slot answers. */
static const struct pci_device *find(const struct pci *pci, enum pci_bar bar, uint32_t address,
				     unsigned int size, uint32_t *offset)
{
	for (unsigned int i = 1; i < pci->count; i++) {
		uint32_t at = pci_bar_at(pci->devices[i], bar);

		*offset = address - at;
		if (at && address >= at && *offset <= bars[bar].size - size)
			return pci->devices[i];
	}
	return NULL;
}

/* A device stays on the bus, so it may be used without the lock. */
static bool access_found(struct pci *pci, enum pci_bar bar, uint32_t address, bool write,
			 uint8_t *data, unsigned int size)
{
	const struct pci_device *device;
	uint32_t offset;

	pthread_mutex_lock(&pci->lock);
	device = find(pci, bar, address, size, &offset);
	pthread_mutex_unlock(&pci->lock);
	if (device)
		access_bar(device, bar, offset, write, data, size);
	return device;
}

bool pci_port(struct pci *pci, uint16_t port, bool write, uint8_t *data, unsigned int size)
{
	bool found;

	if (!pci->count)
		return false;
	if (port >= PCI_PORTS_FIRST)
		return access_found(pci, PCI_PORTS, port, write, data, size);
	if (port < ADDRESS || port >= DATA + WORD)
		return false;
	pthread_mutex_lock(&pci->lock);
	found = configure(pci, port, write, data, size);
	pthread_mutex_unlock(&pci->lock);
	return found;
}

bool pci_mmio(struct pci *pci, uint64_t address, bool write, uint8_t *data, unsigned int size)
{
	return pci->count && address >= PCI_WINDOW && address < PCI_WINDOW_END &&
	       access_found(pci, PCI_MEMORY, address, write, data, size);
}
