/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernels, from files that need not be well-formed: uncompressed ones (ELF) with a PVH
 * entry, and bzImages with a 64-bit entry.
 */
#ifndef LIKEXVM_LOADER_H
#define LIKEXVM_LOADER_H

#include <asm/bootparam.h>
#include <stdbool.h>
#include <stdint.h>

#include "file.h"
#include "memory.h"

#define LOADER_LOWEST	0x100000	/* memory below is the caller's */

struct loaded {
	bool pvh;			/* else a bzImage */
	uint64_t entry;
	uint64_t end;			/* of the memory that the kernel needs at first */
	uint64_t initrd_most;		/* the highest address that an initrd may have */
	uint32_t cmdline_most;		/* bytes of a command line, without its end */
	struct setup_header setup;	/* of a bzImage */
};

/* Load a kernel. Return NULL, or words that say why it cannot be loaded. */
const char *loader_load(const struct memory *memory, const struct file *file,
			struct loaded *loaded);

#endif
