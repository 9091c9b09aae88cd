// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel with a PVH entry that does all that no driver does: seeded random accesses to rings,
 * registers and configuration of virtio devices, local APIC, IOAPIC, ports and addresses, on
 * two vCPUs if there are two. Its command line is "SEED COUNT". After so many rounds of a vCPU
 * it says how it ends, and ends. 32-bit code without paging.
 */
#include <stddef.h>
#include <stdint.h>

#define LAPIC		0xfee00000U
#define IOAPIC		0xfec00000U
#define BARS		0xe0000000U	/* of memory, 16 KiB for each slot */
#define PORTS		0xc000		/* of kicks, 32 for each slot */
#define SLOTS		5		/* the bridge, two disks, random numbers, a console */
#define RANDOM		3
#define CONSOLE		4
#define IN_MEMORY	0xd0000000U	/* virtio devices without a PCI bus */
#define MEMORY		0x1000000U	/* no guest is given more */
#define START_PAGE	8		/* code for a vCPU that an IPI starts */
#define RING		0x2000		/* offset of the available ring in a device's area, and so on */
#define USED		0x3000
#define DATA		0x4000
#define AREA		0x8000
#define VECTORS		256
#define CALM		256		/* interrupts until their sources are silenced */

struct gate {
	uint16_t low, selector, kind, high;
};

struct table_pointer {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

/* Of hostile-entry.S */
extern char stubs[], stub_end[], start_code[], start_code_end[];

/* A vCPU's own: what it has done, and its random numbers */
struct cpu {
	uint32_t random, count;
};

static struct gate gates[VECTORS];
static uint8_t areas[SLOTS][AREA] __attribute__((aligned(4096)));
static struct cpu cpus[2];
static volatile uint32_t interrupts;
static uint32_t seed, limit;

static uint32_t next(struct cpu *cpu)
{
	cpu->random ^= cpu->random << 13;
	cpu->random ^= cpu->random >> 17;
	cpu->random ^= cpu->random << 5;
	return cpu->random;
}

static uint32_t below(struct cpu *cpu, uint32_t most)
{
	return next(cpu) % most;
}

static void out(uint16_t port, uint32_t value, unsigned int size)
{
	if (size == 1)
		__asm__ volatile("outb %b0, %1" : : "a"(value), "Nd"(port));
	else if (size == 2)
		__asm__ volatile("outw %w0, %1" : : "a"(value), "Nd"(port));
	else
		__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static void in(uint16_t port, unsigned int size)
{
	uint32_t value;

	if (size == 1)
		__asm__ volatile("inb %1, %b0" : "=a"(value) : "Nd"(port));
	else if (size == 2)
		__asm__ volatile("inw %1, %w0" : "=a"(value) : "Nd"(port));
	else
		__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
}

static void store(uint32_t address, uint32_t value, unsigned int size)
{
	if (size == 1)
		*(volatile uint8_t *)address = value;
	else if (size == 2)
		*(volatile uint16_t *)address = value;
	else
		*(volatile uint32_t *)address = value;
}

static void load(uint32_t address, unsigned int size)
{
	if (size == 1)
		(void)*(volatile uint8_t *)address;
	else if (size == 2)
		(void)*(volatile uint16_t *)address;
	else
		(void)*(volatile uint32_t *)address;
}

static void say(const char *text)
{
	while (*text)
		out(0x3f8, *text++, 1);
}

/* The handler goes on after the instruction if it faults. */
static void write_msr(uint32_t msr, uint32_t low, uint32_t high)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"(low), "d"(high));
}

static uint32_t read_msr(uint32_t msr)
{
	uint32_t low = 0, high = 0;

	__asm__ volatile("rdmsr" : "+a"(low), "+d"(high) : "c"(msr));
	return low;
}

/* Write a register of the local APIC, in either mode. */
static void write_lapic(uint32_t reg, uint32_t value)
{
	if (read_msr(0x1b) & 1 << 10)
		write_msr(0x800 + reg / 16, value, 0);
	else
		store(LAPIC + reg, value, 4);
}

/* Interrupts could come without an end, and leave no time for anything else. */
static void calm(void)
{
	write_lapic(0x320, 1 << 16);
	write_lapic(0x380, 0);
	for (unsigned int pin = 0; pin < 24; pin++) {
		store(IOAPIC, 0x10 + 2 * pin, 4);
		store(IOAPIC + 0x10, 1 << 16, 4);
	}
}

/* Of hostile-entry.S, for each vector; @frame: that of the interrupt */
void handle(uint32_t vector, uint32_t *frame)
{
	/* RDMSR and WRMSR have two bytes. */
	if (vector == 13)
		frame[0] += 2;
	if (vector < 16)
		return;
	if (++interrupts % CALM == 0)
		calm();
	write_lapic(0xb0, 0);
}

static unsigned int size_of(struct cpu *cpu)
{
	return 1U << below(cpu, 3);
}

/* Mostly one of the machine's ports. Those that end it are written to at the end only. */
static uint16_t some_port(struct cpu *cpu)
{
	static const uint16_t known[] = { 0xcf8, 0xcfc, 0xcfd, 0xcfe, 0x3f8, 0x3f9, 0x3fa, 0x3fb,
					  0x3fc, 0x3fd, 0x3ff, 0x70, 0x71, 0x61, 0x20, 0x21 };

	if (below(cpu, 4))
		return known[below(cpu, 16)];
	return below(cpu, 2) ? PORTS + below(cpu, 0x100) : 0x700 + below(cpu, 0xf8fc);
}

static void use_port(struct cpu *cpu)
{
	if (below(cpu, 3))
		out(some_port(cpu), next(cpu), size_of(cpu));
	else
		in(some_port(cpu), size_of(cpu));
}

static void repeat_port(struct cpu *cpu)
{
	uint8_t *bytes = areas[below(cpu, SLOTS)] + DATA;
	uint32_t count = below(cpu, 64), port = some_port(cpu);

	if (below(cpu, 2))
		__asm__ volatile("rep outsw" : "+S"(bytes), "+c"(count) : "d"(port) : "memory");
	else
		__asm__ volatile("rep insb" : "+D"(bytes), "+c"(count) : "d"(port) : "memory");
}

static void use_address(struct cpu *cpu, uint32_t address)
{
	unsigned int size = size_of(cpu);

	if (address < MEMORY || address > 0U - size)
		return;
	if (below(cpu, 2))
		store(address, below(cpu, 2) ? below(cpu, 0x100) : next(cpu), size);
	else
		load(address, size);
}

static void repeat_address(struct cpu *cpu, uint32_t address)
{
	uint32_t count = below(cpu, 32);

	if (address >= MEMORY && address < 0U - 4 * 32)
		__asm__ volatile("rep stosl" : "+D"(address), "+c"(count) : "a"(next(cpu)) : "memory");
}

static uint32_t bar(struct cpu *cpu)
{
	static const uint16_t parts[] = { 0, 0x1000, 0x2000, 0x3000, 0x3800 };

	if (!below(cpu, 8))
		return IN_MEMORY + below(cpu, 0x800);
	return BARS + below(cpu, SLOTS + 1) * 0x4000 + parts[below(cpu, 5)] + below(cpu, 0x40);
}

static void configure(unsigned int slot, unsigned int at, uint32_t value, unsigned int size)
{
	out(0xcf8, 1U << 31 | slot << 11 | (at & 0xfc), 4);
	out(0xcfc + at % 4, value, size);
}

static void use_lapic(struct cpu *cpu)
{
	uint32_t reg = 0x10 * below(cpu, 0x40), value = next(cpu);

	/* INIT is rare: nothing may come that starts the vCPU again. */
	if (reg == 0x300) {
		value = (value & 0xcffff) | 1 << 14;
		if ((value >> 8 & 7) == 5 && below(cpu, 8))
			value &= ~0x700U;
		if ((value >> 8 & 7) == 6)
			value = (value & ~0xffU) | START_PAGE;
	}
	if (below(cpu, 8))
		store(LAPIC + reg, value, 4);
	else
		write_msr(0x800 + reg / 16, value, below(cpu, 2));
}

/* Another mode of the APIC, or another state of it: it is put right again later. */
static void use_apic_base(struct cpu *cpu)
{
	write_msr(0x1b, LAPIC | (next(cpu) & 0xd00), 0);
	if (below(cpu, 2))
		write_msr(0x1b, LAPIC | 0x900, 0);
	write_lapic(0xf0, 0x1ff);
}

static void use_ioapic(struct cpu *cpu)
{
	store(IOAPIC, below(cpu, 4) ? 0x10 + below(cpu, 48) : next(cpu), 4);
	store(IOAPIC + 0x10, below(cpu, 2) ? next(cpu) & 0x1f7ff : next(cpu), size_of(cpu));
}

/* Do as a driver does, so that what is random has an effect. */
static void bring_up(struct cpu *cpu)
{
	uint32_t slot = 1 + below(cpu, SLOTS - 1), at = BARS + slot * 0x4000, area = (uint32_t)areas[slot];
	const uint32_t rings[] = { area, 0, area + RING, 0, area + USED, 0 };

	configure(slot, 0x10, PORTS + slot * 0x20, 4);
	configure(slot, 0x14, at, 4);
	configure(slot, 4, 7, 2);
	configure(slot, 0x42, below(cpu, 2) << 15, 2);
	for (unsigned int i = 0; i < 3; i++) {
		store(at + 0x3000 + 16 * i, LAPIC | below(cpu, 4) << 12, 4);
		store(at + 0x3008 + 16 * i, 0x20 + below(cpu, 0xe0), 4);
		store(at + 0x300c + 16 * i, below(cpu, 8) == 0, 4);
	}
	*(volatile uint32_t *)(area + RING) = 0;
	store(at + 20, 0, 1);
	store(at + 8, 0, 4);
	store(at + 12, below(cpu, 2) ? 0 : next(cpu) & 0x6260, 4);
	store(at + 8, 1, 4);
	store(at + 12, 1, 4);
	store(at + 20, 0xb, 1);
	store(at + 22, slot == CONSOLE ? below(cpu, 2) : 0, 2);
	store(at + 24, 1U << below(cpu, 10), 2);
	for (unsigned int i = 0; i < 6; i++)
		store(at + 32 + 4 * i, rings[i], 4);
	store(at + 26, below(cpu, 4), 2);
	store(at + 28, 1, 2);
	store(at + 20, 0xf, 1);
}

/* Write a descriptor. Addresses are seldom those of the kernel, as nothing would go on after that. */
static void describe(struct cpu *cpu, uint32_t slot, unsigned int index, uint32_t size, uint16_t flags)
{
	volatile uint32_t *desc = (volatile uint32_t *)areas[slot] + index * 4;
	uint32_t address = (uint32_t)areas[slot] + DATA + below(cpu, AREA - DATA - 0x2000);

	desc[0] = below(cpu, 16) ? address : MEMORY - 0x1000 + below(cpu, 0x2000);
	desc[1] = below(cpu, 64) ? 0 : next(cpu);
	desc[2] = below(cpu, 32) ? size : next(cpu);
	desc[3] = (below(cpu, 32) ? index + 1 : next(cpu)) << 16 | flags;
}

/* Requests, mostly with a head, data and a status as a disk's driver makes them */
static void request(struct cpu *cpu)
{
	uint32_t slot = 1 + below(cpu, SLOTS - 1), head;
	volatile uint16_t *ring = (volatile uint16_t *)(areas[slot] + RING);
	volatile uint32_t *desc = (volatile uint32_t *)areas[slot];

	describe(cpu, slot, 0, slot < RANDOM ? 16 : 64, slot < RANDOM ? 1 : slot == RANDOM ? 2 : 2 * below(cpu, 2));
	describe(cpu, slot, 1, 512U << below(cpu, 4), below(cpu, 2) ? 3 : 1);
	describe(cpu, slot, 2, 1, below(cpu, 64) ? 2 : next(cpu));
	head = desc[0];
	if (head >= (uint32_t)areas && head < (uint32_t)areas + sizeof(areas)) {
		store(head, below(cpu, 15), 4);
		store(head + 8, below(cpu, 2048), 4);
		store(head + 12, below(cpu, 16) ? 0 : next(cpu), 4);
	}
	for (unsigned int i = below(cpu, 4); i; i--) {
		ring[2 + ring[1] % 256] = below(cpu, 64) ? 0 : next(cpu);
		ring[1] += below(cpu, 64) ? 1 : next(cpu);
	}
	out(PORTS + slot * 0x20 + 2 * below(cpu, 2), 0, 2);
}

static void scribble(struct cpu *cpu)
{
	uint8_t *area = areas[below(cpu, SLOTS)];

	for (unsigned int i = below(cpu, 16); i; i--)
		area[below(cpu, 2) ? below(cpu, 0x40) : below(cpu, AREA)] = next(cpu);
}

static void act(struct cpu *cpu)
{
	switch (below(cpu, 20)) {
	case 0: case 1:
		use_port(cpu);
		break;
	case 2:
		repeat_port(cpu);
		break;
	case 3:
		configure(below(cpu, SLOTS + 1), below(cpu, 0x100), next(cpu), size_of(cpu));
		break;
	case 4: case 5:
		use_address(cpu, bar(cpu));
		break;
	case 6:
		repeat_address(cpu, below(cpu, 4) ? bar(cpu) : next(cpu));
		break;
	case 7: case 8:
		use_address(cpu, next(cpu));
		break;
	case 9: case 10:
		use_lapic(cpu);
		break;
	case 11:
		use_apic_base(cpu);
		break;
	case 12:
		use_ioapic(cpu);
		break;
	case 13: case 14:
		bring_up(cpu);
		break;
	case 15:
		scribble(cpu);
		break;
	default:
		request(cpu);
	}
}

/* The serial port and the ports that end the machine are used as they should be from here on. */
static void end(struct cpu *cpu)
{
	static const struct {
		const char *word;
		uint16_t port;
		uint8_t value;
	} ends[] = { { "off", 0x600, 0x34 }, { "panic", 0x505, 1 }, { "reset", 0x64, 0xfe } };
	static uint32_t ended;
	unsigned int which = below(cpu, 3);

	__asm__ volatile("cli");
	if (__atomic_exchange_n(&ended, 1, __ATOMIC_SEQ_CST))
		return;
	out(0x3fb, 3, 1);
	out(0x3fc, 0, 1);
	say("\nhostile: ");
	say(ends[which].word);
	say("\n");
	out(ends[which].port, ends[which].value, 1);
}

static uint32_t number(const char **text)
{
	uint32_t value = 0;

	while (**text == ' ')
		++*text;
	for (; **text >= '0' && **text <= '9'; ++*text)
		value = value * 10 + **text - '0';
	return value;
}

static void make_table(void)
{
	uint32_t size = (uint32_t)(stub_end - stubs) / VECTORS;

	for (unsigned int i = 0; i < VECTORS; i++) {
		uint32_t to = (uint32_t)stubs + i * size;

		gates[i] = (struct gate){ to, 0x10, 0x8e00, to >> 16 };
	}
}

static void load_tables(void)
{
	static const uint64_t segments[] = { 0, 0, 0xcf9b000000ffff, 0xcf93000000ffff };
	struct table_pointer gdt = { sizeof(segments) - 1, (uint32_t)segments };
	struct table_pointer idt = { sizeof(gates) - 1, (uint32_t)gates };

	__asm__ volatile("lgdt %0\n\tlidt %1" : : "m"(gdt), "m"(idt));
}

/* Each vCPU comes here, the first with the information that a PVH kernel gets, and others again and again. */
__attribute__((noreturn)) void kernel(const uint32_t *start_info, uint32_t id)
{
	struct cpu *cpu = &cpus[id % 2];

	if (start_info) {
		/* The address of the command line is a 64-bit member at byte 24. */
		const char *words = (const char *)start_info[6];

		seed = number(&words);
		limit = number(&words);
		make_table();
		for (size_t i = 0; i < (size_t)(start_code_end - start_code); i++)
			((volatile uint8_t *)(START_PAGE << 12))[i] = start_code[i];
	}
	load_tables();
	write_lapic(0xf0, 0x1ff);
	if (start_info) {
		write_lapic(0x300, 0xc4500);
		write_lapic(0x300, 0xc4600 | START_PAGE);
	}
	cpu->random = (seed * 2 + id + 1) * 2654435761U + cpu->count;
	cpu->random += !cpu->random;
	__asm__ volatile("sti");
	for (; cpu->count < limit; cpu->count++)
		act(cpu);
	end(cpu);
	for (;;)
		__asm__ volatile("hlt");
}
