// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * likex_vcpu_run() on a real /dev/likex or /dev/kvm: what a guest in long mode
 * asks of a device, what it gets, and what is left in its registers.
 *
 *   --device NODE   /dev/likex (default) or /dev/kvm
 *
 * The output is the same on both. Three vCPUs do all of it in turn: one has its
 * registers in the run area, another is reached by ioctls only, and of the third
 * the library calls the device, so that on /dev/likex it has no exit for it.
 *
 * Exits with 77 if there is no such device.
 */
#include "../../guests/vm.h"
#include "rig.h"
#include <errno.h>
#include <likex/vcpu.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MEMORY 0x100000ull
#define TABLES 0x1000ull	/* four pages, from the top level down */
#define CODE   0x8000ull
#define DATA   0x9000ull
#define STACK  0xb000ull
#define LIN    MEMORY		/* linear address of the device: after the memory, */
#define DEVICE 0xd0000000ull	/* and its guest-physical address */

#define RAX   0x8877665544332211ull
#define WORD  0x1122334455667788ull
#define FLAGS 0xcd5		/* the arithmetic ones */
#define ACCESSES 6
#define CPUS 3
#define BY_IOCTL 1	/* the vCPU without registers in the run area, */
#define CALLED 2	/* and the one with a callback */

#define R(off, len, value) { DEVICE + (off), len, false, value }
#define W(off, len, value) { DEVICE + (off), len, true, value }
#define CODE_BYTES(s) (const u8 *)(s), sizeof(s) - 1

struct access {
	u64 addr;
	unsigned int len;	/* 0: there is none */
	bool write;
	u64 value;		/* that the device gives, or is to get */
};

/*
 * Each begins with RAX, 3 in RCX, RSI at DATA, RDI at LIN, and WORD at DATA,
 * and has to end with these. HLT comes after the code.
 */
static const struct row {
	const char *name;
	const u8 *code;
	unsigned int len;
	struct access io[ACCESSES];
	u64 rax, rcx, rsi, rdi, flags, data;
} rows[] = {
	/* mov [rdi], al; mov [rdi+16], ax; mov [rdi+32], eax; mov [rdi+48], rax */
	{ "stores", CODE_BYTES("\x88\x07\x66\x89\x47\x10\x89\x47\x20\x48\x89\x47\x30"),
	  { W(0, 1, 0x11), W(16, 2, 0x2211), W(32, 4, 0x44332211), W(48, 8, RAX) },
	  RAX, 3, DATA, LIN, 0, WORD },
	/* mov rax, [rdi+48]; mov cx, [rdi+16]; movsx rsi, byte [rdi]; mov edi, [rdi+32] */
	{ "loads", CODE_BYTES("\x48\x8b\x47\x30\x66\x8b\x4f\x10\x48\x0f\xbe\x37\x8b\x7f\x20"),
	  { R(48, 8, 0x0102030405060708), R(16, 2, 0xabcd), R(0, 1, 0x80), R(32, 4, 0xfedcba98) },
	  0x0102030405060708, 0xabcd, 0xffffffffffffff80, 0xfedcba98, 0, WORD },
	/* add [rdi], eax */
	{ "add", CODE_BYTES("\x01\x07"), { R(0, 4, 0xbbccddef), W(0, 4, 0) },
	  RAX, 3, DATA, LIN, 0x55, WORD },
	/* lock xadd [rdi], eax */
	{ "locked xadd", CODE_BYTES("\xf0\x0f\xc1\x07"), { R(0, 4, 1), W(0, 4, 0x44332212) },
	  1, 3, DATA, LIN, 4, WORD },
	/* cmp byte [rdi], 0x11 */
	{ "cmp", CODE_BYTES("\x80\x3f\x11"), { R(0, 1, 0x11) }, RAX, 3, DATA, LIN, 0x44, WORD },
	/* xchg [rdi], rax */
	{ "xchg", CODE_BYTES("\x48\x87\x07"), { R(0, 8, 5), W(0, 8, RAX) },
	  5, 3, DATA, LIN, 0, WORD },
	/* push qword [rdi]; pop qword [rdi+8] */
	{ "push and pop", CODE_BYTES("\xff\x37\x8f\x47\x08"), { R(0, 8, 7), W(8, 8, 7) },
	  RAX, 3, DATA, LIN, 0, WORD },
	/* movsq */
	{ "movs from memory", CODE_BYTES("\x48\xa5"), { W(0, 8, WORD) },
	  RAX, 3, DATA + 8, LIN + 8, 0, WORD },
	/* xchg rsi, rdi; movsb */
	{ "movs to memory", CODE_BYTES("\x48\x87\xf7\xa4"), { R(0, 1, 0x5a) },
	  RAX, 3, LIN + 1, DATA + 1, 0, (WORD & ~0xffull) | 0x5a },
	{ "rep movsw", CODE_BYTES("\xf3\x66\xa5"),
	  { W(0, 2, 0x7788), W(2, 2, 0x5566), W(4, 2, 0x3344) },
	  RAX, 0, DATA + 6, LIN + 6, 0, WORD },
	{ "rep stosd", CODE_BYTES("\xf3\xab"),
	  { W(0, 4, 0x44332211), W(4, 4, 0x44332211), W(8, 4, 0x44332211) },
	  RAX, 0, DATA, LIN + 12, 0, WORD },
	/* mov [rdi-4], rax; mov ecx, [rdi-4] */
	{ "half memory, half device", CODE_BYTES("\x48\x89\x47\xfc\x8b\x4f\xfc"),
	  { W(0, 4, 0x88776655) }, RAX, 0x44332211, DATA, LIN, 0, WORD },
	/* movups xmm0, [rsi]; movups [rdi], xmm0; movups xmm1, [rdi]; movq rax, xmm1 */
	{ "vector registers", CODE_BYTES("\x0f\x10\x06\x0f\x11\x07\x0f\x10\x0f\x66\x48\x0f\x7e\xc8"),
	  { W(0, 8, WORD), W(8, 8, 0), R(0, 8, 0x1020304050607080), R(8, 8, 1) },
	  0x1020304050607080, 3, DATA, LIN, 0, WORD },
};

/* fldenv [rdi] */
static const u8 unknown[] = { 0xd9, 0x27 };
/* div dword [rdi] */
static const u8 division[] = { 0xf7, 0x37 };

struct cpu {
	unsigned int id;
	struct likex_handle handle;
	const struct likex_vcpu_ops *ops;
	struct likex_vcpu *likex;
	struct kvm_run *run;
	u8 *memory;
	const struct access *want;	/* ACCESSES of them, */
	unsigned int at, exits;		/* those that were made, and how many by an exit */
	bool wrong;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("%s: %s\n", what, strerror(errno));
	exit(2);
}

static void cpu_ioctl(struct cpu *c, unsigned long cmd, void *arg, const char *what)
{
	int r = c->ops->ioctl(&c->handle, cmd, arg);

	errno = r < 0 ? -r : 0;
	must(r >= 0, what);
}

static void *map(void *ctx, uint64_t gpa, bool write)
{
	struct cpu *c = ctx;

	(void)write;
	return gpa < MEMORY ? c->memory + gpa : NULL;
}

/* The device: compares, and gives the value for a read. */
static void device(struct cpu *c, u64 addr, unsigned int len, bool write, u8 data[8])
{
	static const struct access none;
	const struct access *want = c->at < ACCESSES ? &c->want[c->at] : &none;
	u64 value = 0;

	memcpy(&value, data, len);
	if (!write)
		value = want->value;
	memcpy(data, &value, sizeof(value));
	printf("  %s %llx, %u bytes: %llx\n", write ? "write" : "read ",
	       (unsigned long long)addr, len, (unsigned long long)value);
	c->wrong |= addr != want->addr || len != want->len || write != want->write ||
		    value != want->value;
	c->at++;
}

static int called(void *ctx, struct likex_io *io)
{
	device(ctx, io->addr, io->len, io->write, io->data);
	return 0;
}

/* Map the guest's memory to itself, and the device after it. */
static void build_tables(u8 *memory)
{
	u64 (*table)[512] = (void *)(memory + TABLES);
	u64 i, at;

	for (i = 0; i < 3; i++)
		table[i][0] = (TABLES + (i + 1) * RIG_PAGE) | 3;
	for (i = 0; i < 512; i++) {
		at = i * RIG_PAGE;
		table[3][i] = (at < MEMORY ? at : at - LIN + DEVICE) | 3;
	}
}

/* KVM wants to be told that the guest's processor has long mode. */
static void set_cpuid(struct cpu *c, struct vm *vm)
{
	unsigned int entries = 256;
	struct kvm_cpuid2 *all = calloc(1, sizeof(*all) + entries * sizeof(all->entries[0]));

	must(all, "CPUID");
	all->nent = entries;
	must(!ioctl(vm->sys, KVM_GET_SUPPORTED_CPUID, all), "KVM_GET_SUPPORTED_CPUID");
	cpu_ioctl(c, KVM_SET_CPUID2, all, "KVM_SET_CPUID2");
	free(all);
}

static void long_mode(struct cpu *c)
{
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1,
		.db = 1, .g = 1,
	}, code = data;
	struct kvm_sregs s;

	code.selector = 8;
	code.type = 11;
	code.l = 1;
	code.db = 0;
	cpu_ioctl(c, KVM_GET_SREGS, &s, "KVM_GET_SREGS");
	s.cs = code;
	s.ds = s.es = s.ss = data;
	s.cr3 = TABLES;
	s.cr4 |= BIT(9) | BIT(5);
	s.cr0 |= BIT(31) | BIT(5) | BIT(0);
	s.efer |= BIT(10) | BIT(8);
	cpu_ioctl(c, KVM_SET_SREGS, &s, "KVM_SET_SREGS");
}

static void cpu_create(struct cpu *c, struct vm *vm, unsigned int id)
{
	bool one = vm->vm == vm->sys;
	int got = ioctl(vm->vm, KVM_CREATE_VCPU, id);
	int size = ioctl(vm->sys, KVM_GET_VCPU_MMAP_SIZE, 0);

	must(got >= 0 && size > 0, "KVM_CREATE_VCPU");
	c->id = id;
	c->handle = (struct likex_handle){ one ? vm->sys : got, id, true };
	c->ops = one ? likex_ops_session() : likex_ops_kvm();
	c->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, c->handle.fd,
		      one ? (off_t)id * size : 0);
	must(c->run != MAP_FAILED, "run area");
}

static void cpu_start(struct cpu *c, struct vm *vm, u8 *memory)
{
	struct likex_vcpu_config config = {
		.size = sizeof(config),
		.ops = c->ops, .handle = &c->handle, .run = c->run, .map = map, .ctx = c,
		.io = c->id == CALLED ? called : NULL,
	};

	if (c->id != BY_IOCTL)
		config.sync_regs = ioctl(vm->sys, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	c->memory = memory;
	c->likex = likex_vcpu_new(&config);
	must(c->likex, "likex_vcpu_new");
	set_cpuid(c, vm);
	long_mode(c);
}

static void load(struct cpu *c, const u8 *code, unsigned int len, const struct access *want)
{
	struct kvm_regs regs = {
		.rip = CODE, .rflags = 2, .rsp = STACK, .rax = RAX, .rcx = 3, .rsi = DATA,
		.rdi = LIN,
	};
	u64 word = WORD;

	memcpy(c->memory + CODE, code, len);
	c->memory[CODE + len] = 0xf4;
	memcpy(c->memory + DATA, &word, sizeof(word));
	cpu_ioctl(c, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	c->want = want;
	c->at = c->exits = 0;
	c->wrong = false;
}

/* Up to an exit that is not for the device. */
static bool run(struct cpu *c)
{
	struct kvm_run *run = c->run;
	int r;

	for (;;) {
		r = likex_vcpu_run(c->likex);
		if (r)
			printf("run: %s\n", strerror(-r));
		if (r || run->exit_reason != KVM_EXIT_MMIO)
			return !r && !c->wrong;
		device(c, run->mmio.phys_addr, run->mmio.len, run->mmio.is_write, run->mmio.data);
		c->exits++;
		if (c->wrong)
			return false;
	}
}

static bool result_ok(struct cpu *c, const struct row *row)
{
	struct kvm_regs regs;
	u64 data;

	cpu_ioctl(c, KVM_GET_REGS, &regs, "KVM_GET_REGS");
	memcpy(&data, c->memory + DATA, sizeof(data));
	regs.rflags &= FLAGS;
	print_regs(" ", (const struct likex_regs *)&regs);
	printf("  data %016llx\n", (unsigned long long)data);
	return regs.rip == CODE + row->len + 1 && regs.rsp == STACK &&
	       regs.rax == row->rax && regs.rcx == row->rcx && regs.rsi == row->rsi &&
	       regs.rdi == row->rdi && regs.rflags == row->flags && data == row->data;
}

static bool row_ok(struct cpu *c, const struct row *row)
{
	bool ran;

	printf("%s, vCPU %u\n", row->name, c->id);
	load(c, row->code, row->len, row->io);
	ran = run(c);
	printf("  exit %u after %u\n", c->run->exit_reason, c->at);
	if (c->id == CALLED && c->ops == likex_ops_session() && c->exits)
		return false;
	return ran && c->run->exit_reason == KVM_EXIT_HLT &&
	       (c->at == ACCESSES || !row->io[c->at].len) && result_ok(c, row);
}

/* The library refuses an unknown instruction, and tells its bytes and address. */
static bool refused(struct cpu *c)
{
	struct likex_vcpu_error error = { .size = sizeof(error) };

	printf("unknown, vCPU %u\n", c->id);
	load(c, unknown, sizeof(unknown), rows[0].io);
	if (!run(c))
		return false;
	likex_vcpu_error(c->likex, &error);
	printf("  exit %u, suberror %u: %s, rip %llx\n", c->run->exit_reason,
	       c->run->internal.suberror, likex_reason_str(error.why),
	       (unsigned long long)error.rip);
	print_bytes("  bytes:", error.insn, error.insn_len);
	return c->run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
	       c->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	       error.why == LIKEX_WHY_INSN && error.rip == CODE &&
	       error.insn_len == sizeof(unknown) &&
	       !memcmp(error.insn, unknown, sizeof(unknown)) &&
	       c->run->emulation_failure.insn_size == sizeof(unknown) &&
	       !memcmp(c->run->emulation_failure.insn_bytes, unknown, sizeof(unknown));
}

/* The device gives 0 as divisor. For the exception there is no handler. */
static bool divided(struct cpu *c)
{
	static const struct access zero[ACCESSES] = { R(0, 4, 0) };

	printf("exception, vCPU %u\n", c->id);
	load(c, division, sizeof(division), zero);
	if (!run(c) || c->at != 1)
		return false;
	printf("  exit %u\n", c->run->exit_reason);
	return c->run->exit_reason == KVM_EXIT_SHUTDOWN;
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "likex_vcpu_run() on a real device.",
		.extra_name = "device", .extra_help = "/dev/likex (default) or /dev/kvm",
	};
	struct cpu cpu[CPUS] = { 0 };
	unsigned int i, row, wrong = 0;
	struct vm vm;
	u8 *memory;
	int r;

	options_parse(&o, argc, argv);
	r = vm_create(&vm, o.extra ? o.extra : "/dev/likex");
	if (r) {
		printf("skipped: %s: %s\n", o.extra ? o.extra : "/dev/likex", strerror(-r));
		return 77;
	}
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED && !vm_set_slot(&vm, 0, 0, memory, MEMORY), "memory");
	build_tables(memory);
	for (i = 0; i < CPUS; i++)
		cpu_create(&cpu[i], &vm, i);
	for (i = 0; i < CPUS; i++) {
		cpu_start(&cpu[i], &vm, memory);
		for (row = 0; row < ARRAY_SIZE(rows); row++) {
			if (row_ok(&cpu[i], &rows[row]))
				continue;
			printf("  WRONG\n");
			wrong++;
		}
		wrong += !divided(&cpu[i]);
		wrong += !refused(&cpu[i]);
		likex_vcpu_free(cpu[i].likex);
	}
	printf("%zu instruction sequences on %u vCPUs, %u wrong\n", ARRAY_SIZE(rows) + 2, CPUS,
	       wrong);
	vm_destroy(&vm);
	return wrong != 0;
}
