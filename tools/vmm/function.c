// SPDX-License-Identifier: GPL-2.0
/* likexvm function: options, and as many lives as are asked for. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "command.h"
#include "confine.h"
#include "life.h"
#include "parse.h"
#include "report.h"

#define REPEAT_MOST	10000000

struct asked {
	const char *image, *input;
	uint64_t repeat;
	bool stats;
};

static const char help[] =
	"usage: likexvm function [OPTION...] IMAGE\n"
	"Run a function without an operating system in a VM: IMAGE is a flat binary.\n"
	"\n"
	"  --entry real|protected|long    mode in which it begins (real)\n"
	"  --input FILE                   its input; - for standard input\n"
	"  --mem SIZE                     memory, in steps of 2M up to 1G (2M)\n"
	"  --timeout SECONDS              longest time of a life\n"
	"  --repeat N                     lives, each in a VM of its own (1)\n"
	"  --stats                        print the ticks of the TSC that a life took\n"
	"  --hypervisor likex|kvm|auto    auto: /dev/likex where it is there (auto)\n"
	"  --help                         print this\n"
	"\n"
	"Exit status: the function's exit code; 1 after an error, 2 for a wrong call.\n";

static bool take_entry(struct function *f, const char *text)
{
	static const char *const names[] = { "real", "protected", "long" };

	for (unsigned int i = 0; i < 3; i++)
		if (!strcmp(text, names[i])) {
			f->entry = (enum entry)i;
			return true;
		}
	return false;
}

static bool take_memory(struct function *f, const char *text)
{
	return parse_size(text, &f->memory) && f->memory && f->memory <= FUNCTION_MEMORY_MOST &&
	       !(f->memory % FUNCTION_MEMORY_UNIT);
}

static bool take(struct function *f, struct asked *asked, int option, const char *text)
{
	switch (option) {
	case 'e':
		return take_entry(f, text);
	case 'i':
		asked->input = text;
		return true;
	case 'm':
		return take_memory(f, text);
	case 't':
		return parse_seconds(text, &f->timeout);
	case 'r':
		return parse_count(text, 1, REPEAT_MOST, &asked->repeat);
	case 's':
		asked->stats = true;
		return true;
	default:
		f->node = hypervisor_node(text);
		return f->node;
	}
}

/* Return COMMAND_GOES_ON, or an exit status. */
static int parse(struct function *f, struct asked *asked, int argc, char **argv)
{
	static const struct option options[] = {
		{ "entry", required_argument, NULL, 'e' },
		{ "input", required_argument, NULL, 'i' },
		{ "mem", required_argument, NULL, 'm' },
		{ "timeout", required_argument, NULL, 't' },
		{ "repeat", required_argument, NULL, 'r' },
		{ "stats", no_argument, NULL, 's' },
		{ "hypervisor", required_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option, index = 0;

	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (option == 'h')
			return fputs(help, stdout) < 0 ? STATUS_ERROR : STATUS_END;
		if (option == '?')
			return command_wrong("function");
		if (!take(f, asked, option, optarg)) {
			refuse("--%s: %s is not accepted", options[index].name, optarg);
			return command_wrong("function");
		}
	}
	if (optind + 1 != argc) {
		refuse(optind < argc ? "more than one image" : "no image");
		return command_wrong("function");
	}
	asked->image = argv[optind];
	return COMMAND_GOES_ON;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_stats(uint64_t *ticks, uint64_t count)
{
	qsort(ticks, count, sizeof(*ticks), compare);
	fprintf(stderr, "likexvm: %llu lives, ticks of a life: least %llu, median %llu, most %llu\n",
		(unsigned long long)count, (unsigned long long)ticks[0],
		(unsigned long long)ticks[count / 2], (unsigned long long)ticks[count - 1]);
}

/* Live as often as asked for, or until a life fails or has another exit code than 0. */
static int live(struct function *f, const struct asked *asked)
{
	uint64_t *ticks = calloc(asked->repeat, sizeof(*ticks)), done = 0;
	int r = 0;

	if (!ticks)
		return complain(-ENOMEM, "--repeat");
	while (!r && done < asked->repeat) {
		uint64_t begin = __rdtsc();

		r = function_live(f);
		ticks[done++] = __rdtsc() - begin;
	}
	if (r >= 0 && asked->stats)
		print_stats(ticks, done);
	if (r > 0)
		refuse("the function's exit code is %d", r);
	free(ticks);
	return r;
}

static int make_timer(struct function *f)
{
	sigset_t alarm;

	if (!f->timeout)
		return 0;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	if (sigprocmask(SIG_BLOCK, &alarm, NULL) ||
	    timer_create(CLOCK_MONOTONIC, NULL, &f->timer))
		return complain(-errno, "timer");
	return 0;
}

static int prepare(struct function *f, const struct asked *asked)
{
	int r = file_read(&f->image, asked->image, FUNCTION_MEMORY_MOST);

	if (r)
		return r;
	if (!f->image.size || f->image.size > function_room(f))
		return refuse("%s: an image has 1 to %llu bytes (--mem)", asked->image,
			      (unsigned long long)function_room(f));
	if (asked->input)
		r = file_read(&f->input, asked->input, SIZE_MAX / 4);
	return r ? r : make_timer(f);
}

int command_function(int argc, char **argv)
{
	struct function f = { .memory = FUNCTION_MEMORY_UNIT, .node = hypervisor_node("auto") };
	struct asked asked = { .repeat = 1 };
	int status = parse(&f, &asked, argc, argv), r;

	if (status != COMMAND_GOES_ON)
		return status;
	r = prepare(&f, &asked);
	r = r ? r : confine(CONFINE_MAKE);
	r = r ? r : live(&f, &asked);
	file_free(&f.image);
	file_free(&f.input);
	free(f.cpuid);
	return r < 0 ? STATUS_ERROR : r;
}
