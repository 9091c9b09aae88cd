// SPDX-License-Identifier: GPL-2.0
/* Kernels and tables in a guest's memory: right ones, and files that are cut off or lie. */
#include <elf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acpi.h"
#include "boot.h"
#include "loader.h"
#include "mptable.h"
#include "unit.h"

#define MEMORY		(16U << 20)
#define SIZE		0x3000
#define AT		0x200000
#define ROUNDS		200000

struct elf {
	Elf64_Ehdr head;
	Elf64_Phdr parts[2];
	struct {
		uint32_t name, size, type;
		char text[4];
		uint32_t entry;
	} note;
	uint8_t code[64];
};

static const struct elf good_elf = {
	.head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64 }, .e_machine = EM_X86_64,
		  .e_phoff = offsetof(struct elf, parts), .e_phentsize = sizeof(Elf64_Phdr),
		  .e_phnum = 2 },
	.parts = { { .p_type = PT_LOAD, .p_offset = offsetof(struct elf, code), .p_filesz = 64,
		     .p_memsz = 128, .p_paddr = AT },
		   { .p_type = PT_NOTE, .p_offset = offsetof(struct elf, note),
		     .p_filesz = 20 } },
	.note = { 4, 4, 18, "Xen", AT + 16 },
	.code = { 0xf4, 0xeb, 0xfd },
};

static const char *load(struct memory *memory, const void *bytes, size_t size,
			struct loaded *loaded)
{
	/* A copy of just this size, so that the sanitizer sees what is read past its end. */
	struct file file = { .bytes = malloc(size ? size : 1), .size = size };
	const char *error;

	memcpy(file.bytes, bytes, size);
	error = loader_load(memory, &file, loaded);
	file_free(&file);
	return error;
}

static void test_elf(struct memory *memory)
{
	struct elf elf = good_elf;
	struct loaded loaded;

	CHECK(!load(memory, &elf, sizeof(elf), &loaded));
	CHECK(loaded.pvh && loaded.entry == AT + 16 && loaded.end == AT + 128);
	CHECK(!memcmp(memory->bytes + AT, elf.code, 64));
	for (size_t size = 0; size < offsetof(struct elf, code) + sizeof(elf.code); size++)
		CHECK(load(memory, &elf, size, &loaded));
	elf.parts[0].p_paddr = 0x1000;
	CHECK(load(memory, &elf, sizeof(elf), &loaded));
	elf.parts[0].p_paddr = MEMORY - 64;
	CHECK(load(memory, &elf, sizeof(elf), &loaded));
	elf.parts[0].p_paddr = ~0ULL - 32;
	CHECK(load(memory, &elf, sizeof(elf), &loaded));
	elf = good_elf;
	elf.parts[0].p_filesz = 256;
	CHECK(load(memory, &elf, sizeof(elf), &loaded));
	elf.parts[0].p_filesz = ~0ULL;
	CHECK(load(memory, &elf, sizeof(elf), &loaded));
	elf = good_elf;
	elf.note.type = 17;
	CHECK(load(memory, &elf, sizeof(elf), &loaded));
	elf.note.type = 18;
	elf.note.size = ~0U;
	CHECK(load(memory, &elf, sizeof(elf), &loaded));
	elf = good_elf;
	elf.head.e_phoff = ~0ULL;
	CHECK(load(memory, &elf, sizeof(elf), &loaded));
}

static void make_bzimage(uint8_t *image)
{
	struct setup_header setup = {
		.setup_sects = 4, .header = 0x53726448, .version = 0x20f, .jump = 0x6aeb,
		.xloadflags = XLF_KERNEL_64, .pref_address = AT, .init_size = 0x4000,
		.initrd_addr_max = 0x7fffffff, .cmdline_size = 255,
	};

	memset(image, 0x90, SIZE);
	memcpy(image + 0x1f1, &setup, sizeof(setup));
}

static void test_bzimage(struct memory *memory)
{
	struct setup_header *setup;
	uint8_t image[SIZE];
	struct loaded loaded;

	make_bzimage(image);
	setup = (void *)(image + 0x1f1);
	CHECK(!load(memory, image, SIZE, &loaded));
	CHECK(!loaded.pvh && loaded.entry == AT + 0x200 && loaded.end == AT + 0x4000);
	CHECK(loaded.cmdline_most == 255 && memory->bytes[AT] == 0x90);
	for (size_t size = 0; size < 5 * 512 + 0x200; size += 7)
		CHECK(load(memory, image, size, &loaded));
	setup->init_size = MEMORY;
	CHECK(load(memory, image, SIZE, &loaded));
	setup->init_size = 0;
	CHECK(!load(memory, image, SIZE, &loaded) && loaded.end == AT + SIZE - 5 * 512);
	setup->pref_address = 0x1000;
	CHECK(load(memory, image, SIZE, &loaded));
	setup->pref_address = ~0ULL;
	CHECK(load(memory, image, SIZE, &loaded));
	make_bzimage(image);
	setup->xloadflags = 0;
	CHECK(load(memory, image, SIZE, &loaded));
}

/* Change bytes of good files at random: an error or a kernel, and nothing beyond bounds. */
static void test_damaged(struct memory *memory)
{
	uint8_t image[SIZE], *bytes;
	struct loaded loaded;
	unsigned int loads = 0;

	srand(1);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		size_t size = round & 1 ? sizeof(good_elf) : SIZE;
		size_t from = round & 1 ? 0 : 0x1f1, span = round & 1 ? size : 128;

		make_bzimage(image);
		if (round & 1)
			memcpy(image, &good_elf, size);
		bytes = image + from;
		for (int i = rand() % 3; i >= 0; i--)
			bytes[rand() % span] = rand();
		loads += !load(memory, image, size, &loaded);
	}
	CHECK(loads > ROUNDS / 100 && loads < ROUNDS);
}

static uint8_t sum(const uint8_t *bytes, size_t size)
{
	uint8_t total = 0;

	while (size--)
		total += *bytes++;
	return total;
}

static void test_mptable(struct memory *memory)
{
	const uint8_t *at = memory->bytes + MPTABLE_AT, *entry = at + 16 + 44;
	unsigned int kinds[5] = { 0 };
	uint16_t size, count;

	CHECK(mptable_make(memory, MPTABLE_CPUS, true) && !mptable_make(memory, MPTABLE_CPUS + 1, true));
	CHECK(!memcmp(at, "_MP_", 4) && !sum(at, 16));
	memcpy(&size, at + 16 + 4, 2);
	memcpy(&count, at + 16 + 34, 2);
	CHECK(!memcmp(at + 16, "PCMP", 4) && !sum(at + 16, size));
	for (unsigned int i = 0; i < count; i++) {
		kinds[*entry < 5 ? *entry : 0]++;
		entry += *entry ? 8 : 20;
	}
	CHECK(entry == at + 16 + size && kinds[0] == MPTABLE_CPUS && kinds[2] == 1);
	CHECK(kinds[1] == 1 && kinds[3] == 16 && kinds[4] == 1);
}

/* Return a table that the XSDT names, after checks of its head. */
static const uint8_t *find_table(const struct memory *memory, const uint8_t *xsdt, const char *name)
{
	uint32_t size, length;
	uint64_t address;

	memcpy(&size, xsdt + 4, 4);
	for (uint32_t at = 36; at < size; at += 8) {
		const uint8_t *table;

		memcpy(&address, xsdt + at, 8);
		table = memory_at(memory, address, 36);
		memcpy(&length, table + 4, 4);
		if (!memcmp(table, name, 4) && !sum(table, length))
			return table;
	}
	return NULL;
}

/* Return the length of a block of AML, which is in two bytes. */
static uint32_t scope(const uint8_t *aml)
{
	CHECK(aml[0] >> 6 == 1);
	return (aml[0] & 0xf) | (uint32_t)aml[1] << 4;
}

static void test_acpi(struct memory *memory, unsigned int cpus, bool pci)
{
	const uint8_t *rsdp = memory->bytes + ACPI_AT, *xsdt, *fadt, *madt, *dsdt;
	unsigned int found = 0, others = 0;
	uint64_t address;
	uint32_t size;

	CHECK(acpi_make(memory, cpus, pci));
	CHECK(!memcmp(rsdp, "RSD PTR ", 8) && !sum(rsdp, 20) && !sum(rsdp, 36));
	memcpy(&address, rsdp + 24, 8);
	xsdt = memory_at(memory, address, 36);
	fadt = find_table(memory, xsdt, "FACP");
	madt = find_table(memory, xsdt, "APIC");
	CHECK(fadt && madt);
	if (!fadt || !madt)
		return;
	memcpy(&size, fadt + 4, 4);
	CHECK(size == 276 && fadt[8] == 6 && fadt[114] == 0x10 && fadt[113] == 0x04);
	CHECK(fadt[116] == 1 && fadt[120] == 0x64 && fadt[128] == 0xfe && fadt[249] == 0x06);
	memcpy(&address, fadt + 140, 8);
	dsdt = memory_at(memory, address, 36);
	memcpy(&size, dsdt + 4, 4);
	CHECK(!memcmp(dsdt, "DSDT", 4) && !sum(dsdt, size) && size == 36 + 16 + 1 + scope(dsdt + 53));
	CHECK(!!memmem(dsdt, size, "PCI0", 4) == pci);
	memcpy(&size, madt + 4, 4);
	for (uint32_t at = 44; at < size; at += madt[at + 1]) {
		found += madt[at] == 0 || madt[at] == 9;
		others += madt[at] == 1 || madt[at] == 4;
	}
	CHECK(found == cpus && others == 2);
}

static void test_boot(struct memory *memory)
{
	uint8_t words[300];
	struct file kernel = { (uint8_t *)&good_elf, sizeof(good_elf) };
	struct file initrd = { words, sizeof(words) };
	struct boot boot = { .kernel = &kernel, .initrd = &initrd, .cmdline = "a b", .cpus = 2,
			     .ioapic = true, .acpi = true };
	struct boot_entry entry;
	char *line = calloc(1, 3000);
	uint64_t at;

	memset(words, 'w', sizeof(words));
	CHECK(!boot_load(memory, &boot, &entry) && entry.pvh && entry.rip == AT + 16);
	memcpy(&at, memory->bytes + 0x6000 + 24, 8);
	CHECK(!strcmp((char *)memory->bytes + at, "a b"));
	memcpy(&at, memory->bytes + 0x6000 + 16, 8);
	memcpy(&at, memory->bytes + at, 8);
	CHECK(at == MEMORY - 4096 && !memcmp(memory->bytes + at, words, sizeof(words)));
	memset(line, 'x', 2047);
	boot.cmdline = line;
	CHECK(!boot_load(memory, &boot, &entry));
	line[2047] = 'x';
	CHECK(boot_load(memory, &boot, &entry));
	boot.cmdline = "";
	initrd.size = MEMORY - AT - 128 + 1;
	CHECK(boot_load(memory, &boot, &entry));
	free(line);
}

void test_images(void)
{
	struct memory memory;

	CHECK(!memory_create(&memory, MEMORY));
	test_elf(&memory);
	test_bzimage(&memory);
	test_damaged(&memory);
	test_mptable(&memory);
	test_acpi(&memory, 2, false);
	test_acpi(&memory, 300, true);
	test_boot(&memory);
	memory_destroy(&memory);
}
