// SPDX-License-Identifier: GPL-2.0
/*
 * likex-bench: what the life of a small VM costs, on /dev/kvm or /dev/likex.
 *
 * The same program runs on both. It counts work, not time: ticks of the thread's
 * own processor time. In the emulated machine a tick is about one instruction,
 * so figures are path lengths, and the same from run to run. Sleeping (a grace
 * period, say) is no work of the thread's; it is counted apart, as the number of
 * times that it gave up the processor.
 *
 * Prints a line for each metric: its name, unit and value.
 *
 * With --host it measures a real host: cycles of the TSC, in many rounds, of which it
 * prints medians and quartiles.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static const struct family {
	const char	*name, *what;
	void		(*measure)(const struct bench *b);
} families[] = {
	{ "life",	"a VM from open to its first exit and its end",		measure_life },
	{ "batched",	"the same by one call, and a thread's life",		measure_batched },
	{ "slots",	"a memory slot added and deleted",			measure_slots },
	{ "exits",	"exits to user space, and handled in the kernel",	measure_exits },
	{ "cpuid",	"CPUID with the supported leaves set",			measure_cpuid },
	{ "memory",	"kernel memory of a VM",				measure_memory },
	{ "lapic",	"a VM with the local APIC in the kernel",		measure_lapic },
	{ "irq",	"interrupts, on one processor",				measure_irq },
	{ "ipi",	"an interrupt between processors, if there are two",	measure_ipi },
	{ "process",	"the first VM of a process",				measure_process },
	{ "scale",	"a VM's life beside 1, 100 and 1,000 others",		measure_scale },
};

#define FAMILIES	(sizeof(families) / sizeof(families[0]))

/*
 * Another process with a VM of its own, for as long as this one measures. A host
 * for functions is never without VMs, and KVM patches its own code when the
 * first vCPU without a local APIC in the kernel comes and when the last one goes
 * (over 300,000 ticks each time), which no further VM pays.
 */
static pid_t start_bystander(struct bench *b)
{
	int ready[2];
	char byte;
	pid_t child;

	if (pipe(ready))
		die("pipe", -errno);
	child = fork();
	if (child < 0)
		die("fork", -errno);
	if (!child) {
		struct vm vm;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		b->memory = guest_memory(b->memory_size);
		create(b, &vm, PAGE);
		run_to(&vm, KVM_EXIT_HLT);
		if (write(ready[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		exit(1);	/* it has said why */
	close(ready[0]);
	return child;
}

/* Three descriptors a VM, where it is KVM's. */
static void allow_descriptors(void)
{
	struct rlimit limit = { 8192, 8192 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE", -errno);
}

static int usage(FILE *to, int status)
{
	fprintf(to, "usage: likex-bench [--host [--rounds N] | --profile METRIC] DEVICE [FAMILY...]\n\n"
		"Measure the life of a small VM on DEVICE (/dev/kvm, /dev/likex): a line\n"
		"for each metric, with name, unit (ticks, bytes, count) and value.\n\n"
		"  --host      on a real host: cycles of the TSC in N rounds (21), on one processor;\n"
		"              median and quartiles of each metric, as JSON\n"
		"  --profile   mark where METRIC is measured, for scripts/bench --profile\n\n"
		"Of all families (--host: without ipi, scale), or these:\n\n");
	for (size_t i = 0; i < FAMILIES; i++)
		fprintf(to, "  %-8s %s\n", families[i].name, families[i].what);
	return status;
}

/* Return true if the user named this family, or none. */
static bool asked(const char *name, char **names)
{
	bool found = !*names;

	for (; *names; names++)
		found |= !strcmp(*names, name);
	return found;
}

static bool known(const char *name)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (!strcmp(name, families[i].name))
			return true;
	return false;
}

#define ROUNDS		21
#define MOST_ROUNDS	10000

struct options {
	bool	host;
	char	*profile;
	long	rounds;
	char	**rest;		/* DEVICE and families */
};

/* Return false for a wrong call. */
static bool parse(struct options *o, char **argv)
{
	char *end;

	for (argv++; *argv && !strncmp(*argv, "--", 2); argv++) {
		if (!strcmp(*argv, "--host")) {
			o->host = true;
		} else if (!strcmp(*argv, "--rounds") && argv[1]) {
			o->rounds = strtol(*++argv, &end, 10);
			if (*end || o->rounds < 1 || o->rounds > MOST_ROUNDS)
				return false;
		} else if (!strcmp(*argv, "--profile") && argv[1]) {
			o->profile = *++argv;
		} else {
			return false;
		}
	}
	o->rest = argv;
	if (!*argv || **argv == '-' || (o->rounds && !o->host) || (o->profile && o->host))
		return false;
	for (argv++; *argv; argv++)
		if (!known(*argv) || (o->host && !strcmp(*argv, "ipi")))
			return false;
	return true;
}

/* The TSCs of two processors differ, and so may their speeds. */
static void stay_here(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity", -errno);
}

/* One round. On a real host "ipi" lacks a second processor, and "scale" is long: name it. */
static void measure(const struct bench *b, const struct options *o)
{
	for (size_t i = 0; i < FAMILIES; i++) {
		bool left_out = o->host && !o->rest[1] && (families[i].measure == measure_ipi ||
							   families[i].measure == measure_scale);

		if (asked(families[i].name, o->rest + 1) && !left_out)
			families[i].measure(b);
	}
}

int main(int argc, char **argv)
{
	struct bench b = { .memory_size = (1 + TOUCHED) * PAGE };
	struct options o = {};
	pid_t bystander;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout, 0);
	if (!parse(&o, argv))
		return usage(stderr, 2);
	b.device = o.rest[0];
	profile(o.profile);
	setvbuf(stdout, NULL, _IOLBF, 0);
	allow_descriptors();
	if (o.host) {
		o.rounds = o.rounds ? o.rounds : ROUNDS;
		stay_here();
		measure_on_host();
		report_rounds(o.rounds);
	}
	/* Before there is memory: pages shared with a child would have to be copied first. */
	bystander = start_bystander(&b);
	b.memory = guest_memory(b.memory_size);
	calibrate(&b);
	for (long round = 0; round < (o.host ? o.rounds : 1); round++)
		measure(&b, &o);
	if (o.host)
		report_json(&b);
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
	return 0;
}
