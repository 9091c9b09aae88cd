// SPDX-License-Identifier: GPL-2.0
/*
 * likex-bench-mmio: a 4-byte store to a device in user space, and back in.
 *
 * KVM decodes it in the kernel; on /dev/likex liblikex does, in this process.
 * The guest is in 64-bit mode with paging on, as guests with devices are.
 *
 * A program of its own: it needs shared libraries, and what they map would be
 * in the cost of the first VM of likex-bench.
 */
#include <errno.h>
#include <likex/vcpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "bench.h"

#define ROUNDTRIPS	1001
#define TABLES		(64 * PAGE)	/* four levels */
#define DEVICE		0x100000UL	/* past the memory; mapped where it is */
#define REGISTER	(DEVICE + 0xb0)
#define STORED		0x12345678

/* A vCPU that KVM_RUN or the library runs. */
struct runner {
	struct vm		vm;
	struct likex_handle	handle;
	struct likex_vcpu	*library;	/* NULL: none */
	const struct bench	*b;
};

static void *map(void *ctx, uint64_t gpa, bool write)
{
	const struct bench *b = ctx;

	(void)write;
	return gpa < b->memory_size ? b->memory + gpa : NULL;
}

/* Identity, 4K pages, present, writable: as a kernel maps its devices. */
static void build_tables(const struct bench *b)
{
	unsigned long (*table)[512] = (void *)(b->memory + TABLES);

	for (size_t level = 0; level < 3; level++)
		table[level][0] = (TABLES + (level + 1) * PAGE) | 3;
	for (size_t i = 0; i < 512; i++)
		table[3][i] = (i * PAGE) | 3;
}

static void long_mode(struct vm *vm)
{
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1,
		.db = 1, .g = 1,
	}, code = data;
	struct kvm_regs regs = { .rip = AT_MMIO, .rdi = REGISTER, .rax = STORED, .rflags = 2 };
	struct kvm_sregs s;

	code.selector = 8;
	code.type = 11;
	code.l = 1;
	code.db = 0;
	need("KVM_GET_SREGS", ioctl(vm->vcpu, KVM_GET_SREGS, &s) ? -errno : 0);
	s.cs = code;
	s.ds = s.es = s.ss = data;
	s.cr3 = TABLES;
	s.cr4 |= 1 << 5;			/* PAE */
	s.cr0 |= 1UL << 31 | 1 << 0;		/* PG, PE */
	s.efer |= 1 << 10 | 1 << 8;		/* LMA, LME */
	need("KVM_SET_SREGS", ioctl(vm->vcpu, KVM_SET_SREGS, &s) ? -errno : 0);
	need("KVM_SET_REGS", ioctl(vm->vcpu, KVM_SET_REGS, &regs) ? -errno : 0);
}

static void start(struct runner *r)
{
	/* This program's memory stays where it is. */
	static const volatile uint64_t generation;
	struct likex_vcpu_config config = {
		.size = sizeof(config),
		.ops = likex_ops_session(), .handle = &r->handle, .map = map,
		.generation = &generation, .ctx = (void *)r->b,
	};

	create(r->b, &r->vm, r->b->memory_size);
	free(set_supported_cpuid(&r->vm));
	build_tables(r->b);
	long_mode(&r->vm);
	if (!vm_one_descriptor(r->b->device))
		return;
	r->handle.fd = r->vm.vcpu;
	config.run = r->vm.run;
	config.sync_regs = ioctl(r->vm.sys, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	r->library = likex_vcpu_new(&config);
	if (!r->library)
		die("likex_vcpu_new", -errno);
}

/* To the next store. */
static void step(struct runner *r)
{
	struct kvm_run *run = r->vm.run;
	unsigned int value;

	if (r->library)
		need("likex_vcpu_run", likex_vcpu_run(r->library));
	else
		need("KVM_RUN", vm_run(&r->vm));
	memcpy(&value, run->mmio.data, sizeof(value));
	if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.phys_addr != REGISTER ||
	    run->mmio.len != 4 || !run->mmio.is_write || value != STORED) {
		fprintf(stderr, "likex-bench: exit reason %u where a store was expected\n",
			run->exit_reason);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	long ticks[ROUNDTRIPS], empty[ROUNDTRIPS];
	struct bench b = { .memory_size = (1 + TOUCHED) * PAGE };
	struct runner r = { .b = &b };

	if (argc != 2 || argv[1][0] == '-') {
		printf("usage: likex-bench-mmio DEVICE\n\n"
		       "Measure a guest's store to a device in user space on DEVICE (/dev/kvm,\n"
		       "/dev/likex): prints a line as likex-bench does.\n");
		return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
	}
	b.device = argv[1];
	b.memory = guest_memory(b.memory_size);
	start(&r);
	step(&r);
	for (int i = 0; i < ROUNDTRIPS; i++) {
		unsigned long at = __rdtsc();

		empty[i] = __rdtsc() - at;
		at = __rdtsc();
		step(&r);
		ticks[i] = __rdtsc() - at;
	}
	print_ticks("mmio_roundtrip", median(ticks, ROUNDTRIPS) - median(empty, ROUNDTRIPS));
	likex_vcpu_free(r.library);
	vm_destroy(&r.vm);
	return 0;
}
