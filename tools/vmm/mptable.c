// SPDX-License-Identifier: GPL-2.0
/* See mptable.h. */
#include "mptable.h"

#include <string.h>

#include "ioapic.h"
#include "sum.h"

#define LAPIC_AT	0xfee00000
#define LINES		16
#define ALL		0xff

enum { PROCESSOR, BUS, IOAPIC, LINE, LOCAL_LINE };
enum { INT, NMI };

struct pointer {
	char name[4];
	uint32_t at;
	uint8_t size, version, sum, features[5];
};

struct head {
	char name[4];
	uint16_t size;
	uint8_t version, sum;
	char oem[20];
	uint32_t oem_table;
	uint16_t oem_size, entries;
	uint32_t lapic, reserved;
};

struct processor {
	uint8_t type, id, version, flags;
	uint32_t signature, features, reserved[2];
};

struct bus {
	uint8_t type, id;
	char name[6];
};

struct controller {
	uint8_t type, id, version, flags;
	uint32_t at;
};

struct line {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, line, controller, pin;
};

struct table {
	uint8_t bytes[sizeof(struct pointer) + sizeof(struct head) +
		      MPTABLE_CPUS * sizeof(struct processor) + sizeof(struct bus) +
		      sizeof(struct controller) + (LINES + 1) * sizeof(struct line)];
	size_t size;
	uint16_t entries;
};

static void add(struct table *table, const void *entry, size_t size)
{
	memcpy(table->bytes + table->size, entry, size);
	table->size += size;
	table->entries++;
}

static void add_processors(struct table *table, unsigned int cpus)
{
	struct processor one = { .type = PROCESSOR, .version = 0x14 };

	for (unsigned int id = 0; id < cpus; id++) {
		one.id = id;
		one.flags = id ? 1 : 3;		/* enabled; the boot processor */
		add(table, &one, sizeof(one));
	}
}

static void add_lines(struct table *table, uint8_t id)
{
	struct bus isa = { .type = BUS, .name = { 'I', 'S', 'A', ' ', ' ', ' ' } };
	struct controller ioapic = { .type = IOAPIC, .id = id, .version = 0x11, .flags = 1,
				     .at = IOAPIC_AT };
	struct line line = { .type = LINE, .kind = INT, .controller = id };

	add(table, &isa, sizeof(isa));
	add(table, &ioapic, sizeof(ioapic));
	for (uint8_t i = 0; i < LINES; i++) {
		line.line = line.pin = i;
		add(table, &line, sizeof(line));
	}
	line = (struct line){ .type = LOCAL_LINE, .kind = NMI, .controller = ALL, .pin = 1 };
	add(table, &line, sizeof(line));
}

bool mptable_make(const struct memory *memory, unsigned int cpus, bool ioapic)
{
	struct pointer pointer = { .name = { '_', 'M', 'P', '_' }, .size = 1, .version = 4,
				   .at = MPTABLE_AT + sizeof(pointer) };
	struct head head = { .name = { 'P', 'C', 'M', 'P' }, .version = 4, .lapic = LAPIC_AT };
	struct table table = { .size = sizeof(pointer) + sizeof(head) };

	if (cpus > MPTABLE_CPUS)
		return false;
	add_processors(&table, cpus);
	if (ioapic)
		add_lines(&table, cpus);
	head.size = table.size - sizeof(pointer);
	head.entries = table.entries;
	pointer.sum = sum_to_zero(&pointer, sizeof(pointer));
	memcpy(table.bytes, &pointer, sizeof(pointer));
	memcpy(table.bytes + sizeof(pointer), &head, sizeof(head));
	head.sum = sum_to_zero(table.bytes + sizeof(pointer), head.size);
	memcpy(table.bytes + sizeof(pointer), &head, sizeof(head));
	return memory_write(memory, MPTABLE_AT, table.bytes, table.size);
}
