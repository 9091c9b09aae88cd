/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Intel 8254 timer of a PC: ports 40h to 43h, and the bits of port 61h that belong to
 * it. The output of counter 0 is interrupt line 0; that of counter 2 is read in port 61h.
 *
 * It has no clock of its own. The caller gives the time in nanoseconds, asks when the next
 * edge of counter 0 is due (i8254_next()), and then if it has come (i8254_fired()).
 *
 * Left out: BCD; the modes that the gate triggers (1 and 5); a gate that is low does not
 * stop a counter. A new count takes effect at once, and a square wave counts by one.
 */
#ifndef LIKEX_EXAMPLES_I8254_H
#define LIKEX_EXAMPLES_I8254_H

#include <stdbool.h>
#include <stdint.h>

#define I8254_NEVER	UINT64_MAX

struct i8254_counter {
	uint64_t start;			/* when the count was loaded */
	uint32_t reload;		/* 1 to 65536; 0: it does not count */
	uint8_t mode, access;		/* as in the control word */
	uint8_t low;			/* the byte that was written first */
	bool writes_high, reads_high;	/* the next access is that of the second byte */
	bool latched, has_status;
	uint16_t latch;
	uint8_t status;
};

struct i8254 {
	struct i8254_counter counter[3];
	uint64_t seen;			/* edges of counter 0 that i8254_fired() has told */
	uint8_t control;		/* bits of port 61h that can be written */
};

/* Access a port; false if it is not one of the timer's. */
bool i8254_read(struct i8254 *pit, uint16_t port, uint8_t *value, uint64_t now);
bool i8254_write(struct i8254 *pit, uint16_t port, uint8_t value, uint64_t now);

/* Tell if counter 0 has raised its line since the last call. Several edges are one. */
bool i8254_fired(struct i8254 *pit, uint64_t now);

/* Return the time of the next edge of counter 0, or I8254_NEVER. */
uint64_t i8254_next(const struct i8254 *pit);

#endif
