// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel memory of a VM: what so many take more than none, divided by their number.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

#define VMS	200	/* held at once */
#define SLABS	"/sys/kernel/slab"

static void write_to(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file)
		die(path, -errno);
	fputs(text, file);
	if (fclose(file))
		die(path, -errno);
}

/*
 * The slab allocator keeps slabs that have become empty: left over from other VMs,
 * they would hold the counted ones at no cost.
 */
static void shrink_slabs(void)
{
	DIR *caches = opendir(SLABS);
	struct dirent *cache;
	char path[512];

	if (!caches)
		die(SLABS, -errno);
	while ((cache = readdir(caches))) {
		/* A link is another name of a cache. */
		if (cache->d_type != DT_DIR || cache->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), SLABS "/%s/shrink", cache->d_name);
		write_to(path, "1\n");
	}
	closedir(caches);
}

/*
 * Return the memory that the kernel has given out, after it has released page caches
 * and empty slabs. MemFree may or may not include a free page on a processor's own
 * list, so count these pages in /proc/zoneinfo.
 */
static long memory_used(void)
{
	write_to("/proc/sys/vm/drop_caches", "3\n");
	/* Frees that wait for a grace period. */
	usleep(500000);
	shrink_slabs();
	return -(sum_of("/proc/meminfo", "MemFree:") * 1024 +
		 sum_of("/proc/zoneinfo", "count:") * (long)PAGE);
}

long vm_bytes(const struct bench *b)
{
	static struct vm vms[VMS];
	long before, bytes = 0;

	/* Twice: what is allocated once for all VMs is there after the first round. */
	for (int round = 0; round < 2; round++) {
		before = memory_used();
		for (int i = 0; i < VMS; i++) {
			create(b, &vms[i], PAGE);
			run_first(b, &vms[i]);
		}
		bytes = (memory_used() - before) / VMS;
		for (int i = 0; i < VMS; i++)
			vm_destroy(&vms[i]);
	}
	return bytes;
}

void measure_memory(const struct bench *b)
{
	report("vm_bytes", "bytes", vm_bytes(b));
}
