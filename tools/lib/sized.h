/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structures of the interface that begin with their size. The caller's may be
 * shorter than this version's, or longer.
 */
#ifndef LIKEX_SIZED_H
#define LIKEX_SIZED_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

/*
 * sized_copy() - take a structure over from the caller
 * @to, @have: this version's
 * @from: the caller's; NULL is an error
 * @least: the least size that it may have
 *
 * Return: 0; -EINVAL if it is too short; -E2BIG if more of it is set than this
 * version knows.
 */
static inline int sized_copy(void *to, size_t have, const void *from, size_t least)
{
	const unsigned char *bytes = from;
	uint32_t size, i;

	if (!from)
		return -EINVAL;
	memcpy(&size, from, sizeof(size));
	if (size < least)
		return -EINVAL;
	for (i = have; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	memset(to, 0, have);
	memcpy(to, from, size < have ? size : have);
	return 0;
}

/*
 * sized_fill() - give the caller a structure, as much as it has room for
 */
static inline void sized_fill(void *to, const void *from, size_t have)
{
	uint32_t size;

	memcpy(&size, to, sizeof(size));
	if (size <= sizeof(size))
		return;
	memset((char *)to + sizeof(size), 0, size - sizeof(size));
	memcpy((char *)to + sizeof(size), (const char *)from + sizeof(size),
	       (size < have ? size : have) - sizeof(size));
}

#endif /* LIKEX_SIZED_H */
