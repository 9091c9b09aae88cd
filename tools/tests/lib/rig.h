/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small machine around the emulator, which the library's tests share.
 *
 * Its guest-physical memory is an array of pages, each of a kind. Device pages
 * keep their bytes in the same array, so a test can compare memory without
 * minding which kind a page was.
 */
#ifndef RIG_H
#define RIG_H

#include <likex/emul.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ull << (n))
#define RIG_PAGE 4096ull

enum page_kind { PAGE_NONE, PAGE_RAM, PAGE_ROM, PAGE_DEV };

#define IO_LOG 64

struct rig {
	struct likex_emul *emul;
	struct likex_emul_ops ops;
	struct likex_emul_config config;
	uint64_t generation;
	struct likex_step step;
	/* With @lazy, registers come on demand: what is not asked for is not there. */
	bool lazy, lazy_error;
	struct likex_emul *lazy_emul;
	struct likex_regs lazy_regs;
	struct likex_sregs lazy_sregs;
	struct likex_regs regs;
	struct likex_sregs sregs;
	u8 xsave[4096] __attribute__((aligned(64)));
	u64 xcr0;
	u32 pkru;
	u64 pdptrs[4];

	u8 *mem;		/* @pages pages, from guest-physical 0 */
	u8 *kind;
	u64 pages;
	bool pull;		/* devices answer through LIKEX_IO */
	u8 port_value;		/* value that every byte of a port reads as */
	unsigned int fpu_gets, fpu_puts;
	bool outside;		/* a device access beyond all pages was made */
	u64 lowest_write;	/* gpa: where memory was asked for to be written */
	unsigned int io_count;	/* transactions, all of them */
	struct likex_io io_log[IO_LOG];
};

/* Page tables that tables_*() build, and the page that they allocate next. */
struct tables {
	struct rig *rig;
	u64 next;		/* guest-physical address of the next free page */
	u64 root;
	unsigned int levels;	/* 2 (32-bit), 3 (PAE), 4, 5 */
};

/* @config: NULL for one that hands out every refusal. */
void rig_init(struct rig *r, u64 pages, const struct likex_emul_config *config);
/* Have a new context, after a change of @ops or @config. */
void rig_context(struct rig *r);
void rig_destroy(struct rig *r);
/* Flat segments and control registers for a mode; no paging but in 64. */
void rig_mode(struct rig *r, unsigned int bits, unsigned int cpl);
void rig_kind(struct rig *r, u64 gpa, u64 len, enum page_kind kind);
u8 *rig_at(struct rig *r, u64 gpa);
/* One instruction to its end; counts the transactions if devices are pulled. */
int rig_step(struct rig *r);
/* Carry out a transaction that LIKEX_IO has handed out. */
void rig_io(struct rig *r, struct likex_io *io);

void tables_init(struct tables *t, struct rig *r, unsigned int levels, u64 at);
/* Map a page; flags are entry bits of the leaf, the upper levels allow all. */
void tables_map(struct tables *t, u64 lin, u64 gpa, u64 flags);
/* Host address of the entry for @lin at @level (1: leaf). */
void *tables_entry(struct tables *t, u64 lin, unsigned int level);

/* xorshift64*: small, seeded, good enough to choose cases. */
struct rng { u64 s; };
u64 rng_next(struct rng *g);
static inline u64 rng_below(struct rng *g, u64 n) { return rng_next(g) % n; }
static inline bool rng_one_in(struct rng *g, u64 n) { return !rng_below(g, n); }
/* A value of the kind that finds mistakes: small, edges, patterns, random. */
u64 rng_value(struct rng *g);

/* --seed, --count and the like; exits on --help or a mistake. */
struct options {
	const char *about;
	u64 seed, count;
	const char *extra_name;	/* one more option with a value, or NULL */
	const char *extra_help;
	const char *extra;
	bool verbose;
};
void options_parse(struct options *o, int argc, char **argv);

/* Names of the registers in struct likex_regs, in its order, up to RIP. */
#define REG_NAMES 17
extern const char *const reg_names[REG_NAMES];

void print_bytes(const char *what, const u8 *p, unsigned int n);
void print_regs(const char *what, const struct likex_regs *r);
const char *result_str(int result);
void disassemble(char *to, size_t size, const u8 *code, unsigned int len,
		 unsigned int bits);

#endif /* RIG_H */
