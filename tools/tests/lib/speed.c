// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The cost of emulated 4-byte stores, in instructions.
 *
 * To be run under callgrind, which counts exactly:
 *
 *   valgrind --tool=callgrind --toggle-collect=measured ./speed --which hit
 *
 * counts --count steps, each a whole likex_emul_step() with four-level paging
 * on and the device answering at once. The kinds are in the table below: a store
 * to a device that the decode cache knows, or does not know, and REP STOSD of
 * ITERATIONS stores to a device, to one that takes many at once, and to memory.
 * With "run" it counts likex_vcpu_run() from one exit for a known store to the
 * next, without the kernel's part (--toggle-collect=kernel).
 */
#include <errno.h>
#include <likex/vcpu.h>
#include <linux/likex.h>

#include "rig.h"

#define CODE   0x4000ull
#define TABLES 0x10000ull
#define DEVICE 0xd0000000ull
#define MEMORY 0x20000ull
#define PAGE   0x8000ull
#define ITERATIONS 1000

static const struct kind {
	const char *name, *code, *other;	/* @other: every second time */
	u64 rdi;
	unsigned int stores;
	bool bulk;
} kinds[] = {
	/* mov [rdi], eax; in turn with a prefix, so that it is never known */
	{ "hit", "\x89\x07\x90", "\x89\x07\x90", DEVICE + 0xb0, 1, false },
	{ "miss", "\x89\x07\x90", "\x3e\x89\x07", DEVICE + 0xb0, 1, false },
	/* rep stosd */
	{ "rep", "\xf3\xab\x90", "\xf3\xab\x90", DEVICE, ITERATIONS, false },
	{ "bulk", "\xf3\xab\x90", "\xf3\xab\x90", DEVICE, ITERATIONS, true },
	{ "memory", "\xf3\xab\x90", "\xf3\xab\x90", PAGE, ITERATIONS, false },
	{ "run", "\x89\x07\x90", NULL, DEVICE + 0xb0, 1, false },
};

struct machine {
	u8 memory[MEMORY];
	u64 writes;
	struct kvm_regs regs;		/* of "run" */
	struct kvm_sregs sregs;
	u8 run[8192] __attribute__((aligned(4096)));
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

static int bulk(void *ctx, const struct likex_bulk *b)
{
	struct machine *m = ctx;

	m->writes += b->count;
	return b->count;
}

static const volatile uint64_t generation;

/* The function that callgrind counts. Not inlined, so that it has a name. */
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
	page(m, TABLES + 0x4000, PAGE >> 12, PAGE | 0x63);
	page(m, TABLES + 0x5000, 0, DEVICE | 0x63);
}

static const struct kind *kind_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	fprintf(stderr, "no kind \"%s\" (see --help)\n", name);
	exit(2);
}

/* Check that all stores have arrived. */
static bool all_done(const struct machine *m, const struct kind *k, u64 steps)
{
	if (k->rdi == PAGE)
		return m->memory[PAGE + (ITERATIONS - 1) * 4] == 1;
	return m->writes == steps * k->stores;
}

/* A kernel whose guest executes the same store again and again. */
__attribute__((noinline)) int kernel(void *handle);
__attribute__((noinline)) int kernel(void *handle)
{
	const struct likex_exit_mmio exit = {
		.gpa = DEVICE + 0xb0, .gva = DEVICE + 0xb0, .access = LIKEX_MMIO_WRITE,
		.flags = LIKEX_MMIO_GVA_VALID,
	};
	struct machine *m = handle;
	struct kvm_run *run = (struct kvm_run *)m->run;

	m->writes += (run->kvm_dirty_regs & KVM_SYNC_X86_REGS) && run->s.regs.regs.rip == CODE + 2;
	run->kvm_dirty_regs = 0;
	run->exit_reason = LIKEX_EXIT_MMIO;
	memcpy(run->padding, &exit, sizeof(exit));
	run->s.regs.regs = m->regs;
	run->s.regs.sregs = m->sregs;
	return 0;
}

static int no_ioctl(void *handle, unsigned long cmd, void *arg)
{
	(void)handle;
	(void)cmd;
	(void)arg;
	return -EINVAL;
}

__attribute__((noinline)) int measured_run(struct likex_vcpu *v);
__attribute__((noinline)) int measured_run(struct likex_vcpu *v)
{
	return likex_vcpu_run(v);
}

/* Return true if each of the exits was the store. */
static bool run(struct machine *m, const struct kind *k, const struct rig *mode, u64 count)
{
	static const struct likex_vcpu_ops ops = {
		.size = sizeof(ops), .run = kernel, .ioctl = no_ioctl,
	};
	struct kvm_run *run = (struct kvm_run *)m->run;
	const struct likex_vcpu_config config = {
		.size = sizeof(config), .ops = &ops, .handle = m, .run = run,
		.sync_regs = KVM_SYNC_X86_VALID_FIELDS, .map = map, .ctx = m,
		.generation = &generation,
	};
	struct likex_vcpu *v = likex_vcpu_new(&config);
	bool ok = v;
	u64 i;

	m->regs = (struct kvm_regs){ .rflags = 2, .rax = 1, .rip = CODE, .rdi = k->rdi };
	memcpy(&m->sregs, &mode->sregs, sizeof(m->sregs));
	memcpy(m->memory + CODE, k->code, 3);
	for (i = 0; ok && i < count + 1; i++) {
		/* The first is not counted: it fills the cache. */
		ok = !(i ? measured_run(v) : likex_vcpu_run(v)) &&
		     run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == k->rdi;
	}
	likex_vcpu_free(v);
	return ok && m->writes == count;
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "Emulated 4-byte stores, to be counted by callgrind.",
		.count = 1000, .extra = "hit",
		.extra_name = "which", .extra_help = "hit (default), miss, rep, bulk, memory or run",
	};
	struct likex_emul_ops ops = { .size = sizeof(ops), .map = map, .io = io, .generation = &generation };
	static struct machine m;
	struct likex_emul_stats stats = { .size = sizeof(stats) };
	struct rig mode;
	struct likex_regs regs = { .rflags = 2, .rax = 1 };
	struct likex_step st = { .size = sizeof(st), .regs = &regs, .sregs = &mode.sregs };
	const struct kind *k;
	struct likex_trap trap;
	struct likex_emul *e;
	u64 i;

	options_parse(&o, argc, argv);
	k = kind_find(o.extra);
	trap = (struct likex_trap){
		.gpa = k->rdi, .gva = k->rdi, .kind = LIKEX_TRAP_WRITE, .flags = LIKEX_TRAP_GVA,
	};
	if (k->bulk)
		ops.bulk = bulk;
	rig_mode(&mode, 64, 0);
	mode.sregs.cr3 = TABLES;
	machine_init(&m);
	if (!k->other)
		return !run(&m, k, &mode, o.count);
	e = likex_emul_new(&ops, &m, NULL);
	for (i = 0; e && i < o.count + 1; i++) {
		memcpy(m.memory + CODE, i % 2 ? k->other : k->code, 3);
		regs.rip = CODE;
		regs.rdi = k->rdi;
		regs.rcx = k->stores;
		st.trap = k->rdi == PAGE ? NULL : &trap;
		/* The first is not counted: it fills the cache. */
		if ((i ? measured(e, &st) : likex_emul_step(e, &st)) != LIKEX_DONE)
			return 1;
	}
	if (!e || !all_done(&m, k, o.count + 1))
		return 1;
	likex_emul_get_stats(e, &stats);
	printf("%llu steps of %u stores, %llu decoded\n", (unsigned long long)stats.insns,
	       k->stores, (unsigned long long)stats.decode_misses);
	likex_emul_free(e);
	return 0;
}
