// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Differential test against Unicorn, for what user mode cannot show: real
 * mode, and paging as the supervisor, in its 32-bit, PAE and 4-level formats,
 * with accessed and dirty flags and write protection.
 *
 * Unicorn 2.0 walks the tables, but then uses the linear address: so each page
 * is mapped to itself here. (Translations are compared with a real processor.)
 *
 * Unicorn (QEMU's translator) checks neither segment limits nor types nor
 * alignment, has no EFER.NXE, forgets SMAP in code that it has translated, and
 * does not tell error codes: those are compared with a real processor, or in
 * unit tests. The table below lists its other differences from the manual.
 */
#include "gen.h"
#include <unicorn/unicorn.h>

#define MEMORY  0x60000ull
#define CODE    0x8000ull	/* two pages; linear and physical alike */
#define ARENA   0x10000ull	/* linear; sixteen pages */
#define PAGES   16
#define TABLES  0x40000ull
#define TABLE_PAGES 16
#define OPERAND_MAX 32	/* bytes */
#define UC_ERROR 256	/* test.trap: an error of Unicorn itself */

enum machine { REAL, FLAT32, PAGED32, PAE, LONG, MACHINES };

static const struct {
	const char *name;
	unsigned int bits, levels;
	uc_mode mode;
} machines[MACHINES] = {
	[REAL]    = { "real mode", 16, 0, UC_MODE_16 },
	[FLAT32]  = { "32-bit", 32, 0, UC_MODE_32 },
	[PAGED32] = { "32-bit paging", 32, 2, UC_MODE_32 },
	[PAE]     = { "PAE paging", 32, 3, UC_MODE_32 },
	[LONG]    = { "4-level paging", 64, 4, UC_MODE_64 },
};

/* Differences that are no mistakes of the emulator. */
enum explanation {
	LIMITS, ALIGNMENT, LOCKED_NEG, STACK_VECTOR, READ_FIRST, SHIFT_COUNT, CMPXCHG_ZEXT, REP_HALVES,
	COMPARE_ORDER, SPLIT_LOCK, OUTSIDE, OWN_CODE, RIP_IMMEDIATE, UNKNOWN,
	STACK_ORDER, EXPLAINED,
};

static const char *const explained[EXPLAINED] = {
	[LIMITS] = "segment limits are not checked by Unicorn",
	[ALIGNMENT] = "CMPXCHG16B of what is not aligned: Unicorn lets it pass",
	[LOCKED_NEG] = "flags of a locked NEG: Unicorn has those of another value",
	[STACK_VECTOR] = "a stack address that is not canonical gives #GP in Unicorn, #SS by the manual",
	[READ_FIRST] = "Unicorn reads, and marks the first page, before it checks all of a write: flags of "
		       "pages where the instruction faults, and an address reported for another byte of the operand",
	[SHIFT_COUNT] = "results that the manual leaves undefined",
	[CMPXCHG_ZEXT] = "Unicorn clears the upper half of the register that a CMPXCHG, BSF or BSR leaves alone (the "
			 "processor does not, as the native test shows)",
	[REP_HALVES] = "upper halves of registers on REP with 32-bit addresses and a count of 0",
	[COMPARE_ORDER] = "CMPS with two faulting operands: which is looked at first",
	[SPLIT_LOCK] = "locked across separate pages: refused by the emulator",
	[OUTSIDE] = "an address outside of memory: a device to the emulator, an error in Unicorn",
	[RIP_IMMEDIATE] = "SHLD and SHRD with an immediate, relative to RIP: Unicorn forgets the immediate's byte",
	[UNKNOWN] = "Unicorn has #UD for POPCNT, ADCX and ADOX, TZCNT and LZCNT as BSF and BSR, a CRC32 of "
		    "other sizes, and a CLFLUSH that never faults",
	[STACK_ORDER] = "PUSHA and POPA that fault: Unicorn's parts before the one that does; or that go round the "
			"end of a segment: refused; ENTER: upper halves and the dirty flag of its last check",
	[OWN_CODE] = "an instruction that writes over itself, if only what is there: Unicorn does it twice",
};

struct test {
	struct gen gen;
	struct rig rig;
	struct gen_case c;
	struct likex_regs in, out;
	struct tables tables;
	enum machine machine;
	uc_engine *uc;
	uc_context *clean;	/* before anything has happened */
	u8 *mem;		/* Unicorn's */
	int result, trap;	/* of the emulator; of Unicorn: -1 if none */
	u64 cr2, start;
	u64 cases, faults, ios, counts[EXPLAINED];
	bool verbose;
};

static const int uc_regs[] = {
	UC_X86_REG_RAX, UC_X86_REG_RBX, UC_X86_REG_RCX, UC_X86_REG_RDX,
	UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_RSP, UC_X86_REG_RBP,
	UC_X86_REG_R8, UC_X86_REG_R9, UC_X86_REG_R10, UC_X86_REG_R11,
	UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15,
	UC_X86_REG_RIP, UC_X86_REG_EFLAGS,
};

static const int uc_regs32[] = {
	UC_X86_REG_EAX, UC_X86_REG_EBX, UC_X86_REG_ECX, UC_X86_REG_EDX,
	UC_X86_REG_ESI, UC_X86_REG_EDI, UC_X86_REG_ESP, UC_X86_REG_EBP,
};

static void must(uc_err err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "unicorn: %s: %s\n", what, uc_strerror(err));
	exit(2);
}

static void set_reg(struct test *t, int reg, u64 v)
{
	must(uc_reg_write(t->uc, reg, &v), "register");
}

static u64 get_reg(struct test *t, int reg)
{
	u64 v = 0;

	must(uc_reg_read(t->uc, reg, &v), "register");
	return v;
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *user)
{
	struct test *t = user;

	t->trap = number;
	uc_emu_stop(uc);
}

/* One instruction; a repeated one comes by here for each iteration. */
static void on_code(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
	struct test *t = user;

	(void)size;
	if (address != t->start)
		uc_emu_stop(uc);
}

static u64 target(struct gen *g, unsigned int len)
{
	u64 page = rng_below(&g->rng, PAGES) * RIG_PAGE;

	if (rng_one_in(&g->rng, 3))
		return ARENA + page - rng_below(&g->rng, len + 1);
	if (g->bits == 64 && rng_one_in(&g->rng, 64))
		return 0x0000800000000000ull - rng_below(&g->rng, 40);
	return ARENA + page + rng_below(&g->rng, RIG_PAGE);
}

static u64 gpa_of(unsigned int page)
{
	return ARENA + page * RIG_PAGE;
}

static bool paged(const struct test *t)
{
	return machines[t->machine].levels;
}

/* Tables anew: each page with flags of chance. */
static void build_tables(struct test *t)
{
	struct rng *g = &t->gen.rng;
	unsigned int i;
	u64 flags;

	memset(rig_at(&t->rig, TABLES), 0, TABLE_PAGES * RIG_PAGE);
	tables_init(&t->tables, &t->rig, machines[t->machine].levels, TABLES);
	for (i = 0; i < 2; i++)
		tables_map(&t->tables, CODE + i * RIG_PAGE, CODE + i * RIG_PAGE, 0x63);
	for (i = 0; i < PAGES; i++) {
		flags = 1 | (rng_next(g) & 0x66);
		if (rng_one_in(g, 8))
			flags = 0;
		tables_map(&t->tables, ARENA + i * RIG_PAGE, gpa_of(i), flags);
	}
	memcpy(t->mem + TABLES, rig_at(&t->rig, TABLES), TABLE_PAGES * RIG_PAGE);
	/* Changing a region's protection is what makes Unicorn flush its TLB. */
	must(uc_mem_protect(t->uc, 0, MEMORY, UC_PROT_READ | UC_PROT_EXEC), "protect");
	must(uc_mem_protect(t->uc, 0, MEMORY, UC_PROT_ALL), "protect");
}

/* Control registers of chance, within the format. */
static void choose_control(struct test *t)
{
	struct rng *g = &t->gen.rng;
	struct likex_sregs *s = &t->rig.sregs;

	if (!paged(t))
		return;
	s->cr0 = 0x80000031 | (rng_one_in(g, 2) ? 0x10000 : 0);
	s->cr4 = 0x200 | (machines[t->machine].levels > 2 ? 0x20 : 0) |
		 (rng_next(g) & BIT(20));
	s->cr3 = t->tables.root;
	s->efer = t->machine == LONG ? 0x500 : 0;
}

static void load_control(struct test *t)
{
	const struct likex_sregs *s = &t->rig.sregs;

	if (!paged(t))
		return;
	set_reg(t, UC_X86_REG_CR4, s->cr4);
	set_reg(t, UC_X86_REG_CR3, s->cr3);
	set_reg(t, UC_X86_REG_CR0, s->cr0);
}

static void load_registers(struct test *t)
{
	const u64 *r = (const u64 *)(void *)&t->in;
	unsigned int i;

	for (i = 0; i < 18; i++) {
		if (t->gen.bits == 64)
			set_reg(t, uc_regs[i], r[i]);
		else if (i < ARRAY_SIZE(uc_regs32))
			set_reg(t, uc_regs32[i], r[i]);
	}
	set_reg(t, UC_X86_REG_EFLAGS, r[17]);
}

static void read_registers(struct test *t)
{
	u64 *r = (u64 *)(void *)&t->out;
	unsigned int i;

	for (i = 0; i < 18; i++) {
		r[i] = ((const u64 *)(void *)&t->in)[i];
		if (t->gen.bits == 64)
			r[i] = get_reg(t, uc_regs[i]);
		else if (i < ARRAY_SIZE(uc_regs32))
			r[i] = (u32)get_reg(t, uc_regs32[i]);
	}
	if (t->gen.bits != 64)
		t->out.rip = get_reg(t, t->gen.bits == 32 ? UC_X86_REG_EIP : UC_X86_REG_IP);
	t->out.rflags = get_reg(t, UC_X86_REG_EFLAGS);
	t->cr2 = get_reg(t, UC_X86_REG_CR2);
}

static void run_unicorn(struct test *t)
{
	u64 base = t->gen.seg_base[1], at = base + t->in.rip;
	uc_err err;

	/* Else a fault that comes after a fault is a double fault. */
	if (t->trap >= 0)
		must(uc_context_restore(t->uc, t->clean), "context");
	load_control(t);
	load_registers(t);
	uc_ctl_remove_cache(t->uc, at, at + 16);
	t->trap = -1;
	t->start = at;
	err = uc_emu_start(t->uc, at, at + t->c.len, 0, 0);
	if (err && t->trap < 0)
		t->trap = err == UC_ERR_INSN_INVALID ? 6 : UC_ERROR + err;
	read_registers(t);
}

static void poke(struct test *t, u64 lin, const void *data, unsigned int len)
{
	unsigned int i;
	u64 at;

	for (i = 0; i < len; i++) {
		at = lin + i - ARENA;
		if (at >= PAGES * RIG_PAGE)
			continue;
		at = paged(t) ? gpa_of(at / RIG_PAGE) + at % RIG_PAGE : lin + i;
		t->mem[at] = *rig_at(&t->rig, at) = ((const u8 *)data)[i];
	}
}

static void prepare(struct test *t)
{
	struct rng *g = &t->gen.rng;
	u64 v[2], base = t->gen.seg_base[1];

	if (paged(t) && rng_one_in(g, 16)) {
		build_tables(t);
		choose_control(t);
	}
	t->gen.code = CODE - base + (rng_one_in(g, 8) ? RIG_PAGE - rng_below(g, 15) :
							rng_below(g, 2000));
	gen_make(&t->gen, &t->c);
	t->in = t->c.regs;
	if (paged(t) && rng_one_in(g, 2))
		t->in.rflags |= 0x40000;
	v[0] = rng_one_in(g, 3) ? t->in.rax : rng_value(g);
	v[1] = rng_one_in(g, 3) ? t->in.rdx : rng_value(g);
	poke(t, t->c.operand, v, t->c.operand_len > 16 ? 16 : t->c.operand_len);
	memcpy(rig_at(&t->rig, base + t->in.rip), t->c.code, 15);
	memcpy(t->mem + base + t->in.rip, t->c.code, 15);
}

static void run_emulator(struct test *t)
{
	struct rig *r = &t->rig;

	r->regs = t->in;
	r->io_count = 0;
	r->outside = false;
	r->lowest_write = ~0ull;
	r->pull = rng_one_in(&t->gen.rng, 2);
	do {
		t->result = rig_step(r);
	} while (t->result == LIKEX_MORE);
	t->ios += r->io_count;
}

static bool explain(struct test *t, enum explanation why)
{
	t->counts[why]++;
	memcpy(rig_at(&t->rig, ARENA), t->mem + ARENA, MEMORY - ARENA);
	return true;
}

static bool named(const struct test *t, const char *const *names, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!strncmp(gen_name(&t->c), names[i], strlen(names[i])))
			return true;
	return false;
}

/* Whole cases that cannot be compared. */
static bool not_comparable(struct test *t)
{
	const struct likex_step *st = &t->rig.step;
	static const char *const unknown[] = {
		"popcnt", "adcx", "adox", "crc32", "tzcnt", "lzcnt", "clflush",
	};
	static const char *const stack[] = { "enter", "pusha", "popa" };
	bool fault = t->result == LIKEX_FAULT;

	if (named(t, unknown, ARRAY_SIZE(unknown)) && (t->trap == 6) != (fault && st->fault.vector == 6))
		return explain(t, UNKNOWN);
	if (named(t, unknown + 3, 4) && !(fault && st->fault.vector == 6))
		return explain(t, UNKNOWN);
	if (named(t, stack, t->result != LIKEX_DONE ? ARRAY_SIZE(stack) : 1))
		return explain(t, STACK_ORDER);
	if (t->result == LIKEX_UNSUPPORTED && st->why == LIKEX_WHY_LOCK)
		return explain(t, SPLIT_LOCK);
	if (t->rig.outside || (t->trap >= UC_ERROR && fault &&
				 (st->fault.vector != 14 || st->fault.cr2 >= MEMORY - 64)))
		return explain(t, OUTSIDE);
	if (t->gen.bits == 64 && !strncmp(gen_name(&t->c), "sh", 2) &&
	    gen_name(&t->c)[3] == 'd' && strstr(gen_name(&t->c), "imm8") && t->c.rip_relative)
		return explain(t, RIP_IMMEDIATE);
	if (memcmp(rig_at(&t->rig, t->start), t->c.code, t->c.len) ||
	    (t->rig.lowest_write < t->start + t->c.len && t->rig.lowest_write + OPERAND_MAX > t->start))
		return explain(t, OWN_CODE);
	if (t->c.result_undefined)
		return explain(t, SHIFT_COUNT);
	if (fault && t->gen.bits != 64 && (st->fault.vector == 12 || st->fault.vector == 13))
		return explain(t, LIMITS);
	if (fault && st->fault.vector == 13 && t->trap != 13 && t->c.operand_len == 16 &&
	    t->c.operand % 16)
		return explain(t, ALIGNMENT);
	if (fault && st->fault.vector == 12 && t->trap == 13)
		return explain(t, STACK_VECTOR);
	return false;
}

static bool check(bool same, const char *what, u64 unicorn, u64 emulated)
{
	if (!same)
		printf("%s: unicorn %llx, emulated %llx\n", what,
		       (unsigned long long)unicorn, (unsigned long long)emulated);
	return same;
}

static bool same_trap(struct test *t)
{
	const struct likex_fault *f = &t->rig.step.fault;
	int vector = t->result == LIKEX_FAULT ? f->vector : -1;

	if (!check(t->result != LIKEX_UNSUPPORTED, "emulated", 1, 0) ||
	    !check(t->trap == vector, "exception", t->trap, vector))
		return false;
	if (vector < 0)
		return true;
	t->faults++;
	if (vector != 14 || t->cr2 == f->cr2)
		return true;
	/* CR2 may be another byte of a page-crossing operand, or another operand of two. */
	if (t->cr2 - f->cr2 + 64 < 128) {
		t->counts[READ_FIRST]++;
		return true;
	}
	if (!strncmp(gen_name(&t->c), "cmps", 4)) {
		t->counts[COMPARE_ORDER]++;
		return true;
	}
	return check(false, "CR2", t->cr2, f->cr2);
}

static bool same_regs(struct test *t)
{
	const u64 *a = (const u64 *)(void *)&t->out;
	const u64 *b = (const u64 *)(void *)&t->rig.regs;
	u64 mask = t->gen.bits == 64 ? ~0ull : 0xffffffff, flags = 0xcd5;
	bool ok = true;
	unsigned int i;

	for (i = 0; i < REG_NAMES; i++) {
		if (t->gen.bits == 16 && i == 16)
			mask = 0xffff;
		if (!((a[i] ^ b[i]) & mask))
			continue;
		if (t->c.string32 && !((a[i] ^ b[i]) & 0xffffffff)) {
			t->counts[REP_HALVES]++;
			continue;
		}
		if ((!strncmp(gen_name(&t->c), "cmpxchg", 7) || !strncmp(gen_name(&t->c), "bs", 2)) &&
		    a[i] == (u32)b[i]) {
			t->counts[CMPXCHG_ZEXT]++;
			continue;
		}
		ok = check(false, reg_names[i], a[i], b[i]);
	}
	if (t->result != LIKEX_FAULT)
		flags &= ~t->c.undefined;
	else
		flags = 0;
	if (memchr(t->c.code, 0xf0, 5) && !strncmp(gen_name(&t->c), "neg", 3)) {
		t->counts[LOCKED_NEG]++;
		flags = 0;
	}
	return check(!((t->out.rflags ^ t->rig.regs.rflags) & flags), "rflags",
		     t->out.rflags, t->rig.regs.rflags) && ok;
}

static bool same_bytes(struct test *t, u64 from, u64 len, u64 stride, u8 ignore)
{
	bool same = true;
	u64 i;

	if (!memcmp(t->mem + from, rig_at(&t->rig, from), len))
		return true;
	for (i = from; i < from + len; i++) {
		u8 a = t->mem[i], b = *rig_at(&t->rig, i);

		if (a == b)
			continue;
		if ((i - from) % stride == 0 && !((a ^ b) & ~ignore)) {
			t->counts[READ_FIRST]++;
			*rig_at(&t->rig, i) = a;
			continue;
		}
		printf("memory %llx: unicorn %02x, emulated %02x\n",
		       (unsigned long long)i, a, b);
		same = false;
	}
	return same;
}

static bool same_memory(struct test *t)
{
	bool fault = t->result == LIKEX_FAULT;
	u64 stride = t->machine == PAGED32 ? 4 : 8;

	if (!paged(t))
		return same_bytes(t, ARENA, PAGES * RIG_PAGE, 1, 0);
	/* The accessed flag, where the instruction faults. */
	return same_bytes(t, TABLES, TABLE_PAGES * RIG_PAGE, stride, fault ? 0x60 : 0) &&
	       same_bytes(t, ARENA, PAGES * RIG_PAGE, 1, 0);
}

static void describe(struct test *t)
{
	char text[128];

	disassemble(text, sizeof(text), t->c.code, t->c.len, t->gen.bits);
	printf("case %llu, %s: %s: %s\n", (unsigned long long)t->cases,
	       machines[t->machine].name, gen_name(&t->c), text);
	print_bytes("code:", t->c.code, t->c.len);
	printf("operand at %llx, emulator: %s, vector %u, CR2 %llx; cr0 %llx cr4 %llx efer %llx\n",
	       (unsigned long long)t->c.operand, result_str(t->result),
	       t->rig.step.fault.vector, (unsigned long long)t->rig.step.fault.cr2,
	       (unsigned long long)t->rig.sregs.cr0, (unsigned long long)t->rig.sregs.cr4,
	       (unsigned long long)t->rig.sregs.efer);
	printf("unicorn: exception %d, CR2 %llx\n", t->trap, (unsigned long long)t->cr2);
	if (paged(t) && t->c.operand < MEMORY)
		print_bytes("entry:", tables_entry(&t->tables, t->c.operand, 1), 8);
	print_regs("before:", &t->in);
	print_regs("unicorn:", &t->out);
	print_regs("emulated:", &t->rig.regs);
}

static bool one(struct test *t)
{
	bool ok;

	prepare(t);
	run_emulator(t);
	if (t->verbose) {
		describe(t);
		fflush(stdout);
	}
	run_unicorn(t);
	t->cases++;
	if (not_comparable(t)) {
		memcpy(rig_at(&t->rig, 0), t->mem, MEMORY);
		return true;
	}
	ok = same_trap(t);
	ok &= same_regs(t);
	ok &= same_memory(t);
	if (!ok)
		describe(t);
	return ok;
}

static void open_machine(struct test *t, enum machine m)
{
	static const u16 selectors[] = { 0x1000, 0x0800, 0x1400, 0x1000, 0x1200, 0x1100 };
	static const int seg_regs[] = {
		UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS, UC_X86_REG_DS,
		UC_X86_REG_FS, UC_X86_REG_GS,
	};
	struct likex_segment *segs[6];
	unsigned int i;
	uc_hook hook, code;

	t->machine = m;
	t->trap = 0;
	t->gen.bits = machines[m].bits;
	must(uc_open(UC_ARCH_X86, machines[m].mode, &t->uc), "open");
	must(uc_ctl_set_cpu_model(t->uc, UC_CPU_X86_QEMU64), "processor model");
	must(uc_mem_map_ptr(t->uc, 0, MEMORY, UC_PROT_ALL, t->mem), "memory");
	must(uc_hook_add(t->uc, &hook, UC_HOOK_INTR, (void *)on_interrupt, t, 1, 0), "hook");
	must(uc_hook_add(t->uc, &code, UC_HOOK_CODE, (void *)on_code, t, 1, 0), "hook");
	rig_mode(&t->rig, t->gen.bits, 0);
	memset(t->gen.seg_base, 0, sizeof(t->gen.seg_base));
	t->gen.segs = t->gen.bits == 64 ? 0 : 0x3f;
	segs[0] = &t->rig.sregs.es;
	segs[1] = &t->rig.sregs.cs;
	segs[2] = &t->rig.sregs.ss;
	segs[3] = &t->rig.sregs.ds;
	segs[4] = &t->rig.sregs.fs;
	segs[5] = &t->rig.sregs.gs;
	for (i = 0; i < 6; i++) {
		if (t->gen.bits == 16) {
			segs[i]->selector = i == 1 ? 0 : selectors[i];
			segs[i]->base = (u64)segs[i]->selector << 4;
			set_reg(t, seg_regs[i], segs[i]->selector);
			t->gen.seg_base[i] = segs[i]->base;
		} else {
			segs[i]->selector = get_reg(t, seg_regs[i]);
		}
	}
	must(uc_context_alloc(t->uc, &t->clean), "context");
	must(uc_context_save(t->uc, t->clean), "context");
	rig_kind(&t->rig, ARENA + 0x3000, 2 * RIG_PAGE, PAGE_DEV);
	if (paged(t)) {
		build_tables(t);
		choose_control(t);
	}
}

/* An engine lasts for so many cases: it fails once its code buffer is full. */
#define PER_ENGINE 10000

static bool run_machine(struct test *t, enum machine m, u64 count)
{
	bool ok = true;
	u64 i;

	for (i = 0; i < count && ok; i++) {
		if (i % PER_ENGINE == 0)
			open_machine(t, m);
		ok = one(t);
		if (i % PER_ENGINE == PER_ENGINE - 1 || i == count - 1 || !ok) {
			uc_context_free(t->clean);
			uc_close(t->uc);
		}
	}
	return ok;
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "Compare the emulator with Unicorn, instruction by instruction.",
		.count = 200000, .extra_name = "machine",
		.extra_help = "0 to 4: only that one",
	};
	static struct test t;
	unsigned int i, only = MACHINES;
	bool ok = true;

	options_parse(&o, argc, argv);
	if (o.extra)
		only = atoi(o.extra);
	t.gen.rng.s = o.seed;
	t.gen.target = target;
	/* Unicorn lets many an invalid LOCK pass, and knows no MOVBE. */
	t.gen.no_movbe = true;
	t.gen.no_recent = true;
	/* And it translates what a branch goes to, whatever that is. */
	t.gen.no_branches = true;
	t.verbose = o.verbose;
	rig_init(&t.rig, MEMORY / RIG_PAGE, NULL);
	t.mem = aligned_alloc(RIG_PAGE, MEMORY);
	for (i = 0; t.mem && i < MEMORY; i += 8) {
		u64 v = rng_value(&t.gen.rng);

		memcpy(t.mem + i, &v, 8);
		memcpy(rig_at(&t.rig, i), &v, 8);
	}
	for (i = 0; i < MACHINES && ok && t.mem; i++)
		if (only == MACHINES || only == i)
			ok = run_machine(&t, i, only == MACHINES ? o.count / MACHINES : o.count);
	printf("%llu cases, %llu exceptions, %llu device transactions; %s\n",
	       (unsigned long long)t.cases, (unsigned long long)t.faults,
	       (unsigned long long)t.ios, ok ? "0 differences" : "DIFFERENCE");
	for (i = 0; i < EXPLAINED; i++)
		printf("explained, %llu times: %s\n", (unsigned long long)t.counts[i],
		       explained[i]);
	rig_destroy(&t.rig);
	free(t.mem);
	return !ok;
}
