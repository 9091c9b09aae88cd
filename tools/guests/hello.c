// SPDX-License-Identifier: GPL-2.0
/*
 * hello: the smallest guest that does something. It adds two numbers in real
 * mode, writes the digit and a newline to the serial port, and halts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "vm.h"

#define SERIAL_PORT	0x3f8
#define MEMORY		0x1000
#define MAX_EXITS	8	/* three are due; a guest gone astray must not run on */

static const unsigned char code[] = {
	0xba, 0xf8, 0x03,	/* mov $0x3f8, %dx */
	0xb0, 0x02,		/* mov $2, %al */
	0x04, 0x02,		/* add $2, %al */
	0x04, '0',		/* add $'0', %al */
	0xee,			/* out %al, (%dx) */
	0xb0, '\n',		/* mov $'\n', %al */
	0xee,			/* out %al, (%dx) */
	0xf4,			/* hlt */
};

static int fail(const char *what, int error)
{
	fprintf(stderr, "hello: %s: %s\n", what, strerror(-error));
	return 1;
}

static int show_exits(struct vm *vm)
{
	for (int i = 0; i < MAX_EXITS; i++) {
		int reason = vm_run(vm);

		if (reason < 0)
			return fail("KVM_RUN", reason);
		if (reason == KVM_EXIT_HLT) {
			puts("guest halted");
			return 0;
		}
		if (reason != KVM_EXIT_IO || vm->run->io.port != SERIAL_PORT) {
			fprintf(stderr, "hello: unexpected exit, reason %d\n", reason);
			return 1;
		}
		printf("%c", ((char *)vm->run)[vm->run->io.data_offset]);
	}
	fprintf(stderr, "hello: the guest does not halt\n");
	return 1;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/kvm";
	struct vm vm;
	void *memory;
	int error;

	if (argc > 2 || path[0] == '-') {
		printf("usage: hello [DEVICE]\n\nRun a guest that prints 4 on DEVICE (/dev/kvm, /dev/likex).\n");
		return strcmp(path, "--help") ? 2 : 0;
	}
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return fail("guest memory", -errno);
	memcpy(memory, code, sizeof(code));

	error = vm_create(&vm, path);
	if (error)
		return fail(path, error);
	error = vm_create_vcpu(&vm);
	if (!error)
		error = vm_set_slot(&vm, 0, 0, memory, MEMORY);
	if (!error)
		error = vm_start_real_mode(&vm, 0);
	if (error) {
		vm_destroy(&vm);
		return fail("setting up the guest", error);
	}
	printf("guest on %s says: ", path);
	error = show_exits(&vm);
	vm_destroy(&vm);
	return error;
}
