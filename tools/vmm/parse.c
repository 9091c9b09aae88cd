// SPDX-License-Identifier: GPL-2.0
/* See parse.h. */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS		1000000000ULL
#define YEAR		(366 * 86400ULL)

/* Read digits, and nothing else that strtoull() takes; @end is what follows. */
static bool number(const char *text, const char **end, uint64_t *value)
{
	char *rest;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &rest, 10);
	*end = rest;
	return !errno;
}

bool parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	const char *end;

	return number(text, &end, value) && !*end && *value >= least && *value <= most;
}

bool parse_size(const char *text, uint64_t *value)
{
	static const char units[] = "KMG";
	const char *end, *unit;
	unsigned int shift = 0;

	if (!number(text, &end, value))
		return false;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unit - units + 1);
		end++;
	}
	if (*end || *value > UINT64_MAX >> shift)
		return false;
	*value <<= shift;
	return true;
}

bool parse_seconds(const char *text, uint64_t *ns)
{
	uint64_t seconds, unit = NS;
	const char *end;

	if (!number(text, &end, &seconds) || seconds > YEAR)
		return false;
	*ns = seconds * NS;
	if (*end == '.')
		for (end++; isdigit((unsigned char)*end); end++) {
			unit /= 10;
			*ns += (*end - '0') * unit;
		}
	return !*end && *ns;
}
