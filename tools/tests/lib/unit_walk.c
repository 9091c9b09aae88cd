// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Page walks: a table of entries, control bits and accesses, with the address
 * or the fault that must come out.
 */
#include "unit.h"

#define P  1ull
#define W  2ull
#define U  4ull
#define A  0x20ull
#define D  0x40ull
#define PS 0x80ull
#define NX BIT(63)
#define KEY(n) ((u64)(n) << 59)

#define WP   BIT(16)
#define PSE  BIT(4)
#define SMEP BIT(20)
#define SMAP BIT(21)
#define PKE  BIT(22)
#define NXE  BIT(11)
#define AC   BIT(18)

#define READ  0
#define WRITE LIKEX_ACCESS_WRITE
#define USER  LIKEX_ACCESS_USER
#define FETCH LIKEX_ACCESS_FETCH

#define LIN 0x40302345ull	/* page 0x302 of the second GiB */
#define GPA 0x7000ull
#define OK  0xffffffff

struct row {
	const char *name;
	unsigned int levels;	/* 2, 3, 4, 5 */
	u64 leaf;		/* flags of the last entry; ~0: not present */
	unsigned int upper_level;	/* an upper entry whose flags differ, */
	u64 upper;		/* and what they are */
	u64 cr0, cr4, efer, rflags;
	u32 pkru;
	u32 access;
	u32 error;		/* of the page fault, or OK */
	u64 set;		/* flags that the leaf has afterwards */
};

static const struct row rows[] = {
	/* Any format: present, dirty, not present. */
	{ "32-bit read", 2, P|W|U, .access = READ, .error = OK, .set = A },
	{ "32-bit write", 2, P|W|U, .access = WRITE, .error = OK, .set = A|D },
	{ "32-bit not present", 2, 0, .access = READ, .error = 0 },
	{ "32-bit not present, user write", 2, 0, .access = WRITE|USER, .error = 6 },
	{ "PAE read", 3, P|W|U, .access = READ, .error = OK, .set = A },
	{ "PAE write", 3, P|W|U, .access = WRITE, .error = OK, .set = A|D },
	{ "PAE not present", 3, 0, .access = READ, .error = 0 },
	{ "4-level read", 4, P|W|U, .access = READ, .error = OK, .set = A },
	{ "4-level write", 4, P|W|U, .access = WRITE, .error = OK, .set = A|D },
	{ "4-level not present", 4, 0, .access = USER, .error = 4 },
	{ "5-level read", 5, P|W|U, .access = READ, .error = OK, .set = A },
	{ "5-level write", 5, P|W|U, .access = WRITE, .error = OK, .set = A|D },
	{ "5-level top not present", 5, P|W|U, 5, 0, .access = READ, .error = 0 },

	/* Rights: each level counts. */
	{ "user read of supervisor page", 4, P|W, .access = USER, .error = 5 },
	{ "user read, directory is supervisor's", 4, P|W|U, 2, P|W, .access = USER, .error = 5 },
	{ "user read, PML4 is supervisor's", 4, P|W|U, 4, P|W, .access = USER, .error = 5 },
	{ "user write of read-only page", 4, P|U, .access = USER|WRITE, .error = 7 },
	{ "user write, directory is read-only", 4, P|W|U, 2, P|U, .access = USER|WRITE, .error = 7 },
	{ "supervisor write of read-only page, WP", 4, P, .cr0 = WP, .access = WRITE, .error = 3 },
	{ "supervisor write of read-only page, no WP", 4, P, .access = WRITE, .error = OK, .set = A|D },
	{ "supervisor write of read-only user page, WP", 4, P|U, .cr0 = WP, .access = WRITE, .error = 3 },
	{ "32-bit user write of read-only page", 2, P|U, .access = USER|WRITE, .error = 7 },
	{ "PAE user read of supervisor page", 3, P|W, .access = USER, .error = 5 },

	/* No-execute. */
	{ "fetch, NX", 4, P|W|U|NX, .efer = NXE, .access = FETCH, .error = 0x11 },
	{ "user fetch, NX", 4, P|W|U|NX, .efer = NXE, .access = FETCH|USER, .error = 0x15 },
	{ "fetch, NX in the directory", 4, P|W|U, 2, P|W|U|NX, .efer = NXE, .access = FETCH, .error = 0x11 },
	{ "read, NX", 4, P|W|U|NX, .efer = NXE, .access = READ, .error = OK, .set = A },
	{ "NX without NXE is reserved", 4, P|W|U|NX, .access = READ, .error = 9 },
	{ "fetch, not present, NXE", 4, 0, .efer = NXE, .access = FETCH, .error = 0x10 },
	{ "fetch, not present, neither NXE nor SMEP", 4, 0, .access = FETCH, .error = 0 },
	{ "PAE fetch, NX", 3, P|W|U|NX, .efer = NXE, .access = FETCH, .error = 0x11 },
	{ "32-bit fetch, not present, SMEP", 2, 0, .cr4 = SMEP, .access = FETCH, .error = 0x10 },

	/* SMEP and SMAP. */
	{ "SMEP, fetch of user page", 4, P|W|U, .cr4 = SMEP, .access = FETCH, .error = 0x11 },
	{ "SMEP, user fetch of user page", 4, P|W|U, .cr4 = SMEP, .access = FETCH|USER, .error = OK, .set = A },
	{ "SMEP, fetch of supervisor page", 4, P|W, .cr4 = SMEP, .access = FETCH, .error = OK, .set = A },
	{ "SMEP, read of user page", 4, P|W|U, .cr4 = SMEP, .access = READ, .error = OK, .set = A },
	{ "SMAP, read of user page", 4, P|W|U, .cr4 = SMAP, .access = READ, .error = 1 },
	{ "SMAP, write of user page", 4, P|W|U, .cr4 = SMAP, .access = WRITE, .error = 3 },
	{ "SMAP with AC, read of user page", 4, P|W|U, .cr4 = SMAP, .rflags = AC, .access = READ, .error = OK, .set = A },
	{ "SMAP with AC, write of read-only user page", 4, P|U, .cr0 = WP, .cr4 = SMAP, .rflags = AC, .access = WRITE, .error = 3 },
	{ "SMAP, user read", 4, P|W|U, .cr4 = SMAP, .access = USER, .error = OK, .set = A },
	{ "SMAP, directory is supervisor's", 4, P|W|U, 2, P|W, .cr4 = SMAP, .access = READ, .error = OK, .set = A },
	{ "32-bit SMAP, read of user page", 2, P|W|U, .cr4 = SMAP, .access = READ, .error = 1 },

	/* Protection keys. */
	{ "key denies access", 4, P|W|U|KEY(3), .cr4 = PKE, .pkru = 1 << 6, .access = USER, .error = 0x25 },
	{ "key denies access to the supervisor", 4, P|W|U|KEY(3), .cr4 = PKE, .pkru = 1 << 6, .access = READ, .error = 0x21 },
	{ "key denies write", 4, P|W|U|KEY(15), .cr4 = PKE, .pkru = 2u << 30, .access = USER|WRITE, .error = 0x27 },
	{ "key denies write, read", 4, P|W|U|KEY(15), .cr4 = PKE, .pkru = 2u << 30, .access = USER, .error = OK, .set = A },
	{ "key denies write, supervisor without WP", 4, P|W|U|KEY(1), .cr4 = PKE, .pkru = 8, .access = WRITE, .error = OK, .set = A|D },
	{ "key denies write, supervisor with WP", 4, P|W|U|KEY(1), .cr0 = WP, .cr4 = PKE, .pkru = 8, .access = WRITE, .error = 0x23 },
	{ "key of a supervisor page", 4, P|W|KEY(1), .cr4 = PKE, .pkru = ~0u, .access = READ, .error = OK, .set = A },
	{ "key and fetch", 4, P|W|U|KEY(1), .cr4 = PKE, .pkru = ~0u, .access = FETCH|USER, .error = OK, .set = A },
	{ "key without PKE", 4, P|W|U|KEY(1), .pkru = ~0u, .access = USER, .error = OK, .set = A },
	{ "key and read-only page", 4, P|U|KEY(1), .cr4 = PKE, .pkru = 4, .access = USER|WRITE, .error = 0x27 },
	{ "5-level, key denies access", 5, P|W|U|KEY(2), .cr4 = PKE, .pkru = 1 << 4, .access = USER, .error = 0x25 },

	/* Reserved bits; the processor here has 40 address bits. */
	{ "address above MAXPHYADDR", 4, P|W|U|BIT(40), .access = READ, .error = 9 },
	{ "address above MAXPHYADDR, user write", 4, P|W|U|BIT(51), .access = USER|WRITE, .error = 0xf },
	{ "ignored bits", 4, P|W|U|BIT(52)|BIT(9), .access = READ, .error = OK, .set = A },
	{ "PS in the PML4", 4, P|W|U, 4, P|W|U|PS, .access = READ, .error = 9 },
	{ "PS in the PML5", 5, P|W|U, 5, P|W|U|PS, .access = READ, .error = 9 },
	{ "reserved in the directory", 4, P|W|U, 2, P|W|U|BIT(45), .access = READ, .error = 9 },
	{ "PAE bit 62", 3, P|W|U|BIT(62), .access = READ, .error = 9 },
	{ "PAE address above MAXPHYADDR", 3, P|W|U|BIT(41), .access = READ, .error = 9 },
	{ "PAE PDPTE reserved bit", 3, P|W|U, 3, P|W, .access = READ, .error = 9 },
	{ "reserved, not present", 4, BIT(45), .access = READ, .error = 0 },
};

static void control(struct rig *r, const struct row *row)
{
	struct likex_sregs *s = &r->sregs;

	rig_mode(r, row->levels >= 4 ? 64 : 32, row->access & USER ? 3 : 0);
	s->cr0 = 0x80000001 | row->cr0;
	s->cr4 = row->cr4 | (row->levels == 2 ? PSE : 0x20) |
		 (row->levels == 5 ? BIT(12) : 0);
	s->efer = row->efer | (row->levels >= 4 ? 0x500 : 0);
	r->regs.rflags = 2 | row->rflags;
	r->pkru = row->pkru;
}

static void one(struct unit *u, const struct row *row)
{
	struct likex_emul_config cfg = {
		.size = sizeof(cfg),
		.maxphyaddr = 40, .features = LIKEX_FEATURE_1G_PAGES,
	};
	unsigned int size = row->levels == 2 ? 4 : 8;
	struct tables t;
	struct rig r;
	u64 gpa = 0, e = 0, upper;
	int res;

	u->name = row->name;
	rig_init(&r, UNIT_PAGES, &cfg);
	control(&r, row);
	tables_init(&t, &r, row->levels, UNIT_TABLES);
	tables_map(&t, LIN, GPA, row->leaf);
	if (row->upper_level) {
		memcpy(&e, tables_entry(&t, LIN, row->upper_level), size);
		upper = (e & 0xff000) | row->upper;
		memcpy(tables_entry(&t, LIN, row->upper_level), &upper, size);
	}
	r.sregs.cr3 = t.root;
	res = likex_emul_translate(r.emul, &r.step, LIN, row->access, &gpa);
	if (row->error == OK) {
		EXPECT_EQ(u, LIKEX_DONE, res);
		EXPECT_EQ(u, GPA | (LIN & 0xfff), gpa);
	} else if (EXPECT_EQ(u, LIKEX_FAULT, res)) {
		EXPECT_EQ(u, 14, r.step.fault.vector);
		EXPECT_EQ(u, row->error, r.step.fault.error);
		EXPECT_EQ(u, LIN, r.step.fault.cr2);
	}
	e = 0;
	if (!row->upper_level || row->error == OK) {
		memcpy(&e, tables_entry(&t, LIN, 1), size);
		EXPECT_EQ(u, row->set, e & (A | D));
	}
	rig_destroy(&r);
}

/* Large pages: the leaf is further up. */
struct large {
	const char *name;
	unsigned int levels, level;
	u64 entry;
	u64 cr4;
	u32 features;
	u64 gpa;		/* or, */
	u32 error;		/* if not OK, the fault */
};

static const struct large large[] = {
	{ "4M page", 2, 2, 0x00c00000|PS|P|W|U, PSE, 1, 0x00c00000 | (LIN & 0x3fffff), OK },
	{ "4M page, PSE-36", 2, 2, 0x00c00000|0x1fe000|PS|P, PSE, 1, 0xff00c00000 | (LIN & 0x3fffff), OK },
	{ "4M page, bit 21", 2, 2, 0x00e00000|PS|P, PSE, 1, 0, 9 },
	{ "PAE 2M page", 3, 2, 0x00e00000|PS|P, 0x20, 1, 0x00e00000 | (LIN & 0x1fffff), OK },
	{ "PAE 2M page, reserved", 3, 2, 0x00e02000|PS|P, 0x20, 1, 0, 9 },
	{ "2M page", 4, 2, 0x3fffe00000|PS|P, 0x20, 1, 0x3fffe00000 | (LIN & 0x1fffff), OK },
	{ "2M page, PAT bit", 4, 2, 0x3fffe01000|PS|P, 0x20, 1, 0x3fffe00000 | (LIN & 0x1fffff), OK },
	{ "2M page, reserved", 4, 2, 0x3fffe80000|PS|P|BIT(13), 0x20, 1, 0, 9 },
	{ "1G page", 4, 3, 0x3fc0000000|PS|P, 0x20, 1, 0x3fc0000000 | (LIN & 0x3fffffff), OK },
	{ "1G page, reserved", 4, 3, 0x3fc0000000|BIT(29)|PS|P, 0x20, 1, 0, 9 },
	{ "1G page, processor without", 4, 3, 0x3fc0000000|PS|P, 0x20, 0, 0, 9 },
	{ "5-level 1G page", 5, 3, 0x3fc0000000|PS|P, 0x1020, 1, 0x3fc0000000 | (LIN & 0x3fffffff), OK },
};

static void one_large(struct unit *u, const struct large *row)
{
	struct likex_emul_config cfg = {
		.size = sizeof(cfg),
		.maxphyaddr = 40, .features = row->features,
	};
	unsigned int size = row->levels == 2 ? 4 : 8;
	struct tables t;
	struct rig r;
	u64 gpa = 0, e = 0;
	int res;

	u->name = row->name;
	rig_init(&r, UNIT_PAGES, &cfg);
	rig_mode(&r, row->levels >= 4 ? 64 : 32, 0);
	tables_init(&t, &r, row->levels, UNIT_TABLES);
	tables_map(&t, LIN, GPA, P);
	memcpy(tables_entry(&t, LIN, row->level), &row->entry, size);
	r.sregs.cr0 = 0x80000001;
	r.sregs.cr4 = row->cr4;
	r.sregs.efer = row->levels >= 4 ? 0x500 : 0;
	r.sregs.cr3 = t.root;
	res = likex_emul_translate(r.emul, &r.step, LIN, WRITE, &gpa);
	if (row->error == OK) {
		EXPECT_EQ(u, LIKEX_DONE, res);
		EXPECT_EQ(u, row->gpa, gpa);
		memcpy(&e, tables_entry(&t, LIN, row->level), size);
		EXPECT_EQ(u, row->entry | A | D, e);
	} else if (EXPECT_EQ(u, LIKEX_FAULT, res)) {
		EXPECT_EQ(u, row->error | 2, r.step.fault.error);
	}
	rig_destroy(&r);
}

/* PS means nothing in a 32-bit directory without CR4.PSE. */
static void no_pse(struct unit *u)
{
	struct tables t;
	struct rig r;
	u64 gpa = 0;
	u32 e;

	u->name = "PS without PSE";
	rig_init(&r, UNIT_PAGES, NULL);
	rig_mode(&r, 32, 0);
	tables_init(&t, &r, 2, UNIT_TABLES);
	tables_map(&t, LIN, GPA, P);
	memcpy(&e, tables_entry(&t, LIN, 2), 4);
	e |= PS;
	memcpy(tables_entry(&t, LIN, 2), &e, 4);
	r.sregs.cr0 = 0x80000001;
	r.sregs.cr4 = 0;
	r.sregs.cr3 = t.root;
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_translate(r.emul, &r.step, LIN, 0, &gpa));
	EXPECT_EQ(u, GPA | (LIN & 0xfff), gpa);
	rig_destroy(&r);
}

/* A walk that faults below has still used the entries above. */
static void upper_accessed(struct unit *u)
{
	struct tables t;
	struct rig r;
	u64 gpa;

	unit_start(u, "accessed flags of a walk that faults", &r, 0);
	tables_init(&t, &r, 4, UNIT_TABLES);
	tables_map(&t, LIN, GPA, 0);
	r.sregs.cr3 = t.root;
	EXPECT_EQ(u, LIKEX_FAULT, likex_emul_translate(r.emul, &r.step, LIN, 0, &gpa));
	EXPECT_EQ(u, A, *(u8 *)tables_entry(&t, LIN, 4) & A);
	EXPECT_EQ(u, A, *(u8 *)tables_entry(&t, LIN, 2) & A);
	EXPECT_EQ(u, 0, *(u8 *)tables_entry(&t, LIN, 1));
	rig_destroy(&r);
}

/* Tables that are not in memory cannot be walked; in ROM, not marked. */
static void tables_elsewhere(struct unit *u)
{
	struct rig r;
	u64 gpa;

	unit_start(u, "page table outside of memory", &r, 0);
	rig_kind(&r, UNIT_TABLES + 0x1000, 4096, PAGE_DEV);
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, likex_emul_translate(r.emul, &r.step, 0, 0, &gpa));
	EXPECT_EQ(u, LIKEX_WHY_PAGE_TABLE, r.step.why);
	rig_kind(&r, UNIT_TABLES + 0x1000, 4096, PAGE_ROM);
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_translate(r.emul, &r.step, 0, 0, &gpa));
	rig_destroy(&r);
}

static void unsupported_modes(struct unit *u)
{
	struct rig r;
	u64 gpa;

	unit_start(u, "modes that are not emulated", &r, 0);
	r.sregs.cr4 |= BIT(24);
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, likex_emul_translate(r.emul, &r.step, 0, 0, &gpa));
	EXPECT_EQ(u, LIKEX_WHY_MODE, r.step.why);
	r.sregs.cr4 &= ~BIT(24);
	r.sregs.efer |= BIT(20);
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, likex_emul_translate(r.emul, &r.step, 0, 0, &gpa));
	EXPECT_EQ(u, LIKEX_WHY_MODE, r.step.why);
	rig_destroy(&r);
}

void unit_walk(struct unit *u)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		one(u, &rows[i]);
	for (i = 0; i < ARRAY_SIZE(large); i++)
		one_large(u, &large[i]);
	no_pse(u);
	upper_accessed(u);
	tables_elsewhere(u);
	unsupported_modes(u);
}
