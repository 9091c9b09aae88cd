// SPDX-License-Identifier: GPL-2.0
/*
 * Memory slots added to a VM that has run, and deleted.
 */
#include "bench.h"

#define ROUNDS	21

void measure_slots(const struct bench *b)
{
	struct cost add[ROUNDS], delete[ROUNDS];
	struct vm vm;

	create(b, &vm, PAGE);
	run_to(&vm, KVM_EXIT_HLT);
	for (int i = 0; i < ROUNDS; i++) {
		struct cost start = begin();

		mark("slot_add", 1);
		need("slot_add", vm_set_slot(&vm, 1, 16 * PAGE, b->memory + PAGE, PAGE));
		mark_end("slot_add");
		add[i] = spent(b, start);
		start = begin();
		mark("slot_delete", 1);
		need("slot_delete", vm_set_slot(&vm, 1, 16 * PAGE, b->memory + PAGE, 0));
		mark_end("slot_delete");
		delete[i] = spent(b, start);
	}
	print_cost("slot_add", add, ROUNDS);
	print_cost("slot_delete", delete, ROUNDS);
	vm_destroy(&vm);
}
