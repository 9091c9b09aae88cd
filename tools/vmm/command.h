/* SPDX-License-Identifier: GPL-2.0 */
/* The commands of likexvm. */
#ifndef LIKEXVM_COMMAND_H
#define LIKEXVM_COMMAND_H

/* Exit statuses */
#define STATUS_END	0
#define STATUS_ERROR	1
#define STATUS_USAGE	2
#define STATUS_PANIC	3
#define STATUS_RESET	4

/* The options are right: nothing to end for */
#define COMMAND_GOES_ON	-1

/* Each takes the words from its own name on, and returns the program's exit status. */
int command_function(int argc, char **argv);
int command_run(int argc, char **argv);
int command_check(int argc, char **argv);

/* Say where help is; return STATUS_USAGE. */
int command_wrong(const char *name);

#endif
