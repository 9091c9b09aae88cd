/* SPDX-License-Identifier: GPL-2.0 */
/* The clock of a PC's CMOS (Motorola MC146818): it tells the host's time, in UTC. */
#ifndef LIKEXVM_CMOS_H
#define LIKEXVM_CMOS_H

#include <stdint.h>

struct cmos {
	uint8_t index;
};

void cmos_select(struct cmos *cmos, uint8_t index);

/* @now: seconds since 1970 */
uint8_t cmos_read(const struct cmos *cmos, uint64_t now);

#endif
