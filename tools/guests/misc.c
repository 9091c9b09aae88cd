// SPDX-License-Identifier: GPL-2.0
/*
 * misc: the guest that LiKeX began with. It adds two registers, writes the digit
 * and a newline to the serial port, and halts; the host shows each exit.
 *
 * It is written as programs of its kind are: it maps 4096 bytes of the run area,
 * whatever KVM_GET_VCPU_MMAP_SIZE says, clears them once they are mapped, and
 * then trusts io.data_offset to lie within.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vm.h"

#define SERIAL_PORT	0x3f8
#define MEMORY		0x1000
#define RUN_PAGE	0x1000
#define MAX_EXITS	8	/* three are due; a guest gone astray must not run on */

#define ADD_AND_PRINT				\
	0xba, 0xf8, 0x03,	/* mov $0x3f8, %dx */	\
	0x00, 0xd8,		/* add %bl, %al */	\
	0x04, '0',		/* add $'0', %al */	\
	0xee,			/* out %al, (%dx) */	\
	0xb0, '\n',		/* mov $'\n', %al */	\
	0xee			/* out %al, (%dx) */

static const unsigned char plain[] = {
	ADD_AND_PRINT,
	0xf4,			/* hlt */
};

/* The zeros are for 32-bit code: in real mode they are half of it add %al, (%bx,%si). */
static const unsigned char with_cpuid[] = {
	ADD_AND_PRINT,
	0xb8, 0, 0, 0, 0,	/* mov $0, %ax; add %al, (%bx,%si) */
	0x0f, 0xa2,		/* cpuid */
	0xf4,			/* hlt */
};

struct options {
	const char	*device;
	int		cpuid;
	int		registers;
};

static int fail(const char *what, int error)
{
	fprintf(stderr, "misc: %s: %s\n", what, strerror(-error));
	return 1;
}

/* vCPU 0 with one page of its run area, cleared. */
static int create_vcpu(struct vm *vm)
{
	int got = ioctl(vm->vm, KVM_CREATE_VCPU, 0);

	if (got < 0)
		return -errno;
	vm->vcpu = vm->vm == vm->sys ? vm->sys : got;
	vm->run_size = RUN_PAGE;
	vm->run = mmap(NULL, RUN_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED) {
		vm->run = NULL;
		return -errno;
	}
	memset(vm->run, 0, RUN_PAGE);
	return 0;
}

static int set_up(struct vm *vm, const struct options *o, void *memory)
{
	struct kvm_regs regs = { .rax = 2, .rbx = 2, .rflags = 2 };
	int error = vm_create(vm, o->device);

	if (!error)
		error = vm_set_slot(vm, 0, 0, memory, MEMORY);
	if (!error)
		error = create_vcpu(vm);
	if (!error)
		error = vm_start_real_mode(vm, 0);
	if (!error && ioctl(vm->vcpu, KVM_SET_REGS, &regs))
		error = -errno;
	return error;
}

static int show_rip(const struct vm *vm)
{
	struct kvm_regs regs;

	if (ioctl(vm->vcpu, KVM_GET_REGS, &regs))
		return fail("KVM_GET_REGS", -errno);
	fprintf(stderr, "rip %#llx\n", regs.rip);
	return 0;
}

static int show_exits(struct vm *vm, const struct options *o)
{
	const struct kvm_run *run = vm->run;

	for (int i = 0; i < MAX_EXITS; i++) {
		int reason = vm_run(vm);

		if (reason < 0)
			return fail("KVM_RUN", reason);
		if (o->registers && show_rip(vm))
			return 1;
		if (reason == KVM_EXIT_HLT)
			return 0;
		if (reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 1 ||
		    run->io.port != SERIAL_PORT || run->io.count != 1 || run->io.data_offset >= RUN_PAGE) {
			fprintf(stderr, "misc: unexpected exit, reason %d\n", reason);
			return 1;
		}
		printf("exit io:%c\n", ((const char *)run)[run->io.data_offset]);
	}
	fprintf(stderr, "misc: the guest does not halt\n");
	return 1;
}

static int usage(int status)
{
	printf("usage: misc [--cpuid] [--registers] [DEVICE]\n\n"
	       "Run a guest that prints 4 on DEVICE (/dev/likex), and show its exits.\n\n"
	       "  --cpuid      with a CPUID before it halts\n"
	       "  --registers  show RIP at each exit on standard error\n");
	return status;
}

int main(int argc, char **argv)
{
	struct options o = { .device = "/dev/likex" };
	void *memory;
	struct vm vm;
	int error;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--cpuid"))
			o.cpuid = 1;
		else if (!strcmp(argv[i], "--registers"))
			o.registers = 1;
		else if (!strcmp(argv[i], "--help"))
			return usage(0);
		else if (argv[i][0] == '-')
			return usage(2);
		else
			o.device = argv[i];
	}
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return fail("guest memory", -errno);
	if (o.cpuid)
		memcpy(memory, with_cpuid, sizeof(with_cpuid));
	else
		memcpy(memory, plain, sizeof(plain));

	error = set_up(&vm, &o, memory);
	if (error) {
		vm_destroy(&vm);
		return fail(o.device, error);
	}
	error = show_exits(&vm, &o);
	vm_destroy(&vm);
	return error;
}
