// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer's target: the first byte of an input chooses a part of likexvm, and the rest is all
 * that this part gets from a guest, a file or a user. hostile.py of the tests has inputs to start with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "acpi.h"
#include "boot.h"
#include "command.h"
#include "disk.h"
#include "hvc.h"
#include "mptable.h"
#include "options.h"
#include "rng.h"
#include "sum.h"
#include "virtio_mmio.h"
#include "virtio_pci.h"

#define RING_MEMORY	0x8000
#define FILE_MEMORY	(16UL << 20)
#define ACPI_MEMORY	(ACPI_AT + ACPI_SIZE)
#define IMAGE		0x10000
#define TAKEN		64		/* requests of an input */
#define WORDS		64		/* of a command line */
#define PAGE		4096
#define BAR		0xe0004000U	/* of slot 1 */

/* The rest of an input. Bytes that it does not have are zeros. */
struct input {
	const uint8_t *bytes;
	size_t size;
};

static void take(struct input *input, void *to, size_t size)
{
	size_t part = size < input->size ? size : input->size;

	memset(to, 0, size);
	if (!part)
		return;
	memcpy(to, input->bytes, part);
	input->bytes += part;
	input->size -= part;
}

static void expect(bool good)
{
	if (!good)
		abort();
}

/* Guest memory of this size, with a page after it that cannot be used. It is the same each time. */
static void make_memory(struct memory *memory, uint64_t size)
{
	static uint8_t *end;

	if (!end) {
		end = mmap(NULL, FILE_MEMORY + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		expect(!mprotect(end, FILE_MEMORY, PROT_READ | PROT_WRITE));
		end += FILE_MEMORY;
	}
	*memory = (struct memory){ end - size, size };
	memset(memory->bytes, 0, size < ACPI_MEMORY ? size : ACPI_MEMORY);
}

static void use_chain(struct virtqueue_chain *chain)
{
	uint8_t bytes[100], *last;
	size_t total = 0;

	expect(chain->reads + chain->writes <= VIRTQUEUE_MOST);
	virtqueue_pull(chain, bytes, sizeof(bytes));
	last = virtqueue_last(chain);
	if (last)
		*last = 1;
	virtqueue_push(chain, bytes, sizeof(bytes));
	for (unsigned int i = 0; i < chain->reads + chain->writes; i++)
		total += chain->buffers[i].iov_len;
	expect(total <= (uint64_t)VIRTQUEUE_MOST * RING_MEMORY);
}

/* Size and addresses of a queue, then the guest's memory */
static void fuzz_queue(struct input *input)
{
	struct virtqueue_chain chain;
	struct virtqueue queue = { 0 };
	struct memory memory;
	uint16_t fields[4];

	make_memory(&memory, RING_MEMORY);
	take(input, fields, sizeof(fields));
	queue = (struct virtqueue){ .memory = &memory, .size = fields[0], .table = fields[1],
				    .avail = fields[2], .used = fields[3] };
	take(input, memory.bytes, memory.size);
	for (unsigned int i = 0; virtqueue_valid(&queue) && i < TAKEN; i++) {
		if (virtqueue_take(&queue, &chain) <= 0)
			break;
		use_chain(&chain);
		virtqueue_give(&queue, chain.head, 1);
	}
}

static void no_message(void *ctx __attribute__((unused)), uint64_t address __attribute__((unused)),
		       uint32_t data __attribute__((unused)))
{
}

static void no_line(void *ctx __attribute__((unused)), unsigned int pin __attribute__((unused)),
		    bool high __attribute__((unused)))
{
}

static void no_listener(void *ctx __attribute__((unused)), bool port __attribute__((unused)),
			uint64_t at __attribute__((unused)), int kick __attribute__((unused)),
			bool on __attribute__((unused)))
{
}

static bool no_output(void *ctx __attribute__((unused)), const uint8_t *bytes, size_t size)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += bytes[i];
	return sum != 1;
}

static void no_room(void *ctx __attribute__((unused)))
{
}

struct machine {
	struct pci pci;
	struct virtio devices[4];	/* the last in memory */
	struct hvc hvc;
	struct memory memory;
};

static void access_bus(struct machine *machine, uint8_t how, uint16_t at, uint64_t value)
{
	static const atomic_bool stop;
	uint32_t reg = 1U << 31 | (how >> 3 & 3) << 11 | (at & 0xfc);
	uint8_t *bytes = (uint8_t *)&value;
	bool write = how & 0x80;

	switch (how & 7) {
	case 0:
		pci_port(&machine->pci, 0xcf8, true, (uint8_t *)&reg, 4);
		pci_port(&machine->pci, 0xcfc + at % 4, write, bytes, 1 << (how >> 5 & 3) % 3);
		break;
	case 1:
		pci_port(&machine->pci, at, write, bytes, 1 << (how >> 5 & 3) % 3);
		break;
	case 3:
		virtio_mmio_access(&machine->devices[3], at % VIRTIO_MMIO_SIZE, write, bytes, 1 << (how >> 5 & 3));
		break;
	case 2:
		pci_mmio(&machine->pci, BAR + at % 0xc000, write, bytes, 1 << (how >> 5 & 3));
		break;
	case 4: case 5:
		memory_write(&machine->memory, at % RING_MEMORY, bytes, 1 << (how >> 5 & 3));
		break;
	case 6:
		hvc_receive(&machine->hvc, bytes, sizeof(value));
		break;
	default:
		for (unsigned int i = 0; i < 4; i++)
			virtio_serve(&machine->devices[i], &stop);
	}
}

/* Accesses of a guest to its memory and to the bus: how, where, value */
static void fuzz_bus(struct input *input)
{
	static const struct virtio_host host = { .message = no_message, .line = no_line, .listen = no_listener };
	static const struct hvc_host hvc_host = { .output = no_output, .room = no_room };
	struct disk image = { .fd = memfd_create("disk", 0), .sectors = IMAGE / 512, .block = 512 };
	struct machine machine = { 0 };
	struct virtio_config config = { .memory = &machine.memory, .host = &host,
					.kick = eventfd(0, EFD_NONBLOCK) };
	uint8_t how;
	uint16_t at;
	uint64_t value;

	expect(image.fd >= 0 && !ftruncate(image.fd, IMAGE));
	make_memory(&machine.memory, RING_MEMORY);
	pci_init(&machine.pci);
	disk_describe(&image, &config);
	virtio_pci_init(&machine.devices[0], &config);
	rng_describe(&config);
	virtio_pci_init(&machine.devices[1], &config);
	hvc_init(&machine.hvc, &hvc_host, NULL);
	hvc_describe(&machine.hvc, &config);
	virtio_pci_init(&machine.devices[2], &config);
	for (unsigned int i = 0; i < 3; i++) {
		expect(pci_add(&machine.pci, &machine.devices[i].pci));
		access_bus(&machine, 0xa0 | (i + 1) << 3, 4, 7);
	}
	disk_describe(&image, &config);
	virtio_mmio_init(&machine.devices[3], &config, 0);
	while (input->size) {
		take(input, &how, sizeof(how));
		take(input, &at, sizeof(at));
		take(input, &value, how & 0x60 ? how & 0x40 ? 8 : 2 : 1);
		access_bus(&machine, how, at, value);
	}
	expect(lseek(image.fd, 0, SEEK_END) == IMAGE);
	close(image.fd);
	close(config.kick);
}

/* Tables for any number of processors: each that is made has its length, and the sum 0. */
static void fuzz_tables(struct input *input)
{
	struct memory memory;
	uint8_t options[3];
	unsigned int cpus;

	take(input, options, sizeof(options));
	cpus = options[0] | options[1] << 8;
	make_memory(&memory, ACPI_MEMORY);
	mptable_make(&memory, cpus, options[2] & 1);
	if (acpi_make(&memory, cpus, options[2] & 2)) {
		uint64_t xsdt = 0, table;
		uint32_t length;

		memcpy(&xsdt, memory.bytes + ACPI_AT + 24, sizeof(xsdt));
		expect(!sum_to_zero(memory.bytes + ACPI_AT, 36));
		for (unsigned int i = 0; i < 3; i++) {
			memcpy(&table, memory.bytes + xsdt + 36 + 8 * (i % 2), sizeof(table));
			table = i == 2 ? xsdt : table;
			memcpy(&length, memory_at(&memory, table, 8) + 4, sizeof(length));
			expect(memory_at(&memory, table, length));
			expect(!sum_to_zero(memory.bytes + table, length));
		}
	} else {
		expect(cpus > MPTABLE_CPUS);
	}
}

/* Sizes of memory and of an initrd, then a kernel */
static void fuzz_loader(struct input *input)
{
	struct file initrd = { 0 }, kernel;
	struct boot boot = { .kernel = &kernel, .initrd = &initrd, .cmdline = "console=ttyS0",
			     .cpus = 2, .ioapic = true, .acpi = true, .pci = true };
	struct boot_entry entry;
	struct memory memory;
	uint8_t sizes[2];

	take(input, sizes, sizeof(sizes));
	make_memory(&memory, (sizes[0] % 15 + 2UL) << 20);
	initrd.size = sizes[1] << 12;
	initrd.bytes = calloc(1, initrd.size + 1);
	/* Bytes past the file's end are found out. */
	kernel = (struct file){ malloc(input->size + !input->size), input->size };
	expect(initrd.bytes && kernel.bytes);
	if (input->size)
		memcpy(kernel.bytes, input->bytes, input->size);
	boot_load(&memory, &boot, &entry);
	free(kernel.bytes);
	free(initrd.bytes);
}

/* The words of a command line, each ended by a zero */
static void fuzz_options(struct input *input)
{
	char *text = malloc(input->size + 1), *words[WORDS + 1] = { "run" };
	struct options options;
	int argc = 1, status;

	expect(text);
	if (input->size)
		memcpy(text, input->bytes, input->size);
	text[input->size] = 0;
	for (char *word = text; word < text + input->size && argc < WORDS; word += strlen(word) + 1)
		words[argc++] = word;
	status = options_parse(&options, argc, words);
	expect(status == COMMAND_GOES_ON || status == STATUS_END || status == STATUS_USAGE);
	if (status == COMMAND_GOES_ON)
		expect(options.kernel && options.node && options.cpus >= 1 && options.cpus <= MPTABLE_CPUS &&
		       options.memory >= 2 << 20 && options.nr_disks <= OPTIONS_DISKS);
	free(text);
}

int command_wrong(const char *name __attribute__((unused)))
{
	return STATUS_USAGE;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static void (*const parts[])(struct input *input) = {
		fuzz_queue, fuzz_bus, fuzz_tables, fuzz_loader, fuzz_options,
	};
	struct input input = { bytes, size };
	uint8_t part;

	take(&input, &part, sizeof(part));
	parts[part % (sizeof(parts) / sizeof(parts[0]))](&input);
	return 0;
}
