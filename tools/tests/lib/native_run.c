// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How a single instruction gets onto the processor: a breakpoint's signal
 * handler returns to it with every register chosen, and the signal that comes
 * next (the breakpoint after it, a single-step trap, or its fault) brings
 * back what became of them.
 *
 * The handler and what it calls are built without stack protection, and load
 * only segment registers that the C library does not use.
 */
#include "native.h"
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define XSAVE_XMM  160
#define XSAVE_BV   512
#define XSAVE_YMMH 576
#define X86_XFEATURES 0xe7	/* x87, SSE, AVX, AVX-512 */
#define FP_SIZE 4096

/* The one global: a signal handler has no other way to its data. */
static struct {
	const struct native_mode *mode;
	struct native_state *state;
	bool inside;
	unsigned int rsp_bits;	/* if a checked RSP is simulated: its bits; else 0 */
	gregset_t saved;
	u8 saved_fp[FP_SIZE];
	unsigned int fp_size;
	u64 gs_base;
	u64 xfeatures;
	unsigned int mask, zmmh, zmm16;
	u16 sel[6];
} g;

static const u8 greg_order[] = {
	REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RSP, REG_RBP,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	REG_RIP, REG_EFL,
};

unsigned int native_vendor(void)
{
	unsigned int a, b, c, d;

	/* "AuthenticAMD" and "HygonGenuine" */
	if (__get_cpuid(0, &a, &b, &c, &d) && (b == 0x68747541 || b == 0x6f677948))
		return LIKEX_VENDOR_AMD;
	return LIKEX_VENDOR_INTEL;
}

u64 native_xstate(void)
{
	return g.xfeatures;
}

/* Parts of a register, and where each lies. */
static void vector_parts(unsigned int reg, u8 *xsave, u8 *at[3])
{
	at[0] = xsave + XSAVE_XMM + reg * 16;
	at[1] = xsave + XSAVE_YMMH + reg * 16;
	at[2] = xsave + g.zmmh + reg * 32;
}

void native_to_xsave(const struct native_state *s, u8 *xsave)
{
	bool avx512 = g.xfeatures & 0x40;
	unsigned int i;
	u8 *at[3];

	memcpy(xsave, s->x87, sizeof(s->x87));
	for (i = 0; i < 16; i++) {
		vector_parts(i, xsave, at);
		memcpy(at[0], s->vec[i], 16);
		memcpy(at[1], s->vec[i] + 16, 16);
		if (!avx512)
			continue;
		memcpy(at[2], s->vec[i] + 32, 32);
		memcpy(xsave + g.zmm16 + i * 64, s->vec[16 + i], 64);
	}
	if (avx512)
		memcpy(xsave + g.mask, s->mask, sizeof(s->mask));
	memcpy(xsave + XSAVE_BV, &s->xstate, 8);
}

/* x87 counts as reset if its bit is clear; MXCSR is there in any case. */
static void x87_from_xsave(struct native_state *s, const u8 *xsave, bool used)
{
	memset(s->x87, 0, sizeof(s->x87));
	if (used)
		memcpy(s->x87, xsave, sizeof(s->x87));
	else
		memcpy(s->x87, "\x7f\x03", 2);
	memcpy(s->x87 + 24, xsave + 24, 4);
	memset(s->x87 + 28, 0, 4);
}

void native_from_xsave(struct native_state *s, const u8 *xsave)
{
	unsigned int i;
	u8 *at[3];
	u64 bv;

	memcpy(&bv, xsave + XSAVE_BV, 8);
	memset(s->vec, 0, sizeof(s->vec));
	memset(s->mask, 0, sizeof(s->mask));
	x87_from_xsave(s, xsave, bv & 1);
	for (i = 0; i < 16; i++) {
		vector_parts(i, (u8 *)xsave, at);
		if (bv & 2)
			memcpy(s->vec[i], at[0], 16);
		if (bv & 4)
			memcpy(s->vec[i] + 16, at[1], 16);
		if (bv & g.xfeatures & 0x40)
			memcpy(s->vec[i] + 32, at[2], 32);
		if (bv & g.xfeatures & 0x80)
			memcpy(s->vec[16 + i], xsave + g.zmm16 + i * 64, 64);
	}
	if (bv & g.xfeatures & 0x20)
		memcpy(s->mask, xsave + g.mask, sizeof(s->mask));
	s->xstate = bv;
}

static void load_segments(u16 ds, u16 es, u16 gs, bool restore_gs)
{
	__asm__ volatile("mov %0, %%ds; mov %1, %%es" :: "r" (ds), "r" (es));
	if (restore_gs) {
		__asm__ volatile("mov %0, %%gs" :: "r" (g.sel[5]));
		syscall(SYS_arch_prctl, ARCH_SET_GS, g.gs_base);
	} else {
		__asm__ volatile("mov %0, %%gs" :: "r" (gs));
	}
}

static void enter(ucontext_t *uc)
{
	greg_t *r = uc->uc_mcontext.gregs;
	u8 *fp = (u8 *)uc->uc_mcontext.fpregs;
	const u64 *from = (const u64 *)(void *)&g.state->regs;
	u64 bv;
	unsigned int i;

	memcpy(g.saved, r, sizeof(g.saved));
	memcpy(g.saved_fp, fp, g.fp_size);
	for (i = 0; i < sizeof(greg_order); i++)
		r[greg_order[i]] = from[i];
	r[REG_CSGSFS] = (r[REG_CSGSFS] & 0x0000ffffffff0000) | g.mode->cs |
			(u64)g.mode->ss << 48;
	/* Other components stay as they are. */
	memcpy(&bv, fp + XSAVE_BV, 8);
	bv &= ~(u64)X86_XFEATURES;
	native_to_xsave(g.state, fp);
	bv |= g.state->xstate & X86_XFEATURES;
	memcpy(fp + XSAVE_BV, &bv, 8);
	if (g.mode->bits != 64)
		load_segments(g.mode->ds, g.mode->es, g.mode->gs, false);
}

static void leave(ucontext_t *uc)
{
	greg_t *r = uc->uc_mcontext.gregs;
	u8 *fp = (u8 *)uc->uc_mcontext.fpregs;
	u64 *to = (u64 *)(void *)&g.state->regs;
	unsigned int i;

	if (g.mode->bits != 64)
		load_segments(g.sel[3], g.sel[0], g.sel[5], true);
	for (i = 0; i < sizeof(greg_order); i++)
		to[i] = r[greg_order[i]];
	native_from_xsave(g.state, fp);
	g.state->trapno = r[REG_TRAPNO];
	g.state->error = r[REG_ERR];
	g.state->cr2 = r[REG_CR2];
	if (g.state->trapno == 3)
		g.state->regs.rip--;
	memcpy(r, g.saved, sizeof(g.saved));
	memcpy(fp, g.saved_fp, g.fp_size);
}

/* The kernel leaves a case's AC set: what is copied here would have to be aligned. */
static inline void clear_ac(void)
{
	u64 flags = __builtin_ia32_readeflags_u64();

	__builtin_ia32_writeeflags_u64(flags & ~(u64)0x40000);
}

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	clear_ac();
	(void)info;
	if (!g.state) {
		signal(sig, SIG_DFL);
		return;
	}
	if (!g.inside)
		enter(uc);
	else
		leave(uc);
	g.inside = !g.inside;
}

void native_pretend_rsp_checked(unsigned int va_bits)
{
	g.rsp_bits = va_bits;
}

/* #GP with RF set, before the instruction: seen on AMD's family 26, model 2. */
static bool refused_at_return(struct native_state *s)
{
	unsigned int above = 64 - g.rsp_bits;

	if (!g.rsp_bits || (s64)(s->regs.rsp << above) >> above == (s64)s->regs.rsp)
		return false;
	s->trapno = 13;
	s->regs.rflags |= BIT(16);
	return true;
}

/* POPF may have left NT and ID, which the kernel does not take back. */
static void clear_sticky(void)
{
	u64 flags = __builtin_ia32_readeflags_u64();

	__builtin_ia32_writeeflags_u64(flags & ~(u64)0x204000);
}

void native_run(const struct native_mode *m, struct native_state *s)
{
	if (refused_at_return(s))
		return;
	g.mode = m;
	g.state = s;
	g.inside = false;
	__asm__ volatile("int3" ::: "memory");
	g.state = NULL;
	clear_sticky();
}

static u16 read_selector(unsigned int seg)
{
	u16 v = 0;

	switch (seg) {
	case 0: __asm__("mov %%es, %0" : "=r" (v)); break;
	case 1: __asm__("mov %%cs, %0" : "=r" (v)); break;
	case 2: __asm__("mov %%ss, %0" : "=r" (v)); break;
	case 3: __asm__("mov %%ds, %0" : "=r" (v)); break;
	case 4: __asm__("mov %%fs, %0" : "=r" (v)); break;
	case 5: __asm__("mov %%gs, %0" : "=r" (v)); break;
	}
	return v;
}

/* The local descriptor table: what there is to choose segments from. */
enum {
	LDT_CODE32, LDT_CODE16, LDT_FLAT, LDT_SHORT, LDT_READ_ONLY, LDT_DOWN32,
	LDT_DATA16, LDT_DOWN16, LDT_READ_ONLY16, LDT_CODE_DATA, LDT_COUNT,
};

enum { CONTENTS_DATA, CONTENTS_DOWN, CONTENTS_CODE };

static const struct ldt {
	u8 contents, read_only, wide, in_pages;
	int base_page;		/* relative to the arena; -1: base is 0 */
	u32 limit;
} ldt[LDT_COUNT] = {
	[LDT_CODE32]      = { CONTENTS_CODE, 0, 1, 1, -1, 0xfffff },
	[LDT_CODE16]      = { CONTENTS_CODE, 0, 0, 0, -2, 0x1ffff },
	[LDT_FLAT]        = { CONTENTS_DATA, 0, 1, 1, -1, 0xfffff },
	[LDT_SHORT]       = { CONTENTS_DATA, 0, 1, 0, 1, 0xa7f3 },
	[LDT_READ_ONLY]   = { CONTENTS_DATA, 1, 1, 1, -1, 0xfffff },
	[LDT_DOWN32]      = { CONTENTS_DOWN, 0, 1, 0, 0, 0x6ffb },
	[LDT_DATA16]      = { CONTENTS_DATA, 0, 0, 0, 0, 0xfffd },
	[LDT_DOWN16]      = { CONTENTS_DOWN, 0, 0, 0, 2, 0x3001 },
	[LDT_READ_ONLY16] = { CONTENTS_DATA, 1, 0, 0, 4, 0x8000 },
	[LDT_CODE_DATA]   = { CONTENTS_CODE, 0, 1, 0, 0, 0x9fff },
};

static u64 ldt_base(unsigned int i, u64 arena, u64 code)
{
	if (ldt[i].base_page == -2)
		return code;
	return ldt[i].base_page < 0 ? 0 : arena + ldt[i].base_page * RIG_PAGE;
}

static void ldt_write(unsigned int i, u64 arena, u64 code)
{
	struct user_desc d = {
		.entry_number = i, .base_addr = ldt_base(i, arena, code),
		.limit = ldt[i].limit, .seg_32bit = ldt[i].wide,
		.contents = ldt[i].contents, .read_exec_only = ldt[i].read_only,
		.limit_in_pages = ldt[i].in_pages, .useable = 1,
	};

	if (syscall(SYS_modify_ldt, 0x11, &d, sizeof(d))) {
		perror("modify_ldt");
		exit(2);
	}
}

static struct likex_segment ldt_segment(unsigned int i, u64 arena, u64 code)
{
	u32 limit = ldt[i].limit;
	u8 type = 1;

	type |= ldt[i].contents == CONTENTS_CODE ? 8 :
		ldt[i].contents == CONTENTS_DOWN ? 4 : 0;
	if (ldt[i].contents == CONTENTS_CODE || !ldt[i].read_only)
		type |= 2;
	return (struct likex_segment){
		.base = ldt_base(i, arena, code), .selector = i << 3 | 7,
		.limit = ldt[i].in_pages ? limit << 12 | 0xfff : limit,
		.type = type, .present = 1, .dpl = 3, .db = ldt[i].wide, .s = 1,
		.g = ldt[i].in_pages,
	};
}

static unsigned int choose(struct rng *rng, const u8 *from, unsigned int n)
{
	return from[rng_below(rng, n)];
}

static void mode_ldt(struct native_mode *m, struct rng *rng, u64 arena, u64 code)
{
	static const u8 data[] = {
		LDT_FLAT, LDT_FLAT, LDT_FLAT, LDT_SHORT, LDT_READ_ONLY, LDT_DOWN32,
		LDT_DATA16, LDT_DOWN16, LDT_READ_ONLY16, LDT_CODE_DATA,
	};
	static const u8 stack[] = {
		LDT_FLAT, LDT_FLAT, LDT_SHORT, LDT_DOWN32, LDT_DATA16, LDT_DOWN16,
	};
	/* 16-bit offsets reach little of a flat segment. */
	static const u8 data16[] = {
		LDT_DATA16, LDT_DATA16, LDT_SHORT, LDT_DOWN16, LDT_READ_ONLY16,
		LDT_CODE_DATA, LDT_DOWN32,
	};
	static const u8 stack16[] = { LDT_DATA16, LDT_SHORT, LDT_DOWN16 };
	unsigned int i, entry[6];
	bool small = m->bits == 16;

	for (i = 0; i < LDT_COUNT; i++)
		ldt_write(i, arena, code);
	entry[1] = small ? LDT_CODE16 : LDT_CODE32;
	entry[2] = small ? choose(rng, stack16, sizeof(stack16)) :
			   choose(rng, stack, sizeof(stack));
	for (i = 0; i < 6; i++) {
		if (i == 1 || i == 2)
			continue;
		entry[i] = small ? choose(rng, data16, sizeof(data16)) :
				   choose(rng, data, sizeof(data));
	}
	for (i = 0; i < 6; i++)
		m->seg[i] = ldt_segment(entry[i], arena, code);
	/* FS is the C library's: here a null selector. */
	m->seg[4] = (struct likex_segment){ .unusable = 1 };
	m->stack16 = !m->seg[2].db;
}

static void mode_flat(struct native_mode *m)
{
	unsigned int i;

	for (i = 0; i < 6; i++)
		m->seg[i] = (struct likex_segment){
			.selector = g.sel[i], .limit = 0xffffffff, .type = 3,
			.present = 1, .dpl = 3, .s = 1, .g = 1, .db = 1,
		};
	m->seg[1].type = 11;
	m->seg[1].l = 1;
	m->seg[1].db = 0;
	syscall(SYS_arch_prctl, ARCH_GET_FS, &m->seg[4].base);
	m->seg[5].base = g.gs_base;
}

void native_mode(struct native_mode *m, unsigned int bits, struct rng *rng,
		 u64 arena, u64 code)
{
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->bits = bits;
	if (bits == 64)
		mode_flat(m);
	else
		mode_ldt(m, rng, arena, code);
	for (i = 0; i < 6; i++)
		m->seg_base[i] = m->seg[i].base;
	m->es = m->seg[0].selector;
	m->cs = m->seg[1].selector;
	m->ss = m->seg[2].selector;
	m->ds = m->seg[3].selector;
	m->gs = m->seg[5].selector;
	m->code_base = m->seg_base[1];
	m->usable = 0x3f;
}

void native_sregs(const struct native_mode *m, struct likex_sregs *s)
{
	s->es = m->seg[0];
	s->cs = m->seg[1];
	s->ss = m->seg[2];
	s->ds = m->seg[3];
	s->fs = m->seg[4];
	s->gs = m->seg[5];
	s->cr4 = 0x40000 | 0x600 | 0x20;
	s->efer = 0xd00;
}

void native_describe(const struct native_mode *m)
{
	static const char *const names[] = { "es", "cs", "ss", "ds", "fs", "gs" };
	unsigned int i;

	for (i = 0; i < 6; i++)
		printf("%s %04x base %llx limit %x type %x db %u\n", names[i],
		       m->seg[i].selector, (unsigned long long)m->seg[i].base,
		       m->seg[i].limit, m->seg[i].type, m->seg[i].db);
}

static bool processor_fits(void)
{
	unsigned int a, b, c, d;

	if (!__builtin_cpu_supports("avx2") || !__get_cpuid(1, &a, &b, &c, &d) ||
	    !(c & BIT(22)) || !(c & BIT(13))) {
		printf("this processor lacks AVX2, MOVBE or CMPXCHG16B\n");
		return false;
	}
	return true;
}

/* Or of that origin. */
bool native_is_amd(void)
{
	unsigned int a, name[3];

	__cpuid(0, a, name[0], name[2], name[1]);
	return !memcmp(name, "AuthenticAMD", 12) || !memcmp(name, "HygonGenuine", 12);
}

bool native_init(u64 gs_base)
{
	static u8 stack[65536];
	const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct sigaction sa = { .sa_sigaction = handler };
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	unsigned int i, a, b, c, d;
	u32 lo, hi;

	if (!processor_fits())
		return false;
	g.gs_base = gs_base;
	syscall(SYS_arch_prctl, ARCH_SET_GS, gs_base);
	for (i = 0; i < 6; i++)
		g.sel[i] = read_selector(i);
	__asm__("xgetbv" : "=a" (lo), "=d" (hi) : "c" (0));
	g.xfeatures = lo & X86_XFEATURES;
	__cpuid_count(0xd, 5, a, b, c, d);
	g.mask = b;
	__cpuid_count(0xd, 6, a, b, c, d);
	g.zmmh = b;
	__cpuid_count(0xd, 7, a, b, c, d);
	g.zmm16 = b;
	g.fp_size = g.xfeatures & 0x80 ? g.zmm16 + 1024 : XSAVE_YMMH + 256;
	if (g.fp_size > FP_SIZE)
		return false;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	sigaltstack(&ss, NULL);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
	return true;
}
