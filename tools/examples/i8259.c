// SPDX-License-Identifier: GPL-2.0
/* See i8259.h, and Intel's data sheet "8259A Programmable Interrupt Controller". */
#include "i8259.h"

#define MASTER		0x20
#define SLAVE		0xa0
#define TRIGGER		0x4d0

#define CASCADE		2		/* line of the master to which the slave's INTR goes */
#define SPURIOUS	7		/* line of an interrupt that is gone */
#define NONE		8

/* Even port: the first initialization word, or a command */
#define ICW1		0x10
#define ICW1_ICW4	0x01
#define OCW3		0x08
#define OCW3_READ	0x02
#define OCW3_ISR	0x01
#define OCW2_EOI	0x20
#define OCW2_SPECIFIC	0x40
#define OCW2_LINE	0x07

/* Odd port */
#define ICW4_AUTO_EOI	0x02

/* The chip's words after ICW1, counted down */
enum { DONE, WANT_ICW4, WANT_ICW3, WANT_ICW2 };

static unsigned int first_of(uint8_t lines)
{
	return lines ? (unsigned int)__builtin_ctz(lines) : NONE;
}

/* The line that the chip presents: it waits, is not masked, and comes before those in service. */
static unsigned int next_line(const struct i8259_chip *chip)
{
	unsigned int line = first_of(chip->irr & ~chip->imr);

	return line < first_of(chip->isr) ? line : NONE;
}

/* The slave's INTR is a line of the master. */
static unsigned int next_of_master(const struct i8259 *pic)
{
	struct i8259_chip master = pic->master;

	if (next_line(&pic->slave) != NONE)
		master.irr |= 1U << CASCADE;
	return next_line(&master);
}

static uint8_t take(struct i8259_chip *chip, unsigned int line)
{
	if (line == NONE)
		return chip->base + SPURIOUS;
	chip->irr &= ~(1U << line);
	if (!chip->auto_eoi)
		chip->isr |= 1U << line;
	return chip->base + line;
}

uint8_t i8259_acknowledge(struct i8259 *pic)
{
	unsigned int line = next_of_master(pic);
	uint8_t vector = take(&pic->master, line);

	return line == CASCADE ? take(&pic->slave, next_line(&pic->slave)) : vector;
}

bool i8259_intr(const struct i8259 *pic)
{
	return next_of_master(pic) != NONE;
}

void i8259_raise(struct i8259 *pic, unsigned int line)
{
	struct i8259_chip *chip = line < 8 ? &pic->master : &pic->slave;

	chip->irr |= 1U << (line & 7);
}

static void end_interrupt(struct i8259_chip *chip, uint8_t command)
{
	unsigned int line = first_of(chip->isr);

	if (command & OCW2_SPECIFIC)
		line = command & OCW2_LINE;
	if (line != NONE)
		chip->isr &= ~(1U << line);
}

static void command(struct i8259_chip *chip, uint8_t value)
{
	if (value & ICW1)
		*chip = (struct i8259_chip){ .step = WANT_ICW2, .has_icw4 = value & ICW1_ICW4 };
	else if (value & OCW3)
		chip->reads_isr = value & OCW3_READ ? value & OCW3_ISR : chip->reads_isr;
	else if (value & OCW2_EOI)
		end_interrupt(chip, value);
}

/* The words after ICW1, in order, and the mask once they are there. */
static void data(struct i8259_chip *chip, uint8_t value)
{
	switch (chip->step) {
	case DONE:
		chip->imr = value;
		return;
	case WANT_ICW2:
		chip->base = value & ~7U;
		break;
	case WANT_ICW3:
		/* The wiring between the two is fixed. */
		if (!chip->has_icw4)
			chip->step = WANT_ICW4;
		break;
	default:
		chip->auto_eoi = value & ICW4_AUTO_EOI;
	}
	chip->step--;
}

static uint8_t status(const struct i8259 *pic, const struct i8259_chip *chip)
{
	if (chip->reads_isr)
		return chip->isr;
	if (chip == &pic->master && next_line(&pic->slave) != NONE)
		return chip->irr | 1U << CASCADE;
	return chip->irr;
}

bool i8259_read(const struct i8259 *pic, uint16_t port, uint8_t *value)
{
	const struct i8259_chip *chip = (port & ~1U) == MASTER ? &pic->master : &pic->slave;

	switch (port & ~1U) {
	case MASTER:
	case SLAVE:
		*value = port & 1 ? chip->imr : status(pic, chip);
		return true;
	case TRIGGER:
		*value = 0;
		return true;
	default:
		return false;
	}
}

bool i8259_write(struct i8259 *pic, uint16_t port, uint8_t value)
{
	struct i8259_chip *chip = (port & ~1U) == MASTER ? &pic->master : &pic->slave;

	switch (port & ~1U) {
	case MASTER:
	case SLAVE:
		(port & 1 ? data : command)(chip, value);
		return true;
	default:
		return (port & ~1U) == TRIGGER;
	}
}
