// SPDX-License-Identifier: GPL-2.0
/* See console.h. */
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

/* Messages of this program go to the same terminal, so lines end as they do without raw mode. */
static int make_raw(struct console *console)
{
	struct termios raw;

	if (!isatty(console->input) || tcgetpgrp(console->input) != getpgrp())
		return 0;
	if (tcgetattr(console->input, &console->saved))
		return complain(-errno, "terminal");
	raw = console->saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST | ONLCR;
	if (tcsetattr(console->input, TCSANOW, &raw))
		return complain(-errno, "terminal");
	console->terminal = true;
	fprintf(stderr, "likexvm: Ctrl-] ends the machine\n");
	return 0;
}

int console_open(struct console *console, const char *name)
{
	*console = (struct console){ .input = STDIN_FILENO, .output = STDOUT_FILENO };
	if (!strcmp(name, "stdio"))
		return make_raw(console);
	console->input = -1;
	console->output = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	console->file = true;
	return console->output < 0 ? complain(-errno, "%s", name) : 0;
}

void console_close(struct console *console)
{
	if (console->terminal)
		tcsetattr(console->input, TCSANOW, &console->saved);
	if (console->file && console->output >= 0)
		close(console->output);
	*console = (struct console){ .input = -1, .output = -1 };
}

bool console_wants(const struct console *console)
{
	return console->input >= 0 && (console->terminal || !console->count);
}

bool console_read(struct console *console)
{
	size_t room = sizeof(console->waiting) - console->count;
	uint8_t bytes[CONSOLE_WAITING];
	ssize_t got = read(console->input, bytes, console->terminal ? sizeof(bytes) : room);

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (got <= 0) {
		console->input = -1;
		return false;
	}
	if (console->terminal && memchr(bytes, CONSOLE_ESCAPE, got))
		return true;
	/* Typed bytes that no guest reads are lost, as on a real line. */
	if ((size_t)got > room)
		got = room;
	memcpy(console->waiting + console->count, bytes, got);
	console->count += got;
	return false;
}

void console_feed(struct console *console, struct guest *guest)
{
	size_t taken = console->count ? guest_receive(guest, console->waiting, console->count) : 0;

	console->count -= taken;
	memmove(console->waiting, console->waiting + taken, console->count);
}
