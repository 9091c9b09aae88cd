// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The guest's memory at its host address: single accesses and atomic ones.
 */
#include "internal.h"

/*
 * host_copy() - from the guest's memory or to it
 *
 * Other vCPUs look on: what a guest does in one access is one access here,
 * wider vectors are done 8 bytes at a time.
 */
void host_copy(void *to, const void *from, unsigned int len)
{
	switch (len) {
	case 1:
	case 2:
	case 4:
	case 8:
		host_copy_one(to, from, len);
		break;
	default:
		for (; len >= 8; len -= 8, to = (u8 *)to + 8, from = (const u8 *)from + 8)
			host_copy_one(to, from, 8);
		memcpy(to, from, len);
	}
}

/*
 * In assembly because the compiler's builtins demand an aligned address, and
 * a guest may lock one that is not.
 */
#define CMPXCHG(suffix, type)						\
	do {								\
		type old_, new_;					\
									\
		memcpy(&old_, old, sizeof(old_));			\
		memcpy(&new_, new, sizeof(new_));			\
		__asm__ volatile("lock cmpxchg" suffix " %3, %1"	\
				 : "=@ccz" (ok), "+m" (*(u8 *)p), "+a" (old_) \
				 : "r" (new_) : "memory");		\
	} while (0)

static bool cmpxchg16(void *p, const void *old, const void *new)
{
	u64 o[2], n[2];
	bool ok;

	memcpy(o, old, sizeof(o));
	memcpy(n, new, sizeof(n));
	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz" (ok), "+m" (*(u8 *)p), "+a" (o[0]), "+d" (o[1])
			 : "b" (n[0]), "c" (n[1]) : "memory");
	return ok;
}

bool host_cmpxchg(void *p, unsigned int len, const void *old, const void *new)
{
	bool ok;

	switch (len) {
	case 1:
		CMPXCHG("b", u8);
		return ok;
	case 2:
		CMPXCHG("w", u16);
		return ok;
	case 4:
		CMPXCHG("l", u32);
		return ok;
	case 8:
		CMPXCHG("q", u64);
		return ok;
	default:
		return cmpxchg16(p, old, new);
	}
}
