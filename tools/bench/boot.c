// SPDX-License-Identifier: GPL-2.0
/*
 * likex-bench-boot COMMAND...: run a VMM to its end, and print the instructions that the machine
 * executed for it, inside and outside of its guests. The emulator counts them: those of the
 * first processor (tools/machine/bochs.patch).
 */
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/wait.h>

#define COUNTERS	0x8902	/* port */
#define ABSENT		0xffffffff

extern char **environ;

/* Counters since the word 0 was written; each is read after its number was written. */
enum counter { BEGIN, ALL, INSIDE, BEFORE_ENTRY, BEFORE_EXIT, ENTRIES };

static uint32_t counter(enum counter which)
{
	outl(which, COUNTERS);
	return inl(COUNTERS);
}

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "likex-bench-boot: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

static int run(char **argv)
{
	pid_t child;
	int status;
	int r = posix_spawnp(&child, argv[0], NULL, NULL, argv, environ);

	if (r)
		die(argv[0], r);
	if (waitpid(child, &status, 0) != child)
		die("waitpid", errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	uint32_t last, inside;
	int status;

	if (argc < 2) {
		fprintf(stderr, "usage: likex-bench-boot COMMAND...\n");
		return 2;
	}
	if (iopl(3))
		die("iopl", errno);
	outl(BEGIN, COUNTERS);
	if (counter(ALL) == ABSENT)
		return 77;
	status = run(argv + 1);
	last = counter(BEFORE_EXIT);
	inside = counter(INSIDE);
	printf("start %u\nboot %u\ninside %u\nentries %u\n", counter(BEFORE_ENTRY), last, inside,
	       counter(ENTRIES));
	return status;
}
