// SPDX-License-Identifier: GPL-2.0
/* See loader.h, and Linux's Documentation/arch/x86/boot.rst. */
#include "loader.h"

#include <elf.h>
#include <string.h>

#define PVH_NOTE	18		/* note of Xen's: the PVH entry */
#define PVH_CMDLINE	2047

#define SETUP_AT	0x1f1
#define SETUP_MAGIC	0x53726448	/* HdrS */
#define SETUP_JUMP	0x201		/* the distance from its end to that of the header */
#define SETUP_VERSION	0x20c		/* the first with xloadflags and a 64-bit entry */
#define SETUP_SECTORS	4		/* if the header says 0 */
#define SECTOR		512ULL
#define ENTRY_64	0x200

static const char too_small[] = "does not fit into the guest's memory (--mem)";
static const char cut_off[] = "is cut off, or no kernel";

/* Tell whether @size bytes at @offset are in the file. */
static bool in_file(const struct file *file, uint64_t offset, uint64_t size)
{
	return offset <= file->size && size <= file->size - offset;
}

static uint64_t aligned(uint64_t size)
{
	return (size + 3) & ~3ULL;
}

/* Return the PVH entry that a segment of notes names, or 0. */
static uint32_t pvh_entry(const uint8_t *notes, uint64_t size)
{
	uint32_t entry;
	Elf64_Nhdr note;

	for (uint64_t at = 0; at <= size && sizeof(note) <= size - at;) {
		uint64_t name = at + sizeof(note), value;

		memcpy(&note, notes + at, sizeof(note));
		value = name + aligned(note.n_namesz);
		at = value + aligned(note.n_descsz);
		if (at > size)
			return 0;
		if (note.n_type == PVH_NOTE && note.n_namesz == 4 && note.n_descsz >= 4 &&
		    !memcmp(notes + name, "Xen", 4)) {
			memcpy(&entry, notes + value, sizeof(entry));
			return entry;
		}
	}
	return 0;
}

static const char *load_segment(const struct memory *memory, const struct file *file,
				const Elf64_Phdr *part, struct loaded *loaded)
{
	if (!in_file(file, part->p_offset, part->p_filesz))
		return cut_off;
	if (part->p_type == PT_NOTE && !loaded->entry)
		loaded->entry = pvh_entry(file->bytes + part->p_offset, part->p_filesz);
	if (part->p_type != PT_LOAD || !part->p_memsz)
		return NULL;
	if (part->p_paddr < LOADER_LOWEST || part->p_filesz > part->p_memsz)
		return "has a segment that no kernel has";
	if (!memory_at(memory, part->p_paddr, part->p_memsz))
		return too_small;
	memory_write(memory, part->p_paddr, file->bytes + part->p_offset, part->p_filesz);
	if (part->p_paddr + part->p_memsz > loaded->end)
		loaded->end = part->p_paddr + part->p_memsz;
	return NULL;
}

static const char *load_elf(const struct memory *memory, const struct file *file,
			    struct loaded *loaded)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;

	if (!in_file(file, 0, sizeof(head)))
		return cut_off;
	memcpy(&head, file->bytes, sizeof(head));
	if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_machine != EM_X86_64 ||
	    head.e_phentsize != sizeof(part))
		return "is not for this processor";
	if (!in_file(file, head.e_phoff, head.e_phnum * sizeof(part)))
		return cut_off;
	*loaded = (struct loaded){ .pvh = true, .initrd_most = MEMORY_HOLE - 1,
				   .cmdline_most = PVH_CMDLINE };
	for (unsigned int i = 0; i < head.e_phnum; i++) {
		const char *error;

		memcpy(&part, file->bytes + head.e_phoff + i * sizeof(part), sizeof(part));
		error = load_segment(memory, file, &part, loaded);
		if (error)
			return error;
	}
	return loaded->entry ? NULL : "has no PVH entry (CONFIG_PVH)";
}

/* Read the header, whose length is in itself. Members that an old kernel lacks are zero. */
static const char *read_setup(const struct file *file, struct setup_header *setup)
{
	uint64_t size;

	if (!in_file(file, 0, SETUP_AT + sizeof(*setup)))
		return cut_off;
	size = SETUP_JUMP + 1 + file->bytes[SETUP_JUMP] - SETUP_AT;
	memset(setup, 0, sizeof(*setup));
	memcpy(setup, file->bytes + SETUP_AT, size < sizeof(*setup) ? size : sizeof(*setup));
	if (setup->header != SETUP_MAGIC)
		return "is neither an ELF file nor a bzImage";
	if (setup->version < SETUP_VERSION || !(setup->xloadflags & XLF_KERNEL_64))
		return "has no 64-bit entry";
	return NULL;
}

static const char *load_bzimage(const struct memory *memory, const struct file *file,
				struct loaded *loaded)
{
	struct setup_header setup;
	const char *error = read_setup(file, &setup);
	uint64_t skip, at, size;

	if (error)
		return error;
	skip = ((setup.setup_sects ? setup.setup_sects : SETUP_SECTORS) + 1) * SECTOR;
	at = setup.pref_address;
	if (!in_file(file, skip, ENTRY_64 + 1))
		return cut_off;
	size = file->size - skip;
	if (at < LOADER_LOWEST || at + setup.init_size < at)
		return "has an address that no kernel has";
	if (!memory_at(memory, at, setup.init_size > size ? setup.init_size : size))
		return too_small;
	memory_write(memory, at, file->bytes + skip, size);
	*loaded = (struct loaded){
		.entry = at + ENTRY_64, .setup = setup, .initrd_most = setup.initrd_addr_max,
		.end = at + (setup.init_size > size ? setup.init_size : size),
		.cmdline_most = setup.cmdline_size,
	};
	return NULL;
}

const char *loader_load(const struct memory *memory, const struct file *file,
			struct loaded *loaded)
{
	if (file->size >= SELFMAG && !memcmp(file->bytes, ELFMAG, SELFMAG))
		return load_elf(memory, file, loaded);
	return load_bzimage(memory, file, loaded);
}
