// SPDX-License-Identifier: GPL-2.0
/*
 * same: look a difference up in the tables of those that are documented.
 *
 * A row is for a value that a call has on both sides. Its reason is words of
 * Documentation/virt/likex/api.rst, or begins with "time:" for a value that no two runs
 * have in common. The test both.same looks each reason up.
 */
#include "same_rules.h"

#include <fnmatch.h>
#include <string.h>

#define MAX_RULES	128

static const struct {
	const struct rule	*rules;
	const unsigned int	*nr;
} tables[] = {
	{ run_rules, &nr_run_rules }, { regs_rules, &nr_regs_rules },
	{ calls_rules, &nr_calls_rules },
};

static uint64_t used[COUNT(tables)][MAX_RULES];

/* Find the row of a difference and count it. */
static const struct rule *find(const char *where, const struct value *v)
{
	for (unsigned int t = 0; t < COUNT(tables); t++) {
		for (unsigned int i = 0; i < *tables[t].nr; i++) {
			const struct rule *r = &tables[t].rules[i];

			if (fnmatch(r->where, where, 0) || (r->when && !r->when(v)))
				continue;
			used[t][i]++;
			return r;
		}
	}
	return NULL;
}

/* Take a value of both sides. */
void same(struct pair *p, const char *what, uint64_t index, uint64_t kvm, uint64_t likex)
{
	const struct value v = { p, index, kvm, likex };
	const struct rule *rule;
	char where[64];

	if (kvm == likex || p->different || p->ended)
		return;
	snprintf(where, sizeof(where), "%s: %s%s%s", p->op, p->of ? p->of : "", p->of ? "." : "",
		 what);
	rule = find(where, &v);
	if (rule) {
		p->ended = rule->action == END;
		return;
	}
	p->different = true;
	p->diff = (struct difference){ .index = index, .value = { kvm, likex } };
	memcpy(p->diff.where, where, sizeof(where));
}

/* Both sides have come to where a rule ends the program. */
void end_by(struct pair *p, const char *rule)
{
	same(p, rule, 0, 0, 1);
}

void rules_print(void)
{
	for (unsigned int t = 0; t < COUNT(tables); t++)
		for (unsigned int i = 0; i < *tables[t].nr; i++)
			printf("%s\n", tables[t].rules[i].why);
}

/* Tell how often each row was used, and how many programs the rows ended. */
void rules_report(uint64_t programs)
{
	uint64_t ended = 0;

	for (unsigned int t = 0; t < COUNT(tables); t++) {
		for (unsigned int i = 0; i < *tables[t].nr; i++) {
			const struct rule *r = &tables[t].rules[i];

			printf("# rule %-40s %8llu: %s\n", r->where, (unsigned long long)used[t][i],
			       r->why);
			ended += r->action == END ? used[t][i] : 0;
		}
	}
	printf("# of %llu programs, early %llu: ended by a rule\n", (unsigned long long)programs,
	       (unsigned long long)ended);
}
