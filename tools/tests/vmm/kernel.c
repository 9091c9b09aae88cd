// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel of a few lines with a PVH entry: it ends in the way that its command line names,
 * or uses a level-triggered interrupt of the IOAPIC. 32-bit code without paging.
 */
#include <stdint.h>

#define SERIAL		0x3f8
#define IOAPIC		0xfec00000
#define LAPIC		0xfee00000
#define NOWHERE		0xd0000000
#define VECTOR		0x40
#define WANTED		3

struct gate {
	uint16_t low, selector, kind, high;
};

/* Of entry.S: saves registers, and calls handle(). */
void handler(void);

static struct gate table[VECTOR + 1];
static volatile unsigned int interrupts;

static void out(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void store(uint32_t address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}

static void say(const char *text)
{
	while (*text)
		out(SERIAL, *text++);
}

struct pointer {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

static void load_table(uint16_t limit)
{
	/* Segments as at the entry, which an interrupt loads again */
	static const uint64_t segments[] = { 0, 0, 0xcf9b000000ffff, 0xcf93000000ffff };
	struct pointer gdt = { sizeof(segments) - 1, (uint32_t)segments };
	struct pointer idt = { limit, (uint32_t)table };

	__asm__ volatile("lgdt %0\n\tlidt %1" : : "m"(gdt), "m"(idt));
}

/*
 * The serial port's line stays high, as nothing here reads its cause, until the last time. So
 * each EOI brings the next interrupt.
 */
void handle(void)
{
	if (++interrupts == WANTED)
		out(SERIAL + 1, 0);
	store(LAPIC + 0xb0, 0);
}

static void write_ioapic(uint8_t reg, uint32_t value)
{
	store(IOAPIC, reg);
	store(IOAPIC + 0x10, value);
}

/* Pin 4, level-triggered. The line is high before it is unmasked. */
static void use_level(void)
{
	uint32_t to = (uint32_t)handler;

	table[VECTOR] = (struct gate){ to, 0x10, 0x8e00, to >> 16 };
	load_table(sizeof(table) - 1);
	store(LAPIC + 0xf0, 0x1ff);
	out(SERIAL + 4, 8);
	out(SERIAL + 1, 2);
	write_ioapic(0x10 + 2 * 4 + 1, 0);
	write_ioapic(0x10 + 2 * 4, 1 << 15 | VECTOR);
	while (interrupts < WANTED)
		__asm__ volatile("sti; hlt; cli");
	say("level-triggered: 3 interrupts\n");
	in(SERIAL + 2);
	out(0x600, 0x34);
}

/* "a" and what follows: characters that come in, until the end of a line */
static void answer(void)
{
	uint8_t byte = 0;

	out(SERIAL + 4, 8);
	out(SERIAL + 1, 1);
	while (byte != '\n')
		if (in(SERIAL + 5) & 1) {
			byte = in(SERIAL);
			out(SERIAL, byte);
		}
	out(0x600, 0x34);
}

__attribute__((noreturn)) void kernel(const uint32_t *start_info)
{
	/* The address of the command line is a 64-bit member at byte 24. */
	const char *word = (const char *)start_info[6];

	say("kernel: ");
	say(word);
	say("\n");
	switch (*word) {
	case 'o':	/* off */
		out(0x600, 0x34);
		break;
	case 'p':	/* panic */
		out(0x505, 1);
		break;
	case 'r':	/* reset */
		out(0x64, 0xfe);
		break;
	case 't':	/* triple fault */
		load_table(0);
		__asm__ volatile("int3");
		break;
	case 'e':	/* error: an instruction where there is no memory */
		((void (*)(void))NOWHERE)();
		break;
	case 'l':	/* level */
		use_level();
		break;
	case 'w':	/* write for ever */
		for (;;)
			say(word);
	case 'a':	/* answer */
		answer();
		break;
	default:	/* sleep */
		break;
	}
	for (;;)
		__asm__ volatile("hlt");
}
