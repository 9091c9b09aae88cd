// SPDX-License-Identifier: GPL-2.0
/* See memory.h. */
#include "memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int memory_create(struct memory *memory, uint64_t size)
{
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (bytes == MAP_FAILED)
		return -errno;
	*memory = (struct memory){ .bytes = bytes, .size = size };
	return 0;
}

int memory_populate(const struct memory *memory)
{
	return madvise(memory->bytes, memory->size, MADV_POPULATE_WRITE) ? -errno : 0;
}

void memory_destroy(struct memory *memory)
{
	if (memory->bytes)
		munmap(memory->bytes, memory->size);
	*memory = (struct memory){ 0 };
}

unsigned int memory_parts(const struct memory *memory, struct memory_part parts[2])
{
	uint64_t low = memory->size < MEMORY_HOLE ? memory->size : MEMORY_HOLE;

	parts[0] = (struct memory_part){ 0, low, memory->bytes };
	parts[1] = (struct memory_part){ MEMORY_HIGH, memory->size - low, memory->bytes + low };
	return parts[1].size ? 2 : 1;
}

void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size)
{
	struct memory_part parts[2];
	unsigned int count = memory_parts(memory, parts);

	for (unsigned int i = 0; i < count; i++) {
		uint64_t offset = gpa - parts[i].gpa;

		if (gpa >= parts[i].gpa && offset < parts[i].size &&
		    size <= parts[i].size - offset)
			return parts[i].bytes + offset;
	}
	return NULL;
}

bool memory_write(const struct memory *memory, uint64_t gpa, const void *from, uint64_t size)
{
	void *to = memory_at(memory, gpa, size);

	if (to)
		memcpy(to, from, size);
	return to;
}
