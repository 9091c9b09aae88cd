/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A function in real mode: it copies its input, with small letters made capital. The exit
 * code is 0.
 */
#include "../function.h"

	.code16
	.section .text.entry, "ax"
	cld
piece:	mov	FUNCTION_IN_SIZE, %cx
	jcxz	done
	mov	%cx, FUNCTION_OUT_SIZE
	mov	$FUNCTION_IN, %si
	mov	$FUNCTION_OUT, %di
next:	lodsb
	cmp	$'a', %al
	jb	store
	cmp	$'z', %al
	ja	store
	sub	$('a' - 'A'), %al
store:	stosb
	loop	next
	mov	$(FUNCTION_WRITE | FUNCTION_READ), %al
	out	%al, $FUNCTION_DOORBELL
	jmp	piece
done:	xor	%al, %al
	out	%al, $FUNCTION_EXIT
