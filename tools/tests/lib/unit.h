/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UNIT_H
#define UNIT_H

#include "rig.h"

/* Results of the checks so far. */
struct unit {
	const char *name;	/* of the case that runs */
	unsigned int checks, failures;
};

/* One check; prints and counts, and lets the rest go on. */
bool expect(struct unit *u, bool ok, const char *what, u64 want, u64 got);
static inline bool expect_eq(struct unit *u, const char *what, u64 want, u64 got)
{
	return expect(u, want == got, what, want, got);
}
#define EXPECT_EQ(u, want, got) expect_eq(u, #got, (u64)(want), (u64)(got))

void unit_walk(struct unit *u);
void unit_insn(struct unit *u);
void unit_vec(struct unit *u);
void unit_fault(struct unit *u);
void unit_io(struct unit *u);
void unit_edge(struct unit *u);
void unit_vendor(struct unit *u);
void unit_repeat(struct unit *u);
void unit_api(struct unit *u);
void unit_run(struct unit *u);
void unit_preload(struct unit *u);

/* 64-bit mode with the first 2 MiB mapped to themselves, for everyone. */
void unit_long_mode(struct rig *r, unsigned int cpl);
/* A case of that name begins, on a machine of UNIT_PAGES in that mode. */
void unit_start(struct unit *u, const char *name, struct rig *r, unsigned int cpl);
void unit_code(struct rig *r, const void *code, unsigned int len);

#define UNIT_CODE   0x4000ull
#define UNIT_DATA   0x8000ull
#define UNIT_PAGES  32
#define UNIT_TABLES 0x10000ull

#endif /* UNIT_H */
