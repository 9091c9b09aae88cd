// SPDX-License-Identifier: GPL-2.0
/* same: a program, made from its seed and number, and run. */
#include "same.h"

#include <string.h>

#define PROGRAMS_OF_VM	200

const struct op *op_at(unsigned int i)
{
	if (i < nr_run_ops)
		return &run_ops[i];
	i -= nr_run_ops;
	return i < nr_vcpu_ops ? &vcpu_ops[i] : &vm_ops[i - nr_vcpu_ops];
}

static unsigned int choose_op(struct rnd *r)
{
	unsigned int all = 0, i, n = nr_run_ops + nr_vcpu_ops + nr_vm_ops;

	for (i = 0; i < n; i++)
		all += op_at(i)->share;
	all = rnd_below(r, all);
	for (i = 0; all >= op_at(i)->share; i++)
		all -= op_at(i)->share;
	return i;
}

void program_make(struct program *program, uint64_t seed, uint64_t number)
{
	struct rnd vm = { seed * 0x2545f4914f6cdd1d + number / PROGRAMS_OF_VM };
	struct rnd r = { seed * 0x9fb21c651e98df25 + (number + 1) * 0xda942042e4dd58b5 };

	memset(program, 0, sizeof(*program));
	program->seed = seed;
	program->number = number;
	/* Half of the VMs have a local APIC, one in eight no CPUID. */
	program->vm_seed = rnd_next(&vm);
	program->split = number / PROGRAMS_OF_VM % 2;
	program->has_cpuid = number / PROGRAMS_OF_VM / 2 % 8 != 3;
	program->base_seed = rnd_next(&r);
	/* Without CPUID, KVM has no long mode. */
	program->mode = rnd_below(&r, program->has_cpuid ? NR_MODES : LONG);
	program->has_idt = !rnd_rarely(&r, 4);
	program->nr_insns = 1 + rnd_below(&r, MAX_INSNS);
	for (unsigned int i = 0; i < program->nr_insns; i++)
		program->insns[i] = (struct insn){ rnd_below(&r, guest_kinds()), rnd_next(&r) };
	program->nr_calls = 2 + rnd_below(&r, MAX_CALLS - 1);
	for (unsigned int i = 0; i < program->nr_calls; i++)
		program->calls[i] = (struct call){ choose_op(&r), rnd_next(&r) };
}

/* Run a program on VMs that were reset. */
void program_run(struct pair *p, const struct program *program)
{
	p->ended = p->different = false;
	memset(&p->past, 0, sizeof(p->past));
	p->args = NULL;
	p->op = "start";
	pair_start(p, program);
	for (unsigned int i = 0; i < program->nr_calls && !p->ended && !p->different; i++) {
		struct rnd r = { program->calls[i].seed };
		const struct op *op = op_at(program->calls[i].op);

		p->op = op->name;
		p->args = NULL;
		op->call(p, &r);
	}
	p->renew |= p->nmi_request;
	if (p->ended || p->different)
		return;
	p->op = "state";
	state_compare(p);
}
