// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The instructions with which a kernel reaches its devices.
 *
 * Takes a vmlinux, finds the functions that do MMIO (by their names, since the
 * accessors are inlined in them), disassembles them, and executes each
 * instruction that has a memory operand three times: with the operand in
 * memory, in a device, and, where its address can be chosen, natively in user
 * mode. All must be emulated and must agree.
 */
#include "native.h"
#include <Zydis/Zydis.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA  0x20000000ull
#define CODE   0x21000000ull
#define GPA    0x10000ull	/* the operand's page, wherever it seems to be */
#define TABLES 0x1000ull

static const char *const functions[] = {
	"native_apic_mem_*", "native_apic_*", "native_io_apic_*", "io_apic_*",
	"*ioapic*", "apic_*", "hpet_*", "*_hpet*", "vp_*", "vm_*", "*_vq_*",
	"memcpy_toio", "memcpy_fromio", "memset_io", "__memcpy_toio",
	"__memcpy_fromio", "__memset_io", "ioread*", "iowrite*", "__ioread*",
	"__iowrite*", "mem32*", "mem16*", "mem_serial*", "pci_mmcfg_*",
	"pci_*msi*", "msix_*", "__pci_*msi*", "acpi_os_*memory", "virtqueue_*",
};

struct elf {
	const u8 *data;
	size_t size;
	const Elf64_Shdr *sections;
	unsigned int section_count;
};

struct insn {
	ZydisDecodedInstruction z;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u8 code[16];
	char text[96];
	const char *function;
};

struct forms {
	struct elf elf;
	struct rig rig;
	struct native_mode mode;
	bool native;
	unsigned int functions, insns, accesses, natively, failures;
	/* The forms that there were: a bit each in a hash. */
	u8 seen[8192];
	unsigned int distinct;
};

static bool in_file(const struct elf *e, u64 at, u64 len)
{
	return at <= e->size && len <= e->size - at;
}

static bool elf_open(struct elf *e, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const Elf64_Ehdr *h;
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st)) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	e->data = p;
	e->size = st.st_size;
	h = p;
	if (p == MAP_FAILED || e->size < sizeof(*h) || memcmp(p, ELFMAG, SELFMAG) ||
	    h->e_machine != EM_X86_64 ||
	    !in_file(e, h->e_shoff, (u64)h->e_shnum * sizeof(Elf64_Shdr))) {
		fprintf(stderr, "%s: not an x86-64 ELF file\n", path);
		return false;
	}
	e->sections = (const Elf64_Shdr *)(const void *)(e->data + h->e_shoff);
	e->section_count = h->e_shnum;
	return true;
}

static const u8 *code_at(const struct elf *e, const Elf64_Sym *sym)
{
	const Elf64_Shdr *s;
	u64 at;

	if (sym->st_shndx >= e->section_count)
		return NULL;
	s = &e->sections[sym->st_shndx];
	at = s->sh_offset + sym->st_value - s->sh_addr;
	if (s->sh_type != SHT_PROGBITS || sym->st_value < s->sh_addr ||
	    !in_file(e, at, sym->st_size))
		return NULL;
	return e->data + at;
}

static bool wanted(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(functions); i++)
		if (!fnmatch(functions[i], name, 0))
			return true;
	return false;
}

/* Every linear address is the one page: all entries of each table alike. */
static void map_everything(struct rig *r, u64 gpa)
{
	u64 table, entry, i;

	for (table = 0; table < 4; table++) {
		entry = (table < 3 ? TABLES + (table + 1) * RIG_PAGE : gpa) | 7;
		for (i = 0; i < 512; i++)
			memcpy(rig_at(r, TABLES + table * RIG_PAGE + i * 8), &entry, 8);
	}
}

static u64 *reg_of(struct likex_regs *r, ZydisRegister reg)
{
	static const u8 order[] = { 0, 2, 3, 1, 6, 7, 4, 5 };
	unsigned int n = ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(
				ZYDIS_MACHINE_MODE_LONG_64, reg));

	return (u64 *)(void *)r + (n < 8 ? order[n] : n);
}

static const ZydisDecodedOperand *memory_operand(const struct insn *in)
{
	unsigned int i, n = in->z.operand_count_visible;

	/* A string instruction's are not in its bytes, but there. */
	if (in->z.meta.category == ZYDIS_CATEGORY_STRINGOP)
		n = in->z.operand_count;
	for (i = 0; i < n; i++)
		if (in->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    in->ops[i].mem.type == ZYDIS_MEMOP_TYPE_MEM)
			return &in->ops[i];
	return NULL;
}

/* Registers like a kernel's, so that the operand is at ARENA + 0x100. */
static bool aim(const struct insn *in, struct likex_regs *r)
{
	const ZydisDecodedOperandMem *m = &memory_operand(in)->mem;
	u64 disp = m->disp.has_displacement ? m->disp.value : 0;
	u64 i, *p = (u64 *)(void *)r;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < 16; i++)
		p[i] = 0x11 * (i + 1);
	r->rsp = ARENA + 0x800;
	r->rsi = r->rdi = ARENA + 0x100;
	r->rcx = 3;
	r->rflags = 2;
	r->rip = CODE;
	if (m->base == ZYDIS_REGISTER_NONE || m->base == ZYDIS_REGISTER_RIP ||
	    m->base == m->index || m->segment == ZYDIS_REGISTER_GS)
		return false;
	if (in->z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPNE))
		return true;
	if (m->index != ZYDIS_REGISTER_NONE)
		*reg_of(r, m->index) = 3;
	*reg_of(r, m->base) = ARENA + 0x100 - disp -
			      (m->index != ZYDIS_REGISTER_NONE ? 3ull * m->scale : 0);
	return true;
}

static void fill(u8 *page)
{
	unsigned int i;

	/* Small values: a branch through memory must find an address. */
	for (i = 0; i < RIG_PAGE; i++)
		page[i] = i % 8 < 3 ? i * 7 : 0;
}

static int emulate(struct forms *f, const struct insn *in, enum page_kind kind,
		   const struct likex_regs *before)
{
	struct likex_trap trap = { .insn_len = LIKEX_INSN_MAX };
	struct rig *r = &f->rig;
	int res;

	memcpy(trap.insn, in->code, sizeof(trap.insn));
	rig_kind(r, GPA, RIG_PAGE, kind);
	fill(rig_at(r, GPA));
	memset(r->xsave, 0x5a, 576 + 256);
	memcpy(r->xsave, "\x7f\x03", 2);
	memcpy(r->xsave + 24, "\x80\x1f\0", 4);
	memset(r->xsave + 512, 0, 64);
	r->xsave[512] = 7;
	r->regs = *before;
	r->pull = true;
	r->io_count = 0;
	r->step.trap = &trap;
	do {
		res = rig_step(r);
	} while (res == LIKEX_MORE);
	return res;
}

static void report(struct forms *f, const struct insn *in, const char *what)
{
	f->failures++;
	printf("%s: %s: %s", in->function, in->text, what);
	print_bytes("", in->code, in->z.length);
}

/* Flags that the manual leaves undefined after this instruction. */
static u64 undefined_flags(const struct insn *in)
{
	return in->z.cpu_flags ? in->z.cpu_flags->undefined : 0;
}

static void check_natively(struct forms *f, const struct insn *in,
			   const struct likex_regs *before)
{
	struct native_state s = {
		.regs = *before, .xstate = 7 & native_xstate(), .x87 = { 0x7f, 3 },
	};
	u64 flags = 0x8d5 & ~undefined_flags(in);
	unsigned int i;

	memcpy(s.x87 + 24, "\x80\x1f", 2);
	for (i = 0; i < 16; i++)
		memset(s.vec[i], 0x5a, 32);
	fill((u8 *)ARENA);
	memset((u8 *)CODE, 0xcc, 32);
	memcpy((u8 *)CODE, in->code, in->z.length);
	native_run(&f->mode, &s);
	f->natively++;
	if (s.trapno != 3) {
		report(f, in, "faults natively");
		return;
	}
	s.regs.rflags &= flags;
	f->rig.regs.rflags &= flags;
	if (memcmp(&s.regs, &f->rig.regs, sizeof(s.regs))) {
		report(f, in, "registers differ from the processor's");
		print_regs("native:", &s.regs);
		print_regs("emulated:", &f->rig.regs);
	}
	if (memcmp((u8 *)ARENA, rig_at(&f->rig, GPA), RIG_PAGE))
		report(f, in, "memory differs from the processor's");
}

static bool touches_nothing(const struct insn *in)
{
	return in->z.mnemonic == ZYDIS_MNEMONIC_NOP ||
	       in->z.meta.category == ZYDIS_CATEGORY_PREFETCH;
}

static void check(struct forms *f, const struct insn *in)
{
	struct likex_regs before, after;
	u8 page[RIG_PAGE];
	bool can_run = aim(in, &before);
	int res;

	res = emulate(f, in, PAGE_DEV, &before);
	if (res != LIKEX_DONE) {
		report(f, in, res == LIKEX_UNSUPPORTED ? likex_reason_str(f->rig.step.why) :
						 result_str(res));
		return;
	}
	if (!f->rig.io_count && !touches_nothing(in))
		report(f, in, "made no access");
	f->accesses += f->rig.io_count;
	after = f->rig.regs;
	memcpy(page, rig_at(&f->rig, GPA), RIG_PAGE);
	if (emulate(f, in, PAGE_RAM, &before) != LIKEX_DONE ||
	    memcmp(&after, &f->rig.regs, sizeof(after)) ||
	    memcmp(page, rig_at(&f->rig, GPA), RIG_PAGE))
		report(f, in, "memory and device differ");
	/* A branch would leave the test. */
	if (f->native && can_run && in->z.meta.branch_type == ZYDIS_BRANCH_TYPE_NONE)
		check_natively(f, in, &before);
}

/* A form: what is done, on operands of what kind and size. */
static void note_form(struct forms *f, const struct insn *in)
{
	u32 hash = in->z.mnemonic * 2654435761u;
	unsigned int i;

	for (i = 0; i < in->z.operand_count_visible; i++)
		hash = (hash ^ (in->ops[i].type << 10 | in->ops[i].size)) * 2654435761u;
	hash ^= (u32)in->z.attributes & 0x7f;
	hash = hash * 2654435761u >> 16;
	if (f->seen[hash / 8] & 1 << hash % 8)
		return;
	f->seen[hash / 8] |= 1 << hash % 8;
	f->distinct++;
}

static void disassemble_function(struct forms *f, const char *name, const u8 *code,
				 u64 len)
{
	ZydisDecoder d;
	ZydisFormatter fmt;
	struct insn in;
	u64 at = 0;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisFormatterInit(&fmt, ZYDIS_FORMATTER_STYLE_INTEL);
	f->functions++;
	while (at < len) {
		memset(&in, 0, sizeof(in));
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, code + at, len - at,
							 &in.z, in.ops))) {
			/* Data, or a trap with an operand the decoder lacks. */
			at++;
			continue;
		}
		memset(in.code, 0x90, sizeof(in.code));
		memcpy(in.code, code + at, in.z.length);
		at += in.z.length;
		f->insns++;
		if (!memory_operand(&in))
			continue;
		ZydisFormatterFormatInstruction(&fmt, &in.z, in.ops,
						in.z.operand_count_visible, in.text,
						sizeof(in.text), ZYDIS_RUNTIME_ADDRESS_NONE,
						NULL);
		in.function = name;
		note_form(f, &in);
		check(f, &in);
	}
}

static void scan(struct forms *f)
{
	const struct elf *e = &f->elf;
	const Elf64_Sym *sym;
	const char *names;
	const u8 *code;
	unsigned int i;
	u64 n;

	for (i = 0; i < e->section_count; i++) {
		const Elf64_Shdr *s = &e->sections[i];

		if (s->sh_type != SHT_SYMTAB || s->sh_link >= e->section_count ||
		    !in_file(e, s->sh_offset, s->sh_size))
			continue;
		names = (const char *)e->data + e->sections[s->sh_link].sh_offset;
		sym = (const Elf64_Sym *)(const void *)(e->data + s->sh_offset);
		for (n = s->sh_size / sizeof(*sym); n; n--, sym++) {
			if (ELF64_ST_TYPE(sym->st_info) != STT_FUNC || !sym->st_size ||
			    !wanted(names + sym->st_name))
				continue;
			code = code_at(e, sym);
			if (code)
				disassemble_function(f, names + sym->st_name, code,
						     sym->st_size);
		}
	}
}

static void machine(struct forms *f)
{
	struct rng rng = { 1 };

	rig_init(&f->rig, 64, NULL);
	map_everything(&f->rig, GPA);
	rig_mode(&f->rig, 64, 0);
	f->rig.sregs.cr3 = TABLES;
	f->native = native_init(0x1000);
	if (!f->native)
		return;
	native_mode(&f->mode, 64, &rng, ARENA, CODE);
	if (mmap((void *)ARENA, RIG_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED ||
	    mmap((void *)CODE, RIG_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		f->native = false;
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "Emulate each instruction with which a kernel reaches its devices.",
		.extra_name = "vmlinux", .extra_help = "the kernel, with symbols",
	};
	static struct forms f;

	options_parse(&o, argc, argv);
	if (!o.extra) {
		fprintf(stderr, "%s: --vmlinux is needed (see --help)\n", argv[0]);
		return 2;
	}
	if (!elf_open(&f.elf, o.extra))
		return 2;
	machine(&f);
	scan(&f);
	printf("%u functions, %u instructions, %u forms with a memory operand, "
	       "%u accesses, %u compared natively, %u failures\n", f.functions,
	       f.insns, f.distinct, f.accesses, f.natively, f.failures);
	if (!f.functions || !f.accesses) {
		printf("no function was found: is it a vmlinux with symbols?\n");
		return 2;
	}
	return f.failures != 0;
}
