// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What one emulated 4-byte store to a device costs, in instructions.
 *
 * To be run under callgrind, which counts exactly:
 *
 *   valgrind --tool=callgrind --toggle-collect=measured ./speed --which hit
 *
 * counts --count stores, each a whole likex_emul_step() with four-level paging
 * on and the device answering at once. "hit": the instruction is in the decode
 * cache; "miss": it never is.
 */
#include "rig.h"

#define CODE   0x4000ull
#define TABLES 0x10000ull
#define DEVICE 0xfee00000ull
#define MEMORY 0x20000ull

struct machine {
	u8 memory[MEMORY];
	u64 writes;
};

static void *map(void *ctx, uint64_t gpa, bool write)
{
	struct machine *m = ctx;

	(void)write;
	return gpa < MEMORY ? m->memory + gpa : NULL;
}

static int io(void *ctx, struct likex_io *io)
{
	struct machine *m = ctx;

	m->writes += io->write;
	return 0;
}

static const volatile uint64_t generation;
static const struct likex_emul_ops ops = {
	.map = map, .io = io, .generation = &generation,
};

/* What callgrind counts. Not inlined, so that it has a name. */
__attribute__((noinline)) int measured(struct likex_emul *e, struct likex_step *st);
__attribute__((noinline)) int measured(struct likex_emul *e, struct likex_step *st)
{
	return likex_emul_step(e, st);
}

static void page(struct machine *m, u64 table, unsigned int index, u64 entry)
{
	memcpy(m->memory + table + index * 8, &entry, 8);
}

/* The code by 4K pages, the device by one, as a kernel maps its LAPIC. */
static void machine_init(struct machine *m)
{
	page(m, TABLES, 0, (TABLES + 0x1000) | 0x63);
	page(m, TABLES + 0x1000, 0, (TABLES + 0x2000) | 0x63);
	page(m, TABLES + 0x1000, 3, (TABLES + 0x3000) | 0x63);
	page(m, TABLES + 0x2000, 0, (TABLES + 0x4000) | 0x63);
	page(m, TABLES + 0x3000, 0x1f7, (TABLES + 0x5000) | 0x63);
	page(m, TABLES + 0x4000, CODE >> 12, CODE | 0x63);
	page(m, TABLES + 0x5000, 0, DEVICE | 0x63);
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "Emulated 4-byte stores, to be counted by callgrind.",
		.count = 1000, .extra_name = "which", .extra_help = "hit (default) or miss",
	};
	static struct machine m;
	struct likex_emul_stats stats;
	struct rig mode;
	struct kvm_regs regs = { .rflags = 2, .rdi = DEVICE + 0xb0, .rax = 1 };
	struct likex_trap trap = {
		.gpa = DEVICE + 0xb0, .gva = DEVICE + 0xb0, .kind = LIKEX_TRAP_WRITE,
		.flags = LIKEX_TRAP_GVA,
	};
	struct likex_step st = { .regs = &regs, .sregs = &mode.sregs };
	struct likex_emul *e;
	bool miss;
	u64 i;

	options_parse(&o, argc, argv);
	miss = o.extra && !strcmp(o.extra, "miss");
	e = likex_emul_new(&ops, &m, NULL);
	rig_mode(&mode, 64, 0);
	mode.sregs.cr3 = TABLES;
	machine_init(&m);
	for (i = 0; e && i < o.count + 1; i++) {
		/* mov [rdi], eax; for a miss, in turn with another prefix */
		memcpy(m.memory + CODE, miss && i % 2 ? "\x3e\x89\x07" : "\x89\x07\x90", 3);
		regs.rip = CODE;
		st.trap = &trap;
		/* The first is not counted: it fills the cache. */
		if ((i ? measured(e, &st) : likex_emul_step(e, &st)) != LIKEX_DONE)
			return 1;
	}
	if (!e || m.writes != o.count + 1)
		return 1;
	likex_emul_get_stats(e, &stats);
	printf("%llu stores, %llu decoded\n", (unsigned long long)stats.insns,
	       (unsigned long long)stats.decode_misses);
	likex_emul_free(e);
	return 0;
}
