// SPDX-License-Identifier: GPL-2.0
/*
 * From open to the first exit, and to the end: of the first VM of a process, of
 * its only VM when it had others before, of a further one, and of one with a LAPIC.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define LIVES	21	/* VMs made one after the other; their middle counts */

static void live(const struct bench *b, const char *metric, int round, struct cost *whole,
		 struct cost *run, struct cost *end)
{
	struct cost start = begin(), at;
	struct vm vm;

	mark(metric, 1);
	create(b, &vm, PAGE);
	at = begin();
	mark("first_run", 1);
	run_first(b, &vm);
	mark_end("first_run");
	*run = spent(b, at);
	mark_end(metric);
	*whole = spent(b, start);
	/* The clock was read once more in between. */
	whole->ticks -= b->clock_ticks;
	at = begin();
	mark("close", 1);
	vm_destroy(&vm);
	mark_end("close");
	*end = spent(b, at);
	shift_phase(round);
}

/* A life in a process that never had a VM; only a child is such a process each time. */
static struct cost first_life(const struct bench *b, int round)
{
	struct cost whole = {}, run, end;
	int ends[2], status;
	pid_t child;

	need("a pipe", pipe(ends) ? -errno : 0);
	fflush(stdout);
	child = fork();
	need("a child", child < 0 ? -errno : 0);
	if (!child) {
		/* A page that is shared with the parent would be copied within the life. */
		*(volatile unsigned char *)b->memory = *b->memory;
		live(b, "create_new_process", round, &whole, &run, &end);
		_exit(write(ends[1], &whole, sizeof(whole)) != sizeof(whole));
	}
	close(ends[1]);
	if (waitpid(child, &status, 0) < 0 || status ||
	    read(ends[0], &whole, sizeof(whole)) != sizeof(whole))
		die("a child's VM", -EIO);
	close(ends[0]);
	return whole;
}

void measure_life(const struct bench *b)
{
	struct cost whole[LIVES], run[LIVES], end[LIVES];
	struct vm other;

	for (int i = 0; i < LIVES; i++)
		live(b, "create_first_exit", i, &whole[i], &run[i], &end[i]);
	print_cost("create_first_exit", whole, LIVES);
	print_cost("first_run", run, LIVES);
	print_cost("close", end, LIVES);

	create(b, &other, PAGE);
	run_to(&other, KVM_EXIT_HLT);
	for (int i = 0; i < LIVES; i++)
		live(b, "create_next_exit", i, &whole[i], &run[i], &end[i]);
	print_cost("create_next_exit", whole, LIVES);
	vm_destroy(&other);
}

/* fork() shares all pages, and the guest's next touches would copy them: measure it last. */
void measure_process(const struct bench *b)
{
	struct cost whole[LIVES];

	for (int i = 0; i < LIVES; i++)
		whole[i] = first_life(b, i);
	print_cost("create_new_process", whole, LIVES);
}

/* A VM with the local APIC in the kernel */
void measure_lapic(const struct bench *b)
{
	struct cost whole[LIVES], run, end;
	struct bench with = *b;

	with.lapic = true;
	for (int i = 0; i < LIVES; i++)
		live(&with, "lapic_create_first_exit", i, &whole[i], &run, &end);
	print_cost("lapic_create_first_exit", whole, LIVES);
	report("lapic_vm_bytes", "bytes", vm_bytes(&with));
}
