// SPDX-License-Identifier: GPL-2.0
/*
 * The shortest life of a VM: made by LIKEX_CREATE, with the run area of a VM that the
 * process has. Beside it, the life of a thread. KVM's VMs are made by its single calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/likex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define LIVES	21	/* VMs made one after the other; their middle counts */
#define THREADS	16	/* in a round; LIVES rounds */

/* A list for LIKEX_CREATE, with its elements and their arguments. */
struct plan {
	struct kvm_userspace_memory_region region;
	struct likex_create_vcpu	vcpu;
	struct kvm_sregs		sregs;
	struct kvm_regs			regs;
	struct likex_vcpu_ioctl		ops[4];
	struct likex_create		list;
};

/* @other: a VM by single calls, for the state of a new vCPU, and for its run area. */
static void prepare(struct plan *p, const struct bench *b, struct vm *other)
{
	*p = (struct plan) {
		.region = { .memory_size = PAGE, .userspace_addr = (uintptr_t)b->memory },
		.vcpu = { .run_fd = other->sys },
		.regs = { .rip = AT_HALT, .rflags = 2 },
		.ops = {
			{ LIKEX_VM, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&p->region },
			{ LIKEX_VM, LIKEX_CREATE_VCPU, (uintptr_t)&p->vcpu },
			{ 0, KVM_SET_SREGS, (uintptr_t)&p->sregs },
			{ 0, KVM_SET_REGS, (uintptr_t)&p->regs },
		},
		.list = { .ops = (uintptr_t)p->ops, .nr = 4 },
	};
	need("KVM_GET_SREGS", ioctl(other->vcpu, KVM_GET_SREGS, &p->sregs) ? -errno : 0);
}

/* Make a VM and run it to its first exit. @p: by its list; NULL: by single calls. */
static void start(const struct bench *b, struct plan *p, struct vm *vm)
{
	if (!p) {
		create(b, vm, PAGE);
		run_first(b, vm);
		return;
	}
	*vm = (struct vm){ .vm = -1, .vcpu = -1, .sys = open(b->device, O_RDWR | O_CLOEXEC) };
	need(b->device, vm->sys < 0 ? -errno : 0);
	need("LIKEX_CREATE", ioctl(vm->sys, LIKEX_CREATE, &p->list) ? -errno : 0);
	need("KVM_RUN", ioctl(vm->sys, KVM_RUN, 0) ? -errno : 0);
}

static void measure_vms(const struct bench *b, struct plan *p, const struct vm *other)
{
	struct cost whole[LIVES];
	struct vm vm;

	for (int i = 0; i < LIVES; i++) {
		struct cost at = begin();

		mark("create_batched", 1);
		start(b, p, &vm);
		mark_end("create_batched");
		whole[i] = spent(b, at);
		if (p && other->run->exit_reason != KVM_EXIT_HLT)
			die("the guest does not halt", -EIO);
		vm_destroy(&vm);
		shift_phase(i);
	}
	print_cost("create_batched", whole, LIVES);
	for (int i = 0; i < LIVES; i++) {
		struct cost at = begin();

		mark("life_batched", 1);
		start(b, p, &vm);
		vm_destroy(&vm);
		mark_end("life_batched");
		whole[i] = spent(b, at);
		shift_phase(i);
	}
	print_cost("life_batched", whole, LIVES);
}

static void *nothing(void *arg)
{
	return arg;
}

static long process_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

/*
 * Creation and join of an empty thread: the work of both threads. A thread may end after
 * its join has returned, so many of them count together.
 */
static void measure_threads(const struct bench *b)
{
	long ticks[LIVES];
	pthread_t thread;

	for (int i = 0; i < LIVES; i++) {
		long since = process_ns();

		for (int n = 0; n < THREADS; n++) {
			need("a thread", -pthread_create(&thread, NULL, nothing, NULL));
			need("its end", -pthread_join(thread, NULL));
		}
		ticks[i] = (process_ns() - since) * b->ticks_per_ns / THREADS;
	}
	print_ticks("thread_life", median(ticks, LIVES));
}

void measure_batched(const struct bench *b)
{
	bool listed = vm_one_descriptor(b->device);
	struct plan p;
	struct vm other;

	/* The process has a VM. */
	create(b, &other, PAGE);
	run_to(&other, KVM_EXIT_HLT);
	if (listed) {
		vm_start_real_mode(&other, AT_HALT);
		prepare(&p, b, &other);
	}
	measure_vms(b, listed ? &p : NULL, &other);
	measure_threads(b);
	vm_destroy(&other);
}
