/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The 24-pin IOAPIC of a PC (Intel 82093AA). It sends the messages of its pins, as MSIs, by
 * the caller: functions return the pins, a bit each, whose message is due now.
 */
#ifndef LIKEXVM_IOAPIC_H
#define LIKEXVM_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

#define IOAPIC_AT	0xfec00000
#define IOAPIC_SIZE	0x1000
#define IOAPIC_PINS	24

struct ioapic {
	uint8_t id, select;
	uint32_t lines;				/* pins whose line is high */
	uint64_t entry[IOAPIC_PINS];		/* redirection table */
};

struct ioapic_message {
	uint64_t address;
	uint32_t data;
};

void ioapic_reset(struct ioapic *ioapic);

/* Access a register, by its offset into the IOAPIC's page. */
uint32_t ioapic_read(const struct ioapic *ioapic, uint64_t offset);
uint32_t ioapic_write(struct ioapic *ioapic, uint64_t offset, uint32_t value);

/* Set the line of a pin. */
uint32_t ioapic_set_line(struct ioapic *ioapic, unsigned int pin, bool high);

/* A processor has ended a level-triggered interrupt. */
uint32_t ioapic_eoi(struct ioapic *ioapic, uint8_t vector);

/* Return the message of a pin; false if it is masked or its mode has none. */
bool ioapic_message(const struct ioapic *ioapic, unsigned int pin, struct ioapic_message *message);

#endif
