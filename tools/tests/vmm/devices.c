// SPDX-License-Identifier: GPL-2.0
/* The devices: serial port, IOAPIC, clock, and the board that has them. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "board.h"
#include "ports.h"
#include "unit.h"

#define LEVEL		(1U << 15)
#define MASKED		(1U << 16)
#define REMOTE_IRR	(1U << 14)

/* Calls of the board's host */
struct asked {
	char text[64];
	size_t size;
	unsigned int rooms, routes, messages;
	struct ioapic_message last;
	bool broken;
};

static bool output(void *ctx, uint8_t byte)
{
	struct asked *asked = ctx;

	if (asked->size < sizeof(asked->text) - 1)
		asked->text[asked->size++] = byte;
	return !asked->broken;
}

static void room(void *ctx)
{
	((struct asked *)ctx)->rooms++;
}

static void message(void *ctx, const struct ioapic_message *message)
{
	struct asked *asked = ctx;

	asked->messages++;
	asked->last = *message;
}

static void routes(void *ctx, const struct ioapic *ioapic __attribute__((unused)))
{
	((struct asked *)ctx)->routes++;
}

static const struct board_host host = {
	.output = output, .room = room, .message = message, .routes = routes,
};

static void test_uart_send(void)
{
	struct uart uart = { 0 };

	CHECK(uart_read(&uart, 2) == 0x01 && uart_read(&uart, 5) == 0x60);
	CHECK(uart_write(&uart, 0, 'x') && !uart_irq(&uart));
	uart_write(&uart, 4, 0x08);
	uart_write(&uart, 1, 0x02);
	CHECK(uart_irq(&uart) && uart_read(&uart, 2) == 0x02 && !uart_irq(&uart));
	CHECK(uart_write(&uart, 0, 'y') && uart_irq(&uart));
	uart_write(&uart, 1, 0);
	CHECK(!uart_irq(&uart) && uart_read(&uart, 2) == 0x01);
	uart_write(&uart, 1, 0xff);
	CHECK(uart_irq(&uart) && uart_read(&uart, 1) == 0x0f);
	uart_write(&uart, 4, 0);
	CHECK(!uart_irq(&uart));
}

static void test_uart_receive(void)
{
	struct uart uart = { 0 };

	CHECK(!uart_room(&uart));
	uart_write(&uart, 1, 0x01);
	CHECK(!uart_room(&uart));
	uart_write(&uart, 4, 0x08);
	CHECK(uart_room(&uart) == 1);
	uart_write(&uart, 2, 0x01);
	CHECK(uart_room(&uart) == UART_FIFO && (uart_read(&uart, 2) & 0xc0) == 0xc0);
	for (int i = 0; i < UART_FIFO + 1; i++)
		uart_receive(&uart, 'a' + i);
	CHECK(!uart_room(&uart) && uart_irq(&uart) && uart_read(&uart, 2) == 0xc4);
	CHECK(uart_read(&uart, 5) == 0x63 && uart_read(&uart, 5) == 0x61);
	for (int i = 0; i < UART_FIFO; i++)
		CHECK(uart_read(&uart, 0) == 'a' + i);
	CHECK(!uart_irq(&uart) && uart_read(&uart, 0) == 0 && uart_read(&uart, 5) == 0x60);
	uart_receive(&uart, 'z');
	uart_write(&uart, 2, 0x02);
	CHECK(!(uart_read(&uart, 5) & 1));
}

static void test_uart_registers(void)
{
	struct uart uart = { 0 };

	uart_write(&uart, 3, 0x83);
	CHECK(!uart_write(&uart, 0, 0x0c) && !uart_write(&uart, 1, 0x01));
	CHECK(uart_read(&uart, 0) == 0x0c && uart_read(&uart, 1) == 0x01);
	uart_write(&uart, 3, 0x03);
	CHECK(uart_read(&uart, 1) == 0 && uart_read(&uart, 3) == 0x03);
	uart_write(&uart, 7, 0x5a);
	CHECK(uart_read(&uart, 7) == 0x5a && uart_read(&uart, 6) == 0xb0);
	/* In loop mode what is sent comes back, and the outputs are the inputs. */
	uart_write(&uart, 4, 0x1a);
	CHECK(uart_read(&uart, 6) == 0x90 && !uart_write(&uart, 0, 'l'));
	CHECK(uart_read(&uart, 0) == 'l');
}

static void entry(struct ioapic *ioapic, unsigned int pin, uint32_t low, uint32_t high)
{
	ioapic_write(ioapic, 0, 0x10 + 2 * pin + 1);
	ioapic_write(ioapic, 0x10, high);
	ioapic_write(ioapic, 0, 0x10 + 2 * pin);
	ioapic_write(ioapic, 0x10, low);
}

static uint32_t read_low(struct ioapic *ioapic, unsigned int pin)
{
	ioapic_write(ioapic, 0, 0x10 + 2 * pin);
	return ioapic_read(ioapic, 0x10);
}

static void test_ioapic_registers(void)
{
	struct ioapic_message message;
	struct ioapic ioapic;

	ioapic_reset(&ioapic);
	ioapic_write(&ioapic, 0, 1);
	CHECK(ioapic_read(&ioapic, 0x10) == 0x170011 && ioapic_read(&ioapic, 0) == 1);
	ioapic_write(&ioapic, 0, 0);
	ioapic_write(&ioapic, 0x10, 0xf5000000);
	CHECK(ioapic_read(&ioapic, 0x10) == 0x05000000);
	CHECK(read_low(&ioapic, 23) == MASKED && !ioapic_message(&ioapic, 23, &message));
	/* No register: after the table, and other offsets */
	for (unsigned int reg = 0x40; reg < 0x100; reg++) {
		ioapic_write(&ioapic, 0, reg);
		CHECK(!ioapic_write(&ioapic, 0x10, ~0U) && !ioapic_read(&ioapic, 0x10));
	}
	CHECK(!ioapic_read(&ioapic, 4) && !ioapic_write(&ioapic, 0xffc, 1));
	entry(&ioapic, 5, 0xfffff, 0xffffffff);
	CHECK(read_low(&ioapic, 5) == (0x1ffff & ~(REMOTE_IRR | 1 << 12)));
	entry(&ioapic, 5, 0x31, 0x03ffffff);
	CHECK(ioapic_message(&ioapic, 5, &message));
	CHECK(message.address == 0xfee03000 && message.data == 0x4031);
	entry(&ioapic, 5, LEVEL | 0x932, 0x02000000);
	CHECK(ioapic_message(&ioapic, 5, &message));
	CHECK(message.address == 0xfee02004 && message.data == 0xc132);
	entry(&ioapic, 5, 0x731, 0);
	CHECK(!ioapic_message(&ioapic, 5, &message));
}

static void test_ioapic_lines(void)
{
	struct ioapic ioapic;

	ioapic_reset(&ioapic);
	CHECK(!ioapic_set_line(&ioapic, 4, true));
	entry(&ioapic, 4, 0x40, 0);
	/* An edge counts, a level does not. */
	CHECK(!ioapic_set_line(&ioapic, 4, true) && !ioapic_set_line(&ioapic, 4, false));
	CHECK(ioapic_set_line(&ioapic, 4, true) == 1 << 4);
	CHECK(!ioapic_eoi(&ioapic, 0x40));
	ioapic_write(&ioapic, 0, 0x18);
	CHECK(ioapic_write(&ioapic, 0x10, LEVEL | 0x40) == 1 << 4);
	CHECK(read_low(&ioapic, 4) == (LEVEL | REMOTE_IRR | 0x40));
	CHECK(!ioapic_set_line(&ioapic, 4, true) && !ioapic_eoi(&ioapic, 0x41));
	CHECK(ioapic_eoi(&ioapic, 0x40) == 1 << 4);
	CHECK(!ioapic_set_line(&ioapic, 4, false) && !ioapic_eoi(&ioapic, 0x40));
	CHECK(read_low(&ioapic, 4) == (LEVEL | 0x40) && ioapic_set_line(&ioapic, 4, true));
	/* Masked in the meantime: due when it is unmasked. */
	entry(&ioapic, 4, LEVEL | MASKED | 0x40, 0);
	CHECK(!ioapic_eoi(&ioapic, 0x40) && !ioapic_set_line(&ioapic, 4, true));
	ioapic_write(&ioapic, 0, 0x18);
	CHECK(ioapic_write(&ioapic, 0x10, LEVEL | 0x40) == 1 << 4);
}

static unsigned int cmos_number(time_t now, uint8_t index)
{
	struct cmos cmos = { index };
	uint8_t bcd = cmos_read(&cmos, now);

	return (bcd >> 4) * 10 + (bcd & 0xf);
}

/* All days of 400 years, each at another time, are those of the C library. */
static void test_dates(void)
{
	unsigned int wrong = 0;
	struct tm tm;

	for (time_t now = 0; now < 400 * 366 * 86400LL; now += 86399) {
		gmtime_r(&now, &tm);
		wrong += cmos_number(now, 0) != (unsigned int)tm.tm_sec ||
			 cmos_number(now, 2) != (unsigned int)tm.tm_min ||
			 cmos_number(now, 4) != (unsigned int)tm.tm_hour ||
			 cmos_number(now, 6) != (unsigned int)tm.tm_wday + 1 ||
			 cmos_number(now, 7) != (unsigned int)tm.tm_mday ||
			 cmos_number(now, 8) != (unsigned int)tm.tm_mon + 1 ||
			 cmos_number(now, 9) + 100 * cmos_number(now, 0x32) != (unsigned int)tm.tm_year + 1900;
	}
	CHECK(!wrong);
}

static void test_cmos(void)
{
	struct cmos cmos = { 0 };
	/* 2026-11-30 10:33:17, a Monday */
	static const uint8_t wanted[][2] = {
		{ 0, 0x17 }, { 2, 0x33 }, { 4, 0x10 }, { 6, 2 }, { 7, 0x30 }, { 8, 0x11 },
		{ 9, 0x26 }, { 0x32, 0x20 }, { 0xa, 0x26 }, { 0xb, 2 }, { 0xd, 0x80 }, { 0x7f, 0 },
	};

	for (unsigned int i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		cmos_select(&cmos, wanted[i][0] | 0x80);
		CHECK(cmos_read(&cmos, 1796034797) == wanted[i][1]);
	}
}

static enum end out(struct board *board, uint16_t port, uint32_t value, unsigned int size)
{
	return board_port(board, port, true, (uint8_t *)&value, size);
}

static uint32_t in(struct board *board, uint16_t port, unsigned int size)
{
	uint32_t value = 0;

	CHECK(board_port(board, port, false, (uint8_t *)&value, size) == END_NONE);
	return value;
}

static void test_board_ports(void)
{
	struct asked asked = { 0 };
	struct board board;

	board_init(&board, &host, &asked);
	CHECK(out(&board, PORT_SERIAL, 'h', 1) == END_NONE && !strcmp(asked.text, "h"));
	CHECK(in(&board, 0x99, 4) == 0xffffffff && in(&board, 0xcf8, 2) == 0xffff);
	CHECK(out(&board, 0x99, 0, 4) == END_NONE && out(&board, 0xffff, 0, 4) == END_NONE);
	CHECK(!in(&board, PORT_KEYBOARD, 1) && out(&board, PORT_KEYBOARD, 0xd1, 1) == END_NONE);
	CHECK(out(&board, PORT_KEYBOARD, KEYBOARD_RESET, 1) == END_RESET);
	CHECK(in(&board, PORT_PANIC, 1) == 1 && out(&board, PORT_PANIC, 2, 1) == END_NONE);
	CHECK(out(&board, PORT_PANIC, 1, 1) == END_PANIC);
	CHECK(out(&board, PORT_SLEEP, 5 << 2, 1) == END_NONE);
	CHECK(out(&board, PORT_SLEEP, 0x20 | 1 << 2, 1) == END_NONE);
	CHECK(out(&board, PORT_SLEEP, 0x20 | 5 << 2, 1) == END_OFF);
	out(&board, PORT_CMOS_INDEX, 0xd, 1);
	CHECK(in(&board, PORT_CMOS_DATA, 1) == 0x80);
	asked.broken = true;
	CHECK(out(&board, PORT_SERIAL, 'h', 1) == END_ERROR);
}

static uint32_t mmio(struct board *board, uint64_t address, bool write, uint64_t value,
		     unsigned int size)
{
	board_mmio(board, address, write, (uint8_t *)&value, size);
	return value;
}

static void test_board_interrupts(void)
{
	struct asked asked = { 0 };
	struct board board;

	board_init(&board, &host, &asked);
	mmio(&board, IOAPIC_AT, true, 0x10 + 2 * LINE_SERIAL, 1);
	mmio(&board, IOAPIC_AT + 0x10, true, LEVEL | 0x41, 8);
	CHECK(asked.routes == 1 && mmio(&board, IOAPIC_AT + 0x10, false, 0, 4) == (LEVEL | 0x41));
	CHECK(board_receive(&board, (const uint8_t *)"ab", 2) == 0);
	out(&board, PORT_SERIAL + 4, 0x08, 1);
	out(&board, PORT_SERIAL + 1, 0x01, 1);
	CHECK(asked.rooms == 1 && uart_room(&board.uart) == 1);
	CHECK(board_receive(&board, (const uint8_t *)"ab", 2) == 1 && asked.messages == 1);
	CHECK(asked.last.data == 0xc041 && !uart_room(&board.uart));
	board_eoi(&board, 0x41);
	CHECK(asked.messages == 2);
	CHECK(in(&board, PORT_SERIAL, 1) == 'a' && asked.rooms == 2);
	board_eoi(&board, 0x41);
	CHECK(asked.messages == 2);
	pthread_mutex_lock(&board.lock);
	CHECK(board_receive(&board, (const uint8_t *)"c", 1) == 0);
	pthread_mutex_unlock(&board.lock);
	CHECK(board_receive(&board, (const uint8_t *)"c", 1) == 1);
	CHECK(mmio(&board, IOAPIC_AT + IOAPIC_SIZE, false, 0, 4) == 0xffffffff);
}

void test_devices(void)
{
	test_uart_send();
	test_uart_receive();
	test_uart_registers();
	test_ioapic_registers();
	test_ioapic_lines();
	test_cmos();
	test_dates();
	test_board_ports();
	test_board_interrupts();
}
