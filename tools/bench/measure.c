// SPDX-License-Identifier: GPL-2.0
/*
 * Clocks, and the counting of work: ticks of the thread's own processor time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <x86intrin.h>

#include "bench.h"

_Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "likex-bench: %s: %s\n", what, strerror(-error));
	exit(1);
}

void need(const char *what, int error)
{
	if (error < 0)
		die(what, error);
}

static long now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/*
 * The clock of the thread's work. On a real host it is too coarse, and its reading too dear:
 * there it is the TSC, which counts waiting and interrupts, too, so that quartiles matter.
 */
static bool real_host;

void measure_on_host(void)
{
	real_host = true;
}

static long now(void)
{
	unsigned int cpu;
	long tsc;

	if (!real_host)
		return now_ns(CLOCK_THREAD_CPUTIME_ID);
	_mm_lfence();
	tsc = __rdtscp(&cpu);
	_mm_lfence();
	return tsc;
}

/* The clock is read last at a start and first at an end, so that it alone lies between. */
struct cost begin(void)
{
	struct cost at = { .sleeps = sleeps() };

	at.ticks = now();
	return at;
}

struct cost spent(const struct bench *b, struct cost since)
{
	long passed = now() - since.ticks;

	if (!real_host)
		passed = passed * b->ticks_per_ns + 0.5;
	return (struct cost){
		.ticks = passed - b->clock_ticks,
		.sleeps = sleeps() - since.sleeps,
	};
}

/* CPUID with this number in EAX; tools/machine/profile.patch has it, too. */
#define PROFILE_MARK	0x4c694b58

const char *profiled;

void profile(const char *metric)
{
	profiled = metric;
}

void mark_if(const char *metric, long operations)
{
	unsigned int a = PROFILE_MARK, b = operations, c = 0, d;

	if (!strcmp(profiled, metric))
		__asm__ volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "=d"(d));
}

static int by_value(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

long median(long *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

/* The mean of @values without the lowest and the highest quarter; @values are sorted. */
static long middle_mean(long *values, size_t count)
{
	size_t quarter = count / 4;
	long sum = 0;

	qsort(values, count, sizeof(*values), by_value);
	for (size_t i = quarter; i < count - quarter; i++)
		sum += values[i];
	return sum / (long)(count - 2 * quarter);
}

struct cost middle_cost(const struct cost *costs, size_t count)
{
	long ticks[count], waits[count];

	for (size_t i = 0; i < count; i++) {
		ticks[i] = costs[i].ticks;
		waits[i] = costs[i].sleeps;
	}
	return (struct cost){ middle_mean(ticks, count), median(waits, count) };
}

void print_ticks(const char *name, long ticks)
{
	report(name, real_host ? "cycles" : "ticks", ticks);
}

void print_cost(const char *name, const struct cost *costs, size_t count)
{
	struct cost middle = middle_cost(costs, count);
	char sleeps[64];

	print_ticks(name, middle.ticks);
	snprintf(sleeps, sizeof(sleeps), "%s_sleeps", name);
	report(sleeps, "count", middle.sleeps);
}

void calibrate(struct bench *b)
{
	long reads[101], start = now_ns(CLOCK_MONOTONIC_RAW), ns;
	unsigned long tsc = __rdtsc();

	do
		ns = now_ns(CLOCK_MONOTONIC_RAW) - start;
	while (ns < 20000000);
	b->ticks_per_ns = (double)(__rdtsc() - tsc) / ns;

	for (size_t i = 0; i < 101; i++)
		reads[i] = spent(b, begin()).ticks;
	b->clock_ticks = median(reads, 101);
}

void shift_phase(int round)
{
	for (volatile int i = 0; i < 701 * round; i++)
		;
}

long sum_of(const char *path, const char *word)
{
	FILE *file = fopen(path, "r");
	char line[256], key[32];
	long number, sum = -1;

	if (!file)
		die(path, -errno);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%31s %ld", key, &number) == 2 && !strcmp(key, word))
			sum = sum < 0 ? number : sum + number;
	fclose(file);
	if (sum < 0)
		die(path, -EIO);
	return sum;
}
