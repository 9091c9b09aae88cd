// SPDX-License-Identifier: GPL-2.0
/* See cmos.h, and Motorola's data sheet "MC146818A". */
#include "cmos.h"

#define NMI_OFF		0x80		/* not a part of the index */

enum { SECONDS = 0, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY, MONTH, YEAR, STATUS_A, STATUS_B,
       STATUS_C, STATUS_D, CENTURY = 0x32 };

#define A_RATE		0x26		/* the divider and rate that firmware sets; no update now */
#define B_24_HOURS	0x02
#define D_VALID		0x80

#define DAY_SECONDS	86400
#define THURSDAY	4		/* 1970-01-01; Sunday is 0 */
#define TO_MARCH_0	719468		/* days from 0000-03-01 to 1970-01-01 */
#define ERA		146097		/* days of 400 years */

static uint8_t bcd(unsigned int value)
{
	return value / 10 % 10 << 4 | value % 10;
}

void cmos_select(struct cmos *cmos, uint8_t index)
{
	cmos->index = index & ~NMI_OFF;
}

struct date {
	unsigned int day, month, year;
};

/*
 * gmtime_r() would open the time zone's file, which no thread of a vCPU may do. Years begin in
 * March here: so a leap day is the last one, and five months in turn have 153 days.
 */
static struct date date_of(uint64_t days)
{
	uint64_t day = days + TO_MARCH_0, in_era = day % ERA;
	unsigned int year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned int in_year = in_era - (365 * year + year / 4 - year / 100);
	unsigned int month = (5 * in_year + 2) / 153;

	return (struct date){
		.day = in_year - (153 * month + 2) / 5 + 1,
		.month = month < 10 ? month + 3 : month - 9,
		.year = day / ERA * 400 + year + (month >= 10),
	};
}

uint8_t cmos_read(const struct cmos *cmos, uint64_t now)
{
	struct date date = date_of(now / DAY_SECONDS);

	switch (cmos->index) {
	case SECONDS:
		return bcd(now % 60);
	case MINUTES:
		return bcd(now / 60 % 60);
	case HOURS:
		return bcd(now / 3600 % 24);
	case WEEKDAY:
		return (now / DAY_SECONDS + THURSDAY) % 7 + 1;
	case DAY:
		return bcd(date.day);
	case MONTH:
		return bcd(date.month);
	case YEAR:
		return bcd(date.year % 100);
	case CENTURY:
		return bcd(date.year / 100 % 100);
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
