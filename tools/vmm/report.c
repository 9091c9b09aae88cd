// SPDX-License-Identifier: GPL-2.0
/* See report.h. */
#include "report.h"

#include <err.h>
#include <errno.h>
#include <stdarg.h>

int complain(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	errno = -error;
	vwarn(format, args);
	va_end(args);
	return error;
}

int refuse(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vwarnx(format, args);
	va_end(args);
	return -EINVAL;
}
