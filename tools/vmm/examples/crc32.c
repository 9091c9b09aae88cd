// SPDX-License-Identifier: GPL-2.0
/*
 * A function in long mode: it prints the CRC-32 of its input, as eight digits, and the
 * number of its bytes. The exit code is 0, or 1 if there was no input.
 */
#define FUNCTION_GUEST
#include "../function.h"

#define POLYNOMIAL	0xedb88320

static uint32_t table[256];

static void make_table(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t value = byte;

		for (int bit = 0; bit < 8; bit++)
			value = value & 1 ? value >> 1 ^ POLYNOMIAL : value >> 1;
		table[byte] = value;
	}
}

static void put(char letter)
{
	volatile struct function_page *page = function_page();

	page->out[page->out_size++] = letter;
}

static void put_digits(uint64_t value, unsigned int base, unsigned int least)
{
	char digits[20];
	unsigned int count = 0;

	for (; value || count < least; value /= base)
		digits[count++] = "0123456789abcdef"[value % base];
	while (count)
		put(digits[--count]);
}

uint8_t function_main(void)
{
	volatile struct function_page *page = function_page();
	uint32_t crc = ~0U;
	uint64_t total = 0;

	make_table();
	while (page->in_size) {
		for (uint32_t i = 0; i < page->in_size; i++)
			crc = crc >> 8 ^ table[(crc ^ page->in[i]) & 0xff];
		total += page->in_size;
		function_doorbell(FUNCTION_READ);
	}
	put_digits(~crc, 16, 8);
	put(' ');
	put_digits(total, 10, 1);
	put('\n');
	return !total;
}
