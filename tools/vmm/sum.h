/* SPDX-License-Identifier: GPL-2.0 */
/* The sum of a table of firmware. */
#ifndef LIKEXVM_SUM_H
#define LIKEXVM_SUM_H

#include <stddef.h>
#include <stdint.h>

/* Return the byte that makes the sum of all bytes 0, where it is 0 itself. */
static inline uint8_t sum_to_zero(const void *bytes, size_t size)
{
	uint8_t total = 0;

	for (size_t i = 0; i < size; i++)
		total += ((const uint8_t *)bytes)[i];
	return -total;
}

#endif
