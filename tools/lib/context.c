// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Contexts: made, freed, counted.
 */
#include "sized.h"
#include "vec_form.h"
#include <cpuid.h>
#include <stdlib.h>

#define REP_BUDGET 1024

/* Up to which member each structure goes at least. */
#define UP_TO(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define OPS_LEAST UP_TO(struct likex_emul_ops, map)
#define CONFIG_LEAST UP_TO(struct likex_emul_config, maxphyaddr)

_Static_assert(LIKEX_STATE_RIP == BIT(REG_RIP) && LIKEX_STATE_RFLAGS == BIT(REG_RFLAGS) &&
	       LIKEX_STATE_GS == LIKEX_STATE_ES << SEG_GS, "bits in the order of registers");

uint32_t likex_version(void)
{
	return LIKEX_VERSION_MAJOR << 16 | LIKEX_VERSION_MINOR;
}

void likex_emul_get_stats(const struct likex_emul *e,
			  struct likex_emul_stats *stats)
{
	sized_fill(stats, &e->stats, sizeof(e->stats));
}

/* The state of AVX-512 is not at the same place in all processors. */
static u32 xsave_offset(unsigned int component, u32 usual)
{
	unsigned int a, b = 0, c, d;

	if (!__get_cpuid_count(0xd, component, &a, &b, &c, &d) || !b)
		return usual;
	return b;
}

static int take_config(struct likex_emul *e, const struct likex_emul_ops *ops,
		       const struct likex_emul_config *config)
{
	static const struct likex_emul_config standard = {
		.size = sizeof(standard), .maxphyaddr = 52,
		.features = LIKEX_FEATURE_1G_PAGES,
	};
	struct likex_emul_config *c = &e->cfg;
	int r;

	r = sized_copy(&e->own_ops, sizeof(e->own_ops), ops, OPS_LEAST);
	if (!r)
		r = sized_copy(c, sizeof(*c), config ? config : &standard, CONFIG_LEAST);
	if (r)
		return r;
	if (!e->own_ops.map || c->maxphyaddr < 32 || c->maxphyaddr > 52 ||
	    c->vendor > LIKEX_VENDOR_AMD || c->refuse > LIKEX_REFUSE_UD)
		return -EINVAL;
	e->ops = &e->own_ops;
	e->demands = e->own_ops.regs;
	return 0;
}

struct likex_emul *likex_emul_new(const struct likex_emul_ops *ops, void *ctx,
				  const struct likex_emul_config *config)
{
	struct likex_emul *e;
	unsigned int i;
	int r;

	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	r = take_config(e, ops, config);
	if (r) {
		free(e);
		errno = -r;
		return NULL;
	}
	e->ctx = ctx;
	if (!e->cfg.rep_budget)
		e->cfg.rep_budget = REP_BUDGET;
	e->rsvd_phys = (BIT(52) - 1) & ~(BIT(e->cfg.maxphyaddr) - 1);
	e->opmask = xsave_offset(5, 1088);
	e->zmm_hi256 = xsave_offset(6, 1152);
	e->zmm_hi16 = xsave_offset(7, 1664);
	e->host = stub_host();
	/* No key is like this: the cache is empty. */
	for (i = 0; i < CACHE_SIZE; i++)
		e->cache[i].key = ~0ull;
	/* No control register is all ones: the first call looks. */
	e->mode.cr0 = ~0ull;
	return e;
}

void likex_emul_free(struct likex_emul *e)
{
	free(e);
}

const char *likex_reason_str(unsigned int why)
{
	static const char *const text[] = {
		[LIKEX_WHY_NONE] = "no reason",
		[LIKEX_WHY_UNDECODED] = "not a known instruction",
		[LIKEX_WHY_INSN] = "instruction is not emulated",
		[LIKEX_WHY_MODE] = "processor mode is not emulated",
		[LIKEX_WHY_FETCH] = "instruction is not in memory",
		[LIKEX_WHY_PAGE_TABLE] = "page table is not in memory",
		[LIKEX_WHY_EVENT] = "access made while delivering an event",
		[LIKEX_WHY_LOCK] = "locked access across separate pages",
		[LIKEX_WHY_STATE] = "needs state of the vCPU that is not available",
	};

	return why < ARRAY_SIZE(text) ? text[why] : "unknown reason";
}
