// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The library's unit tests: tables of cases with what must come of them.
 */
#include "unit.h"

bool expect(struct unit *u, bool ok, const char *what, u64 want, u64 got)
{
	u->checks++;
	if (ok)
		return true;
	u->failures++;
	printf("FAIL %s: %s: expected %#llx, is %#llx\n", u->name, what,
	       (unsigned long long)want, (unsigned long long)got);
	return false;
}

void unit_long_mode(struct rig *r, unsigned int cpl)
{
	u64 *pml4 = (u64 *)rig_at(r, UNIT_TABLES);
	u64 *pdpt = (u64 *)rig_at(r, UNIT_TABLES + 0x1000);
	u64 *pd = (u64 *)rig_at(r, UNIT_TABLES + 0x2000);

	rig_mode(r, 64, cpl);
	pml4[0] = (UNIT_TABLES + 0x1000) | 7;
	pdpt[0] = (UNIT_TABLES + 0x2000) | 7;
	pd[0] = 0x87;
	r->sregs.cr3 = UNIT_TABLES;
}

void unit_start(struct unit *u, const char *name, struct rig *r, unsigned int cpl)
{
	u->name = name;
	rig_init(r, UNIT_PAGES, NULL);
	unit_long_mode(r, cpl);
}

void unit_code(struct rig *r, const void *code, unsigned int len)
{
	memcpy(rig_at(r, UNIT_CODE), code, len);
	r->regs.rip = UNIT_CODE;
}

int main(int argc, char **argv)
{
	struct options o = { .about = "Unit tests of liblikex.",
		.extra_name = "group", .extra_help = "only this group of cases",
	};
	static const struct {
		const char *name;
		void (*run)(struct unit *u);
	} groups[] = {
		{ "page walk", unit_walk }, { "instructions", unit_insn },
		{ "vectors and x87", unit_vec },
		{ "faults", unit_fault }, { "transactions", unit_io },
		{ "edges", unit_edge }, { "vendors", unit_vendor },
		{ "repeated", unit_repeat }, { "interface", unit_api },
		{ "vcpu run", unit_run }, { "preload", unit_preload },
	};
	struct unit u = { 0 };
	unsigned int i, before;

	options_parse(&o, argc, argv);
	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		if (o.extra && strcmp(o.extra, groups[i].name))
			continue;
		before = u.checks;
		u.name = groups[i].name;
		groups[i].run(&u);
		printf("%s: %u checks\n", groups[i].name, u.checks - before);
	}
	printf("%u checks, %u failures\n", u.checks, u.failures);
	return u.failures || !u.checks;
}
