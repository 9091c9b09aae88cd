// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Device transactions: how many, which, in what order, and that an unfinished
 * instruction neither loses nor repeats one; the decode cache; refusals.
 */
#include "unit.h"
#include <errno.h>

#define RAM_THEN_DEV 0x8ffcull	/* pages 8 is memory, 9 a device */

static void start(struct rig *r, bool pull)
{
	rig_init(r, UNIT_PAGES, NULL);
	unit_long_mode(r, 0);
	rig_kind(r, 0x9000, 0x2000, PAGE_DEV);
	r->pull = pull;
	r->regs.rax = 0x8877665544332211;
	r->regs.rdi = RAM_THEN_DEV;
}

/* The same with tables of its own: the code and the first device page. */
static void start_paged(struct rig *r, struct tables *t)
{
	start(r, true);
	tables_init(t, r, 4, UNIT_TABLES);
	tables_map(t, UNIT_CODE, UNIT_CODE, 3);
	tables_map(t, 0x9000, 0x9000, 3);
	r->sregs.cr3 = t->root;
}

static void expect_io(struct unit *u, const struct likex_io *io, bool write,
		      u64 addr, unsigned int len)
{
	EXPECT_EQ(u, write, io->write);
	EXPECT_EQ(u, addr, io->addr);
	EXPECT_EQ(u, len, io->len);
}

static void memory_into_device(struct unit *u)
{
	struct rig r;
	u64 v;

	u->name = "store from memory into a device";
	start(&r, true);
	unit_code(&r, "\x48\x89\x07", 3);
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	expect_io(u, &r.step.io, true, 0x9000, 4);
	EXPECT_EQ(u, true, likex_emul_pending(r.emul));
	EXPECT_EQ(u, UNIT_CODE, r.regs.rip);
	rig_io(&r, &r.step.io);
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_step(r.emul, &r.step));
	EXPECT_EQ(u, false, likex_emul_pending(r.emul));
	memcpy(&v, rig_at(&r, RAM_THEN_DEV), 8);
	EXPECT_EQ(u, r.regs.rax, v);
	rig_destroy(&r);
}

/* The memory part of a read-modify-write must not be read after it is written. */
static void modify_across(struct unit *u)
{
	struct rig r;
	u64 v = 0x00000001ffffffff;

	u->name = "add over memory and device";
	start(&r, true);
	memcpy(rig_at(&r, RAM_THEN_DEV), &v, 8);
	r.regs.rax = 1;
	unit_code(&r, "\x48\x01\x07", 3);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	memcpy(&v, rig_at(&r, RAM_THEN_DEV), 8);
	EXPECT_EQ(u, 0x200000000, v);
	EXPECT_EQ(u, 2, r.io_count);
	expect_io(u, &r.io_log[0], false, 0x9000, 4);
	expect_io(u, &r.io_log[1], true, 0x9000, 4);
	rig_destroy(&r);
}

static void wide(struct unit *u)
{
	static const struct { u64 addr; unsigned int len; } want[] = {
		{ 0x9ff0, 8 }, { 0x9ff8, 8 }, { 0xa000, 8 }, { 0xa008, 8 },
	};
	unsigned int i;
	struct rig r;

	u->name = "32 bytes over two device pages";
	start(&r, true);
	r.regs.rdi = 0x9ff0;
	unit_code(&r, "\xc5\xfe\x7f\x07", 4);	/* vmovdqu [rdi], ymm0 */
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 4, r.io_count);
	for (i = 0; i < 4; i++)
		expect_io(u, &r.io_log[i], true, want[i].addr, want[i].len);
	rig_destroy(&r);
}

/*
 * Memory that the device's part of an access takes away is not used for the
 * other part, which is the device's then, too.
 */
static void memory_taken_away(struct unit *u)
{
	u64 v = 0x1111111111111111;
	struct rig r;

	u->name = "memory behind a device goes while waiting";
	start(&r, true);
	r.regs.rdi = 0xaffc;			/* page 10 is a device, 11 memory */
	memcpy(rig_at(&r, 0xb000), &v, 8);
	unit_code(&r, "\x48\x89\x07", 3);
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	expect_io(u, &r.step.io, true, 0xaffc, 4);
	rig_kind(&r, 0xb000, 4096, PAGE_DEV);
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	expect_io(u, &r.step.io, true, 0xb000, 4);
	EXPECT_EQ(u, 0x88, r.step.io.data[3]);
	expect(u, !memcmp(rig_at(&r, 0xb000), &v, 8), "memory untouched", 1, 0);
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_step(r.emul, &r.step));
	rig_destroy(&r);
}

/* The same where the device answers at once: the callback changes the memory. */
static int io_takes_away(void *ctx, struct likex_io *io)
{
	struct rig *r = ctx;

	rig_kind(r, 0xb000, 4096, PAGE_DEV);
	rig_io(r, io);
	return 0;
}

static void memory_taken_at_once(struct unit *u)
{
	static const struct {
		const char *name, *code;
		unsigned int len;
		u64 rsi, rdi;
		unsigned int reads, writes;
	} cases[] = {
		{ "memory behind a device goes: store", "\x48\x89\x07", 3, 0, 0xaffc, 0, 2 },
		{ "memory behind a device goes: load", "\x48\x8b\x07", 3, 0, 0xaffc, 2, 0 },
		{ "memory behind a device goes: add", "\x48\x01\x07", 3, 0, 0xaffc, 2, 2 },
		{ "memory goes as a device is copied to it", "\xa5", 1, 0xa000, 0xb000, 1, 1 },
		{ "memory goes as a device is compared", "\xa7", 1, 0xb000, 0xa000, 2, 0 },
	};
	unsigned int i, k, writes;
	struct rig r;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u->name = cases[i].name;
		start(&r, false);
		r.ops.io = io_takes_away;
		rig_context(&r);
		r.regs.rsi = cases[i].rsi;
		r.regs.rdi = cases[i].rdi;
		unit_code(&r, cases[i].code, cases[i].len);
		EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
		for (k = writes = 0; k < r.io_count; k++)
			writes += r.io_log[k].write;
		EXPECT_EQ(u, cases[i].writes, writes);
		EXPECT_EQ(u, cases[i].reads, r.io_count - writes);
		rig_destroy(&r);
	}
}

static void second_page_faults(struct unit *u)
{
	struct tables t;
	struct rig r;

	u->name = "second page faults before anything is done";
	start_paged(&r, &t);
	r.regs.rdi = 0x9ffc;
	unit_code(&r, "\x48\x89\x07", 3);
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 0xa000, r.step.fault.cr2);
	EXPECT_EQ(u, 2, r.step.fault.error);
	EXPECT_EQ(u, 0, r.io_count);
	/* Not even the first page is marked dirty. */
	EXPECT_EQ(u, 0, *(u64 *)tables_entry(&t, 0x9000, 1) & 0x40);
	rig_destroy(&r);
}

/* MOVS must not read a device for a store that faults. */
static void movs_destination_faults(struct unit *u)
{
	struct rig r;

	u->name = "movs to a page that faults";
	start(&r, true);
	r.regs.rsi = 0x9000;
	r.regs.rdi = 0x200000;
	unit_code(&r, "\xa5", 1);
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 0, r.io_count);
	rig_destroy(&r);
}

/* Iterations done stay done; the one that faults has not begun. */
static void rep_faults(struct unit *u)
{
	struct rig r;

	u->name = "rep stos up to the end of the mapping";
	start(&r, true);
	rig_destroy(&r);
	rig_init(&r, 0x200, NULL);
	unit_long_mode(&r, 0);
	rig_kind(&r, 0x1ff000, 4096, PAGE_DEV);
	r.pull = true;
	r.regs.rdi = 0x1ffff8;
	r.regs.rcx = 5;
	unit_code(&r, "\xf3\xab", 2);
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 0x200000, r.step.fault.cr2);
	EXPECT_EQ(u, 3, r.regs.rcx);
	EXPECT_EQ(u, 0x200000, r.regs.rdi);
	EXPECT_EQ(u, UNIT_CODE, r.regs.rip);
	EXPECT_EQ(u, 2, r.io_count);
	rig_destroy(&r);
}

static void rep_budget(struct unit *u)
{
	struct likex_emul_config cfg = { .size = sizeof(cfg), .maxphyaddr = 52, .rep_budget = 3 };
	struct rig r;

	u->name = "rep movs in portions";
	rig_init(&r, UNIT_PAGES, &cfg);
	unit_long_mode(&r, 0);
	rig_kind(&r, 0x9000, 4096, PAGE_DEV);
	r.pull = true;
	r.regs.rsi = UNIT_DATA;
	r.regs.rdi = 0x9000;
	r.regs.rcx = 7;
	memcpy(rig_at(&r, UNIT_DATA), "abcdefg", 7);
	unit_code(&r, "\xf3\xa4", 2);
	EXPECT_EQ(u, LIKEX_MORE, rig_step(&r));
	EXPECT_EQ(u, 4, r.regs.rcx);
	EXPECT_EQ(u, 0x9003, r.regs.rdi);
	r.step.pause = true;
	EXPECT_EQ(u, LIKEX_MORE, rig_step(&r));
	EXPECT_EQ(u, 3, r.regs.rcx);
	r.step.pause = false;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0, r.regs.rcx);
	EXPECT_EQ(u, 7, r.io_count);
	expect(u, !memcmp(rig_at(&r, 0x9000), "abcdefg", 7), "copied", 1, 0);
	rig_destroy(&r);
}

/* Registers that user space sets meanwhile, and that are not results, stay. */
static void registers_meanwhile(struct unit *u)
{
	struct rig r;

	u->name = "registers changed while waiting";
	start(&r, true);
	r.regs.rdi = 0x9000;
	unit_code(&r, "\x48\x01\x07", 3);	/* add [rdi], rax */
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	rig_io(&r, &r.step.io);
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	rig_io(&r, &r.step.io);
	r.regs.r12 = 0x1212;
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_step(r.emul, &r.step));
	EXPECT_EQ(u, 0x1212, r.regs.r12);
	EXPECT_EQ(u, UNIT_CODE + 3, r.regs.rip);
	rig_destroy(&r);

	u->name = "flags changed while a store waits";
	start(&r, true);
	r.regs.rdi = 0x9000;
	unit_code(&r, "\x89\x07", 2);		/* mov [rdi], eax */
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	rig_io(&r, &r.step.io);
	r.regs.rflags |= 0x200;
	r.regs.rbx = 0x1313;
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_step(r.emul, &r.step));
	EXPECT_EQ(u, 0x202, r.regs.rflags);
	EXPECT_EQ(u, 0x1313, r.regs.rbx);
	EXPECT_EQ(u, UNIT_CODE + 2, r.regs.rip);
	rig_destroy(&r);

	u->name = "RIP changed while waiting";
	start(&r, true);
	r.regs.rdi = 0x9000;
	unit_code(&r, "\x8b\x07\x90\x90\x89\x07", 6);
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	expect_io(u, &r.step.io, false, 0x9000, 4);
	r.regs.rip += 4;
	r.regs.rdi = UNIT_DATA;
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_step(r.emul, &r.step));
	EXPECT_EQ(u, 0x44332211, *(u32 *)rig_at(&r, UNIT_DATA));
	EXPECT_EQ(u, UNIT_CODE + 6, r.regs.rip);
	rig_destroy(&r);
}

/* The trap of one instruction's access does not hold for another's. */
static void trap_meanwhile(struct unit *u)
{
	struct likex_trap trap = {
		.gpa = 0xa000, .gva = UNIT_DATA, .kind = LIKEX_TRAP_WRITE,
		.flags = LIKEX_TRAP_GVA, .insn_len = 15, .insn = { 0x89, 0x07 },
	};
	struct rig r;

	u->name = "RIP changed while waiting, with a trap";
	start(&r, true);
	r.regs.rdi = UNIT_DATA;
	r.step.trap = &trap;
	unit_code(&r, "\x90\x90\x88\x27", 4);		/* after it: mov [rdi], ah */
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	expect_io(u, &r.step.io, true, 0xa000, 4);
	r.regs.rip += 2;
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_step(r.emul, &r.step));
	EXPECT_EQ(u, 0x22, *(u32 *)rig_at(&r, UNIT_DATA));
	EXPECT_EQ(u, UNIT_CODE + 4, r.regs.rip);
	rig_destroy(&r);
}

static void cancelled(struct unit *u)
{
	struct rig r;

	u->name = "bytes beyond a transaction's length";
	start(&r, true);
	r.regs.rdi = 0x9000;
	unit_code(&r, "\x89\x07", 2);
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	EXPECT_EQ(u, 0x44332211, *(u64 *)(void *)r.step.io.data);
	rig_destroy(&r);

	u->name = "cancelled";
	start(&r, true);
	r.regs.rdi = 0x9000;
	unit_code(&r, "\x8b\x07", 2);
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	likex_emul_cancel(r.emul);
	EXPECT_EQ(u, false, likex_emul_pending(r.emul));
	/* The read is asked for anew. */
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	expect_io(u, &r.step.io, false, 0x9000, 4);
	rig_destroy(&r);
}

/* Between two reads of one instruction the tables may be changed. */
static void tables_meanwhile(struct unit *u)
{
	struct tables t;
	struct rig r;

	u->name = "page remapped while waiting";
	start_paged(&r, &t);
	r.regs.rdi = 0x9000;
	unit_code(&r, "\x8b\x07", 2);
	memset(rig_at(&r, 0xa000), 0x77, 4);
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	rig_io(&r, &r.step.io);
	tables_map(&t, 0x9000, 0xa000, 3);
	EXPECT_EQ(u, LIKEX_IO, likex_emul_step(r.emul, &r.step));
	expect_io(u, &r.step.io, false, 0xa000, 4);
	rig_io(&r, &r.step.io);
	EXPECT_EQ(u, LIKEX_DONE, likex_emul_step(r.emul, &r.step));
	EXPECT_EQ(u, 0x77777777, r.regs.rax);
	rig_destroy(&r);
}

/* Read-only memory: reads come from it, writes go to the device. */
static void rom(struct unit *u)
{
	struct rig r;

	u->name = "read-modify-write of read-only memory";
	start(&r, true);
	rig_kind(&r, 0x9000, 4096, PAGE_ROM);
	*rig_at(&r, 0x9000) = 5;
	r.regs.rdi = 0x9000;
	unit_code(&r, "\xf0\xff\x07", 3);	/* lock inc dword [rdi] */
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 1, r.io_count);
	expect_io(u, &r.io_log[0], true, 0x9000, 4);
	EXPECT_EQ(u, 6, r.io_log[0].data[0]);
	EXPECT_EQ(u, 5, *rig_at(&r, 0x9000));
	rig_destroy(&r);
}

/* The processor's translation is used for the access that trapped, and for no other. */
static void trapped(struct unit *u)
{
	struct likex_trap trap = {
		.gpa = 0xa010, .gva = 0x7fff0010, .kind = LIKEX_TRAP_WRITE,
		.flags = LIKEX_TRAP_GVA,
	};
	struct rig r;

	u->name = "the processor's translation";
	start(&r, true);
	r.regs.rdi = 0x7fff0020;		/* mapped nowhere; on the page that trapped */
	r.step.trap = &trap;
	unit_code(&r, "\x89\x07\x8b\x07", 4);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	expect_io(u, &r.io_log[0], true, 0xa020, 4);
	EXPECT_EQ(u, 0, r.step.trap != NULL);
	/* A read of a page whose write has trapped is walked: it may be memory. */
	r.step.trap = &trap;
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 0x7fff0020, r.step.fault.cr2);
	rig_destroy(&r);
}

/* The code's page is looked up anew when tables, mode or memory change. */
static void code_page(struct unit *u)
{
	struct tables t;
	struct rig r;

	u->name = "code page";
	start(&r, true);
	tables_init(&t, &r, 4, UNIT_TABLES);
	tables_map(&t, 0x4000, 0x4000, 0x23);
	tables_map(&t, 0x8000, 0x8000, 0x63);
	r.sregs.cr3 = t.root;
	r.regs.rdi = 0x8000;
	r.regs.rax = 0x11;
	unit_code(&r, "\x89\x07", 2);		/* mov [rdi], eax */
	memcpy(rig_at(&r, 0x6000), "\x88\x27", 2);	/* mov [rdi], ah */
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	r.regs.rip = UNIT_CODE;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x11, *rig_at(&r, 0x8000));
	tables_map(&t, 0x4000, 0x6000, 0x23);
	r.regs.rip = UNIT_CODE;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0, *rig_at(&r, 0x8000));
	/* No memory any more, and the caller has said that something changed. */
	rig_kind(&r, 0x6000, 4096, PAGE_NONE);
	r.regs.rip = UNIT_CODE;
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
	EXPECT_EQ(u, LIKEX_WHY_FETCH, r.step.why);
	rig_kind(&r, 0x6000, 4096, PAGE_RAM);
	tables_map(&t, 0x4000, 0x6000, 0x23 | BIT(63));
	r.sregs.efer &= ~0x800ull;		/* NX is reserved */
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 9, r.step.fault.error);
	r.sregs.efer |= 0x800;
	EXPECT_EQ(u, LIKEX_FAULT, rig_step(&r));
	EXPECT_EQ(u, 0x11, r.step.fault.error);
	rig_destroy(&r);
}

static void locked(struct unit *u)
{
	struct tables t;
	struct rig r;

	u->name = "locked over two pages";
	start(&r, true);
	tables_init(&t, &r, 4, UNIT_TABLES);
	tables_map(&t, UNIT_CODE, UNIT_CODE, 3);
	tables_map(&t, 0x8000, 0x8000, 3);
	tables_map(&t, 0x9000, 0x6000, 3);
	r.sregs.cr3 = t.root;
	unit_code(&r, "\xf0\x48\x01\x07", 4);
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
	EXPECT_EQ(u, LIKEX_WHY_LOCK, r.step.why);
	/* Pages that are neighbours here, too, can be locked together. */
	tables_map(&t, 0x8000, 0x5000, 3);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	rig_destroy(&r);
}

static void cache(struct unit *u)
{
	struct likex_emul_stats s = { .size = sizeof(s) };
	unsigned int i;
	struct rig r;

	u->name = "decode cache";
	start(&r, false);
	r.regs.rdi = 0x9000;
	unit_code(&r, "\x89\x07", 2);
	for (i = 0; i < 10; i++) {
		r.regs.rip = UNIT_CODE;
		EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	}
	likex_emul_get_stats(r.emul, &s);
	EXPECT_EQ(u, 10, s.insns);
	EXPECT_EQ(u, 1, s.decode_misses);
	/* Other bytes at the same place are another instruction. */
	unit_code(&r, "\x8b\x07", 2);
	r.regs.rax = 0;
	memset(rig_at(&r, 0x9000), 0x33, 4);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x33333333, r.regs.rax);
	/* And the same bytes are another in another mode. */
	unit_code(&r, "\x48\x89\x07", 3);
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	rig_mode(&r, 32, 0);
	r.regs.rip = UNIT_CODE;
	r.regs.rax = 5;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));	/* dec eax */
	EXPECT_EQ(u, 4, r.regs.rax);
	EXPECT_EQ(u, UNIT_CODE + 1, r.regs.rip);
	rig_destroy(&r);
}

static void refusals(struct unit *u)
{
	struct likex_trap trap = { .flags = LIKEX_TRAP_EVENT };
	struct rig r;

	u->name = "refusals";
	start(&r, true);
	unit_code(&r, "\x0f\xa2", 2);		/* cpuid */
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
	EXPECT_EQ(u, LIKEX_WHY_INSN, r.step.why);
	EXPECT_EQ(u, 2, r.step.insn_len);
	EXPECT_EQ(u, 0xa2, r.step.insn[1]);
	EXPECT_EQ(u, UNIT_CODE, r.regs.rip);
	unit_code(&r, "\x0f\x04\x90", 3);	/* no instruction */
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
	EXPECT_EQ(u, LIKEX_WHY_UNDECODED, r.step.why);
	r.step.trap = &trap;
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
	EXPECT_EQ(u, LIKEX_WHY_EVENT, r.step.why);
	EXPECT_EQ(u, 0, r.step.trap != NULL);
	trap.flags = LIKEX_TRAP_PAGE_WALK;
	r.step.trap = &trap;
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
	EXPECT_EQ(u, LIKEX_WHY_PAGE_TABLE, r.step.why);
	trap = (struct likex_trap){ .kind = LIKEX_TRAP_FETCH };
	r.step.trap = &trap;
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
	EXPECT_EQ(u, LIKEX_WHY_FETCH, r.step.why);
	/* Bytes that came with the trap are used, wherever the code is. */
	trap = (struct likex_trap){ .insn_len = 15, .insn = { 0x89, 0x07 } };
	rig_kind(&r, UNIT_CODE, 4096, PAGE_NONE);
	r.step.trap = &trap;
	r.regs.rdi = 0x9000;
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x44332211, *(u32 *)rig_at(&r, 0x9000));
	rig_destroy(&r);
}

/* PUSH and POP of a segment register; MOV of one is emulated. */
static void segment_registers(struct unit *u)
{
	static const struct {
		unsigned int bits, len;
		const char *code;
	} cases[] = {
		{ 16, 1, "\x1f" }, { 32, 1, "\x1f" }, { 64, 2, "\x0f\xa1" },	/* pop ds, ds, fs */
		{ 16, 1, "\x1e" }, { 32, 2, "\x0f\xa0" }, { 64, 2, "\x0f\xa8" },	/* push ds, fs, gs */
	};
	struct likex_regs before;
	unsigned int i;
	struct rig r;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		unit_start(u, "push or pop of a segment register", &r, 0);
		if (cases[i].bits != 64)
			rig_mode(&r, cases[i].bits, 0);
		unit_code(&r, cases[i].code, cases[i].len);
		r.regs.rsp = UNIT_DATA;
		memset(rig_at(&r, UNIT_DATA - 8), 0xee, 16);
		before = r.regs;
		EXPECT_EQ(u, LIKEX_UNSUPPORTED, rig_step(&r));
		EXPECT_EQ(u, LIKEX_WHY_INSN, r.step.why);
		expect(u, !memcmp(&before, &r.regs, sizeof(before)), "registers unchanged", 0, 1);
		EXPECT_EQ(u, 0xeeeeeeee, *(u32 *)rig_at(&r, UNIT_DATA - 4));
		rig_destroy(&r);
	}
	unit_start(u, "mov from a segment register", &r, 0);
	r.sregs.fs.selector = 0x2b;
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, "\x8c\x27", 2);		/* mov [rdi], fs */
	EXPECT_EQ(u, LIKEX_DONE, rig_step(&r));
	EXPECT_EQ(u, 0x2b, *(u32 *)rig_at(&r, UNIT_DATA));
	rig_destroy(&r);
}

static int io_fails(void *ctx, struct likex_io *io)
{
	(void)ctx;
	(void)io;
	return -EIO;
}

static void *map_ram(void *ctx, uint64_t gpa, bool write)
{
	(void)write;
	return gpa < 0x9000 ? (u8 *)ctx + gpa : NULL;
}

static int put_fails(void *ctx)
{
	(void)ctx;
	return -EIO;
}

static void put_error(struct unit *u)
{
	struct likex_regs before;
	struct rig r;

	u->name = "vector registers that cannot be set";
	start(&r, false);
	r.ops.fpu_put = put_fails;
	rig_context(&r);
	r.regs.rdi = UNIT_DATA;
	unit_code(&r, "\x0f\x10\x07", 3);	/* movups xmm0, [rdi] */
	before = r.regs;
	EXPECT_EQ(u, -EIO, rig_step(&r));
	expect(u, !memcmp(&before, &r.regs, sizeof(before)), "registers unchanged", 0, 1);
	rig_destroy(&r);
}

static void callback_error(struct unit *u)
{
	static const struct likex_emul_ops ops = { .size = sizeof(ops), .map = map_ram, .io = io_fails };
	struct likex_regs before;
	struct likex_emul *e;
	struct rig r;

	u->name = "a callback's error";
	start(&r, true);
	rig_mode(&r, 32, 0);
	e = likex_emul_new(&ops, r.mem, NULL);
	r.regs.rdi = 0x9000;
	unit_code(&r, "\x8b\x07\x89\x07\x0f\x10\x07", 7);
	before = r.regs;
	EXPECT_EQ(u, -EIO, likex_emul_step(e, &r.step));
	expect(u, !memcmp(&before, &r.regs, sizeof(before)), "registers unchanged", 0, 1);
	r.regs.rip += 2;
	EXPECT_EQ(u, -EIO, likex_emul_step(e, &r.step));
	EXPECT_EQ(u, UNIT_CODE + 2, r.regs.rip);
	r.regs.rip += 2;
	/* No vector state to be had. */
	EXPECT_EQ(u, LIKEX_UNSUPPORTED, likex_emul_step(e, &r.step));
	likex_emul_free(e);
	rig_destroy(&r);
	EXPECT_EQ(u, 0, likex_emul_new(NULL, NULL, NULL) != NULL);
}

void unit_io(struct unit *u)
{
	memory_into_device(u);
	modify_across(u);
	wide(u);
	memory_taken_away(u);
	memory_taken_at_once(u);
	second_page_faults(u);
	movs_destination_faults(u);
	rep_faults(u);
	rep_budget(u);
	registers_meanwhile(u);
	trap_meanwhile(u);
	cancelled(u);
	tables_meanwhile(u);
	rom(u);
	trapped(u);
	code_page(u);
	locked(u);
	cache(u);
	refusals(u);
	segment_registers(u);
	callback_error(u);
	put_error(u);
}
