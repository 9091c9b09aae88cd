/* SPDX-License-Identifier: GPL-2.0 */
/* The ports of the machine, and its interrupt lines. */
#ifndef LIKEXVM_PORTS_H
#define LIKEXVM_PORTS_H

#define PORT_KEYBOARD		0x64	/* 8042: only its reset */
#define KEYBOARD_RESET		0xfe
#define PORT_CMOS_INDEX		0x70
#define PORT_CMOS_DATA		0x71
#define PORT_SERIAL		0x3f8
#define PORTS_SERIAL		8
#define LINE_SERIAL		4

#define PORT_PANIC		0x505	/* pvpanic (QEMU's docs/specs/pvpanic) */
#define PANICKED		1

/* ACPI's sleep registers of a hardware-reduced machine */
#define PORT_SLEEP		0x600
#define PORT_SLEEP_STATUS	0x601
#define SLEEP_OFF		5	/* the type of S5 here */
#define SLEEP_TYPE(value)	((value) >> 2 & 7)
#define SLEEP_ENABLE		0x20

#endif
