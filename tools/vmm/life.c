// SPDX-License-Identifier: GPL-2.0
/* See life.h and function.h. */
#include "life.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"
#include "function.h"
#include "report.h"
#include "state.h"

#define NS		1000000000ULL
#define PAGE		4096ULL
#define TABLES		(3 * PAGE)	/* page tables for 1 GiB, at the end of memory */
#define KERNEL_SIGSET	8

#define RUNS		256	/* no exit code yet */

_Static_assert(sizeof(struct function_page) == 4096, "page");
_Static_assert(offsetof(struct function_page, in) == FUNCTION_IN - FUNCTION_PAGE, "in");
_Static_assert(offsetof(struct function_page, out) == FUNCTION_OUT - FUNCTION_PAGE, "out");

struct life {
	struct function *function;
	struct vm vm;
	struct vcpu vcpu;
	struct memory memory;
	volatile struct function_page *page;	/* the guest writes to it at any time */
	size_t given;				/* bytes of the input */
};

uint64_t function_room(const struct function *f)
{
	return f->memory - TABLES - PAGE - FUNCTION_IMAGE;
}

static void give_input(struct life *life)
{
	const struct file *input = &life->function->input;
	size_t size = input->size - life->given;

	if (size > FUNCTION_IN_MOST)
		size = FUNCTION_IN_MOST;
	if (size)
		memcpy((void *)life->page->in, input->bytes + life->given, size);
	life->given += size;
	life->page->in_size = size;
}

static int take_output(struct life *life)
{
	uint32_t size = life->page->out_size;
	uint8_t bytes[FUNCTION_OUT_MOST];
	int r;

	if (size > FUNCTION_OUT_MOST)
		return refuse("the function says that it has %u bytes of output, of %u", size,
			      FUNCTION_OUT_MOST);
	memcpy(bytes, (void *)life->page->out, size);
	life->page->out_size = 0;
	r = write_all(STDOUT_FILENO, bytes, size);
	return r ? complain(r, "output") : 0;
}

static int set_state(struct life *life)
{
	uint64_t tables = life->memory.size - TABLES;
	enum entry entry = life->function->entry;
	struct kvm_regs regs = { .rip = FUNCTION_IMAGE, .rsp = FUNCTION_PAGE, .rflags = 2 };
	struct kvm_sregs sregs;
	int r = vcpu_set(&life->vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");

	if (entry != ENTRY_REAL)
		/* As after a call. */
		regs.rsp = tables - (entry == ENTRY_LONG ? 8 : 4);
	if (entry == ENTRY_REAL)
		sregs.cs.base = sregs.cs.selector = 0;
	else if (entry == ENTRY_PROTECTED)
		state_protected(&sregs);
	else if (state_make_tables(&life->memory, tables, 1))
		state_long(&sregs, tables);
	r = r ? r : vcpu_set(&life->vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	return r ? r : vcpu_set(&life->vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static int set_cpuid(struct life *life)
{
	struct function *f = life->function;

	if (!f->cpuid)
		f->cpuid = vm_supported_cpuid(&life->vm);
	if (!f->cpuid)
		return -ENOMEM;
	return vcpu_set(&life->vcpu, KVM_SET_CPUID2, f->cpuid, "KVM_SET_CPUID2");
}

/* Let SIGALRM, which is blocked, end KVM_RUN. */
static int set_timer(struct life *life)
{
	struct itimerspec time = { .it_value = { life->function->timeout / NS,
						 life->function->timeout % NS } };
	/* struct kvm_signal_mask with no signal in its set */
	uint32_t none[1 + KERNEL_SIGSET / 4] = { KERNEL_SIGSET };

	if (!life->function->timeout)
		return 0;
	if (timer_settime(life->function->timer, 0, &time, NULL))
		return complain(-errno, "timer_settime");
	return vcpu_set(&life->vcpu, KVM_SET_SIGNAL_MASK, none, "KVM_SET_SIGNAL_MASK");
}

static int port(struct life *life)
{
	const struct kvm_run *run = life->vcpu.run;
	uint8_t value = *((const uint8_t *)run + run->io.data_offset);
	bool out = run->io.direction == KVM_EXIT_IO_OUT && run->io.count == 1;
	int r = 0;

	if (out && run->io.port == FUNCTION_EXIT) {
		r = take_output(life);
		return r ? r : value;
	}
	if (!out || run->io.port != FUNCTION_DOORBELL)
		return refuse("the function used port %#x", run->io.port);
	if (value & FUNCTION_WRITE)
		r = take_output(life);
	if (value & FUNCTION_READ)
		give_input(life);
	return r ? r : RUNS;
}

static int bad_address(uint64_t address)
{
	return refuse("the function used address %#llx, where there is no memory",
		      (unsigned long long)address);
}

/* Return the exit code, RUNS, or a negative errno after a message. */
static int handle_exit(struct life *life)
{
	const struct kvm_run *run = life->vcpu.run;
	struct likex_exit_mmio mmio;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return port(life);
	case KVM_EXIT_HLT:
		return take_output(life);
	case KVM_EXIT_SHUTDOWN:
		return refuse("the function ended with a triple fault");
	case KVM_EXIT_MMIO:
		return bad_address(run->mmio.phys_addr);
	case LIKEX_EXIT_MMIO:
		memcpy(&mmio, &run->hw, sizeof(mmio));
		return bad_address(mmio.gpa);
	default:
		return refuse("the function ended with exit reason %u", run->exit_reason);
	}
}

static bool timed_out(const struct function *f)
{
	const struct timespec at_once = { 0 };
	sigset_t alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	return f->timeout && sigtimedwait(&alarm, NULL, &at_once) == SIGALRM;
}

static int run(struct life *life)
{
	int r;

	do {
		r = life->vcpu.ops->run(&life->vcpu.handle);
		if (r >= 0)
			r = handle_exit(life);
		else if (r == -EINTR && timed_out(life->function))
			r = refuse("the function did not end in time");
		else if (r == -EINTR)
			r = RUNS;
		else
			complain(r, "KVM_RUN");
	} while (r == RUNS);
	if (r < 0)
		dump_vcpu(stderr, &life->vcpu, &life->memory);
	return r;
}

static int load(struct life *life)
{
	const struct function *f = life->function;
	int r = memory_create(&life->memory, f->memory);

	if (r)
		return complain(r, "memory");
	memory_write(&life->memory, FUNCTION_IMAGE, f->image.bytes, f->image.size);
	life->page = memory_at(&life->memory, FUNCTION_PAGE, sizeof(*life->page));
	give_input(life);
	return vm_add_memory(&life->vm, &life->memory);
}

static int live_on(struct life *life)
{
	int r = set_cpuid(life);

	r = r ? r : set_state(life);
	r = r ? r : set_timer(life);
	return r ? r : run(life);
}

static void stop_timer(const struct function *f)
{
	const struct itimerspec never = { 0 };

	if (!f->timeout)
		return;
	timer_settime(f->timer, 0, &never, NULL);
	timed_out(f);
}

int function_live(struct function *f)
{
	struct life life = { .function = f };
	int r = vm_open(&life.vm, f->node);

	if (r)
		return r;
	r = load(&life);
	r = r ? r : vcpu_open(&life.vcpu, &life.vm, 0, false);
	if (!r) {
		r = live_on(&life);
		vcpu_close(&life.vcpu);
		stop_timer(f);
	}
	vm_close(&life.vm);
	memory_destroy(&life.memory);
	return r;
}
