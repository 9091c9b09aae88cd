/* SPDX-License-Identifier: GPL-2.0 */
/* One life of a function: a VM is made, runs the image to its end, and is closed. */
#ifndef LIKEXVM_LIFE_H
#define LIKEXVM_LIFE_H

#include <time.h>

#include "file.h"
#include "hypervisor.h"

enum entry { ENTRY_REAL, ENTRY_PROTECTED, ENTRY_LONG };

#define FUNCTION_MEMORY_UNIT	(2ULL << 20)
#define FUNCTION_MEMORY_MOST	(1ULL << 30)

/* A function, the same in all its lives */
struct function {
	const char *node;		/* device of the hypervisor */
	struct file image, input;
	enum entry entry;
	uint64_t memory;		/* a multiple of the unit */
	uint64_t timeout;		/* nanoseconds; 0: none. Then SIGALRM is blocked. */
	timer_t timer;
	struct kvm_cpuid2 *cpuid;	/* read in the first life */
};

/* Return the bytes that an image can have. */
uint64_t function_room(const struct function *f);

/* Live once; return the function's exit code, or a negative errno after a message. */
int function_live(struct function *f);

#endif
