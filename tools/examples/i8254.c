// SPDX-License-Identifier: GPL-2.0
/* See i8254.h, and Intel's data sheet "82C54 CHMOS Programmable Interval Timer". */
#include "i8254.h"

#define HZ		1193182ULL
#define NS		1000000000ULL

#define COUNTER_0	0x40
#define CONTROL		0x43
#define SYSTEM		0x61

/* The control word: counter, access, mode, BCD */
#define SELECT(word)	((word) >> 6)
#define ACCESS(word)	((word) >> 4 & 3)
#define MODE(word)	((word) >> 1 & 7)
#define LATCH		0
#define LOW		1
#define HIGH		2
#define READ_BACK	3
#define NO_COUNT	0x20		/* of a read-back command */
#define NO_STATUS	0x10

/* Modes; bit 2 means nothing if bit 1 is set. */
#define ON_TERMINAL	0
#define RATE		2
#define SQUARE		3

/* Port 61h */
#define GATE_2		0x01
#define WRITABLE	0x0f
#define REFRESH		0x10
#define OUT_2		0x20
#define REFRESH_NS	15085

static uint64_t ticks(const struct i8254_counter *c, uint64_t now)
{
	uint64_t ns = now - c->start;

	return ns / NS * HZ + ns % NS * HZ / NS;
}

/* The first time at which so many ticks are over */
static uint64_t time_of(const struct i8254_counter *c, uint64_t nr)
{
	return c->start + nr / HZ * NS + (nr % HZ * NS + HZ - 1) / HZ;
}

static bool repeats(const struct i8254_counter *c)
{
	return c->mode == RATE || c->mode == SQUARE;
}

/* Rising edges of the output since the count was loaded */
static uint64_t edges(const struct i8254_counter *c, uint64_t now)
{
	uint64_t periods = c->reload ? ticks(c, now) / c->reload : 0;

	return repeats(c) ? periods : periods > 0;
}

static uint16_t count(const struct i8254_counter *c, uint64_t now)
{
	uint64_t over = c->reload ? ticks(c, now) : 0;

	return repeats(c) && c->reload ? c->reload - over % c->reload : c->reload - over;
}

static bool output(const struct i8254_counter *c, uint64_t now)
{
	if (c->mode == ON_TERMINAL)
		return edges(c, now);
	return c->mode != SQUARE || !c->reload ||
	       ticks(c, now) % c->reload < (c->reload + 1) / 2;
}

bool i8254_fired(struct i8254 *pit, uint64_t now)
{
	uint64_t before = pit->seen;

	pit->seen = edges(&pit->counter[0], now);
	return pit->seen > before;
}

uint64_t i8254_next(const struct i8254 *pit)
{
	const struct i8254_counter *c = &pit->counter[0];

	if (!c->reload || (pit->seen && !repeats(c)))
		return I8254_NEVER;
	return time_of(c, (pit->seen + 1) * c->reload);
}

static void latch_count(struct i8254_counter *c, uint64_t now)
{
	if (c->latched)
		return;
	c->latch = count(c, now);
	c->latched = true;
}

static void latch_status(struct i8254_counter *c, uint64_t now)
{
	if (c->has_status)
		return;
	c->status = output(c, now) << 7 | !c->reload << 6 | c->access << 4 | c->mode << 1;
	c->has_status = true;
}

static void read_back(struct i8254 *pit, uint8_t word, uint64_t now)
{
	for (int i = 0; i < 3; i++) {
		if (!(word & 2U << i))
			continue;
		if (!(word & NO_COUNT))
			latch_count(&pit->counter[i], now);
		if (!(word & NO_STATUS))
			latch_status(&pit->counter[i], now);
	}
}

/* A new mode stops the counter until a count comes. */
static void control(struct i8254 *pit, uint8_t word, uint64_t now)
{
	struct i8254_counter *c = &pit->counter[SELECT(word) % 3];
	uint8_t mode = MODE(word);

	if (SELECT(word) == READ_BACK)
		read_back(pit, word, now);
	else if (ACCESS(word) == LATCH)
		latch_count(c, now);
	else
		*c = (struct i8254_counter){ .access = ACCESS(word),
					     .mode = mode & 2 ? mode & 3 : mode };
}

static void load(struct i8254 *pit, struct i8254_counter *c, uint16_t value, uint64_t now)
{
	c->reload = value ? value : 0x10000;
	c->start = now;
	if (c == &pit->counter[0])
		pit->seen = 0;
}

static void write_count(struct i8254 *pit, struct i8254_counter *c, uint8_t value, uint64_t now)
{
	if (c->access == LOW) {
		load(pit, c, value, now);
	} else if (c->access == HIGH) {
		load(pit, c, value << 8, now);
	} else if (c->writes_high) {
		c->writes_high = false;
		load(pit, c, value << 8 | c->low, now);
	} else {
		c->low = value;
		c->writes_high = true;
	}
}

static uint8_t read_count(struct i8254_counter *c, uint64_t now)
{
	uint16_t value = c->latched ? c->latch : count(c, now);
	bool high = c->access == HIGH || c->reads_high;

	if (c->has_status) {
		c->has_status = false;
		return c->status;
	}
	c->reads_high = c->access != LOW && !high;
	c->latched = c->latched && c->reads_high;
	return high ? value >> 8 : value;
}

static uint8_t read_system(const struct i8254 *pit, uint64_t now)
{
	return pit->control | (now / REFRESH_NS % 2 ? REFRESH : 0) |
	       (output(&pit->counter[2], now) ? OUT_2 : 0);
}

/* The gate of counter 2 starts it when it rises. */
static void write_system(struct i8254 *pit, uint8_t value, uint64_t now)
{
	if (~pit->control & value & GATE_2)
		pit->counter[2].start = now;
	pit->control = value & WRITABLE;
}

bool i8254_read(struct i8254 *pit, uint16_t port, uint8_t *value, uint64_t now)
{
	if (port == SYSTEM)
		*value = read_system(pit, now);
	else if (port >= COUNTER_0 && port < CONTROL)
		*value = read_count(&pit->counter[port - COUNTER_0], now);
	else if (port == CONTROL)
		*value = 0xff;
	else
		return false;
	return true;
}

bool i8254_write(struct i8254 *pit, uint16_t port, uint8_t value, uint64_t now)
{
	if (port == SYSTEM)
		write_system(pit, value, now);
	else if (port == CONTROL)
		control(pit, value, now);
	else if (port >= COUNTER_0 && port < CONTROL)
		write_count(pit, &pit->counter[port - COUNTER_0], value, now);
	else
		return false;
	return true;
}
