/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pair of Intel 8259A interrupt controllers of a PC: ports 20h, 21h, A0h, A1h, and the
 * trigger modes in 4D0h and 4D1h.
 *
 * The interface is that of the wires: a device raises a line, INTR tells that an interrupt
 * waits, and the processor acknowledges it (INTA) and so gets its vector.
 *
 * Left out, since Linux uses none of it: level-triggered lines, rotating priorities, the
 * special mask, the special fully nested mode, polling, and the 8080 mode.
 */
#ifndef LIKEX_EXAMPLES_I8259_H
#define LIKEX_EXAMPLES_I8259_H

#include <stdbool.h>
#include <stdint.h>

struct i8259_chip {
	uint8_t irr;		/* lines that wait */
	uint8_t isr;		/* lines in service, until their EOI */
	uint8_t imr;		/* masked lines */
	uint8_t base;		/* vector of line 0 */
	uint8_t step;		/* initialization words that are missing */
	bool has_icw4, auto_eoi, reads_isr;
};

struct i8259 {
	struct i8259_chip master, slave;
};

/* Access a port; false if it is not one of the pair's. */
bool i8259_read(const struct i8259 *pic, uint16_t port, uint8_t *value);
bool i8259_write(struct i8259 *pic, uint16_t port, uint8_t value);

/* A rising edge on one of the 16 lines. */
void i8259_raise(struct i8259 *pic, unsigned int line);

/* INTR: an interrupt waits for the processor. */
bool i8259_intr(const struct i8259 *pic);

/* INTA: take the interrupt that comes first. Return its vector. */
uint8_t i8259_acknowledge(struct i8259 *pic);

#endif
