// SPDX-License-Identifier: GPL-2.0
/* See cmos.h, and Motorola's data sheet "MC146818A". */
#include "cmos.h"

#define NMI_OFF		0x80		/* not a part of the index */

enum { SECONDS = 0, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY, MONTH, YEAR, STATUS_A, STATUS_B,
       STATUS_C, STATUS_D, CENTURY = 0x32 };

#define A_RATE		0x26		/* the divider and rate that firmware sets; no update now */
#define B_24_HOURS	0x02
#define D_VALID		0x80

static uint8_t bcd(int value)
{
	return value / 10 % 10 << 4 | value % 10;
}

void cmos_select(struct cmos *cmos, uint8_t index)
{
	cmos->index = index & ~NMI_OFF;
}

uint8_t cmos_read(const struct cmos *cmos, time_t now)
{
	struct tm time;

	if (!gmtime_r(&now, &time))
		return 0;
	switch (cmos->index) {
	case SECONDS:
		return bcd(time.tm_sec);
	case MINUTES:
		return bcd(time.tm_min);
	case HOURS:
		return bcd(time.tm_hour);
	case WEEKDAY:
		return bcd(time.tm_wday + 1);
	case DAY:
		return bcd(time.tm_mday);
	case MONTH:
		return bcd(time.tm_mon + 1);
	case YEAR:
		return bcd(time.tm_year % 100);
	case CENTURY:
		return bcd((time.tm_year + 1900) / 100);
	case STATUS_A:
		return A_RATE;
	case STATUS_B:
		return B_24_HOURS;
	case STATUS_D:
		return D_VALID;
	default:
		return 0;
	}
}
