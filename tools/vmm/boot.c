// SPDX-License-Identifier: GPL-2.0
/* See boot.h. */
#include "boot.h"

#include <string.h>

#include "acpi.h"
#include "loader.h"
#include "mptable.h"
#include "state.h"

#define START_INFO	0x6000		/* or the zero page of a bzImage */
#define GDT		0x7000
#define TABLES		0x8000		/* page tables */
#define GIGABYTES	4
#define CMDLINE		0x20000
#define LOW_END		0x9f000		/* of usable memory below 1 MiB */
#define HIGH		0x100000

#define PAGE		4096ULL
#define PVH_MAGIC	0x336ec578
#define RAM		1
#define RANGES		3
#define NO_LOADER_ID	0xff

struct range {
	uint64_t at, size;
	uint32_t type, reserved;
};

/* The information that a PVH kernel finds at EBX (Linux's xen/interface/hvm/start_info.h) */
struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, cmdline, rsdp, map;
	uint32_t nr_map, reserved;
	struct {
		uint64_t at, size, cmdline, reserved;
	} module;
	struct range ranges[RANGES];
};

/* Write the ranges of usable memory; return how many. Firmware's tables are between the first two. */
static unsigned int make_ranges(const struct memory *memory, struct range ranges[RANGES])
{
	struct memory_part parts[2];
	unsigned int count = memory_parts(memory, parts);

	ranges[0] = (struct range){ 0, LOW_END, RAM, 0 };
	ranges[1] = (struct range){ HIGH, parts[0].size - HIGH, RAM, 0 };
	if (count == 2)
		ranges[2] = (struct range){ parts[1].gpa, parts[1].size, RAM, 0 };
	return count + 1;
}

static bool make_start_info(const struct memory *memory, const struct boot *boot, uint64_t initrd)
{
	struct start_info info = {
		.magic = PVH_MAGIC, .version = 1, .nr_modules = boot->initrd->size > 0,
		.modules = START_INFO + offsetof(struct start_info, module),
		.cmdline = CMDLINE, .rsdp = boot->acpi ? ACPI_AT : 0,
		.map = START_INFO + offsetof(struct start_info, ranges),
		.module = { .at = initrd, .size = boot->initrd->size },
	};

	info.nr_map = make_ranges(memory, info.ranges);
	return memory_write(memory, START_INFO, &info, sizeof(info));
}

static bool make_zero_page(const struct memory *memory, const struct boot *boot,
			   const struct loaded *loaded, uint64_t initrd)
{
	struct boot_params *zero = memory_at(memory, START_INFO, sizeof(*zero));
	struct range ranges[RANGES];

	if (!zero)
		return false;
	memset(zero, 0, sizeof(*zero));
	zero->hdr = loaded->setup;
	zero->hdr.type_of_loader = NO_LOADER_ID;
	zero->hdr.cmd_line_ptr = CMDLINE;
	zero->hdr.ramdisk_image = initrd;
	zero->hdr.ramdisk_size = boot->initrd->size;
	zero->acpi_rsdp_addr = boot->acpi ? ACPI_AT : 0;
	zero->e820_entries = make_ranges(memory, ranges);
	for (unsigned int i = 0; i < zero->e820_entries; i++)
		zero->e820_table[i] = (struct boot_e820_entry){ ranges[i].at, ranges[i].size,
								ranges[i].type };
	return true;
}

/* The descriptors that a bzImage expects to be loaded (boot.rst, "64-bit Boot Protocol") */
static bool make_gdt(const struct memory *memory)
{
	static const uint64_t gdt[] = { 0, 0, 0xaf9b000000ffff, 0xcf93000000ffff };

	return memory_write(memory, GDT, gdt, sizeof(gdt)) &&
	       state_make_tables(memory, TABLES, GIGABYTES);
}

/* Put the initrd as high as the kernel takes it. Return its address, or 0. */
static uint64_t place_initrd(const struct memory *memory, const struct file *initrd,
			     const struct loaded *loaded)
{
	struct memory_part parts[2];
	uint64_t end;

	memory_parts(memory, parts);
	end = parts[0].size - 1 < loaded->initrd_most ? parts[0].size : loaded->initrd_most + 1;
	if (initrd->size > end || ((end - initrd->size) & ~(PAGE - 1)) < loaded->end)
		return 0;
	end = (end - initrd->size) & ~(PAGE - 1);
	return memory_write(memory, end, initrd->bytes, initrd->size) ? end : 0;
}

static const char *load_rest(const struct memory *memory, const struct boot *boot,
			     const struct loaded *loaded)
{
	size_t length = strlen(boot->cmdline);
	uint64_t initrd = 0;
	bool good;

	if (length > loaded->cmdline_most || length >= LOW_END - CMDLINE)
		return "takes no command line of this length";
	if (boot->initrd->size) {
		initrd = place_initrd(memory, boot->initrd, loaded);
		if (!initrd)
			return "leaves no room for the initrd (--mem)";
	}
	good = memory_write(memory, CMDLINE, boot->cmdline, length + 1) &&
	       (!boot->cpus || mptable_make(memory, boot->cpus, boot->ioapic)) &&
	       (!boot->acpi || acpi_make(memory, boot->cpus, boot->pci));
	if (loaded->pvh)
		good = good && make_start_info(memory, boot, initrd);
	else
		good = good && make_gdt(memory) && make_zero_page(memory, boot, loaded, initrd);
	return good ? NULL : "has too little memory (--mem)";
}

const char *boot_load(const struct memory *memory, const struct boot *boot,
		      struct boot_entry *entry)
{
	struct loaded loaded;
	const char *error;

	if (memory->size <= HIGH)
		return "needs more than 1 MiB of memory (--mem)";
	error = loader_load(memory, boot->kernel, &loaded);
	if (error)
		return error;
	*entry = (struct boot_entry){ .rip = loaded.entry, .pvh = loaded.pvh };
	return load_rest(memory, boot, &loaded);
}

int boot_set(const struct vcpu *vcpu, const struct boot_entry *entry)
{
	struct kvm_regs regs = { .rip = entry->rip, .rflags = 2 };
	struct kvm_sregs sregs;
	int r = vcpu_set(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");

	if (r)
		return r;
	if (entry->pvh) {
		state_protected(&sregs);
		regs.rbx = START_INFO;
	} else {
		state_long(&sregs, TABLES);
		sregs.gdt = (struct kvm_dtable){ .base = GDT, .limit = 31 };
		regs.rsi = START_INFO;
	}
	r = vcpu_set(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	return r ? r : vcpu_set(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}
