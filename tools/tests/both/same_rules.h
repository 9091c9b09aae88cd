/* SPDX-License-Identifier: GPL-2.0 */
/* same: the tables of the differences that are documented. */
#ifndef LIKEX_TESTS_SAME_RULES_H
#define LIKEX_TESTS_SAME_RULES_H

#include "same.h"

enum action {
	MASK,	/* the value means nothing to the rest of the program */
	END,	/* from here on the two sides are in different states */
};

struct value {
	const struct pair	*p;
	uint64_t		index, kvm, likex;
};

struct rule {
	const char	*where;		/* pattern of "call: value" */
	bool		(*when)(const struct value *v);
	enum action	action;
	const char	*why;
};

extern const struct rule run_rules[], regs_rules[], calls_rules[];
extern const unsigned int nr_run_rules, nr_regs_rules, nr_calls_rules;

/* same_rules_run.c: differences that an ioctl may show after a run */
bool uses_tpr(const struct value *v);

/* same_rules_regs.c: differences that a run has in common with ioctls */
bool is_bad_base(const struct value *v);
bool is_cr4_without_cpuid(const struct value *v);
bool is_efer_without_cpuid(const struct value *v);
bool is_step(const struct value *v);
bool is_wide_cr3(const struct value *v);

#endif
