// SPDX-License-Identifier: GPL-2.0
/* See ioapic.h, and Intel's data sheet "82093AA I/O Advanced Programmable Interrupt Controller". */
#include "ioapic.h"

#include <string.h>

/* Registers in the page, and those that SELECT chooses */
#define SELECT		0x00
#define WINDOW		0x10
#define REG_ID		0x00
#define REG_VERSION	0x01
#define REG_ARBITRATION	0x02
#define REG_TABLE	0x10

#define VERSION		(0x11 | (IOAPIC_PINS - 1) << 16)

/* An entry of the table */
#define VECTOR		0xffULL
#define MODE		(7ULL << 8)
#define LOGICAL		(1ULL << 11)
#define SENDING		(1ULL << 12)
#define REMOTE_IRR	(1ULL << 14)	/* sent, and not ended yet */
#define LEVEL		(1ULL << 15)
#define MASKED		(1ULL << 16)
#define WRITABLE	(0xff0000000001ffffULL & ~(SENDING | REMOTE_IRR))
#define DESTINATION(e)	((e) >> 56)

/* Delivery modes that no message of a device has */
#define MODE_SMI	(2ULL << 8)
#define MODE_EXTINT	(7ULL << 8)

/* A message of a device (SDM volume 3, "Message Signalled Interrupts") */
#define MSI_ADDRESS	0xfee00000ULL
#define MSI_LOGICAL	(1ULL << 2)
#define MSI_ASSERT	(1U << 14)
#define MSI_LEVEL	(1U << 15)

void ioapic_reset(struct ioapic *ioapic)
{
	memset(ioapic, 0, sizeof(*ioapic));
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->entry[pin] = MASKED;
}

/* Return the bit of the pin if its level is to be sent, and note that it is. */
static uint32_t send_level(struct ioapic *ioapic, unsigned int pin)
{
	uint64_t entry = ioapic->entry[pin];

	if (!(ioapic->lines >> pin & 1) || !(entry & LEVEL) || entry & (MASKED | REMOTE_IRR))
		return 0;
	ioapic->entry[pin] |= REMOTE_IRR;
	return 1U << pin;
}

uint32_t ioapic_read(const struct ioapic *ioapic, uint64_t offset)
{
	unsigned int index = ioapic->select - REG_TABLE;

	if (offset == SELECT)
		return ioapic->select;
	if (offset != WINDOW)
		return 0;
	switch (ioapic->select) {
	case REG_ID:
	case REG_ARBITRATION:
		return (uint32_t)ioapic->id << 24;
	case REG_VERSION:
		return VERSION;
	default:
		if (ioapic->select < REG_TABLE || index >= 2 * IOAPIC_PINS)
			return 0;
		return ioapic->entry[index / 2] >> (index % 2 * 32);
	}
}

static uint32_t write_entry(struct ioapic *ioapic, unsigned int index, uint32_t value)
{
	uint64_t *entry = &ioapic->entry[index / 2];
	unsigned int shift = index % 2 * 32;
	uint64_t mask = WRITABLE & 0xffffffffULL << shift;

	*entry = (*entry & ~mask) | ((uint64_t)value << shift & mask);
	if (!(*entry & LEVEL))
		*entry &= ~REMOTE_IRR;
	return send_level(ioapic, index / 2);
}

uint32_t ioapic_write(struct ioapic *ioapic, uint64_t offset, uint32_t value)
{
	if (offset == SELECT)
		ioapic->select = value;
	else if (offset == WINDOW && ioapic->select == REG_ID)
		ioapic->id = value >> 24 & 0xf;
	else if (offset == WINDOW && ioapic->select >= REG_TABLE &&
		 ioapic->select < REG_TABLE + 2 * IOAPIC_PINS)
		return write_entry(ioapic, ioapic->select - REG_TABLE, value);
	return 0;
}

uint32_t ioapic_set_line(struct ioapic *ioapic, unsigned int pin, bool high)
{
	uint32_t bit = 1U << pin, before = ioapic->lines;

	ioapic->lines = high ? before | bit : before & ~bit;
	if (ioapic->entry[pin] & LEVEL)
		return send_level(ioapic, pin);
	return ioapic->entry[pin] & MASKED ? 0 : ioapic->lines & ~before;
}

uint32_t ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
	uint32_t due = 0;

	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		if ((ioapic->entry[pin] & VECTOR) != vector || !(ioapic->entry[pin] & REMOTE_IRR))
			continue;
		ioapic->entry[pin] &= ~REMOTE_IRR;
		due |= send_level(ioapic, pin);
	}
	return due;
}

bool ioapic_message(const struct ioapic *ioapic, unsigned int pin, struct ioapic_message *message)
{
	uint64_t entry = ioapic->entry[pin], mode = entry & MODE;

	if (entry & MASKED || mode == MODE_SMI || mode == MODE_EXTINT)
		return false;
	message->address = MSI_ADDRESS | DESTINATION(entry) << 12;
	if (entry & LOGICAL)
		message->address |= MSI_LOGICAL;
	message->data = (entry & (VECTOR | MODE)) | MSI_ASSERT;
	if (entry & LEVEL)
		message->data |= MSI_LEVEL;
	return true;
}
