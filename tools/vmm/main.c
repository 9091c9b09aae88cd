// SPDX-License-Identifier: GPL-2.0
/* likexvm: a monitor of microVMs, on LiKeX and on KVM. */
#include <err.h>
#include <likex/emul.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} commands[] = {
	{ "run", command_run, "boot Linux" },
	{ "check", command_check, "make a machine for Linux, and run nothing in it" },
	{ "function", command_function, "run a function without an operating system" },
};

#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

int command_wrong(const char *name)
{
	fprintf(stderr, "likexvm %s%s--help lists what there is\n", name, *name ? " " : "");
	return STATUS_USAGE;
}

static int print_help(void)
{
	printf("usage: likexvm COMMAND [OPTION...]\nRun microVMs on LiKeX or on KVM.\n\n");
	for (unsigned int i = 0; i < COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].text);
	return printf("\nlikexvm COMMAND --help lists the options of a command.\n") < 0;
}

static int print_version(void)
{
	uint32_t version = likex_version();

	return printf("likexvm %u.%u\n", version >> 16, version & 0xffff) < 0;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (!strcmp(word, "--help"))
		return print_help();
	if (!strcmp(word, "--version"))
		return print_version();
	for (unsigned int i = 0; i < COMMANDS; i++)
		if (!strcmp(word, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	warnx(*word ? "there is no command %s" : "a command is missing", word);
	return command_wrong("");
}
