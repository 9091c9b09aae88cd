// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The interface itself: structures of other sizes, registers on demand, what is
 * told of memory that is written.
 */
#include "unit.h"
#include <errno.h>
#include <likex/vcpu.h>

/* As a program that was built with a newer header has it. */
struct newer_config {
	struct likex_emul_config config;
	u64 more;
};

static void sizes(struct unit *u)
{
	struct likex_emul_config cfg = { .size = 8, .maxphyaddr = 40, .refuse = 99 };
	struct newer_config newer = { .config = { .size = sizeof(newer), .maxphyaddr = 40 } };
	struct likex_emul_stats stats = { .size = sizeof(stats) };
	struct likex_emul *e;
	struct rig r;

	unit_start(u, "structures of other sizes", &r, 0);
	/* An older one: the rest counts as zero, whatever lies there. */
	e = likex_emul_new(&r.ops, &r, &cfg);
	EXPECT_EQ(u, true, e != NULL);
	likex_emul_free(e);
	cfg.size = sizeof(cfg);
	EXPECT_EQ(u, true, likex_emul_new(&r.ops, &r, &cfg) == NULL);
	EXPECT_EQ(u, EINVAL, errno);
	cfg.size = 4;
	EXPECT_EQ(u, true, likex_emul_new(&r.ops, &r, &cfg) == NULL);
	/* A newer one, without what is new, and with it. */
	e = likex_emul_new(&r.ops, &r, &newer.config);
	EXPECT_EQ(u, true, e != NULL);
	likex_emul_free(e);
	newer.more = 1;
	EXPECT_EQ(u, true, likex_emul_new(&r.ops, &r, &newer.config) == NULL);
	EXPECT_EQ(u, E2BIG, errno);
	r.ops.size = 0;
	EXPECT_EQ(u, true, likex_emul_new(&r.ops, &r, NULL) == NULL);
	EXPECT_EQ(u, EINVAL, errno);
	r.regs.rip = UNIT_CODE;
	r.step.size = sizeof(r.step) - 1;
	EXPECT_EQ(u, -EINVAL, likex_emul_step(r.emul, &r.step));
	/* Counters that the caller does not know are not written. */
	stats.decode_misses = 77;
	stats.size = offsetof(struct likex_emul_stats, decode_misses);
	likex_emul_get_stats(r.emul, &stats);
	EXPECT_EQ(u, 77, stats.decode_misses);
	rig_destroy(&r);
	u->name = "version";
	EXPECT_EQ(u, LIKEX_VERSION_MAJOR << 16 | LIKEX_VERSION_MINOR, likex_version());
}

/* The registers that one instruction asks for, and the number of calls. */
struct asked {
	struct rig *rig;
	u64 want;
	unsigned int calls;
	int error;
};

static struct asked *asked_now(struct asked *set)
{
	static struct asked *now;

	if (set)
		now = set;
	return now;
}

static int give(void *ctx, struct likex_step *step, uint64_t want)
{
	struct asked *a = asked_now(NULL);

	(void)ctx;
	(void)step;
	a->want |= want;
	a->calls++;
	return a->error;
}

static void on_demand(struct unit *u)
{
	static const u64 base = LIKEX_STATE_RIP | LIKEX_STATE_RFLAGS | LIKEX_STATE_CS |
				LIKEX_STATE_SS | LIKEX_STATE_CONTROL;
	static const u64 rax = LIKEX_STATE_GPR(0), rdi = LIKEX_STATE_GPR(5);
	struct asked a = { 0 };
	struct rig r;

	unit_start(u, "registers on demand", &r, 0);
	r.ops.regs = give;
	rig_context(&r);
	asked_now(&a);
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, "\x89\x07\x8b\x07", 4);	/* mov [rdi], eax; mov eax, [rdi] */
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, base | rax | rdi | LIKEX_STATE_DS, a.want);
	EXPECT_EQ(u, 2, a.calls);
	EXPECT_EQ(u, a.want, r.step.have);
	EXPECT_EQ(u, LIKEX_STATE_RIP, r.step.changed);
	/* Registers that came with the exit are not asked for. */
	a.calls = 0;
	r.step.have = LIKEX_STATE_ALL;
	*rig_at(&r, UNIT_DATA) = 0x99;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0, a.calls);
	EXPECT_EQ(u, LIKEX_STATE_RIP | rax, r.step.changed);
	u->name = "registers that cannot be had";
	a.error = -EIO;
	r.step.have = 0;
	r.regs.rip = UNIT_CODE;
	EXPECT_EQ(u, -EIO, rig_step(&r));
	EXPECT_EQ(u, UNIT_CODE, r.regs.rip);
	rig_destroy(&r);
}

/* A mark for each byte that has been reported. */
struct told {
	u8 byte[UNIT_PAGES * 4096];
	unsigned int calls;
	bool crossing;
};

static struct told *told_now(struct told *set)
{
	static struct told *now;

	if (set)
		now = set;
	return now;
}

static void dirty(void *ctx, uint64_t gpa, uint32_t len)
{
	struct told *t = told_now(NULL);

	(void)ctx;
	t->calls++;
	if ((gpa & 0xfff) + len > 4096 || !len)
		t->crossing = true;
	memset(t->byte + gpa, 1, len);
}

struct dirty_row {
	const char *name, *code;
	unsigned int len;
	u64 rdi, rsi, rcx;
	u64 rflags;
	unsigned int bits;
};

static const struct dirty_row dirty_rows[] = {
	{ "dirty, store", "\x89\x07", 2, 0x8000, 0, 0, 0, 64 },
	{ "dirty, store over two pages", "\x48\x89\x07", 3, 0x8ffc, 0, 0, 0, 64 },
	{ "dirty, locked", "\xf0\x48\x01\x07", 4, 0x8000, 0, 0, 0, 64 },
	{ "dirty, locked over two pages", "\xf0\x48\x01\x07", 4, 0x8ffc, 0, 0, 0, 64 },
	{ "dirty, vector", "\x0f\x11\x07", 3, 0x8ff8, 0, 0, 0, 64 },
	{ "dirty, rep stos", "\xf3\xab", 2, 0x8ff2, 0, 2000, 0, 64 },
	{ "dirty, rep stos down", "\xf3\xab", 2, 0x9ff2, 0, 1000, 0x400, 64 },
	{ "dirty, rep movs from a device", "\xf3\xa5", 2, 0x8ff2, 0x14000, 900, 0, 64 },
	{ "dirty, push", "\x50", 1, 0x8000, 0, 0, 0, 64 },
	{ "dirty, mov ds", "\x8e\x1f", 2, 0x8000, 0, 0, 0, 32 },
	{ "dirty, page fault", "\x89\x07", 2, 0x300000, 0, 0, 0, 64 },
};

/* Each byte that has changed must have been reported, also in page tables and descriptors. */
static void dirty_case(struct unit *u, const struct dirty_row *row)
{
	static struct told t;
	u8 before[UNIT_PAGES * 4096];
	unsigned int i, missed = 0;
	struct rig r;

	unit_start(u, row->name, &r, 0);
	memset(&t, 0, sizeof(t));
	told_now(&t);
	r.ops.dirty = dirty;
	rig_context(&r);
	if (row->bits == 32) {
		rig_mode(&r, 32, 0);
		r.sregs.gdt.base = 0x9000;
		r.sregs.gdt.limit = 0xf;
		*(u64 *)rig_at(&r, 0x9008) = 0xcf92000000ffff;
		*rig_at(&r, 0x8000) = 8;
	}
	rig_kind(&r, 0x14000, 0x4000, PAGE_DEV);
	memset(rig_at(&r, 0x14000), 0x77, 0x4000);
	r.regs.rdi = r.regs.rsp = row->rdi;
	r.regs.rsi = row->rsi;
	r.regs.rcx = row->rcx;
	r.regs.rax = 0x1122334455667788;
	r.regs.rflags |= row->rflags;
	memset(r.xsave + 160, 0x66, 16);
	r.xsave[512] = 2;
	unit_code(&r, row->code, row->len);
	memcpy(before, r.mem, sizeof(before));
	rig_step(&r);
	for (i = 0; i < sizeof(before); i++)
		missed += before[i] != r.mem[i] && !t.byte[i];
	EXPECT_EQ(u, 0, missed);
	EXPECT_EQ(u, false, t.crossing);
	EXPECT_EQ(u, true, t.calls > 0);
	/* Iterations are reported together. */
	EXPECT_EQ(u, true, t.calls < 20);
	rig_destroy(&r);
}

void unit_api(struct unit *u)
{
	unsigned int i;

	sizes(u);
	on_demand(u);
	for (i = 0; i < ARRAY_SIZE(dirty_rows); i++)
		dirty_case(u, &dirty_rows[i]);
}
