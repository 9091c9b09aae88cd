/* SPDX-License-Identifier: GPL-2.0 */
/* The console: where the bytes of the guest's console go to and come from. */
#ifndef LIKEXVM_CONSOLE_H
#define LIKEXVM_CONSOLE_H

#include <stdbool.h>
#include <termios.h>

#include "guest.h"

#define CONSOLE_ESCAPE	0x1d		/* Ctrl-] */
#define CONSOLE_WAITING	256

struct console {
	int input, output;		/* input: -1 at its end, or if there is none */
	bool file;			/* output is a file of its own */
	bool terminal;			/* input is a terminal, which has been set to raw mode */
	struct termios saved;
	uint8_t waiting[CONSOLE_WAITING];	/* for room in the guest's device */
	size_t count;
};

/*
 * Open "stdio" or a file for output. A terminal gets raw mode, and the escape key is told.
 * Return 0, or a negative errno after a message.
 */
int console_open(struct console *console, const char *name);

/* Give the terminal its mode back. */
void console_close(struct console *console);

/*
 * Tell whether input is to be read. A file waits until the guest's device takes it. A terminal
 * does not, since the escape key has to work with any guest.
 */
bool console_wants(const struct console *console);

/* Read input that is there. Return true for the escape key. */
bool console_read(struct console *console);

/* Pass input on, as far as the guest's device takes it. */
void console_feed(struct console *console, struct guest *guest);

#endif
