/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A function in a VM of its own, as `likexvm function` runs it: for C and assembler.
 *
 * The image is a flat binary. It is loaded at FUNCTION_IMAGE and entered at its first
 * byte, in real mode (CS 0, SP FUNCTION_PAGE), protected mode or long mode (the stack is at
 * the end of memory, as the ABI has it; SSE is on). Memory after the image is zero.
 * There is no interrupt table: an exception ends the function with an error.
 *
 * Input and output pass through the page at FUNCTION_PAGE. At the start it has the first
 * piece of the input. A byte written to the port FUNCTION_DOORBELL asks for a piece to be
 * taken, to be given, or both. The exit code is a byte written to the port FUNCTION_EXIT;
 * HLT ends the function, too, with the code 0. Output still in the page is taken then.
 */
#ifndef LIKEX_FUNCTION_H
#define LIKEX_FUNCTION_H

#define FUNCTION_PAGE		0x1000
#define FUNCTION_IMAGE		0x2000

/* Ports, and bits of what is written to the doorbell */
#define FUNCTION_DOORBELL	0xf0
#define FUNCTION_WRITE		1	/* take out_size bytes of output; it becomes 0 */
#define FUNCTION_READ		2	/* give input; in_size is 0 at its end */
#define FUNCTION_EXIT		0xf4

/* Addresses of the members of the page, for assembler, and their sizes */
#define FUNCTION_IN_SIZE	(FUNCTION_PAGE + 0)
#define FUNCTION_OUT_SIZE	(FUNCTION_PAGE + 4)
#define FUNCTION_IN		(FUNCTION_PAGE + 16)
#define FUNCTION_IN_MOST	2032
#define FUNCTION_OUT		(FUNCTION_PAGE + 2048)
#define FUNCTION_OUT_MOST	2048

#ifndef __ASSEMBLER__
#include <stdint.h>

struct function_page {
	uint32_t in_size, out_size, reserved[2];
	uint8_t in[FUNCTION_IN_MOST];
	uint8_t out[FUNCTION_OUT_MOST];
};

#ifdef FUNCTION_GUEST
/* For a function in C: function_main() is the program's; what it returns is the exit code. */
uint8_t function_main(void);

static inline volatile struct function_page *function_page(void)
{
	return (volatile struct function_page *)FUNCTION_PAGE;
}

static inline void function_doorbell(uint8_t what)
{
	__asm__ volatile("outb %0, %1" : : "a"(what), "i"(FUNCTION_DOORBELL) : "memory");
}

/* The first bytes of the image: examples/function.ld puts this section there. */
__attribute__((section(".text.entry"), used, noreturn)) static void function_entry(void)
{
	uint8_t code = function_main();

	for (;;)
		__asm__ volatile("outb %0, %1" : : "a"(code), "i"(FUNCTION_EXIT) : "memory");
}
#endif
#endif

#endif
