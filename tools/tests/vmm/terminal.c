// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a program on a pseudo-terminal, and checks that the terminal is in raw mode while it
 * runs and has its mode back afterwards.
 * Usage: terminal key|hangup|term|stuck|none PROGRAM [WORD...]
 *
 * Once the program has printed "kernel:" it is ended in one of these ways: by the escape key
 * Ctrl-], by SIGHUP, by SIGTERM, by the escape key when its output is stuck, or not at all.
 * Prints how it ended, and how often it has told the escape key.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define TEXT	65536

struct session {
	int master, slave;
	pid_t child;
	struct termios before;
	char text[TEXT];
	size_t size;
};

static void check(int good, const char *what)
{
	if (!good)
		errx(1, "%s", what);
}

static void open_terminal(struct session *s)
{
	s->master = posix_openpt(O_RDWR | O_NOCTTY);
	check(s->master >= 0 && !grantpt(s->master) && !unlockpt(s->master), "no pseudo-terminal");
	s->slave = open(ptsname(s->master), O_RDWR | O_NOCTTY);
	check(s->slave >= 0 && !tcgetattr(s->slave, &s->before), "no terminal");
}

static void start(struct session *s, char **argv)
{
	s->child = fork();
	check(s->child >= 0, "fork");
	if (s->child)
		return;
	setsid();
	ioctl(s->slave, TIOCSCTTY, 0);
	for (int fd = 0; fd < 3; fd++)
		dup2(s->slave, fd);
	close(s->master);
	close(s->slave);
	execv(argv[0], argv);
	err(127, "%s", argv[0]);
}

static void read_until(struct session *s, const char *word)
{
	while (!strstr(s->text, word)) {
		ssize_t got = read(s->master, s->text + s->size, TEXT - 1 - s->size);

		check(got > 0, "the program has ended too early");
		s->size += got;
	}
}

static int same(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag &&
	       a->c_cflag == b->c_cflag && a->c_lflag == b->c_lflag &&
	       !memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

static void end(const struct session *s, const char *how)
{
	/* Output that is not read fills the terminal. */
	if (!strcmp(how, "stuck"))
		sleep(1);
	if (!strcmp(how, "key") || !strcmp(how, "stuck"))
		check(write(s->master, "\x1d", 1) == 1, "the key");
	else if (!strcmp(how, "hangup"))
		kill(s->child, SIGHUP);
	else if (!strcmp(how, "term"))
		kill(s->child, SIGTERM);
}

static int count(const char *text, const char *word)
{
	int found = 0;

	for (text = strstr(text, word); text; text = strstr(text + 1, word))
		found++;
	return found;
}

int main(int argc, char **argv)
{
	struct session s = { 0 };
	struct termios now;
	int status;

	if (argc < 3)
		errx(2, "usage: terminal key|hangup|term|stuck|none PROGRAM [WORD...]");
	alarm(30);
	open_terminal(&s);
	start(&s, argv + 2);
	read_until(&s, "kernel:");
	if (strcmp(argv[1], "none") != 0) {
		check(!tcgetattr(s.slave, &now) && !(now.c_lflag & (ICANON | ECHO | ISIG)),
		      "the terminal is not in raw mode");
		end(&s, argv[1]);
	}
	check(waitpid(s.child, &status, 0) == s.child, "waitpid");
	check(!tcgetattr(s.slave, &now) && same(&now, &s.before), "the mode is not restored");
	printf("%s %d, told %d\n", WIFEXITED(status) ? "exit" : "signal",
	       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
	       count(s.text, "Ctrl-]"));
	return 0;
}
