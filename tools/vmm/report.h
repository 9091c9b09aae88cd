/* SPDX-License-Identifier: GPL-2.0 */
/* Messages on standard error, and the errno that goes on to the caller. */
#ifndef LIKEXVM_REPORT_H
#define LIKEXVM_REPORT_H

/* Print a message with the text of an error (a negative errno). Return the error. */
int complain(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print a message of its own. Return -EINVAL. */
int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
