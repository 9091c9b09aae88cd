/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A Linux kernel in a guest's memory: an uncompressed one with a PVH entry, an initramfs,
 * the information that the entry takes, and a table of the processors.
 */
#ifndef LIKEX_EXAMPLES_PVH_H
#define LIKEX_EXAMPLES_PVH_H

#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY		(48UL << 20)
#define INITRAMFS	(32UL << 20)
#define APIC_PAGE	0xfee00000
#define START_INFO	0x6000
#define MP_TABLE	0x9fc00		/* the last KB of base memory, where Linux looks */
#define LOW_END		0xa0000
#define HIGH		0x100000
#define PHYS32_ENTRY	18		/* note of Xen's: the PVH entry */

/* The information that a PVH kernel finds at EBX */
struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, cmdline, rsdp, map;
	uint32_t nr_map, reserved;
	struct { uint64_t at, size, cmdline, reserved; } module;
	struct { uint64_t at, size; uint32_t type, reserved; } ranges[3];
	char words[512];
};

/* Intel's MultiProcessor Specification: pointer, table, processors. */
struct mp_table {
	struct { char name[4]; uint32_t at; uint8_t size, version, sum, features[5]; } pointer;
	struct { char name[4]; uint16_t size; uint8_t version, sum; char oem[20];
		 uint32_t oem_table; uint16_t oem_size, entries; uint32_t apic, reserved; } head;
	struct { uint8_t type, id, version, flags; uint32_t signature, features, reserved[2];
	} cpus[8];
};

static int check(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static uint8_t sum(const void *data, size_t size)
{
	uint8_t total = 0;

	for (size_t i = 0; i < size; i++)
		total += ((const uint8_t *)data)[i];
	return -total;
}

static inline void make_mp_table(char *memory, int nr_cpus)
{
	struct mp_table *t = (void *)(memory + MP_TABLE);

	memcpy(t->pointer.name, "_MP_", 4);
	t->pointer.at = MP_TABLE + offsetof(struct mp_table, head);
	t->pointer.size = 1;
	t->pointer.version = t->head.version = 4;
	t->pointer.sum = sum(&t->pointer, sizeof(t->pointer));
	memcpy(t->head.name, "PCMP", 4);
	t->head.size = sizeof(t->head) + nr_cpus * sizeof(t->cpus[0]);
	t->head.entries = nr_cpus;
	t->head.apic = APIC_PAGE;
	for (int i = 0; i < nr_cpus; i++) {
		t->cpus[i].id = i;
		t->cpus[i].version = 0x14;
		t->cpus[i].flags = i ? 1 : 3;
	}
	t->head.sum = sum(&t->head, t->head.size);
}

static const char *map_file(const char *path, size_t most, size_t *size)
{
	int fd = check(open(path, O_RDONLY | O_CLOEXEC), path);
	void *data;

	*size = check(lseek(fd, 0, SEEK_END), path);
	data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED || *size > most)
		errx(1, "%s cannot be loaded", path);
	return data;
}

/* Return the PVH entry that a segment of notes names, or 0. */
static uint32_t pvh_entry(const char *notes, size_t size)
{
	for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
		const Elf64_Nhdr *note = (const void *)(notes + at);
		size_t value = at + sizeof(*note) + ((note->n_namesz + 3) & ~3U);

		if (note->n_type == PHYS32_ENTRY && !memcmp(note + 1, "Xen", 4))
			return *(const uint32_t *)(notes + value);
		at = value + ((note->n_descsz + 3) & ~3U);
	}
	return 0;
}

/* Load the kernel; return its entry. */
static inline uint32_t load_kernel(char *memory, const char *path)
{
	size_t size;
	const char *file = map_file(path, INITRAMFS, &size);
	const Elf64_Ehdr *head = (const void *)file;
	const Elf64_Phdr *part = (const void *)(file + head->e_phoff);
	uint32_t entry = 0;

	for (int i = 0; i < head->e_phnum && !memcmp(head, ELFMAG, SELFMAG); i++, part++) {
		if (part->p_offset + part->p_filesz > size ||
		    part->p_paddr + part->p_memsz > INITRAMFS)
			errx(1, "%s is too large for the guest", path);
		if (part->p_type == PT_NOTE)
			entry = pvh_entry(file + part->p_offset, part->p_filesz);
		if (part->p_type == PT_LOAD)
			memcpy(memory + part->p_paddr, file + part->p_offset, part->p_filesz);
	}
	if (!entry)
		errx(1, "%s is no kernel with a PVH entry", path);
	return entry;
}

static inline void make_start_info(char *memory, const char *initramfs, char **words)
{
	struct start_info *info = (void *)(memory + START_INFO);
	size_t size;
	const char *file = map_file(initramfs, MEMORY - INITRAMFS, &size);

	memcpy(memory + INITRAMFS, file, size);
	*info = (struct start_info){
		.magic = 0x336ec578, .version = 1, .nr_modules = 1,
		.modules = START_INFO + offsetof(struct start_info, module),
		.cmdline = START_INFO + offsetof(struct start_info, words),
		.map = START_INFO + offsetof(struct start_info, ranges), .nr_map = 3,
		.module = { .at = INITRAMFS, .size = size },
		.ranges = { { 0, MP_TABLE, 1, 0 }, { MP_TABLE, LOW_END - MP_TABLE, 2, 0 },
			    { HIGH, MEMORY - HIGH, 1, 0 } },
		.words = "quiet panic=-1 reboot=t earlyprintk=serial,ttyS0,115200,keep",
	};
	for (size_t at = strlen(info->words); *words && at < sizeof(info->words); words++)
		at += snprintf(info->words + at, sizeof(info->words) - at, " %s", *words);
}

#endif
