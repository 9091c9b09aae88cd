// SPDX-License-Identifier: GPL-2.0
/* same: random numbers, the same on every machine. */
#include "same.h"

uint64_t rnd_next(struct rnd *r)
{
	uint64_t x = r->state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

unsigned int rnd_below(struct rnd *r, unsigned int bound)
{
	return (rnd_next(r) >> 32) % bound;
}

/* True once in @times */
bool rnd_rarely(struct rnd *r, unsigned int times)
{
	return !rnd_below(r, times);
}

/* Return a value near to the old one, a limit of something, or any value. */
uint64_t rnd_value(struct rnd *r, uint64_t old)
{
	static const uint64_t limits[] = {
		0, 1, 2, 3, 0x10, 0x1f, 0x20, 0x7f, 0xff, 0x100, 0xfff, 0x1000, 0xffff,
		AT_CODE, AT_DATA, AT_STACK, RAM_SIZE - 1, RAM_SIZE, 0xfee00000, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x00007fffffffffff, 0x0000800000000000,
		0xffff7fffffffffff, 0xffff800000000000, 0x8000000000000000, UINT64_MAX,
	};

	switch (rnd_below(r, 10)) {
	case 0 ... 2:
		return limits[rnd_below(r, COUNT(limits))];
	case 3 ... 4:
		return old ^ 1ull << rnd_below(r, 64);
	case 5 ... 6:
		return old ^ 1ull << rnd_below(r, 16);
	case 7:
		return old + rnd_below(r, 9) - 4;
	case 8:
		return old;
	default:
		return rnd_next(r) >> rnd_below(r, 64);
	}
}
