// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rig.h"
#include <Zydis/Zydis.h>
#include <getopt.h>

static u8 kind_of(const struct rig *r, u64 gpa)
{
	u64 page = gpa / RIG_PAGE;

	return page < r->pages ? r->kind[page] : PAGE_NONE;
}

static void *rig_map(void *ctx, uint64_t gpa, bool write)
{
	struct rig *r = ctx;
	u8 kind = kind_of(r, gpa);

	if (write && gpa < r->lowest_write)
		r->lowest_write = gpa;
	if (kind == PAGE_RAM || (kind == PAGE_ROM && !write))
		return r->mem + gpa;
	return NULL;
}

static void io_access(struct rig *r, struct likex_io *io)
{
	u8 *at;

	if (io->space == LIKEX_SPACE_PIO) {
		if (!io->write)
			memset(io->data, r->port_value, io->len);
		return;
	}
	if (io->addr + io->len > r->pages * RIG_PAGE) {
		r->outside = true;
		memset(io->data, io->write ? io->data[0] : 0xff, io->len);
		return;
	}
	at = r->mem + io->addr;
	if (!io->write)
		memcpy(io->data, at, io->len);
	else if (kind_of(r, io->addr) != PAGE_ROM)
		memcpy(at, io->data, io->len);
}

void rig_io(struct rig *r, struct likex_io *io)
{
	io_access(r, io);
	if (r->io_count < IO_LOG)
		r->io_log[r->io_count] = *io;
	r->io_count++;
}

static int rig_io_now(void *ctx, struct likex_io *io)
{
	struct rig *r = ctx;

	if (r->pull)
		return 1;
	rig_io(r, io);
	return 0;
}

static int rig_fpu_get(void *ctx, struct likex_fpu *fpu)
{
	struct rig *r = ctx;

	r->fpu_gets++;
	fpu->xsave = r->xsave;
	fpu->xcr0 = r->xcr0;
	return 0;
}

static int rig_fpu_put(void *ctx)
{
	struct rig *r = ctx;

	r->fpu_puts++;
	return 0;
}

static int rig_pkru(void *ctx, uint32_t *pkru)
{
	struct rig *r = ctx;

	*pkru = r->pkru;
	return 0;
}

static const struct likex_emul_ops rig_ops = {
	.size = sizeof(rig_ops),
	.map = rig_map,
	.io = rig_io_now,
	.fpu_get = rig_fpu_get,
	.fpu_put = rig_fpu_put,
	.pkru = rig_pkru,
};

static void *xalloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p) {
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return p;
}

void rig_context(struct rig *r)
{
	likex_emul_free(r->emul);
	r->emul = likex_emul_new(&r->ops, r, &r->config);
	if (!r->emul) {
		fprintf(stderr, "no emulator context\n");
		exit(2);
	}
}

void rig_init(struct rig *r, u64 pages, const struct likex_emul_config *config)
{
	/* A refusal shows, whatever the privilege level. */
	static const struct likex_emul_config plain = {
		.size = sizeof(plain),
		.maxphyaddr = 52, .features = LIKEX_FEATURE_1G_PAGES,
		.refuse = LIKEX_REFUSE_EXIT,
	};

	memset(r, 0, sizeof(*r));
	r->pages = pages;
	r->mem = xalloc(pages, RIG_PAGE);
	r->kind = xalloc(pages, 1);
	memset(r->kind, PAGE_RAM, pages);
	r->xcr0 = 0xe7;
	memcpy(r->xsave + 24, "\x80\x1f", 2);	/* MXCSR as at reset */
	r->ops = rig_ops;
	r->ops.generation = &r->generation;
	r->config = config ? *config : plain;
	rig_context(r);
	r->step.size = sizeof(r->step);
	r->step.regs = &r->regs;
	r->step.sregs = &r->sregs;
	r->regs.rflags = 2;
}

void rig_destroy(struct rig *r)
{
	likex_emul_free(r->emul);
	likex_emul_free(r->lazy_emul);
	free(r->mem);
	free(r->kind);
}

static struct likex_segment flat(unsigned int type, unsigned int bits,
			       unsigned int dpl)
{
	return (struct likex_segment){
		.limit = bits == 16 ? 0xffff : 0xffffffff, .type = type,
		.present = 1, .dpl = dpl, .db = bits == 32, .s = 1,
		.l = bits == 64 && (type & 8), .g = bits != 16,
	};
}

void rig_mode(struct rig *r, unsigned int bits, unsigned int cpl)
{
	struct likex_sregs *s = &r->sregs;

	memset(s, 0, sizeof(*s));
	s->cs = flat(11, bits, cpl);
	s->ds = flat(3, bits, cpl);
	s->es = s->fs = s->gs = s->ss = s->ds;
	s->cs.selector = 8 | cpl;
	s->ds.selector = s->es.selector = s->ss.selector = 16 | cpl;
	s->fs.selector = s->gs.selector = 16 | cpl;
	s->cr0 = bits == 16 ? 0 : 1;
	s->cr4 = 0x200 | 0x40000;
	if (bits == 64) {
		s->cr0 = 0x80000001;
		s->cr4 |= 0x20;
		s->efer = 0xd00;
	}
}

void rig_kind(struct rig *r, u64 gpa, u64 len, enum page_kind kind)
{
	r->generation++;
	memset(r->kind + gpa / RIG_PAGE, kind, (len + RIG_PAGE - 1) / RIG_PAGE);
}

u8 *rig_at(struct rig *r, u64 gpa)
{
	return r->mem + gpa;
}

/* Members of struct likex_sregs, in the order of their bits. */
static const struct { u16 at, len; } state_parts[] = {
#define PART(name) { offsetof(struct likex_sregs, name), sizeof(((struct likex_sregs *)0)->name) }
	PART(es), PART(cs), PART(ss), PART(ds), PART(fs), PART(gs), PART(tr), PART(ldt),
	PART(gdt), { offsetof(struct likex_sregs, cr0), 6 * 8 },
};

/* Copy the registers in @which. */
static void state_copy(struct likex_regs *regs, struct likex_sregs *sregs,
		       const struct rig *r, bool back, u64 which)
{
	u8 *to = (u8 *)sregs;
	const u8 *from = (const u8 *)(back ? &r->lazy_sregs : &r->sregs);
	const u64 *values = (const u64 *)(back ? &r->lazy_regs : &r->regs);
	unsigned int i;

	for (i = 0; i < 18; i++)
		if (which >> i & 1)
			((u64 *)regs)[i] = values[i];
	for (i = 0; i < ARRAY_SIZE(state_parts); i++)
		if (which >> (18 + i) & 1)
			memcpy(to + state_parts[i].at, from + state_parts[i].at, state_parts[i].len);
}

static int rig_regs(void *ctx, struct likex_step *step, uint64_t want)
{
	struct rig *r = ctx;

	if (step->regs != &r->lazy_regs || !want || (want & step->have))
		r->lazy_error = true;
	state_copy(&r->lazy_regs, &r->lazy_sregs, r, false, want);
	return 0;
}

/* Registers that were not asked for must be as they were; changes must be reported. */
static void lazy_check(struct rig *r, u64 changed)
{
	struct likex_regs regs;
	struct likex_sregs sregs;

	memset(&regs, 0x5a, sizeof(regs));
	memset(&sregs, 0x5a, sizeof(sregs));
	state_copy(&regs, &sregs, r, false, r->step.have);
	state_copy(&regs, &sregs, r, true, changed);
	if (memcmp(&regs, &r->lazy_regs, sizeof(regs)) ||
	    memcmp(&sregs, &r->lazy_sregs, sizeof(sregs)))
		r->lazy_error = true;
	state_copy(&r->regs, &r->sregs, r, true, changed);
}

static int lazy_step(struct rig *r)
{
	struct likex_emul_ops ops = r->ops;
	u64 changed = 0;
	int res;

	if (!r->lazy_emul) {
		ops.regs = rig_regs;
		r->lazy_emul = likex_emul_new(&ops, r, &r->config);
	}
	memset(&r->lazy_regs, 0x5a, sizeof(r->lazy_regs));
	memset(&r->lazy_sregs, 0x5a, sizeof(r->lazy_sregs));
	r->step.regs = &r->lazy_regs;
	r->step.sregs = &r->lazy_sregs;
	r->step.have = 0;
	while ((res = likex_emul_step(r->lazy_emul, &r->step)) == LIKEX_IO) {
		changed |= r->step.changed;
		rig_io(r, &r->step.io);
	}
	lazy_check(r, changed | r->step.changed);
	r->step.regs = &r->regs;
	r->step.sregs = &r->sregs;
	return res;
}

int rig_step(struct rig *r)
{
	int res;

	if (r->lazy)
		return lazy_step(r);
	for (;;) {
		res = likex_emul_step(r->emul, &r->step);
		if (res != LIKEX_IO)
			return res;
		rig_io(r, &r->step.io);
	}
}

void tables_init(struct tables *t, struct rig *r, unsigned int levels, u64 at)
{
	t->rig = r;
	t->levels = levels;
	t->root = at;
	t->next = at + RIG_PAGE;
	memset(rig_at(r, at), 0, RIG_PAGE);
}

static unsigned int entry_size(const struct tables *t)
{
	return t->levels == 2 ? 4 : 8;
}

static u64 entry_gpa(const struct tables *t, u64 table, u64 lin,
		     unsigned int level)
{
	unsigned int bits = t->levels == 2 ? 10 : 9;
	u64 index = lin >> (12 + bits * (level - 1)) & (BIT(bits) - 1);

	if (t->levels == 3 && level == 3)
		index &= 3;
	return table + index * entry_size(t);
}

static u64 entry_load(struct tables *t, u64 gpa)
{
	u64 v = 0;

	memcpy(&v, rig_at(t->rig, gpa), entry_size(t));
	return v;
}

static u64 table_below(struct tables *t, u64 at, unsigned int level)
{
	u64 e = entry_load(t, at);

	if (!(e & 1)) {
		e = t->next | 7;
		if (t->levels == 3 && level == 3)
			e = t->next | 1;
		memset(rig_at(t->rig, t->next), 0, RIG_PAGE);
		t->next += RIG_PAGE;
		memcpy(rig_at(t->rig, at), &e, entry_size(t));
	}
	return e & 0xffffffffff000;
}

void tables_map(struct tables *t, u64 lin, u64 gpa, u64 flags)
{
	u64 table = t->root, at, e = gpa | flags;
	unsigned int level;

	for (level = t->levels; level > 1; level--) {
		at = entry_gpa(t, table, lin, level);
		table = table_below(t, at, level);
	}
	memcpy(rig_at(t->rig, entry_gpa(t, table, lin, 1)), &e, entry_size(t));
}

void *tables_entry(struct tables *t, u64 lin, unsigned int want)
{
	u64 table = t->root, at = 0;
	unsigned int level;

	for (level = t->levels; level >= want; level--) {
		at = entry_gpa(t, table, lin, level);
		table = entry_load(t, at) & 0xffffffffff000;
	}
	return rig_at(t->rig, at);
}

u64 rng_next(struct rng *g)
{
	g->s ^= g->s >> 12;
	g->s ^= g->s << 25;
	g->s ^= g->s >> 27;
	return g->s * 0x2545f4914f6cdd1dull;
}

u64 rng_value(struct rng *g)
{
	u64 v = rng_next(g);

	switch (rng_below(g, 6)) {
	case 0:
		return v & 0xff;
	case 1:
		return (BIT(v & 63)) - (v >> 63);
	case 2:
		return -(v & 0xff);
	case 3:
		return 0x8080808080808080ull ^ (v & 0x0101010101010101ull);
	default:
		return v;
	}
}

static void usage(const struct options *o, const char *name)
{
	printf("Usage: %s [OPTION]...\n%s\n\n"
	       "  -s, --seed N     where the sequence of cases starts (%llu)\n"
	       "  -n, --count N    how many cases (%llu)\n"
	       "  -v, --verbose    print each case\n"
	       "  -h, --help       this text\n", name, o->about,
	       (unsigned long long)o->seed, (unsigned long long)o->count);
	if (o->extra_name)
		printf("      --%s X  %s\n", o->extra_name, o->extra_help);
}

static u64 number(const char *name, const char *text)
{
	char *end;
	u64 v = strtoull(text, &end, 0);

	if (*end || end == text) {
		fprintf(stderr, "%s: \"%s\" is not a number (see --help)\n", name, text);
		exit(2);
	}
	return v;
}

void options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ o->extra_name, required_argument, NULL, 'x' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "s:n:vh", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->seed = number(argv[0], optarg);
			break;
		case 'n':
			o->count = number(argv[0], optarg);
			break;
		case 'x':
			o->extra = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			usage(o, argv[0]);
			exit(0);
		default:
			fprintf(stderr, "Try %s --help\n", argv[0]);
			exit(2);
		}
	}
	if (!o->seed)
		o->seed = 1;
}

void print_bytes(const char *what, const u8 *p, unsigned int n)
{
	printf("%s", what);
	while (n--)
		printf(" %02x", *p++);
	printf("\n");
}

const char *const reg_names[REG_NAMES] = {
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8",
	"r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip",
};

void print_regs(const char *what, const struct likex_regs *r)
{
	const u64 *v = (const u64 *)r;
	unsigned int i;

	printf("%s\n", what);
	for (i = 0; i < REG_NAMES; i++)
		printf("  %-3s %016llx%s", reg_names[i], (unsigned long long)v[i],
		       i % 4 == 3 ? "\n" : "");
	printf(" rflags %llx\n", (unsigned long long)r->rflags);
}

const char *result_str(int result)
{
	static const char *const text[] = {
		"done", "more", "io", "fault", "unsupported",
	};

	if (result < 0)
		return strerror(-result);
	return (unsigned int)result < ARRAY_SIZE(text) ? text[result] : "?";
}

void disassemble(char *to, size_t size, const u8 *code, unsigned int len,
		 unsigned int bits)
{
	ZydisMachineMode mode = bits == 64 ? ZYDIS_MACHINE_MODE_LONG_64 :
				bits == 32 ? ZYDIS_MACHINE_MODE_LEGACY_32 :
					     ZYDIS_MACHINE_MODE_LEGACY_16;
	ZydisDisassembledInstruction d;

	snprintf(to, size, "(bad)");
	if (ZYAN_SUCCESS(ZydisDisassembleIntel(mode, 0, code, len, &d)))
		snprintf(to, size, "%s", d.text);
}
