// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Several vCPUs on one memory: locked instructions must not lose an update,
 * and page-table flags set by one walk must not undo another's entry.
 */
#include "rig.h"
#include <pthread.h>

#define VCPUS  4
#define CODE   0x1000ull
#define TABLES 0x4000ull
#define DATA   0x3ffcull	/* a word over two pages that are neighbours */
#define MEMORY 0x9000ull

struct shared {
	u8 memory[MEMORY] __attribute__((aligned(4096)));
	u64 count;
};

struct vcpu {
	struct shared *shared;
	pthread_t thread;
	unsigned int failures;
};

static void *map(void *ctx, uint64_t gpa, bool write)
{
	struct shared *s = ctx;

	(void)write;
	return gpa < MEMORY ? s->memory + gpa : NULL;
}

static const struct likex_emul_ops ops = { .size = sizeof(ops), .map = map };

/* lock inc qword [rdi]; lock xadd [rdi], rax; lock add dword [rdi], 1 */
static const struct { u8 code[8], len; } insns[] = {
	{ { 0xf0, 0x48, 0xff, 0x07 }, 4 },
	{ { 0xf0, 0x48, 0x0f, 0xc1, 0x07 }, 5 },
	{ { 0xf0, 0x48, 0x83, 0x07, 0x01 }, 5 },
};

static void clear_flags(struct shared *s)
{
	/* Another processor's kernel, clearing accessed and dirty flags. */
	__atomic_and_fetch(&s->memory[TABLES + 0x3000 + 3 * 8], (u8)~0x60, __ATOMIC_SEQ_CST);
}

static void *run(void *arg)
{
	struct vcpu *v = arg;
	struct likex_regs regs = { .rflags = 2, .rdi = DATA };
	struct rig mode;
	struct likex_step st = { .size = sizeof(st), .regs = &regs, .sregs = &mode.sregs };
	struct likex_emul *e = likex_emul_new(&ops, v->shared, NULL);
	u64 i;

	rig_mode(&mode, 64, 0);
	mode.sregs.cr3 = TABLES;
	for (i = 0; e && i < v->shared->count; i++) {
		regs.rip = CODE + i % 3 * 16;
		regs.rax = 1;
		if (likex_emul_step(e, &st) != LIKEX_DONE)
			v->failures++;
		if (i % 16 == 0)
			clear_flags(v->shared);
	}
	if (!e)
		v->failures++;
	likex_emul_free(e);
	return NULL;
}

static void entry(struct shared *s, u64 table, unsigned int index, u64 e)
{
	memcpy(s->memory + table + index * 8, &e, 8);
}

static void memory_init(struct shared *s)
{
	unsigned int i;

	entry(s, TABLES, 0, (TABLES + 0x1000) | 7);
	entry(s, TABLES + 0x1000, 0, (TABLES + 0x2000) | 7);
	entry(s, TABLES + 0x2000, 0, (TABLES + 0x3000) | 7);
	for (i = 0; i < 8; i++)
		entry(s, TABLES + 0x3000, i, i * RIG_PAGE | 7);
	/* Linear page 4 is the page behind the tables. */
	entry(s, TABLES + 0x3000, 3, 2 * RIG_PAGE | 7);
	entry(s, TABLES + 0x3000, 4, 3 * RIG_PAGE | 7);
	for (i = 0; i < ARRAY_SIZE(insns); i++)
		memcpy(s->memory + CODE + i * 16, insns[i].code, insns[i].len);
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "Locked instructions of several vCPUs on one memory.",
		.count = 100000,
	};
	struct vcpu vcpus[VCPUS] = { 0 };
	static struct shared s;
	unsigned int i, failures = 0;
	u64 sum, want;

	options_parse(&o, argc, argv);
	s.count = o.count;
	memory_init(&s);
	for (i = 0; i < VCPUS; i++) {
		vcpus[i].shared = &s;
		if (pthread_create(&vcpus[i].thread, NULL, run, &vcpus[i]))
			return 2;
	}
	for (i = 0; i < VCPUS; i++) {
		pthread_join(vcpus[i].thread, NULL);
		failures += vcpus[i].failures;
	}
	/* DATA is at the end of physical page 2. */
	memcpy(&sum, s.memory + 2 * RIG_PAGE + (DATA & 0xfff), 8);
	want = VCPUS * o.count;
	printf("%u vCPUs, %llu locked additions each, sum %llu of %llu, %u failures\n",
	       VCPUS, (unsigned long long)o.count, (unsigned long long)sum,
	       (unsigned long long)want, failures);
	return sum != want || failures;
}
