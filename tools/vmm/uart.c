// SPDX-License-Identifier: GPL-2.0
/* See uart.h, and National Semiconductor's data sheet "PC16550D". */
#include "uart.h"

enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCRATCH };

#define IER_RECEIVED	0x01
#define IER_SENT	0x02
#define IER_ALL		0x0f

#define IIR_NONE	0x01
#define IIR_SENT	0x02
#define IIR_RECEIVED	0x04
#define IIR_FIFO	0xc0

#define FCR_ENABLE	0x01
#define FCR_CLEAR	0x02

#define LCR_DIVISOR	0x80

#define MCR_OUT2	0x08	/* lets the interrupt through */
#define MCR_LOOP	0x10
#define MCR_ALL		0x1f

#define LSR_READY	0x01
#define LSR_OVERRUN	0x02
#define LSR_EMPTY	0x60

#define MSR_CONNECTED	0xb0	/* DCD, DSR, CTS */

static uint8_t take_received(struct uart *uart)
{
	uint8_t byte = uart->received[uart->first];

	if (!uart->count)
		return 0;
	uart->first = (uart->first + 1) % UART_FIFO;
	uart->count--;
	return byte;
}

static uint8_t pending(const struct uart *uart)
{
	if (uart->ier & IER_RECEIVED && uart->count)
		return IIR_RECEIVED;
	return uart->ier & IER_SENT && uart->sent ? IIR_SENT : IIR_NONE;
}

static uint8_t read_iir(struct uart *uart)
{
	uint8_t value = pending(uart);

	/* Reading it is the answer to this one. */
	if (value == IIR_SENT)
		uart->sent = false;
	return value | (uart->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct uart *uart)
{
	uint8_t value = LSR_EMPTY | (uart->count ? LSR_READY : 0);

	value |= uart->overrun ? LSR_OVERRUN : 0;
	uart->overrun = false;
	return value;
}

/* In loop mode the outputs of MCR are the inputs. */
static uint8_t read_msr(const struct uart *uart)
{
	uint8_t mcr = uart->mcr;

	if (!(mcr & MCR_LOOP))
		return MSR_CONNECTED;
	return (mcr & 1) << 5 | (mcr & 2) << 3 | (mcr & 4) << 4 | (mcr & 8) << 4;
}

uint8_t uart_read(struct uart *uart, unsigned int reg)
{
	if (uart->lcr & LCR_DIVISOR && reg <= IER)
		return uart->divisor[reg];
	switch (reg) {
	case DATA:
		return take_received(uart);
	case IER:
		return uart->ier;
	case IIR_FCR:
		return read_iir(uart);
	case LCR:
		return uart->lcr;
	case MCR:
		return uart->mcr;
	case LSR:
		return read_lsr(uart);
	case MSR:
		return read_msr(uart);
	default:
		return uart->scratch;
	}
}

static bool write_data(struct uart *uart, uint8_t value)
{
	uart->sent = true;
	if (!(uart->mcr & MCR_LOOP))
		return true;
	uart_receive(uart, value);
	return false;
}

static void write_ier(struct uart *uart, uint8_t value)
{
	if (value & ~uart->ier & IER_SENT)
		uart->sent = true;
	uart->ier = value & IER_ALL;
}

bool uart_write(struct uart *uart, unsigned int reg, uint8_t value)
{
	if (uart->lcr & LCR_DIVISOR && reg <= IER) {
		uart->divisor[reg] = value;
		return false;
	}
	switch (reg) {
	case DATA:
		return write_data(uart, value);
	case IER:
		write_ier(uart, value);
		break;
	case IIR_FCR:
		uart->fcr = value;
		if (value & FCR_CLEAR)
			uart->count = 0;
		break;
	case LCR:
		uart->lcr = value;
		break;
	case MCR:
		uart->mcr = value & MCR_ALL;
		break;
	case SCRATCH:
		uart->scratch = value;
		break;
	default:
		break;
	}
	return false;
}

unsigned int uart_room(const struct uart *uart)
{
	unsigned int most = uart->fcr & FCR_ENABLE ? UART_FIFO : 1;

	if (!(uart->ier & IER_RECEIVED) || !(uart->mcr & MCR_OUT2))
		return 0;
	return uart->count < most ? most - uart->count : 0;
}

void uart_receive(struct uart *uart, uint8_t byte)
{
	if (uart->count == UART_FIFO) {
		uart->overrun = true;
		return;
	}
	uart->received[(uart->first + uart->count) % UART_FIFO] = byte;
	uart->count++;
}

bool uart_irq(const struct uart *uart)
{
	return uart->mcr & MCR_OUT2 && pending(uart) != IIR_NONE;
}
