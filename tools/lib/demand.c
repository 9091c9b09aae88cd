// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Registers on demand: for callers to whom reading each one costs.
 *
 * An instruction's registers are known once it is decoded. A register that is
 * never asked for may have any value in the caller's structures, and keeps it.
 */
#include "internal.h"

/* Registers that fetching and decoding need: mode, privilege level, code segment. */
#define BASE (LIKEX_STATE_RIP | LIKEX_STATE_RFLAGS | LIKEX_STATE_CS | \
	      LIKEX_STATE_SS | LIKEX_STATE_CONTROL)

/* The state of @e->orig that came with @which. */
static void remember(struct likex_emul *e, u64 which)
{
	const reg64 *from = (const reg64 *)e->step->regs;
	reg64 *to = (reg64 *)&e->orig;
	unsigned int i;

	for (i = 0; i < REG_COUNT; i++)
		if (which >> i & 1)
			to[i] = from[i];
}

/*
 * demand() - have the registers in @want
 */
int demand(struct likex_emul *e, u64 want)
{
	u64 more = want & e->lacks;
	int r;

	if (!more)
		return 0;
	r = e->ops->regs(e->ctx, e->step, more);
	if (r)
		return r > 0 ? -r : r;
	e->step->have |= more;
	remember(e, e->lacks & e->step->have);
	e->lacks = LIKEX_STATE_ALL & ~e->step->have;
	return 0;
}

int demand_begin(struct likex_emul *e)
{
	e->lacks = LIKEX_STATE_ALL & ~e->step->have;
	e->changed_seg = 0;
	remember(e, e->step->have);
	return demand(e, BASE);
}

/* Report the registers that have changed since the call began. */
void demand_end(struct likex_emul *e)
{
	const reg64 *now = (const reg64 *)e->step->regs;
	const reg64 *then = (const reg64 *)&e->orig;
	u64 changed = e->changed_seg;
	unsigned int i;

	for (i = 0; i < REG_COUNT; i++)
		if ((e->step->have >> i & 1) && now[i] != then[i])
			changed |= BIT(i);
	e->step->changed = changed;
}
