/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The serial port of a PC: a 16550A. It sends at once, whatever the speed is set to.
 */
#ifndef LIKEXVM_UART_H
#define LIKEXVM_UART_H

#include <stdbool.h>
#include <stdint.h>

#define UART_FIFO	16

struct uart {
	uint8_t ier, lcr, mcr, fcr, scratch;
	uint8_t divisor[2];
	uint8_t received[UART_FIFO];
	uint8_t first, count;			/* of what was received */
	bool sent;				/* interrupt: all has been sent */
	bool overrun;
};

/* Access one of the eight registers. */
uint8_t uart_read(struct uart *uart, unsigned int reg);

/* Return true if a byte goes out on the line: @value. */
bool uart_write(struct uart *uart, unsigned int reg, uint8_t value);

/*
 * Return how many bytes can be received now: none until the guest gets interrupts for them,
 * since a driver drops bytes that come earlier.
 */
unsigned int uart_room(const struct uart *uart);

/* A byte comes in on the line; it is lost if there is no room. */
void uart_receive(struct uart *uart, uint8_t byte);

/* The level of the interrupt line */
bool uart_irq(const struct uart *uart);

#endif
