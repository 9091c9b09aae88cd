// SPDX-License-Identifier: GPL-2.0
/*
 * Figures for people and programs: a line for each metric at once, or, of many
 * rounds on a real host, medians and quartiles as JSON at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

#define METRICS		64	/* there are fewer */
#define NAME_SIZE	40

static struct metric {
	char		name[NAME_SIZE];
	const char	*unit;
	long		*values;
	size_t		count;
} metrics[METRICS];

static size_t nr_metrics, rounds;

void report_rounds(size_t count)
{
	rounds = count;
}

static struct metric *find(const char *name, const char *unit)
{
	struct metric *m;

	for (m = metrics; m < metrics + nr_metrics; m++)
		if (!strcmp(m->name, name))
			return m;
	if (nr_metrics == METRICS || strlen(name) >= NAME_SIZE)
		die("too many metrics", -ENOSPC);
	nr_metrics++;
	strcpy(m->name, name);
	m->unit = unit;
	m->values = calloc(rounds, sizeof(*m->values));
	if (!m->values)
		die("memory for figures", -ENOMEM);
	return m;
}

void report(const char *name, const char *unit, long value)
{
	struct metric *m;

	if (!rounds) {
		printf("%s %s %ld\n", name, unit, value);
		return;
	}
	m = find(name, unit);
	if (m->count < rounds)
		m->values[m->count++] = value;
}

/* The processor's name, for a string of JSON. */
static void print_processor(void)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256], *name = NULL;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "model name", 10) || !(name = strstr(line, ": ")))
			continue;
		name += 2;
		name[strcspn(name, "\"\\\n")] = 0;
		break;
	}
	if (file)
		fclose(file);
	printf("  \"processor\": \"%s\",\n", name ? name : "");
}

void report_json(const struct bench *b)
{
	struct utsname host;

	uname(&host);
	printf("{\n  \"device\": \"%s\",\n  \"kernel\": \"%s\",\n", b->device, host.release);
	print_processor();
	printf("  \"tsc_mhz\": %.1f,\n  \"rounds\": %zu,\n  \"metrics\": {", b->ticks_per_ns * 1000, rounds);
	for (struct metric *m = metrics; m < metrics + nr_metrics; m++) {
		long middle = median(m->values, m->count);	/* this sorts them */

		printf("%s\n    \"%s\": {\"unit\": \"%s\", \"median\": %ld, \"low\": %ld, \"high\": %ld}",
		       m == metrics ? "" : ",", m->name, m->unit, middle,
		       m->values[m->count / 4], m->values[m->count - 1 - m->count / 4]);
	}
	printf("\n  }\n}\n");
}
