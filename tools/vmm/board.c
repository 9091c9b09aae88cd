// SPDX-License-Identifier: GPL-2.0
/* See board.h. */
#include "board.h"

#include <string.h>
#include <time.h>

#include "ports.h"

#define EMPTY		0xff		/* a port or an address with nothing there */

void board_init(struct board *board, const struct board_host *host, void *ctx)
{
	*board = (struct board){ .host = host, .ctx = ctx };
	pthread_mutex_init(&board->lock, NULL);
	ioapic_reset(&board->ioapic);
}

static void send(struct board *board, uint32_t pins)
{
	struct ioapic_message message;

	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		if (pins >> pin & 1 && ioapic_message(&board->ioapic, pin, &message))
			board->host->message(board->ctx, &message);
}

static void set_serial_line(struct board *board)
{
	send(board, ioapic_set_line(&board->ioapic, LINE_SERIAL, uart_irq(&board->uart)));
}

static enum end serial(struct board *board, unsigned int reg, bool write, uint8_t *data)
{
	unsigned int room = uart_room(&board->uart);
	bool good = true;

	if (!write)
		*data = uart_read(&board->uart, reg);
	else if (uart_write(&board->uart, reg, *data))
		good = board->host->output(board->ctx, *data);
	set_serial_line(board);
	if (uart_room(&board->uart) > room)
		board->host->room(board->ctx);
	return good ? END_NONE : END_ERROR;
}

static uint8_t read_port(struct board *board, uint16_t port)
{
	switch (port) {
	case PORT_KEYBOARD:
	case PORT_SLEEP_STATUS:
		return 0;
	case PORT_CMOS_DATA:
		return cmos_read(&board->cmos, time(NULL));
	case PORT_PANIC:
		return PANICKED;
	default:
		return EMPTY;
	}
}

static enum end write_port(struct board *board, uint16_t port, uint8_t value)
{
	switch (port) {
	case PORT_KEYBOARD:
		return value == KEYBOARD_RESET ? END_RESET : END_NONE;
	case PORT_CMOS_INDEX:
		cmos_select(&board->cmos, value);
		return END_NONE;
	case PORT_PANIC:
		return value & PANICKED ? END_PANIC : END_NONE;
	case PORT_SLEEP:
		return value & SLEEP_ENABLE && SLEEP_TYPE(value) == SLEEP_OFF ? END_OFF : END_NONE;
	default:
		return END_NONE;
	}
}

static enum end access_byte(struct board *board, uint16_t port, bool write, uint8_t *data)
{
	if (port >= PORT_SERIAL && port < PORT_SERIAL + PORTS_SERIAL)
		return serial(board, port - PORT_SERIAL, write, data);
	if (write)
		return write_port(board, port, *data);
	*data = read_port(board, port);
	return END_NONE;
}

enum end board_port(struct board *board, uint16_t port, bool write, uint8_t *data, unsigned int size)
{
	enum end end = END_NONE;

	pthread_mutex_lock(&board->lock);
	for (unsigned int i = 0; i < size && end == END_NONE; i++)
		end = access_byte(board, port + i, write, data + i);
	pthread_mutex_unlock(&board->lock);
	return end;
}

/* The IOAPIC's registers have 32 bits each. */
static void access_ioapic(struct board *board, uint64_t offset, bool write, uint8_t *data,
			  unsigned int size)
{
	unsigned int used = size < sizeof(uint32_t) ? size : sizeof(uint32_t);
	uint32_t value = 0, due;

	if (!write) {
		value = ioapic_read(&board->ioapic, offset);
		memset(data, 0, size);
		memcpy(data, &value, used);
		return;
	}
	memcpy(&value, data, used);
	due = ioapic_write(&board->ioapic, offset, value);
	if (offset)
		board->host->routes(board->ctx, &board->ioapic);
	send(board, due);
}

void board_mmio(struct board *board, uint64_t address, bool write, uint8_t *data, unsigned int size)
{
	if (address < IOAPIC_AT || address >= IOAPIC_AT + IOAPIC_SIZE) {
		if (!write)
			memset(data, EMPTY, size);
		return;
	}
	pthread_mutex_lock(&board->lock);
	access_ioapic(board, address - IOAPIC_AT, write, data, size);
	pthread_mutex_unlock(&board->lock);
}

void board_eoi(struct board *board, uint8_t vector)
{
	pthread_mutex_lock(&board->lock);
	send(board, ioapic_eoi(&board->ioapic, vector));
	pthread_mutex_unlock(&board->lock);
}

void board_line(struct board *board, unsigned int pin, bool high)
{
	pthread_mutex_lock(&board->lock);
	send(board, ioapic_set_line(&board->ioapic, pin, high));
	pthread_mutex_unlock(&board->lock);
}

size_t board_receive(struct board *board, const uint8_t *bytes, size_t count)
{
	size_t taken = 0;

	if (pthread_mutex_trylock(&board->lock))
		return 0;
	while (taken < count && uart_room(&board->uart))
		uart_receive(&board->uart, bytes[taken++]);
	set_serial_line(board);
	pthread_mutex_unlock(&board->lock);
	return taken;
}
