// SPDX-License-Identifier: GPL-2.0
/*
 * same: run random programs on /dev/kvm and on /dev/likex-kvm, and compare.
 *
 * A program is some ioctls, and a small guest for those among them that are KVM_RUN. If
 * it ends differently on the two, the shortest part of it that still does is printed.
 */
#include "same.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN	40

struct options {
	uint64_t	seed, first, count;
	bool		verbose;	/* print all that programs do */
};

struct class {
	char		where[64];
	uint64_t	index;
	uint64_t	seen;
};

struct tester {
	struct options	options;
	struct pair	p;
	bool		open;
	struct class	classes[SHOWN];
	unsigned int	nr_classes;
	uint64_t	faults, vms;
};

static bool is_same(const struct difference *a, const struct difference *b)
{
	return !strcmp(a->where, b->where) && a->index == b->index;
}

static bool open_pair(struct tester *t, const struct program *program)
{
	t->open = pair_open(&t->p, program);
	t->vms++;
	return t->open;
}

static void close_pair(struct tester *t)
{
	if (t->open)
		pair_close(&t->p);
	t->open = false;
}

/* Run a program on new VMs; true if it shows this difference, any one if NULL. */
static bool shows(struct tester *t, const struct program *program, const struct difference *diff)
{
	bool found;

	close_pair(t);
	if (!open_pair(t, program))
		return false;
	t->p.different = false;
	program_run(&t->p, program);
	found = t->p.different && (!diff || is_same(&t->p.diff, diff));
	close_pair(t);
	return found;
}

static void drop_call(struct program *program, unsigned int i)
{
	program->nr_calls--;
	memmove(&program->calls[i], &program->calls[i + 1],
		(program->nr_calls - i) * sizeof(program->calls[0]));
}

static void drop_insn(struct program *program, unsigned int i)
{
	program->nr_insns--;
	memmove(&program->insns[i], &program->insns[i + 1],
		(program->nr_insns - i) * sizeof(program->insns[0]));
}

/* Leave out calls and instructions, one by one, as long as the difference stays. */
static void shrink(struct tester *t, struct program *program, const struct difference *diff)
{
	bool again = true;

	while (again) {
		again = false;
		for (unsigned int i = program->nr_calls; i--; ) {
			struct program less = *program;

			drop_call(&less, i);
			if (shows(t, &less, diff)) {
				*program = less;
				again = true;
			}
		}
		for (unsigned int i = program->nr_insns; i--; ) {
			struct program less = *program;

			drop_insn(&less, i);
			if (shows(t, &less, diff)) {
				*program = less;
				again = true;
			}
		}
	}
}

static void print_log(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		printf("#   %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

/* Run a program again and print what it does. */
static void show(struct tester *t, const struct program *program, const struct difference *diff)
{
	char *text = NULL;
	size_t size;

	t->p.log = open_memstream(&text, &size);
	shows(t, program, diff);
	fclose(t->p.log);
	t->p.log = NULL;
	print_log(text);
	free(text);
}

static struct class *classify(struct tester *t, const struct difference *diff)
{
	struct class *c;

	for (c = t->classes; c < t->classes + t->nr_classes; c++)
		if (!strcmp(c->where, diff->where) && c->index == diff->index)
			return c;
	if (t->nr_classes == SHOWN)
		return NULL;
	t->nr_classes++;
	memcpy(c->where, diff->where, sizeof(c->where));
	c->index = diff->index;
	return c;
}

static void report(struct tester *t, struct program *program)
{
	struct difference diff = t->p.diff;
	struct class *class = classify(t, &diff);

	t->faults++;
	if (!class || class->seen++)
		return;
	printf("# different: seed %llu program %llu: %s[%#llx]: KVM %#llx, LiKeX %#llx%s%s\n",
	       (unsigned long long)program->seed, (unsigned long long)program->number, diff.where,
	       (unsigned long long)diff.index, (unsigned long long)diff.value[KVM],
	       (unsigned long long)diff.value[LIKEX], program->split ? ", local APIC" : "",
	       program->has_cpuid ? "" : ", no CPUID");
	if (shows(t, program, &diff)) {
		shrink(t, program, &diff);
		show(t, program, &diff);
	} else {
		printf("#   not on new VMs, so run it with those before it; on new VMs: "
		       "%s[%#llx]: %#llx, %#llx\n",
		       t->p.different ? t->p.diff.where : "nothing",
		       (unsigned long long)t->p.diff.index,
		       (unsigned long long)t->p.diff.value[KVM],
		       (unsigned long long)t->p.diff.value[LIKEX]);
	}
	fflush(stdout);
}

/* Make the VMs fit for a program. */
static bool prepare(struct tester *t, const struct program *program, bool fresh)
{
	if (t->open && !fresh && pair_reset(&t->p))
		return true;
	close_pair(t);
	if (!open_pair(t, program))
		return false;
	if (t->p.different) {
		struct program none = *program;

		none.nr_calls = 0;
		report(t, &none);
		close_pair(t);
		return open_pair(t, program);
	}
	return true;
}

static bool run_all(struct tester *t)
{
	const struct options *o = &t->options;
	uint64_t vm_seed = 0;

	for (uint64_t n = o->first; n < o->first + o->count; n++) {
		struct program program;

		program_make(&program, o->seed, n);
		if (!prepare(t, &program, program.vm_seed != vm_seed)) {
			printf("# program %llu: no VM\n", (unsigned long long)n);
			return false;
		}
		vm_seed = program.vm_seed;
		if (o->verbose) {
			printf("# program %llu\n", (unsigned long long)n);
			t->p.log = stdout;
		}
		program_run(&t->p, &program);
		t->p.log = NULL;
		if (t->p.different) {
			report(t, &program);
			close_pair(t);
		}
	}
	close_pair(t);
	return true;
}

static void tick(int signal)
{
	(void)signal;
}

static const char usage[] =
	"usage: same [--seed N] [--first N] [--count N] [--verbose] [--rules]\n"
	"Run random programs on /dev/kvm and /dev/likex-kvm, which must behave the same.\n"
	"  --seed N    another sequence of programs (1)\n"
	"  --first N   begin with this program (0)\n"
	"  --count N   run so many (2000)\n"
	"  --verbose   print all that they do\n"
	"  --rules     print the reasons of the differences that are documented\n";

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "seed", required_argument, NULL, 's' }, { "first", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'c' }, { "rules", no_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' }, {},
	};
	int c;

	*o = (struct options){ .seed = 1, .count = 2000 };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 's':
			o->seed = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			o->first = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			o->count = strtoull(optarg, NULL, 0);
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'r':
			rules_print();
			exit(0);
		default:
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	return optind == argc;
}

int main(int argc, char **argv)
{
	static struct tester t;
	struct sigaction action = { .sa_handler = tick };
	bool done;

	if (!parse(&t.options, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	sigaction(SIGALRM, &action, NULL);
	printf("TAP version 13\n1..1\n");
	done = run_all(&t);
	for (unsigned int i = 0; i < t.nr_classes; i++)
		printf("# class %s[%#llx]: %llu times\n", t.classes[i].where,
		       (unsigned long long)t.classes[i].index,
		       (unsigned long long)t.classes[i].seen);
	printf("# %llu differences, %llu pairs of VMs\n", (unsigned long long)t.faults,
	       (unsigned long long)t.vms);
	rules_report(t.options.count);
	printf("%s 1 same.programs\n", done && !t.faults ? "ok" : "not ok");
	return !done || t.faults;
}
