// SPDX-License-Identifier: GPL-2.0
/* See state.h. */
#include "state.h"

#include <string.h>

#define PAGE		4096ULL
#define ENTRIES		512ULL
#define LARGE_PAGE	(2ULL << 20)
#define PRESENT_WRITE	3ULL
#define LARGE		(1ULL << 7)

#define CR0_PE		1ULL
#define CR0_LONG	0x80000033ULL	/* PE, MP, ET, NE, PG */
#define CR4_PAE		(1ULL << 5)
#define CR4_SSE		(3ULL << 9)
#define EFER_LONG	(1ULL << 8 | 1ULL << 10)

static void flat(struct kvm_sregs *sregs, bool is_long)
{
	struct kvm_segment data = { .limit = 0xffffffff, .selector = STATE_DATA, .type = 3,
				    .present = 1, .db = 1, .s = 1, .g = 1 }, code = data;

	code.selector = STATE_CODE;
	code.type = 0xb;
	code.l = is_long;
	code.db = !is_long;
	sregs->cs = code;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
}

void state_protected(struct kvm_sregs *sregs)
{
	flat(sregs, false);
	sregs->cr0 |= CR0_PE;
	sregs->cr4 |= CR4_SSE;
}

void state_long(struct kvm_sregs *sregs, uint64_t root)
{
	flat(sregs, true);
	sregs->cr3 = root;
	sregs->cr0 = CR0_LONG;
	sregs->cr4 |= CR4_SSE | CR4_PAE;
	sregs->efer |= EFER_LONG;
}

uint64_t state_tables_size(uint64_t gigabytes)
{
	return (2 + gigabytes) * PAGE;
}

bool state_make_tables(const struct memory *memory, uint64_t at, uint64_t gigabytes)
{
	uint64_t *table = memory_at(memory, at, state_tables_size(gigabytes));

	if (!table)
		return false;
	memset(table, 0, state_tables_size(gigabytes));
	table[0] = (at + PAGE) | PRESENT_WRITE;
	for (uint64_t i = 0; i < gigabytes; i++)
		table[ENTRIES + i] = (at + (2 + i) * PAGE) | PRESENT_WRITE;
	for (uint64_t i = 0; i < gigabytes * ENTRIES; i++)
		table[2 * ENTRIES + i] = i * LARGE_PAGE | PRESENT_WRITE | LARGE;
	return true;
}
