/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The devices of the machine: serial port, IOAPIC, CMOS clock, and the ports that end it.
 * Any thread may call. The host's functions are called with the lock held.
 */
#ifndef LIKEXVM_BOARD_H
#define LIKEXVM_BOARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmos.h"
#include "ioapic.h"
#include "uart.h"

/* The ways in which a machine ends; END_NONE: it goes on */
enum end { END_NONE, END_OFF, END_RESET, END_PANIC, END_STOPPED, END_ERROR };

struct board_host {
	/* The serial port sends a byte; false if it cannot be written. */
	bool (*output)(void *ctx, uint8_t byte);
	/* The serial port has room for a byte again. */
	void (*room)(void *ctx);
	/* The IOAPIC sends a message. */
	void (*message)(void *ctx, const struct ioapic_message *message);
	/* The IOAPIC's messages have changed. */
	void (*routes)(void *ctx, const struct ioapic *ioapic);
};

struct board {
	pthread_mutex_t lock;		/* protects what follows */
	struct uart uart;
	struct ioapic ioapic;
	struct cmos cmos;
	const struct board_host *host;
	void *ctx;			/* for the host's functions */
};

void board_init(struct board *board, const struct board_host *host, void *ctx);

/* A guest's access to @size bytes at a port. */
enum end board_port(struct board *board, uint16_t port, bool write, uint8_t *data, unsigned int size);

/* A guest's access to an address without memory: a device's, or nothing. */
void board_mmio(struct board *board, uint64_t address, bool write, uint8_t *data, unsigned int size);

/* A device sets the line of a pin of the IOAPIC. */
void board_line(struct board *board, unsigned int pin, bool high);

/* A vCPU has ended a level-triggered interrupt. */
void board_eoi(struct board *board, uint8_t vector);

/*
 * Bytes for the serial port; return how many of them it has taken. It does not wait: 0 while
 * another thread is in a device, which may be output that blocks.
 */
size_t board_receive(struct board *board, const uint8_t *bytes, size_t count);

#endif
