// SPDX-License-Identifier: GPL-2.0
/*
 * From open to the first exit, and to the end: of a process's only VM, and of
 * a further one.
 */
#include "bench.h"

#define LIVES	21	/* VMs made one after the other; the median counts */

static void live(const struct bench *b, int round, struct cost *whole, struct cost *run,
		 struct cost *end)
{
	struct cost start = begin(), at;
	struct vm vm;

	create(b, &vm, PAGE);
	at = begin();
	run_to(&vm, KVM_EXIT_HLT);
	*run = spent(b, at);
	*whole = spent(b, start);
	/* The clock was read once more in between. */
	whole->ticks -= b->clock_ticks;
	at = begin();
	vm_destroy(&vm);
	*end = spent(b, at);
	shift_phase(round);
}

void measure_life(const struct bench *b)
{
	struct cost whole[LIVES], run[LIVES], end[LIVES];
	struct vm other;

	for (int i = 0; i < LIVES; i++)
		live(b, i, &whole[i], &run[i], &end[i]);
	print_cost("create_first_exit", whole, LIVES);
	print_cost("first_run", run, LIVES);
	print_cost("close", end, LIVES);

	create(b, &other, PAGE);
	run_to(&other, KVM_EXIT_HLT);
	for (int i = 0; i < LIVES; i++)
		live(b, i, &whole[i], &run[i], &end[i]);
	print_cost("create_next_exit", whole, LIVES);
	vm_destroy(&other);
}
