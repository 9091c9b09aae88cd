// SPDX-License-Identifier: GPL-2.0
/*
 * Steps in the life of one VM, beside 1, 100 and 1,000 others in the same
 * process. Each has memory of its own.
 *
 * A step that the timer interrupts costs some 3,000 ticks more, and chance would decide
 * if the median is such a one. So only rounds without an interrupt count. A step that
 * takes as long as the timer's period has hardly any of them: then all rounds count.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

#define ROUNDS	21
#define MOST	1000
/* Of memory available, KB: below it the kernel would begin to kill. */
#define RESERVE	(24 * 1024)

static const int counts[] = { 1, 100, MOST };

enum step { CREATE, INVALIDATE, SLOT, DESTROY, STEPS };

static const char *const names[STEPS] = {
	[CREATE] = "create", [INVALIDATE] = "invalidate", [SLOT] = "slot", [DESTROY] = "destroy",
};

/* Make VMs until there are @count; false: memory does not last so far. */
static bool grow(const struct bench *b, struct vm *vms, int from, int count, unsigned char *memory)
{
	for (int i = from; i < count; i++) {
		if (sum_of("/proc/meminfo", "MemAvailable:") < RESERVE)
			return false;
		memcpy(memory + i * PAGE, b->memory, PAGE);
		need("a VM beside others", try_create(b, &vms[i], memory + i * PAGE, PAGE));
		run_to(&vms[i], KVM_EXIT_HLT);
	}
	return true;
}

static void change_slot(const struct bench *b, struct vm *vm)
{
	need("add a slot", vm_set_slot(vm, 1, 16 * PAGE, b->memory + PAGE, PAGE));
	need("delete a slot", vm_set_slot(vm, 1, 16 * PAGE, b->memory + PAGE, 0));
}

/* The costs of a step: of all rounds, and of those that the timer did not interrupt */
struct sample {
	struct cost	all[ROUNDS], quiet[ROUNDS];
	size_t		nr_all, nr_quiet;
};

struct moment {
	struct cost	at;
	long		timer;
};

static long timer_interrupts(void)
{
	return sum_of("/proc/interrupts", "LOC:");
}

static struct moment begin_step(void)
{
	long timer = timer_interrupts();

	return (struct moment){ begin(), timer };
}

static void end_step(const struct bench *b, struct sample *sample, struct moment since)
{
	struct cost cost = spent(b, since.at);

	sample->all[sample->nr_all++] = cost;
	if (timer_interrupts() == since.timer)
		sample->quiet[sample->nr_quiet++] = cost;
}

static long middle(const struct sample *sample)
{
	if (sample->nr_quiet < sample->nr_all / 4)
		return middle_cost(sample->all, sample->nr_all).ticks;
	return middle_cost(sample->quiet, sample->nr_quiet).ticks;
}

/* Measure the steps of one VM's life. The slot step uses @other, which had the slot before. */
static void take_steps(const struct bench *b, struct vm *other, unsigned char *memory, int round,
		       struct sample samples[STEPS])
{
	struct moment start;
	struct vm vm;

	start = begin_step();
	need("one more VM", try_create(b, &vm, memory, 2 * PAGE));
	run_to(&vm, KVM_EXIT_HLT);
	end_step(b, &samples[CREATE], start);

	/* Of two pages that are in the VM's page tables the second. */
	run_program(b, &vm, (struct kvm_regs){ .rip = AT_TOUCH_ONE });
	start = begin_step();
	madvise(memory + PAGE, PAGE, MADV_DONTNEED);
	end_step(b, &samples[INVALIDATE], start);

	start = begin_step();
	change_slot(b, other);
	end_step(b, &samples[SLOT], start);

	start = begin_step();
	vm_destroy(&vm);
	end_step(b, &samples[DESTROY], start);
	shift_phase(round);
}

void measure_scale(const struct bench *b)
{
	static struct vm vms[MOST];
	unsigned char *memory = guest_memory((MOST + 2) * PAGE);
	char name[64];
	int have = 0;

	memcpy(memory + MOST * PAGE, b->memory, PAGE);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct sample samples[STEPS] = {};

		if (!grow(b, vms, have, counts[i], memory))
			break;
		have = counts[i];
		change_slot(b, &vms[0]);
		for (int round = 0; round < ROUNDS; round++)
			take_steps(b, &vms[0], memory + MOST * PAGE, round, samples);
		for (int step = 0; step < STEPS; step++) {
			snprintf(name, sizeof(name), "scale_%s_%d", names[step], counts[i]);
			print_ticks(name, middle(&samples[step]));
		}
	}
}
