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
 */
#include <errno.h>
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
	fprintf(to, "usage: likex-bench DEVICE [FAMILY...]\n\n"
		"Measure the life of a small VM on DEVICE (/dev/kvm, /dev/likex): a line\n"
		"for each metric, with name, unit (ticks, bytes, count) and value. Of all\n"
		"families, or these:\n\n");
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

int main(int argc, char **argv)
{
	struct bench b = { .memory_size = (1 + TOUCHED) * PAGE };
	pid_t bystander;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout, 0);
	if (argc < 2 || argv[1][0] == '-')
		return usage(stderr, 2);
	for (int i = 2; i < argc; i++)
		if (!known(argv[i]))
			return usage(stderr, 2);
	b.device = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	allow_descriptors();
	/* Before there is memory: pages shared with a child would have to be copied first. */
	bystander = start_bystander(&b);
	b.memory = guest_memory(b.memory_size);
	calibrate(&b);
	for (size_t i = 0; i < FAMILIES; i++)
		if (asked(families[i].name, argv + 2))
			families[i].measure(&b);
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
	return 0;
}
