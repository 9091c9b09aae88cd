// SPDX-License-Identifier: GPL-2.0
/*
 * See acpi.h, and the ACPI specification 6.3: "ACPI Software Programming Model" for the
 * tables, "ACPI Machine Language (AML) Specification" for the bytes of the DSDT.
 */
#include "acpi.h"

#include <string.h>

#include "ioapic.h"
#include "pci.h"
#include "ports.h"
#include "sum.h"

#define LAPIC_AT	0xfee00000
#define XAPIC_IDS	255		/* 255 is all of them */

/* Sizes and offsets of tables */
#define RSDP_SIZE	36
#define RSDP_OLD	20		/* bytes that its first sum counts */
#define HEAD_SIZE	36
#define FADT_SIZE	276

/* FADT flags and boot flags */
#define RESET_SUPPORTED	(1U << 10)
#define HW_REDUCED	(1U << 20)
#define NO_VGA		(1U << 2)

struct builder {
	uint8_t bytes[ACPI_SIZE];
	size_t size;
	bool full;
};

static void put(struct builder *b, const void *bytes, size_t size)
{
	if (size > sizeof(b->bytes) - b->size) {
		b->full = true;
		return;
	}
	memcpy(b->bytes + b->size, bytes, size);
	b->size += size;
}

static void put_number(struct builder *b, uint64_t value, size_t size)
{
	put(b, &value, size);
}

static void put_zeros(struct builder *b, size_t size)
{
	while (size--)
		put_number(b, 0, 1);
}

/* Begin a table; return where it begins. */
static size_t begin(struct builder *b, const char *name, unsigned int revision)
{
	size_t at;

	put_zeros(b, -b->size & 7);
	at = b->size;
	put(b, name, 4);
	put_number(b, 0, 4);			/* length: end() */
	put_number(b, revision, 1);
	put_number(b, 0, 1);			/* sum: end() */
	put(b, "LIKEX ", 6);
	put(b, "LIKEXVM ", 8);
	put_number(b, 1, 4);
	put(b, "LIKX", 4);
	put_number(b, 1, 4);
	return at;
}

static void end(struct builder *b, size_t at)
{
	uint32_t length = b->size - at;

	if (b->full)
		return;
	memcpy(b->bytes + at + 4, &length, 4);
	b->bytes[at + 9] = sum_to_zero(b->bytes + at, length);
}

/* A register in a port (Generic Address Structure) */
static void put_port(struct builder *b, unsigned int port)
{
	put(b, (const uint8_t[]){ 1, 8, 0, 1 }, 4);
	put_number(b, port, 8);
}

/*
 * AML. Blocks inside a device have fewer than 64 bytes, so that their length is one byte.
 *
 *	Name (_S5, Package () { 5, 5, 0, 0 })
 *	Scope (\_SB) {
 *		Device (COM1) {
 *			Name (_HID, EisaId ("PNP0501"))
 *			Name (_UID, 1)
 *			Name (_CRS, ResourceTemplate () {
 *				IO (Decode16, 0x3f8, 0x3f8, 1, 8)
 *				IRQ (Edge, ActiveHigh, Exclusive) { 4 }
 *			})
 *		}
 *		Device (PVPC) {
 *			Name (_HID, "QEMU0001")
 *			Name (_CRS, ResourceTemplate () { IO (Decode16, 0x505, 0x505, 1, 1) })
 *		}
 *		Device (PCI0) {
 *			Name (_HID, EisaId ("PNP0A03"))
 *			Name (_CRS, ResourceTemplate () {
 *				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
 *					0, 0, 0, 0, 1)
 *				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode,
 *					EntireRange, 0, 0x1000, 0xffff, 0, 0xf000)
 *				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
 *					NonCacheable, ReadWrite,
 *					0, 0xc0000000, 0xfebfffff, 0, 0x3ec00000)
 *			})
 *		}
 *	}
 */
#define LENGTH(bytes)	0x40 | ((bytes) & 0xf), (bytes) >> 4	/* it counts itself */
#define WORD(value)	(value) & 0xff, (value) >> 8
#define DWORD(value)	(value) & 0xff, (value) >> 8 & 0xff, (value) >> 16 & 0xff, (value) >> 24

static const uint8_t serial_aml[] = {
	'C', 'O', 'M', '1',
	0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01,
	0x08, '_', 'U', 'I', 'D', 0x01,
	0x08, '_', 'C', 'R', 'S', 0x11, 16, 0x0a, 13,
	0x47, 1, PORT_SERIAL & 0xff, PORT_SERIAL >> 8, PORT_SERIAL & 0xff, PORT_SERIAL >> 8, 1,
	PORTS_SERIAL,
	0x22, 1 << LINE_SERIAL, 0,
	0x79, 0,
};

static const uint8_t panic_aml[] = {
	'P', 'V', 'P', 'C',
	0x08, '_', 'H', 'I', 'D', 0x0d, 'Q', 'E', 'M', 'U', '0', '0', '0', '1', 0,
	0x08, '_', 'C', 'R', 'S', 0x11, 13, 0x0a, 10,
	0x47, 1, PORT_PANIC & 0xff, PORT_PANIC >> 8, PORT_PANIC & 0xff, PORT_PANIC >> 8, 1, 1,
	0x79, 0,
};

static const uint8_t sleep_aml[] = {
	0x08, '_', 'S', '5', '_', 0x12, 10, 4, 0x0a, SLEEP_OFF, 0x0a, SLEEP_OFF, 0x0a, 0, 0x0a, 0,
};

static const uint8_t pci_aml[] = {
	'P', 'C', 'I', '0',
	0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x03,
	0x08, '_', 'C', 'R', 'S', 0x11, 63, 0x0a, 60,
	0x88, WORD(13), 2, 0x0c, 0, WORD(0), WORD(0), WORD(0), WORD(0), WORD(1),
	0x88, WORD(13), 1, 0x0c, 3, WORD(0), WORD(PCI_PORTS_FIRST), WORD(0xffff), WORD(0),
	WORD(0x10000 - PCI_PORTS_FIRST),
	0x87, WORD(23), 0, 0x0c, 1, DWORD(0), DWORD(PCI_WINDOW), DWORD(PCI_WINDOW_END - 1), DWORD(0),
	DWORD(PCI_WINDOW_END - PCI_WINDOW),
	0x79, 0,
};

static void put_device(struct builder *b, const uint8_t *aml, size_t size)
{
	put(b, (const uint8_t[]){ 0x5b, 0x82, LENGTH(size + 2) }, 4);
	put(b, aml, size);
}

static size_t make_dsdt(struct builder *b, bool pci)
{
	size_t at = begin(b, "DSDT", 2);
	unsigned int length = 2 + 5 + 4 + sizeof(serial_aml) + 4 + sizeof(panic_aml);

	if (pci)
		length += 4 + sizeof(pci_aml);
	put(b, sleep_aml, sizeof(sleep_aml));
	put(b, (const uint8_t[]){ 0x10, LENGTH(length) }, 3);
	put(b, "\\_SB_", 5);
	put_device(b, serial_aml, sizeof(serial_aml));
	put_device(b, panic_aml, sizeof(panic_aml));
	if (pci)
		put_device(b, pci_aml, sizeof(pci_aml));
	end(b, at);
	return at;
}

static size_t make_fadt(struct builder *b, size_t dsdt)
{
	size_t at = begin(b, "FACP", 6);

	put_zeros(b, 4);			/* no FACS */
	put_number(b, ACPI_AT + dsdt, 4);
	put_zeros(b, 109 - HEAD_SIZE - 8);
	put_number(b, NO_VGA, 2);
	put_zeros(b, 1);
	put_number(b, RESET_SUPPORTED | HW_REDUCED, 4);
	put_port(b, PORT_KEYBOARD);
	put_number(b, KEYBOARD_RESET, 1);
	put_zeros(b, 2);
	put_number(b, 3, 1);			/* revision 6.3 */
	put_zeros(b, 8);
	put_number(b, ACPI_AT + dsdt, 8);
	put_zeros(b, 244 - 148);
	put_port(b, PORT_SLEEP);
	put_port(b, PORT_SLEEP_STATUS);
	put(b, "LIKEXVM", 8);
	end(b, at);
	return at;
}

static void put_processor(struct builder *b, unsigned int id)
{
	if (id < XAPIC_IDS) {
		put(b, (const uint8_t[]){ 0, 8, id, id, 1, 0, 0, 0 }, 8);
		return;
	}
	put(b, (const uint8_t[]){ 9, 16, 0, 0 }, 4);
	put_number(b, id, 4);
	put_number(b, 1, 4);
	put_number(b, id, 4);
}

static size_t make_madt(struct builder *b, unsigned int cpus)
{
	size_t at = begin(b, "APIC", 5);

	put_number(b, LAPIC_AT, 4);
	put_zeros(b, 4);			/* no 8259s */
	for (unsigned int id = 0; id < cpus; id++)
		put_processor(b, id);
	put(b, (const uint8_t[]){ 1, 12, 0, 0 }, 4);
	put_number(b, IOAPIC_AT, 4);
	put_number(b, 0, 4);
	/* NMI is LINT1 of all processors. */
	put(b, (const uint8_t[]){ 4, 6, 0xff, 0, 0, 1 }, 6);
	end(b, at);
	return at;
}

static void make_rsdp(struct builder *b, size_t xsdt)
{
	uint64_t address = ACPI_AT + xsdt;
	uint32_t size = RSDP_SIZE;

	memcpy(b->bytes, "RSD PTR ", 8);
	memcpy(b->bytes + 9, "LIKEX ", 6);
	b->bytes[15] = 2;
	memcpy(b->bytes + 20, &size, 4);
	memcpy(b->bytes + 24, &address, 8);
	b->bytes[8] = sum_to_zero(b->bytes, RSDP_OLD);
	b->bytes[32] = sum_to_zero(b->bytes, RSDP_SIZE);
}

bool acpi_make(const struct memory *memory, unsigned int cpus, bool pci)
{
	struct builder b = { .size = RSDP_SIZE };
	size_t fadt, madt, xsdt;

	fadt = make_fadt(&b, make_dsdt(&b, pci));
	madt = make_madt(&b, cpus);
	xsdt = begin(&b, "XSDT", 1);
	put_number(&b, ACPI_AT + fadt, 8);
	put_number(&b, ACPI_AT + madt, 8);
	end(&b, xsdt);
	make_rsdp(&b, xsdt);
	return !b.full && memory_write(memory, ACPI_AT, b.bytes, b.size);
}
