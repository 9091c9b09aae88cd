// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Differential test against the processor this runs on.
 *
 * Each case is executed twice on the same registers and memory: by the
 * emulator, and for real, in user mode, from a signal handler's return to the
 * next signal. Registers, flags, vector registers, memory and exceptions are
 * compared. 64-bit code runs as it is; 32- and 16-bit code runs in segments of
 * a local descriptor table, so limits and types are the processor's, too.
 */
#include "gen.h"
#include "native.h"
#include <errno.h>
#include <sys/mman.h>

#define ARENA      0x20000000ull
#define PAGES      20
#define CODE       0x21000000ull	/* two pages of code, */
#define LANDING    0x21010000ull	/* and one that branches may go to */
#define GS_BASE    0x0000123400000000ull

/* Guest-physical: page tables below, arena above. */
#define GPA_TABLES 0x1000ull
#define GPA_CODE   0x40000ull
#define GPA_ARENA  0x50000ull
#define GPA_PAGES  0x80

/* Kind of each page of the arena, natively and in the emulated machine. */
static const struct {
	int prot;
	enum page_kind kind;
	u64 flags;		/* of the page-table entry */
} arena[PAGES] = {
#define RW(kind) { PROT_READ | PROT_WRITE, kind, 7 }
#define RO(kind) { PROT_READ, kind, 5 }
#define HOLE { PROT_NONE, PAGE_RAM, 0 }
	RW(PAGE_RAM), RW(PAGE_RAM), RW(PAGE_DEV), RW(PAGE_DEV), RW(PAGE_RAM),
	RO(PAGE_RAM), RW(PAGE_RAM), HOLE, RW(PAGE_RAM), RW(PAGE_DEV),
	RW(PAGE_RAM), RO(PAGE_DEV), RW(PAGE_RAM), HOLE, RW(PAGE_RAM),
	RW(PAGE_DEV), RW(PAGE_RAM), RW(PAGE_RAM), RW(PAGE_RAM), RW(PAGE_RAM),
};

/*
 * Differences that are no mistakes. Each is counted, and the memory made equal
 * again.
 */
enum {
	CALL_STORES, ENTER_STORES, POPA_LOADS, STORES_80, MMX_TOP, HALF_FLAGS, HALF_COMPLEX,
	TINY_HALF, X87_SCALED, PRECISION, EDGE, STORE_CR2, DECODER, STRING_HALVES, ODD_MOVBE, AMD_WIDE, AMD_EDGE, AMD_NO_COUNT, AMD_FLAGS,
	EXPLAINED,
};

struct test {
	struct gen gen;
	struct rig rig;
	struct gen_case c;
	struct native_state in, out;
	struct native_mode mode;
	int result;
	bool strict, verbose;
	bool amd;		/* the processor: what it does otherwise is explained */
	bool rsp_checked;	/* it faults at a return to user mode if RSP is not canonical */
	u64 explained[EXPLAINED];
	u64 run, skipped, faults, ios, steps, unlocked, invalid;
};

/* Mostly near the border between two pages, where the work is. */
static u64 target(struct gen *g, unsigned int len)
{
	u64 page = rng_below(&g->rng, PAGES) * RIG_PAGE;

	switch (rng_below(&g->rng, 8)) {
	case 0:
	case 1:
	case 2:
		return ARENA + page + rng_below(&g->rng, RIG_PAGE);
	case 3:
		return ARENA + page - rng_below(&g->rng, len + 1);
	case 4:
		/* Not canonical, or on the edge of it. */
		if (g->bits == 64 && rng_one_in(&g->rng, 8))
			return BIT(g->va_bits - 1) - rng_below(&g->rng, 40);
		/* fall through */
	default:
		return ARENA + page + rng_below(&g->rng, RIG_PAGE / 32) * 32;
	}
}

static u64 gpa_of(unsigned int page)
{
	/* Two are swapped, so that not all neighbours are neighbours. */
	if (page == 16 || page == 18)
		page = 34 - page;
	return GPA_ARENA + page * RIG_PAGE;
}

/* The exception that an instruction ends in: its bytes, and RSP and RAX. */
static unsigned int probe(struct test *t, const char *code, size_t len, u64 rsp, u64 rax)
{
	struct native_state s = {
		.regs = { .rip = CODE, .rsp = rsp, .rax = rax, .rflags = 2 }, .xstate = 1,
	};

	native_mode(&t->mode, 64, &t->gen.rng, ARENA, CODE);
	memset((void *)CODE, 0xcc, 16);
	memcpy((void *)CODE, code, len);
	native_run(&t->mode, &s);
	return s.trapno;
}

/* Find out where processors, and the kernels on them, differ. */
static void processor_init(struct test *t, bool pretend_rsp)
{
	t->amd = native_is_amd();
	/* A load where nothing is: a page fault, if 48 bits are not all. */
	t->gen.va_bits = probe(t, "\x8a\x00", 2, ARENA, BIT(47)) == 14 ? 57 : 48;
	if (pretend_rsp)
		native_pretend_rsp_checked(t->gen.va_bits);
	t->rsp_checked = probe(t, "\x90", 1, BIT(t->gen.va_bits - 1), 0) == 13;
	printf("this processor: %u-bit linear addresses, RSP %schecked at a return to user mode\n",
	       t->gen.va_bits, t->rsp_checked ? "" : "not ");
}

static void machine_init(struct test *t)
{
	struct likex_emul_config cfg = {
		.size = sizeof(cfg),
		.maxphyaddr = 52, .features = LIKEX_FEATURE_1G_PAGES,
		.refuse = LIKEX_REFUSE_EXIT, .vendor = native_vendor(),
	};
	struct rig *r = &t->rig;
	struct tables tb;
	unsigned int i;

	rig_init(r, GPA_PAGES, &cfg);
	tables_init(&tb, r, t->gen.va_bits == 57 ? 5 : 4, GPA_TABLES);
	for (i = 0; i < PAGES; i++) {
		rig_kind(r, gpa_of(i), RIG_PAGE, arena[i].kind);
		if (arena[i].flags)
			tables_map(&tb, ARENA + i * RIG_PAGE, gpa_of(i), arena[i].flags);
	}
	for (i = 0; i < 2; i++)
		tables_map(&tb, CODE + i * RIG_PAGE, GPA_CODE + i * RIG_PAGE, 5);
	rig_mode(r, 64, 3);
	r->sregs.cr3 = tb.root;
	r->sregs.cr0 = 0x80050033;
}

static void native_memory(u64 at, u64 len, int prot)
{
	void *p = mmap((void *)at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)at) {
		fprintf(stderr, "cannot map %#llx: %s\n", (unsigned long long)at,
			strerror(errno));
		exit(2);
	}
}

static void arena_init(struct test *t)
{
	unsigned int i, j;
	u64 v;

	native_memory(ARENA, PAGES * RIG_PAGE, PROT_READ | PROT_WRITE);
	native_memory(LANDING, RIG_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	memset((void *)LANDING, 0xcc, RIG_PAGE);
	for (i = 0; i < PAGES; i++) {
		u8 *native = (u8 *)(ARENA + i * RIG_PAGE);

		for (j = 0; j < RIG_PAGE; j += 8) {
			v = rng_value(&t->gen.rng);
			memcpy(native + j, &v, 8);
		}
		memcpy(rig_at(&t->rig, gpa_of(i)), native, RIG_PAGE);
		if (mprotect(native, RIG_PAGE, arena[i].prot)) {
			perror("mprotect");
			exit(2);
		}
	}
}

/* The emulated memory as the native one is, where it can be read. */
static void sync_memory(struct test *t)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		if (arena[i].prot != PROT_NONE)
			memcpy(rig_at(&t->rig, gpa_of(i)),
			       (void *)(ARENA + i * RIG_PAGE), RIG_PAGE);
}

static bool memory_differs(struct test *t)
{
	bool differs = false;
	unsigned int i, j;

	for (i = 0; i < PAGES; i++) {
		const u8 *a = (u8 *)(ARENA + i * RIG_PAGE);
		const u8 *b = rig_at(&t->rig, gpa_of(i));

		if (arena[i].prot == PROT_NONE || !memcmp(a, b, RIG_PAGE))
			continue;
		for (j = 0; j < RIG_PAGE; j++)
			if (a[j] != b[j])
				printf("memory %llx: native %02x, emulated %02x\n",
				       ARENA + i * RIG_PAGE + j, a[j], b[j]);
		differs = true;
	}
	return differs;
}

static bool writable(u64 at, unsigned int len)
{
	u64 off;

	for (off = at - ARENA; len; len--, off++)
		if (off >= PAGES * RIG_PAGE ||
		    !(arena[off / RIG_PAGE].prot & PROT_WRITE))
			return false;
	return true;
}

static void poke(struct test *t, u64 at, const void *data, unsigned int len)
{
	unsigned int i;

	if (!writable(at, len))
		return;
	memcpy((void *)at, data, len);
	for (i = 0; i < len; i++)
		rig_at(&t->rig, gpa_of((at + i - ARENA) / RIG_PAGE))
			[(at + i) % RIG_PAGE] = ((const u8 *)data)[i];
}

/* A value in the operand that makes the instruction do something. */
static void prepare_operand(struct test *t)
{
	struct rng *g = &t->gen.rng;
	u64 v[2] = { rng_value(g), rng_value(g) };
	u8 operand[64];

	if (t->c.branches && !rng_one_in(g, 3)) {
		v[0] = LANDING + rng_below(g, RIG_PAGE - 1);
		if (t->gen.bits != 64)
			v[0] -= t->gen.seg_base[1];
		poke(t, t->c.regs.rsp, v, 8);
	} else if (rng_one_in(g, 3)) {
		v[0] = t->c.regs.rax;
		v[1] = t->c.regs.rdx;
	}
	poke(t, t->c.operand, v, t->c.operand_len > 16 ? 16 : t->c.operand_len);
	if (t->c.row[0]) {
		native_numbers(g, operand, sizeof(operand));
		if (rng_one_in(g, 8))
			native_x87_number(g, operand);
		poke(t, t->c.operand, operand, t->c.operand_len);
	}
}

static bool canonical(const struct test *t, u64 lin)
{
	unsigned int above = 64 - t->gen.va_bits;

	return (s64)(lin << above) >> above == (s64)lin;
}

static void prepare(struct test *t)
{
	struct rng *g = &t->gen.rng;

	/* At times across the border of the two code pages. */
	t->gen.code = CODE + (rng_one_in(g, 8) ? RIG_PAGE - rng_below(g, 15) :
						 rng_below(g, 2000));
	t->gen.code -= t->gen.bits == 64 ? 0 : t->gen.seg_base[1];
	do {
		gen_make(&t->gen, &t->c);
	} while (t->rsp_checked && !canonical(t, t->c.regs.rsp));
	if (rng_one_in(g, 8))
		t->c.regs.rflags |= 0x40000;	/* AC */
	if (rng_one_in(g, 8))
		t->c.regs.rflags |= 0x100;	/* TF */
	memset(&t->in, 0, sizeof(t->in));
	t->c.regs.rflags |= 0x200;	/* IF, as user mode has it */
	t->in.regs = t->c.regs;
	native_vectors(g, &t->in);
	native_to_xsave(&t->in, t->rig.xsave);
	native_from_xsave(&t->in, t->rig.xsave);
	prepare_operand(t);
	memset((u8 *)t->mode.code_base + t->c.regs.rip, 0xcc, 16);
	memcpy((u8 *)t->mode.code_base + t->c.regs.rip, t->c.code, t->c.len);
	memcpy(rig_at(&t->rig, GPA_CODE), (void *)CODE, 2 * RIG_PAGE);
}

/* To the end, with pauses at random places and devices at random speed. */
static int emulate(struct test *t)
{
	struct rig *r = &t->rig;
	int res;

	r->regs = t->in.regs;
	r->pull = rng_one_in(&t->gen.rng, 2);
	r->lazy = rng_one_in(&t->gen.rng, 2);
	r->io_count = 0;
	do {
		res = rig_step(r);
	} while (res == LIKEX_MORE && !(t->in.regs.rflags & 0x100));
	t->ios += r->io_count;
	return res;
}

/* Only what stays inside the arena can be let loose on this process. */
static bool can_run(struct test *t)
{
	const struct likex_fault *f = &t->rig.step.fault;
	u64 rip = t->mode.code_base + t->rig.regs.rip;

	if (t->result == LIKEX_UNSUPPORTED && t->rig.step.why == LIKEX_WHY_LOCK) {
		t->unlocked++;
		return false;
	}
	if (t->c.branches && t->result == LIKEX_DONE)
		return rip - LANDING < RIG_PAGE || rip - ARENA < PAGES * RIG_PAGE ||
		       rip < 0x10000;
	if (t->result != LIKEX_FAULT || f->vector != 14)
		return true;
	return f->cr2 >= ARENA && f->cr2 < ARENA + PAGES * RIG_PAGE;
}

static const char *const explained[EXPLAINED] = {
	[CALL_STORES] = "CALL to where it may not: the manual checks first, this processor "
			"has stored the return address below RSP by then",
	[ENTER_STORES] = "ENTER or PUSHA that faults in a later push: this processor has made the earlier ones",
	[POPA_LOADS] = "POPA that faults in a later pop: this processor has made the earlier ones",
	[STORES_80] = "store of 80 bits whose second part faults: this processor has made the first",
	[MMX_TOP] = "MMX instruction that faults: this processor has set the top of the "
		    "x87 stack to 0 by then, or all registers valid",
	[HALF_FLAGS] = "VCVTPS2PH whose store faults: this processor has set MXCSR's flags by then",
	[HALF_COMPLEX] = "complex half-precision multiplication: this processor never gives #XM",
	[TINY_HALF] = "half-precision results with underflow unmasked: refused by the emulator",
	[X87_SCALED] = "x87 results with overflow or underflow unmasked: refused by the emulator",
	[PRECISION] = "MXCSR's flags with #XM that are not those of the exception: a masked run does not tell",
	[EDGE] = "vector or x87 operand across the end of canonical addresses, or 80 bits across that of "
		 "16-bit ones: which of two faults, or the second part at 0",
	[STORE_CR2] = "store under a mask: this processor may report another byte of the page",
	[DECODER] = "EVEX.W outside 64-bit mode, where it is ignored: unknown to the decoder",
	[STRING_HALVES] = "string instruction with 32-bit addresses in 64-bit code that "
			  "faults: this processor has cleared the upper halves of RCX, "
			  "RSI and RDI by then; the manual has no change",
	[ODD_MOVBE] = "MOVBE with both an operand-size prefix and REX.W: this "
		      "processor does it in parts, without the alignment check; the "
		      "manual makes it an ordinary 8-byte access",
	[AMD_WIDE] = "AMD: alignment check of 16 and 32 bytes by MOVUPS and its like, which "
		     "Intel's manual leaves to the processor",
	[AMD_EDGE] = "AMD: an operand across the end of canonical addresses, not aligned: #GP "
		     "or #SS goes before #AC",
	[AMD_NO_COUNT] = "AMD: string instruction with 32-bit addresses in 64-bit code and a "
			 "count of 0: the upper halves of RCX, RSI and RDI stay",
	[AMD_FLAGS] = "AMD: REP CMPS or SCAS that faults, or is single-stepped, on the way: the "
		      "flags are those of its last comparison; Intel's are those from before",
};

static bool check(bool same, const char *what, u64 native, u64 emulated)
{
	if (!same)
		printf("%s: native %llx, emulated %llx\n", what,
		       (unsigned long long)native, (unsigned long long)emulated);
	return same;
}

static bool cr2_explained(struct test *t)
{
	const struct likex_fault *f = &t->rig.step.fault;

	if (strncmp(gen_name(&t->c), "evex", 4) || !(f->error & 2) ||
	    (t->out.cr2 ^ f->cr2) & ~(RIG_PAGE - 1))
		return false;
	t->explained[STORE_CR2]++;
	return true;
}

static bool same_fault(struct test *t)
{
	const struct likex_fault *f = &t->rig.step.fault;
	unsigned int trap = t->out.trapno;
	bool ok = true;

	/* A branch that is done ends in a fetch that may fault. */
	if (t->result == LIKEX_DONE && t->c.branches && trap == 14)
		return check(t->out.cr2 == t->out.regs.rip + t->mode.code_base, "CR2",
			     t->out.cr2, t->out.regs.rip);
	if (t->result != LIKEX_FAULT)
		return check(trap == 3 || trap == 1, "exception", trap, 0);
	t->faults++;
	ok &= check(trap == f->vector, "exception", trap, f->vector);
	if (f->has_error)
		ok &= check(t->out.error == f->error, "error code", t->out.error,
			    f->error);
	if (f->vector == 14 && t->out.cr2 != f->cr2 && !cr2_explained(t))
		ok = check(false, "CR2", t->out.cr2, f->cr2);
	return ok;
}

static bool halves_explained(struct test *t, unsigned int reg, u64 native,
			     u64 emulated)
{
	u64 before = ((const u64 *)(void *)&t->in.regs)[reg];

	if (!t->c.string32 || native == emulated || (reg != 2 && reg != 4 && reg != 5))
		return false;
	if (t->result == LIKEX_FAULT && native == (u32)emulated) {
		t->explained[STRING_HALVES]++;
		return true;
	}
	if (t->amd && t->result == LIKEX_DONE && !(u32)t->in.regs.rcx &&
	    native == before && emulated == (u32)before) {
		t->explained[AMD_NO_COUNT]++;
		return true;
	}
	return false;
}

static bool flags_explained(struct test *t)
{
	const char *name = gen_name(&t->c);

	if (!t->amd || t->result == LIKEX_DONE ||
	    (strncmp(name, "cmps", 4) && strncmp(name, "scas", 4)) ||
	    ((t->rig.regs.rflags ^ t->in.regs.rflags) & 0xcd5))
		return false;
	t->explained[AMD_FLAGS]++;
	return true;
}

/* Exceptions that Intel's processors do not raise, or not first; nothing else is done then. */
static void take_explained_fault(struct test *t)
{
	u8 vector = t->result == LIKEX_FAULT ? t->rig.step.fault.vector : 0;
	bool edge = t->out.trapno == 12 || t->out.trapno == 13;

	if (!t->amd || !(t->in.regs.rflags & 0x40000))
		return;
	/* Only a page fault can come after the alignment check. */
	if ((t->result == LIKEX_DONE || vector == 14) && t->out.trapno == 17 &&
	    t->c.operand_len >= 16)
		t->explained[AMD_WIDE]++;
	else if (vector == 17 && edge)
		t->explained[AMD_EDGE]++;
	else
		return;
	t->result = LIKEX_FAULT;
	t->rig.step.fault = (struct likex_fault){ .vector = t->out.trapno, .has_error = true };
	t->rig.regs = t->in.regs;
	native_to_xsave(&t->in, t->rig.xsave);
	sync_memory(t);
}

static bool same_regs(struct test *t)
{
	const u64 *a = (const u64 *)(void *)&t->out.regs;
	const u64 *b = (const u64 *)(void *)&t->rig.regs;
	u64 mask, flags = 0xcd5;
	bool ok = true;
	unsigned int i;

	if (t->result != LIKEX_FAULT && !t->strict)
		flags &= ~t->c.undefined;
	for (i = 0; i < REG_NAMES; i++) {
		/* Outside 64-bit mode, what is above 32 bits is undefined. */
		mask = t->gen.bits == 64 ? ~0ull : 0xffffffff;
		if (i == 6 && t->mode.stack16)
			mask = 0xffff;
		if (halves_explained(t, i, a[i], b[i]))
			continue;
		if (a[i] != b[i] && t->result == LIKEX_FAULT && !strcmp(gen_name(&t->c), "popa") &&
		    i != 16) {
			t->explained[POPA_LOADS]++;
			continue;
		}
		ok &= check(!((a[i] ^ b[i]) & mask), reg_names[i], a[i], b[i]);
	}
	ok &= !((t->out.regs.rflags ^ t->rig.regs.rflags) & flags) || flags_explained(t) ||
	      check(false, "rflags", t->out.regs.rflags, t->rig.regs.rflags);
	return ok;
}

static unsigned long long word(const u8 *x87, unsigned int at, unsigned int len)
{
	u64 v = 0;

	memcpy(&v, x87 + at, len);
	return v;
}

/* MMX_TOP explains it, if that is all there is. */
static bool top_explained(struct test *t, const u8 *emulated)
{
	unsigned int top = word(emulated, 2, 2) >> 11 & 7, i;
	u8 turned[160];

	if (t->result != LIKEX_FAULT || strncmp(gen_name(&t->c), "mmx", 3) ||
	    (word(t->out.x87, 2, 2) & 0x3800))
		return false;
	memcpy(turned, emulated, sizeof(turned));
	turned[3] &= ~0x38;
	if (t->out.x87[4] == 0xff)
		turned[4] = 0xff;
	for (i = 0; i < 8; i++)
		memcpy(turned + 32 + ((top + i) & 7) * 16, emulated + 32 + i * 16, 16);
	if (memcmp(turned, t->out.x87, sizeof(turned)))
		return false;
	t->explained[MMX_TOP]++;
	return true;
}

/* HALF_FLAGS explains it, if that is all there is. */
static bool half_explained(struct test *t, const u8 *emulated)
{
	if (t->result != LIKEX_FAULT || !strstr(gen_name(&t->c), "map 3 66 1d") ||
	    memcmp(emulated, t->out.x87, 24) || memcmp(emulated + 32, t->out.x87 + 32, 128) ||
	    (word(emulated, 24, 4) ^ word(t->out.x87, 24, 4)) & ~0x3full)
		return false;
	t->explained[HALF_FLAGS]++;
	return true;
}

/* PRECISION explains it, if that is all there is. */
static bool precision_explained(struct test *t, const u8 *emulated)
{
	u64 now = word(t->out.x87, 24, 4), may = 0x3e;

	/* DPPS and DPPD: those of the additions, which the multiplications have stopped. */
	if (strstr(gen_name(&t->c), "map 3 66 4"))
		may = 0x3f;
	if (t->out.trapno != 19 || (word(emulated, 24, 4) ^ now) & ~may ||
	    memcmp(emulated, t->out.x87, 24) || memcmp(emulated + 32, t->out.x87 + 32, 128))
		return false;
	t->explained[PRECISION]++;
	return true;
}

static bool same_x87(struct test *t, const struct native_state *emulated)
{
	static const struct { const char *name; u8 at, len; } words[] = {
		{ "FCW", 0, 2 }, { "FSW", 2, 2 }, { "FTW", 4, 1 }, { "FOP", 6, 2 },
		{ "FIP", 8, 8 }, { "FDP", 16, 8 }, { "MXCSR", 24, 4 },
	};
	const u8 *a = t->out.x87, *b = emulated->x87;
	bool ok = true;
	unsigned int i;

	if (!memcmp(a, b, sizeof(t->out.x87)) || top_explained(t, b) ||
	    half_explained(t, b) || precision_explained(t, b))
		return true;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		ok &= check(!memcmp(a + words[i].at, b + words[i].at, words[i].len),
			    words[i].name, word(a, words[i].at, words[i].len),
			    word(b, words[i].at, words[i].len));
	for (i = 0; i < 8; i++) {
		if (!memcmp(a + 32 + i * 16, b + 32 + i * 16, 10))
			continue;
		printf("ST%u\n", i);
		print_bytes("  native  ", a + 32 + i * 16, 10);
		print_bytes("  emulated", b + 32 + i * 16, 10);
		ok = false;
	}
	return ok;
}

static bool same_vectors(struct test *t)
{
	struct native_state emulated;
	bool ok = true;
	unsigned int i;

	memset(&emulated, 0, sizeof(emulated));
	native_from_xsave(&emulated, t->rig.xsave);
	for (i = 0; i < 8; i++)
		if (emulated.mask[i] != t->out.mask[i]) {
			printf("k%u:", i);
			ok = check(false, "", t->out.mask[i], emulated.mask[i]);
		}
	ok &= same_x87(t, &emulated);
	for (i = 0; i < 32; i++) {
		if (!memcmp(emulated.vec[i], t->out.vec[i], 64))
			continue;
		printf("vector register %u\n", i);
		print_bytes("  native  ", t->out.vec[i], 64);
		print_bytes("  emulated", emulated.vec[i], 64);
		ok = false;
	}
	return ok;
}

static bool same_trap(struct test *t)
{
	bool native = t->out.trapno == 1;
	bool emulated = t->result != LIKEX_FAULT &&
			(t->rig.step.events & LIKEX_EVENT_SINGLE_STEP);

	t->steps += native;
	if (t->c.branches && t->out.trapno == 14)
		return true;
	return check(native == emulated, "single-step", native, emulated);
}

/* Refused where the man page says so; MXCSR or the x87 words are as for that. */
static bool refusal_explained(struct test *t)
{
	const char *name = gen_name(&t->c);

	if (t->result != LIKEX_UNSUPPORTED || !t->c.row[0])
		return false;
	if (t->rig.step.why == LIKEX_WHY_UNDECODED && t->gen.bits != 64 &&
	    strstr(name, "evex map 5 f3"))
		t->explained[DECODER]++;
	else if (t->rig.step.why != LIKEX_WHY_INSN)
		return false;
	else if (!strncmp(name, "x87", 3) && (word(t->out.x87, 2, 2) & 0x8080) == 0x8080 &&
	    (word(t->out.x87, 2, 2) & ~word(t->out.x87, 0, 2) & 0x18))
		t->explained[X87_SCALED]++;
	else if (!(word(t->in.x87, 24, 4) & 0x800) && (strstr(name, "map 5") ||
		 strstr(name, "map 6") || strstr(name, "map 3")))
		t->explained[TINY_HALF]++;
	else
		return false;
	return true;
}

/* #XM that this processor does not give: the rest then cannot be compared. */
static bool complex_explained(struct test *t)
{
	const char *name = gen_name(&t->c), *ops[] = { " 56 ", " 57 ", " d6 ", " d7 " };
	unsigned int i;

	if (t->result != LIKEX_FAULT || t->rig.step.fault.vector != 19 ||
	    t->out.trapno == 19 || !strstr(name, "map 6 f"))
		return false;
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (strstr(name, ops[i])) {
			t->explained[HALF_COMPLEX]++;
			return true;
		}
	return false;
}

static bool edge_explained(struct test *t)
{
	bool canonical = t->result == LIKEX_FAULT && 0x800000000000 - t->c.operand < 64 &&
			 t->out.trapno != 3;
	/* Segments begin where pages do, or near it. */
	bool wrap = t->gen.bits != 64 && !strncmp(gen_name(&t->c), "x87", 3) &&
		    t->c.operand % RIG_PAGE > RIG_PAGE - 10 &&
		    (t->out.trapno == 12 || t->out.trapno == 13);

	if (!t->c.row[0] || !(canonical || wrap) ||
	    (t->result == LIKEX_FAULT && t->out.trapno == t->rig.step.fault.vector))
		return false;
	t->explained[EDGE]++;
	return true;
}

static void describe(struct test *t)
{
	char text[128];

	disassemble(text, sizeof(text), t->c.code, t->c.len, t->gen.bits);
	printf("case %llu: %s: %s (%u-bit)\n", (unsigned long long)t->run,
	       gen_name(&t->c), text, t->gen.bits);
	print_bytes("code:", t->c.code, t->c.len);
	printf("operand at %llx, emulator: %s, vector %u, why %u\n",
	       (unsigned long long)t->c.operand, result_str(t->result),
	       t->rig.step.fault.vector, t->rig.step.why);
	native_describe(&t->mode);
	printf("before: FCW %llx, FSW %llx, FTW %llx, MXCSR %llx; after: FSW %llx, MXCSR %llx\n",
	       word(t->in.x87, 0, 2), word(t->in.x87, 2, 2), word(t->in.x87, 4, 1),
	       word(t->in.x87, 24, 4), word(t->out.x87, 2, 2), word(t->out.x87, 24, 4));
	print_regs("before:", &t->in.regs);
	print_regs("native:", &t->out.regs);
	print_regs("emulated:", &t->rig.regs);
}

/* A 16-bit stack segment makes the kernel's return lose RSP's upper half. */
static bool needs_rsp(const struct test *t)
{
	char text[128];

	disassemble(text, sizeof(text), t->c.code, t->c.len, t->gen.bits);
	return t->mode.stack16 && (strstr(text, "sp") || strstr(text, "ah") ||
				   strstr(text, "enter") || strstr(text, "pusha"));
}

/* To be left alone altogether: its exceptions differ. */
static bool odd_movbe(struct test *t)
{
	const u8 *p = t->c.code;
	bool p66 = false;

	if (strncmp(gen_name(&t->c), "movbe", 5))
		return false;
	for (; (*p & 0xf0) != 0x40 && *p != 0x0f; p++)
		p66 |= *p == 0x66;
	if (!p66 || (*p & 0xf8) != 0x48)
		return false;
	t->explained[ODD_MOVBE]++;
	return true;
}

static bool memory_same(struct test *t)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		if (arena[i].prot != PROT_NONE &&
		    memcmp((u8 *)(ARENA + i * RIG_PAGE), rig_at(&t->rig, gpa_of(i)), RIG_PAGE))
			return false;
	return true;
}

static bool memory_explained(struct test *t)
{
	const char *name = gen_name(&t->c);

	if (memory_same(t))
		return true;
	if (t->result != LIKEX_FAULT)
		return false;
	if (!strncmp(name, "call", 4) && t->rig.step.fault.vector == 13)
		t->explained[CALL_STORES]++;
	else if (!strcmp(name, "enter") || !strcmp(name, "pusha"))
		t->explained[ENTER_STORES]++;
	else if (strstr(name, "00 db /7") || strstr(name, "00 df /6"))
		t->explained[STORES_80]++;
	else
		return false;
	sync_memory(t);
	return true;
}

static bool one(struct test *t)
{
	bool ok;

	prepare(t);
	t->result = emulate(t);
	if (!can_run(t) || needs_rsp(t) || odd_movbe(t)) {
		t->skipped++;
		sync_memory(t);
		return true;
	}
	t->out = t->in;
	if (t->verbose) {
		describe(t);
		fflush(stdout);
	}
	native_run(&t->mode, &t->out);
	if (t->c.result_undefined) {
		sync_memory(t);
		return true;
	}
	if (t->c.row[0] && t->result == LIKEX_UNSUPPORTED && t->out.trapno == 6) {
		t->invalid++;
		return true;
	}
	t->run++;
	if (refusal_explained(t) || complex_explained(t) || edge_explained(t)) {
		sync_memory(t);
		return true;
	}
	take_explained_fault(t);
	ok = check(t->result != LIKEX_UNSUPPORTED, "emulated", 1, 0);
	ok &= check(!t->rig.lazy_error, "registers on demand", 1, 0);
	t->rig.lazy_error = false;
	ok &= same_fault(t);
	ok &= same_regs(t);
	ok &= same_vectors(t);
	ok &= same_trap(t);
	ok &= memory_explained(t) || !memory_differs(t);
	if (!ok)
		describe(t);
	return ok;
}

static void use_mode(struct test *t, unsigned int bits)
{
	native_mode(&t->mode, bits, &t->gen.rng, ARENA, CODE);
	t->gen.bits = bits;
	memcpy(t->gen.seg_base, t->mode.seg_base, sizeof(t->gen.seg_base));
	t->gen.segs = t->mode.usable;
	native_sregs(&t->mode, &t->rig.sregs);
	t->rig.sregs.cr4 |= t->gen.va_bits == 57 ? BIT(12) : 0;
}

static int run_mode(struct test *t, unsigned int bits, u64 count)
{
	u64 start = t->run, tries = 0;

	for (; t->run - start < count; tries++) {
		if (tries % 64 == 0)
			use_mode(t, bits);
		if (!one(t))
			return 1;
		if (tries > count * 20 + 10000) {
			printf("only %llu of %llu cases can be run\n",
			       (unsigned long long)(t->run - start),
			       (unsigned long long)count);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "Compare the emulator with this processor, instruction by instruction.",
		.count = 200000,
		.extra_name = "bits",
		.extra_help = "16, 32 or 64: that mode only; \"strict\": undefined flags too;\n"
			      "            \"rsp\": as on a processor that checks RSP at a return to user mode",
	};
	static struct test t;
	unsigned int only = 0, share, i;
	int failed = 0;

	options_parse(&o, argc, argv);
	if (o.extra)
		only = atoi(o.extra);
	t.strict = o.extra && !strcmp(o.extra, "strict");
	if (!native_init(GS_BASE))
		return 77;
	t.verbose = o.verbose;
	t.gen.rng.s = o.seed;
	t.gen.vectors = true;
	t.gen.rows = true;
	t.gen.invalid_lock = true;
	t.gen.target = target;
	native_memory(CODE, 2 * RIG_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	processor_init(&t, o.extra && !strcmp(o.extra, "rsp"));
	machine_init(&t);
	arena_init(&t);
	/* Half for 64-bit code, the rest for the two others. */
	for (share = 64; share >= 16 && !failed; share /= 2) {
		if (only && only != share)
			continue;
		failed = run_mode(&t, share, only ? o.count :
				  share == 64 ? o.count / 2 : o.count / 4);
	}
	printf("%llu cases, %llu exceptions, %llu device transactions, %llu single steps, "
	       "%llu not run, %llu locked across separate pages, %llu no instruction; %s\n",
	       (unsigned long long)t.run, (unsigned long long)t.faults,
	       (unsigned long long)t.ios, (unsigned long long)t.steps,
	       (unsigned long long)t.skipped, (unsigned long long)t.unlocked,
	       (unsigned long long)t.invalid,
	       failed ? "DIFFERENCE" : "0 differences");
	for (i = 0; i < EXPLAINED; i++)
		printf("explained, %llu times: %s\n",
		       (unsigned long long)t.explained[i], explained[i]);
	rig_destroy(&t.rig);
	return failed;
}
