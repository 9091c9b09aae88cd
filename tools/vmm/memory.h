/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory of a guest: from address 0 up, with a hole from 3 to 4 GiB for devices. The
 * rest of a larger memory is above the hole.
 */
#ifndef LIKEXVM_MEMORY_H
#define LIKEXVM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_HOLE	0xc0000000ULL
#define MEMORY_HIGH	0x100000000ULL

struct memory {
	uint8_t *bytes;
	uint64_t size;
};

/* A part without a hole */
struct memory_part {
	uint64_t gpa, size;
	uint8_t *bytes;
};

int memory_create(struct memory *memory, uint64_t size);
/* Have the host provide all of it now, not at the first use of each page. */
int memory_populate(const struct memory *memory);
void memory_destroy(struct memory *memory);

/* Return the parts, one or two. */
unsigned int memory_parts(const struct memory *memory, struct memory_part parts[2]);

/* Return the host's address of guest memory, or NULL unless all @size bytes of it are there. */
void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size);

/* Copy to the guest; false if that is not all memory. */
bool memory_write(const struct memory *memory, uint64_t gpa, const void *from, uint64_t size);

#endif
