// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The C library's memory and string functions on a device's pages.
 *
 * Pages of this process are made inaccessible; what the functions do to them
 * ends in a signal handler, which has the emulator execute the instruction on
 * the thread's own registers. Each call is made a second time on ordinary
 * memory, and must give the same result and leave the same bytes.
 *
 * An instruction that the emulator refuses is counted, and executed by the
 * processor with the pages opened for it, so that the rest can be seen.
 *
 * GLIBC_TUNABLES chooses the functions' variants; the program sets it and
 * starts itself anew.
 */
#include "rig.h"
#include <asm/prctl.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <wchar.h>

#define PAGES 4
#define SIZE  (PAGES * RIG_PAGE)
#define SKIPPED 77

static const struct level {
	const char *name, *tunables;
	u8 vector;		/* prefix of vector instructions that must be seen */
} levels[] = {
	{ "avx512", "glibc.cpu.hwcaps=", 0x62 },
	{ "avx2", "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW", 0xc5 },
	{ "sse2", "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI1,-BMI2,"
	  "-LZCNT,-SSSE3,-SSE4_1,-SSE4_2,-ERMS,-AVX_Fast_Unaligned_Load", 0 },
};

/* Two areas that a function works on. The first may be a device. */
struct area {
	u8 *at;			/* address that functions use */
	u8 *bytes;		/* address that can always be read and written */
};

/* A signal handler has no other way to its data. */
static struct {
	struct likex_emul *emul;
	struct likex_regs regs;
	struct likex_sregs sregs;
	struct likex_fpu fpu;
	struct area dev[2];
	u64 emulated, refused, faults, transactions;
	u64 evex, vex;		/* of those emulated */
	bool stepping, verbose;
} g;

static const struct area *device_at(u64 addr)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (addr - (u64)g.dev[i].at < SIZE)
			return &g.dev[i];
	return NULL;
}

/* Linear and physical addresses are this process's own. */
static void *map(void *ctx, uint64_t gpa, bool write)
{
	(void)ctx;
	(void)write;
	return device_at(gpa) ? NULL : (void *)gpa;
}

static int io(void *ctx, struct likex_io *io)
{
	const struct area *a = device_at(io->addr);
	u8 *at;

	(void)ctx;
	if (!a)
		return -EFAULT;
	at = a->bytes + (io->addr - (u64)a->at);
	if (io->write)
		memcpy(at, io->data, io->len);
	else
		memcpy(io->data, at, io->len);
	g.transactions++;
	return 0;
}

static int fpu_get(void *ctx, struct likex_fpu *fpu)
{
	(void)ctx;
	*fpu = g.fpu;
	return 0;
}

static const u8 greg_order[] = {
	REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RSP, REG_RBP,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	REG_RIP, REG_EFL,
};

static int emulate(ucontext_t *uc)
{
	struct likex_step step = { .size = sizeof(step), .regs = &g.regs, .sregs = &g.sregs };
	greg_t *r = uc->uc_mcontext.gregs;
	u64 *regs = (u64 *)(void *)&g.regs;
	const u8 *code = (const u8 *)r[REG_RIP];
	unsigned int i;
	int res;

	for (i = 0; i < sizeof(greg_order); i++)
		regs[i] = r[greg_order[i]];
	g.fpu.xsave = uc->uc_mcontext.fpregs;
	do {
		res = likex_emul_step(g.emul, &step);
	} while (res == LIKEX_MORE);
	if (res != LIKEX_DONE)
		return res;
	g.evex += code[0] == 0x62;
	g.vex += code[0] == 0xc4 || code[0] == 0xc5;
	for (i = 0; i < sizeof(greg_order); i++)
		r[greg_order[i]] = regs[i];
	return 0;
}

static void protect(int prot)
{
	mprotect(g.dev[0].at, SIZE, prot);
	mprotect(g.dev[1].at, SIZE, prot);
}

static void refuse(ucontext_t *uc, int res)
{
	const u8 *code = (const u8 *)uc->uc_mcontext.gregs[REG_RIP];
	char text[96];

	if (g.verbose) {
		disassemble(text, sizeof(text), code, LIKEX_INSN_MAX, 64);
		printf("%s: %s\n", result_str(res), text);
	}
	g.refused += res == LIKEX_UNSUPPORTED;
	g.faults += res != LIKEX_UNSUPPORTED;
	g.stepping = true;
	protect(PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= 0x100;
}

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	int res;

	if (sig == SIGTRAP && g.stepping) {
		uc->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
		g.stepping = false;
		protect(PROT_NONE);
		return;
	}
	if (sig != SIGSEGV || !device_at((u64)info->si_addr)) {
		signal(sig, SIG_DFL);
		return;
	}
	res = emulate(uc);
	if (res)
		refuse(uc, res);
	else
		g.emulated++;
}

/* A call: two places, a length, a character, a second length. */
struct call {
	u8 *a, *b;
	size_t n, m;
	int c;
};

static u64 offset(const struct call *c, const void *p)
{
	const u8 *at = p;

	if (!at)
		return ~0ull;
	if ((u64)(at - c->a) <= SIZE)
		return at - c->a;
	return 0x10000 + (u64)(at - c->b);
}

static u64 sign(int v)
{
	return v < 0 ? 2 : v > 0;
}

#define WA ((wchar_t *)(void *)c->a)
#define WB ((wchar_t *)(void *)c->b)
#define CA ((char *)c->a)
#define CB ((char *)c->b)

/* X(name, whether characters are wide, what it gives) */
#define FUNCTIONS(X)								\
	X(memcpy, 0, offset(c, memcpy(c->a, c->b, c->n)))			\
	X(mempcpy, 0, offset(c, mempcpy(c->a, c->b, c->n)))			\
	X(memmove, 0, offset(c, memmove(c->a, c->b, c->n)))			\
	X(memmove_up, 0, offset(c, memmove(c->a + 5, c->a, c->n)))		\
	X(memmove_down, 0, offset(c, memmove(c->a, c->a + 5, c->n)))		\
	X(memset, 0, offset(c, memset(c->a, c->c, c->n)))			\
	X(memcmp, 0, sign(memcmp(c->a, c->b, c->n)))				\
	X(bcmp, 0, !!bcmp(c->a, c->b, c->n))					\
	X(memchr, 0, offset(c, memchr(c->a, c->c, c->n)))			\
	X(memrchr, 0, offset(c, memrchr(c->a, c->c, c->n)))			\
	X(rawmemchr, 0, offset(c, rawmemchr(c->a, 0)))				\
	X(memccpy, 0, offset(c, memccpy(c->a, c->b, c->c, c->n)))		\
	X(memmem, 0, offset(c, memmem(c->a, c->n, c->b, c->m)))			\
	X(strlen, 0, strlen(CA))						\
	X(strnlen, 0, strnlen(CA, c->m))					\
	X(strcpy, 0, offset(c, strcpy(CA, CB)))					\
	X(stpcpy, 0, offset(c, stpcpy(CA, CB)))					\
	X(strncpy, 0, offset(c, strncpy(CA, CB, c->m)))				\
	X(stpncpy, 0, offset(c, stpncpy(CA, CB, c->m)))				\
	X(strcat, 0, offset(c, strcat(CA, CB)))					\
	X(strncat, 0, offset(c, strncat(CA, CB, c->m)))				\
	X(strcmp, 0, sign(strcmp(CA, CB)))					\
	X(strncmp, 0, sign(strncmp(CA, CB, c->m)))				\
	X(strcasecmp, 0, sign(strcasecmp(CA, CB)))				\
	X(strncasecmp, 0, sign(strncasecmp(CA, CB, c->m)))			\
	X(strchr, 0, offset(c, strchr(CA, c->c)))				\
	X(strchrnul, 0, offset(c, strchrnul(CA, c->c)))				\
	X(strrchr, 0, offset(c, strrchr(CA, c->c)))				\
	X(strstr, 0, offset(c, strstr(CA, CB)))					\
	X(strspn, 0, strspn(CA, CB))						\
	X(strcspn, 0, strcspn(CA, CB))						\
	X(strpbrk, 0, offset(c, strpbrk(CA, CB)))				\
	X(wcslen, 1, wcslen(WA))						\
	X(wcsnlen, 1, wcsnlen(WA, c->m))					\
	X(wcscpy, 1, offset(c, wcscpy(WA, WB)))					\
	X(wcscmp, 1, sign(wcscmp(WA, WB)))					\
	X(wcsncmp, 1, sign(wcsncmp(WA, WB, c->m)))				\
	X(wcschr, 1, offset(c, wcschr(WA, c->c)))				\
	X(wcsrchr, 1, offset(c, wcsrchr(WA, c->c)))				\
	X(wmemset, 1, offset(c, wmemset(WA, c->c, c->n)))			\
	X(wmemchr, 1, offset(c, wmemchr(WA, c->c, c->n)))			\
	X(wmemcmp, 1, sign(wmemcmp(WA, WB, c->n)))

#define DEFINE(name, wide, value) \
	static u64 call_##name(const struct call *c) { return value; }
FUNCTIONS(DEFINE)

static const struct function {
	const char *name;
	bool wide;
	u64 (*call)(const struct call *c);
} functions[] = {
#define ROW(name, wide, value) { #name, wide, call_##name },
	FUNCTIONS(ROW)
};

/* Few different characters, so that they are found, and an end after @n. */
static void fill(struct rng *rng, u8 *at, size_t room, size_t n, bool wide)
{
	unsigned int size = wide ? 4 : 1;
	u64 chance = 0;
	size_t i;

	memset(at, 0, room);
	for (i = 0; i + size <= room; i += size, chance >>= 4) {
		if (!chance)
			chance = rng_next(rng) | BIT(60);
		if (i != n * size)
			at[i] = "aaaaaaaaaaaaabAz"[chance & 15];
	}
}

static size_t choose_length(struct rng *rng)
{
	return rng_below(rng, rng_one_in(rng, 16) ? 2500 : rng_one_in(rng, 2) ? 300 : 40);
}

struct test {
	struct rng rng;
	struct area plain[2];	/* ordinary memory: once where a device is, */
	struct area other[2];	/* and the second call's */
	u64 calls, wrong;
};

static bool same(const struct area *x, const struct area *y)
{
	return !memcmp(x->bytes, y->bytes, SIZE);
}

static void one(struct test *t, const struct function *f)
{
	unsigned int i, devices = 1 + rng_below(&t->rng, 3);
	u64 at[2], got, want;
	struct area used[2];
	struct call c = { 0 };

	c.n = choose_length(&t->rng);
	c.m = rng_one_in(&t->rng, 2) ? choose_length(&t->rng) : c.n;
	c.c = "abAz"[rng_below(&t->rng, 4)];
	for (i = 0; i < 2; i++) {
		used[i] = devices >> i & 1 ? g.dev[i] : t->plain[i];
		at[i] = rng_below(&t->rng, RIG_PAGE + 64) & (f->wide ? ~3ull : ~0ull);
		fill(&t->rng, used[i].bytes, SIZE, ~0u, f->wide);
		fill(&t->rng, used[i].bytes + at[i], SIZE - at[i], i && !rng_one_in(&t->rng, 4) ?
		     rng_below(&t->rng, 8) : c.n, f->wide);
		memcpy(t->other[i].bytes, used[i].bytes, SIZE);
	}
	/* Equal for a while, at times: else there is nothing to compare. */
	if (rng_one_in(&t->rng, 2)) {
		u64 room = SIZE - (at[0] > at[1] ? at[0] : at[1]);

		memcpy(used[1].bytes + at[1], used[0].bytes + at[0], room);
		if (rng_one_in(&t->rng, 2) && c.n)
			used[1].bytes[at[1] + rng_below(&t->rng, c.n) * (f->wide ? 4 : 1)] ^= 3;
		memcpy(t->other[1].bytes, used[1].bytes, SIZE);
	}
	c.a = used[0].at + at[0];
	c.b = used[1].at + at[1];
	got = f->call(&c);
	c.a = t->other[0].at + at[0];
	c.b = t->other[1].at + at[1];
	want = f->call(&c);
	t->calls++;
	if (got == want && same(&used[0], &t->other[0]) && same(&used[1], &t->other[1]))
		return;
	t->wrong++;
	printf("%s(%llx, %llx, %zu, %zu) on devices %u: %llx, in memory %llx%s\n", f->name,
	       (unsigned long long)at[0], (unsigned long long)at[1], c.n, c.m, devices,
	       (unsigned long long)got, (unsigned long long)want,
	       got == want ? "; bytes differ" : "");
}

static void *pages(int fd, int prot)
{
	void *p = mmap(NULL, SIZE, prot, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

static void areas(struct test *t)
{
	unsigned int i;
	int fd;

	for (i = 0; i < 2; i++) {
		fd = memfd_create("device", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, SIZE)) {
			perror("memfd_create");
			exit(2);
		}
		g.dev[i].at = pages(fd, PROT_NONE);
		g.dev[i].bytes = pages(fd, PROT_READ | PROT_WRITE);
		close(fd);
		t->plain[i].at = t->plain[i].bytes = pages(-1, PROT_READ | PROT_WRITE);
		t->other[i].at = t->other[i].bytes = pages(-1, PROT_READ | PROT_WRITE);
	}
}

static u64 read_xcr0(void)
{
	u32 lo, hi;

	__asm__("xgetbv" : "=a" (lo), "=d" (hi) : "c" (0));
	return lo | (u64)hi << 32;
}

static void machine(void)
{
	static u8 stack[1 << 18];
	static const struct likex_emul_ops ops = { .size = sizeof(ops), .map = map, .io = io, .fpu_get = fpu_get };
	struct likex_segment flat = {
		.limit = 0xffffffff, .type = 3, .present = 1, .dpl = 3, .s = 1, .g = 1, .db = 1,
	};
	struct sigaction sa = {
		.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct likex_sregs *s = &g.sregs;

	g.emul = likex_emul_new(&ops, NULL, NULL);
	if (!g.emul) {
		perror("likex_emul_new");
		exit(2);
	}
	s->cs = s->ds = s->es = s->ss = s->fs = s->gs = flat;
	s->cs.type = 11;
	s->cs.l = 1;
	s->cs.db = 0;
	syscall(SYS_arch_prctl, ARCH_GET_FS, &s->fs.base);
	s->cr0 = 0x33;
	s->cr4 = 0x40600;
	s->efer = 0xd00;
	g.fpu.xcr0 = read_xcr0();
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
}

static bool processor_has(const struct level *l)
{
	if (l->vector == 0x62)
		return __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
	return l->vector != 0xc5 || __builtin_cpu_supports("avx2");
}

static void choose_level(const char *name, char **argv)
{
	const char *now = getenv("GLIBC_TUNABLES");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(levels) && strcmp(levels[i].name, name); i++)
		;
	if (i == ARRAY_SIZE(levels)) {
		fprintf(stderr, "%s: no such level (see --help)\n", name);
		exit(2);
	}
	if (!processor_has(&levels[i])) {
		printf("this processor has no %s\n", name);
		exit(SKIPPED);
	}
	if (now && !strcmp(now, levels[i].tunables))
		return;
	setenv("GLIBC_TUNABLES", levels[i].tunables, 1);
	execv("/proc/self/exe", argv);
	perror("execv");
	exit(2);
}

/* Check that the variants were those asked for. */
static bool variants_right(const char *level)
{
	if (!strcmp(level, "avx512"))
		return g.evex || g.refused;
	if (!strcmp(level, "avx2"))
		return !g.evex && (g.vex || g.refused);
	return !g.evex && !g.vex;
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "Call the C library's memory and string functions on a device's pages.",
		.count = 1500, .extra_name = "level",
		.extra_help = "avx512, avx2 or sse2: which variants of the functions",
	};
	static struct test t;
	unsigned int i;
	u64 n;

	options_parse(&o, argc, argv);
	if (!o.extra) {
		fprintf(stderr, "%s: --level is needed (see --help)\n", argv[0]);
		return 2;
	}
	choose_level(o.extra, argv);
	t.rng.s = o.seed;
	g.verbose = o.verbose;
	areas(&t);
	machine();
	for (i = 0; i < ARRAY_SIZE(functions); i++)
		for (n = 0; n < o.count && t.wrong < 20; n++)
			one(&t, &functions[i]);
	likex_emul_free(g.emul);
	printf("%s: %zu functions, %llu calls, %llu instructions emulated (%llu EVEX, %llu VEX), "
	       "%llu refused, %llu faults, %llu transactions, %llu calls wrong\n", o.extra,
	       ARRAY_SIZE(functions), (unsigned long long)t.calls,
	       (unsigned long long)g.emulated, (unsigned long long)g.evex,
	       (unsigned long long)g.vex, (unsigned long long)g.refused,
	       (unsigned long long)g.faults, (unsigned long long)g.transactions,
	       (unsigned long long)t.wrong);
	if (!variants_right(o.extra)) {
		printf("GLIBC_TUNABLES has not chosen %s\n", o.extra);
		return 2;
	}
	return t.wrong || g.refused || g.faults;
}
