/* SPDX-License-Identifier: GPL-2.0 */
/* Values of options. Each function returns false for a text that is no such value. */
#ifndef LIKEXVM_PARSE_H
#define LIKEXVM_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/* A whole number from @least to @most */
bool parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *value);

/* Bytes: a number, and K, M or G if it counts KiB, MiB or GiB */
bool parse_size(const char *text, uint64_t *value);

/* Seconds, with a fraction if there is one, as nanoseconds; more than 0, at most a year */
bool parse_seconds(const char *text, uint64_t *ns);

#endif
