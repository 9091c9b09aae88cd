// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * likex_vcpu_run() against a kernel that is played.
 */
#include "unit_fake.h"
#include <errno.h>

static void write_and_read(struct unit *u, bool sync)
{
	struct fake *f = fake_new("\xa3\x10\x00\x8b\x1e\x10\x00", 7, sync);
	struct kvm_run *run = f->run;

	u->name = sync ? "write and read, synchronized registers" : "write and read, by ioctl";
	f->script[0] = (struct script){ MMIO, { .gpa = DEVICE + 0x10, .access = 1 }, { 0 } };
	f->script[1] = (struct script){ MMIO, { .gpa = DEVICE + 0x10 }, { 0 } };
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, DEVICE + 0x10, run->mmio.phys_addr);
	EXPECT_EQ(u, 2, run->mmio.len);
	EXPECT_EQ(u, 1, run->mmio.is_write);
	EXPECT_EQ(u, 0x34, run->mmio.data[0]);
	EXPECT_EQ(u, 0x12, run->mmio.data[1]);
	EXPECT_EQ(u, true, likex_vcpu_pending(f->vcpu));
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, 0x1003, f->regs.rip);
	EXPECT_EQ(u, 0, run->mmio.is_write);
	EXPECT_EQ(u, 2, run->mmio.len);
	memcpy(run->mmio.data, "\xcd\xab", 2);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0xabcd, f->regs.rbx);
	EXPECT_EQ(u, 0x1007, f->regs.rip);
	EXPECT_EQ(u, 3, f->runs);
	/* With synchronized registers, nothing but KVM_RUN. */
	EXPECT_EQ(u, sync ? 0 : 8, f->ioctls);
	EXPECT_EQ(u, 0, f->xsaves);
	fake_free(f);
}

static void other_exits(struct unit *u)
{
	struct fake *f = fake_new("\xf4", 1, true);

	u->name = "other exits pass";
	f->script[0].kind = SIGNAL;
	EXPECT_EQ(u, -EINTR, likex_vcpu_run(f->vcpu));
	f->regs.rip = 0x1234;
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0x1234, f->regs.rip);
	fake_free(f);
}

/* A signal after completion: the access is complete, nothing is lost. */
static void signal_after(struct unit *u)
{
	struct fake *f = fake_new("\xa1\x00\x00", 3, true);

	u->name = "signal after a completed read";
	f->script[0].kind = MMIO;
	f->script[1].kind = SIGNAL;
	expect_exit(u, f, KVM_EXIT_MMIO);
	memset(f->run->mmio.data, 0x5a, 8);
	EXPECT_EQ(u, -EINTR, likex_vcpu_run(f->vcpu));
	EXPECT_EQ(u, false, likex_vcpu_pending(f->vcpu));
	EXPECT_EQ(u, 0x5a5a, f->regs.rax);
	fake_free(f);
}

static void fault(struct unit *u, bool sync)
{
	struct fake *f = fake_new("\xa3\xff\xff", 3, sync);

	u->name = "an exception is delivered";
	f->script[0] = (struct script){ MMIO, { .gpa = DEVICE + 0xffff }, { 0 } };
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 1, f->events.exception.injected);
	EXPECT_EQ(u, 13, f->events.exception.nr);
	/* In real mode no exception has one. */
	EXPECT_EQ(u, 0, f->events.exception.has_error_code);
	EXPECT_EQ(u, 0x1000, f->regs.rip);
	/* An NMI that came in meanwhile is not to be overwritten. */
	EXPECT_EQ(u, 0, f->events.flags & KVM_VCPUEVENT_VALID_NMI_PENDING);
	fake_free(f);
}

static void page_fault(struct unit *u)
{
	struct fake *f = fake_new("", 0, true);

	u->name = "a page fault loads CR2";
	f->sregs.cr0 = 0x80000001;
	f->sregs.cr3 = 0x2000;
	*(u32 *)(void *)(f->memory + 0x2000) = 0x3007;
	*(u32 *)(void *)(f->memory + 0x3004) = 0x1007;
	memcpy(f->memory + 0x1000, "\xa3\x00\x80", 3);
	f->regs.rip = 0x1000;
	f->sregs.ds.base = 0;
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 14, f->events.exception.nr);
	EXPECT_EQ(u, 1, f->events.exception.has_error_code);
	EXPECT_EQ(u, 2, f->events.exception.error_code);
	EXPECT_EQ(u, 0x8000, f->sregs.cr2);
	fake_free(f);
}

static void unsupported(struct unit *u)
{
	struct fake *f = fake_new("\x0f\xa2", 2, true);
	struct likex_vcpu_error error = { .size = sizeof(error) };
	struct kvm_run *run = f->run;

	u->name = "what is not emulated";
	f->script[0].kind = MMIO;
	f->script[1] = (struct script){ MMIO, { .flags = LIKEX_MMIO_EVENT }, { 0 } };
	expect_exit(u, f, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(u, KVM_INTERNAL_ERROR_EMULATION, run->emulation_failure.suberror);
	EXPECT_EQ(u, 3, run->emulation_failure.ndata);
	EXPECT_EQ(u, 1, run->emulation_failure.flags);
	EXPECT_EQ(u, 2, run->emulation_failure.insn_size);
	EXPECT_EQ(u, 0xa2, run->emulation_failure.insn_bytes[1]);
	likex_vcpu_error(f->vcpu, &error);
	EXPECT_EQ(u, LIKEX_WHY_INSN, error.why);
	EXPECT_EQ(u, 0x1000, error.rip);
	expect_exit(u, f, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(u, 1, run->emulation_failure.ndata);
	EXPECT_EQ(u, 0, run->emulation_failure.flags);
	likex_vcpu_error(f->vcpu, &error);
	EXPECT_EQ(u, LIKEX_WHY_EVENT, error.why);
	fake_free(f);
}

/* A program in the guest gets #UD, and the VM goes on. */
static void unsupported_user(struct unit *u)
{
	struct fake *f = fake_new("\x0f\xae\x27", 3, true);	/* xsave [edi] */
	struct likex_vcpu_error error = { .size = sizeof(error) };
	struct rig mode;

	u->name = "not emulated, in user mode";
	rig_mode(&mode, 32, 3);
	memcpy(&f->sregs, &mode.sregs, sizeof(f->sregs));
	f->regs.rdi = DEVICE;
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 1, f->events.exception.injected);
	EXPECT_EQ(u, 6, f->events.exception.nr);
	EXPECT_EQ(u, 0, f->events.exception.has_error_code);
	EXPECT_EQ(u, 0x1000, f->regs.rip);
	likex_vcpu_error(f->vcpu, &error);
	EXPECT_EQ(u, LIKEX_WHY_INSN, error.why);
	EXPECT_EQ(u, 3, error.insn_len);
	EXPECT_EQ(u, 0x1000, error.rip);
	fake_free(f);
}

/* KVM's own failure: the bytes that it gives are used. */
static void kvm_failure(struct unit *u)
{
	struct fake *f = fake_new("", 0, true);

	u->name = "KVM's emulation failure";
	f->script[0] = (struct script){ KVM_FAIL, { 0 }, { 0xa3, 0x20, 0x00 } };
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, DEVICE + 0x20, f->run->mmio.phys_addr);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0x1003, f->regs.rip);
	fake_free(f);
}

static void step_and_shadow(struct unit *u)
{
	struct fake *f = fake_new("\xa3\x00\x00", 3, true);

	u->name = "single-step and interrupt shadow";
	f->regs.rflags |= 0x100;
	f->events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_MMIO);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 1, f->events.exception.injected);
	EXPECT_EQ(u, 1, f->events.exception.nr);
	EXPECT_EQ(u, 0, f->events.exception.has_error_code);
	EXPECT_EQ(u, 0x4000, f->dr.dr6);
	EXPECT_EQ(u, 0, f->events.interrupt.shadow);
	EXPECT_EQ(u, KVM_VCPUEVENT_VALID_SHADOW, f->events.flags);
	fake_free(f);
}

static void port(struct unit *u)
{
	struct fake *f = fake_new("\x6e", 1, true);	/* outsb from the device */
	struct kvm_run *run = f->run;

	u->name = "outs from a device";
	f->regs.rdx = 0x3f8;
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_MMIO);
	run->mmio.data[0] = 0x42;
	expect_exit(u, f, KVM_EXIT_IO);
	EXPECT_EQ(u, KVM_EXIT_IO_OUT, run->io.direction);
	EXPECT_EQ(u, 0x3f8, run->io.port);
	EXPECT_EQ(u, 1, run->io.size);
	EXPECT_EQ(u, 1, run->io.count);
	EXPECT_EQ(u, true, run->io.data_offset < 4096);
	EXPECT_EQ(u, 0x42, f->page[run->io.data_offset]);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 1, f->regs.rsi);
	fake_free(f);
}

static void dirty(struct unit *u)
{
	struct fake *f = fake_new("\xa5", 1, true);	/* movsw from the device */

	u->name = "a write to memory is reported";
	f->regs.rdi = 0x3000;
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, 0, f->dirty_len);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0x3000, f->dirty_gpa);
	EXPECT_EQ(u, 2, f->dirty_len);
	fake_free(f);
}

static void repeated(struct unit *u)
{
	struct fake *f = fake_new("\xf3\xab", 2, true);
	unsigned int i;

	u->name = "rep stosw to a device";
	f->sregs.es.base = DEVICE;
	f->regs.rcx = 3;
	f->script[0].kind = MMIO;
	for (i = 0; i < 3; i++) {
		expect_exit(u, f, KVM_EXIT_MMIO);
		EXPECT_EQ(u, DEVICE + i * 2, f->run->mmio.phys_addr);
	}
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0, f->regs.rcx);
	EXPECT_EQ(u, 6, f->regs.rdi);
	EXPECT_EQ(u, 2, f->runs);
	fake_free(f);
}

static void at_once(struct unit *u)
{
	struct fake *f = fake_device("\xa3\x10\x00\xa1\x20\x00", 6, false);

	u->name = "store and load by a callback";
	f->script[0] = (struct script){ MMIO, { .gpa = DEVICE + 0x10, .access = 1 }, { 0 } };
	f->script[1] = (struct script){ MMIO, { .gpa = DEVICE + 0x20 }, { 0 } };
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 3, f->runs);
	EXPECT_EQ(u, 0, f->ioctls);
	EXPECT_EQ(u, 2, f->ios);
	EXPECT_EQ(u, DEVICE + 0x20, f->io_addr);
	EXPECT_EQ(u, 0x5a5a, f->regs.rax);
	EXPECT_EQ(u, 0x1006, f->regs.rip);
	fake_free(f);
}

static struct fake *fake_stos(struct unit *u, const char *name, bool bulk)
{
	struct fake *f = fake_device("\xf3\xab", 2, bulk);	/* rep stosw to the device */

	u->name = name;
	f->sregs.es.base = DEVICE;
	f->regs.rcx = 300;
	f->script[0].kind = f->script[1].kind = MMIO;
	return f;
}

static void expect_stored(struct unit *u, const struct fake *f, unsigned int ios)
{
	EXPECT_EQ(u, ios, f->ios + f->bulk_ios);
	EXPECT_EQ(u, 0, f->regs.rcx);
	EXPECT_EQ(u, 600, f->regs.rdi);
	EXPECT_EQ(u, 0x1002, f->regs.rip);
}

static void repeated_at_once(struct unit *u)
{
	struct fake *f = fake_stos(u, "rep stosw by a callback", false);

	f->script[1].kind = END;
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 2, f->runs);
	expect_stored(u, f, 300);
	fake_free(f);

	f = fake_stos(u, "rep stosw by one callback for many", true);
	f->script[1].kind = END;
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 2, f->runs);
	EXPECT_EQ(u, 2, f->ios);
	expect_stored(u, f, 300);
	fake_free(f);
}

static void handed_out(struct unit *u)
{
	struct fake *f = fake_stos(u, "a callback that has one handed out", false);

	f->script[1].kind = END;
	f->io_special = 3;
	f->io_result = 1;
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, DEVICE + 6, f->run->mmio.phys_addr);
	EXPECT_EQ(u, 3, f->ios);
	EXPECT_EQ(u, true, likex_vcpu_pending(f->vcpu));
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 2, f->runs);
	expect_stored(u, f, 299);
	fake_free(f);
}

/* Iterations that are done must not be done again. */
static void device_fails(struct unit *u)
{
	struct fake *f = fake_stos(u, "a callback's error in rep stosw", false);

	f->io_special = 3;
	f->io_result = -EIO;
	EXPECT_EQ(u, -EIO, likex_vcpu_run(f->vcpu));
	EXPECT_EQ(u, false, likex_vcpu_pending(f->vcpu));
	EXPECT_EQ(u, DEVICE + 4, f->io_addr);
	f->script[1].kind = END;
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 297, f->regs.rcx);
	EXPECT_EQ(u, 6, f->regs.rdi);
	EXPECT_EQ(u, 0x1000, f->regs.rip);
	fake_free(f);
}

static void port_at_once(struct unit *u)
{
	struct fake *f = fake_device("\x6e", 1, false);	/* outsb from the device */

	u->name = "outs by a callback";
	f->regs.rdx = 0x3f8;
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 2, f->ios);
	EXPECT_EQ(u, 0x3f8, f->io_addr);
	EXPECT_EQ(u, 1, f->regs.rsi);
	fake_free(f);
}

/* As the processor's, a repeated instruction ends between two iterations. */
static void immediate_exit(struct unit *u, bool sync)
{
	struct fake *f = fake_new("\xf3\xab", 2, sync);
	unsigned int i;

	u->name = sync ? "immediate_exit in rep stosw" : "the same by ioctl";
	f->sregs.es.base = DEVICE;
	f->regs.rcx = 300;
	f->script[0].kind = MMIO;
	f->script[1].kind = SIGNAL;
	f->script[2].kind = MMIO;
	for (i = 0; i < 3; i++)
		expect_exit(u, f, KVM_EXIT_MMIO);
	f->run->immediate_exit = 1;
	EXPECT_EQ(u, -EINTR, likex_vcpu_run(f->vcpu));
	EXPECT_EQ(u, false, likex_vcpu_pending(f->vcpu));
	EXPECT_EQ(u, 2, f->runs);
	EXPECT_EQ(u, 297, f->regs.rcx);
	EXPECT_EQ(u, 6, f->regs.rdi);
	EXPECT_EQ(u, 0x1000, f->regs.rip);
	/* It goes on with the next one, as with a new access. */
	f->run->immediate_exit = 0;
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, DEVICE + 6, f->run->mmio.phys_addr);
	EXPECT_EQ(u, 3, f->runs);
	fake_free(f);
}

/* In the middle of one iteration, its other transactions come first. */
static void immediate_exit_inside(struct unit *u)
{
	struct fake *f = fake_new("\xf3\x6f", 2, true);	/* rep outsw from the device */

	u->name = "immediate_exit in rep outsw";
	f->regs.rcx = 2;
	f->regs.rdx = 0x3f8;
	f->script[0].kind = MMIO;
	f->script[1].kind = SIGNAL;
	expect_exit(u, f, KVM_EXIT_MMIO);
	f->run->immediate_exit = 1;
	memset(f->run->mmio.data, 0x5a, 8);
	expect_exit(u, f, KVM_EXIT_IO);
	EXPECT_EQ(u, 2, f->regs.rcx);
	EXPECT_EQ(u, -EINTR, likex_vcpu_run(f->vcpu));
	EXPECT_EQ(u, 1, f->regs.rcx);
	EXPECT_EQ(u, 2, f->regs.rsi);
	fake_free(f);
}

static void vectors(struct unit *u)
{
	struct fake *f = fake_new("\x0f\x10\x06\x00\x00", 5, true);	/* movups xmm0, [0] */
	u8 want[16];

	u->name = "a vector load";
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, 8, f->run->mmio.len);
	memset(f->run->mmio.data, 0x11, 8);
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, DEVICE + 8, f->run->mmio.phys_addr);
	memset(f->run->mmio.data, 0x22, 8);
	expect_exit(u, f, KVM_EXIT_HLT);
	memset(want, 0x11, 8);
	memset(want + 8, 0x22, 8);
	expect(u, !memcmp(f->xsave + 160, want, 16), "xmm0", 1, 0);
	EXPECT_EQ(u, 2, f->xsave[512] & 2);
	EXPECT_EQ(u, 1, f->xsaves);
	fake_free(f);
}

/* With AMX the state is larger than KVM_GET_XSAVE's page. */
static void vectors_too_large(struct unit *u)
{
	struct fake *f = fake_new("\x0f\x10\x06\x00\x00", 5, true);
	struct likex_vcpu_error error = { .size = sizeof(error) };

	u->name = "a vector load, with more state than KVM_GET_XSAVE gives";
	f->big_xsave = true;
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_INTERNAL_ERROR);
	likex_vcpu_error(f->vcpu, &error);
	EXPECT_EQ(u, LIKEX_WHY_STATE, error.why);
	EXPECT_EQ(u, 5, error.insn_len);
	EXPECT_EQ(u, 0x1000, f->regs.rip);
	fake_free(f);
}

/* Registers that are set by ioctl while an access is open. */
static void set_meanwhile(struct unit *u)
{
	struct fake *f = fake_new("\xa1\x00\x00", 3, true);

	u->name = "registers set by ioctl meanwhile";
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_MMIO);
	f->regs.rbx = 0x99;
	likex_vcpu_invalidate(f->vcpu);
	memset(f->run->mmio.data, 0x5a, 8);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0x99, f->regs.rbx);
	EXPECT_EQ(u, 0x5a5a, f->regs.rax);
	fake_free(f);
}

/*
 * In the middle of a repeated instruction the kernel still has the registers
 * that it began with: none of its iterations is to be done again.
 */
static void set_in_repeated(struct unit *u, bool sync)
{
	struct fake *f = fake_new("\xf3\xa4", 2, sync);	/* rep movsb from the device */
	unsigned int i;

	u->name = sync ? "registers set during rep movsb" : "the same by ioctl";
	f->regs.rcx = 5;
	f->regs.rdi = 0x3000;
	f->script[0].kind = MMIO;
	for (i = 0; i < 5; i++) {
		expect_exit(u, f, KVM_EXIT_MMIO);
		EXPECT_EQ(u, DEVICE + i, f->run->mmio.phys_addr);
		f->run->mmio.data[0] = i + 1;
		/* A program sets the registers that it has read, with one change. */
		f->regs.rbx = 0x90 + i;
		if (i % 2)
			likex_vcpu_invalidate(f->vcpu);
	}
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0, f->regs.rcx);
	EXPECT_EQ(u, 5, f->regs.rsi);
	EXPECT_EQ(u, 0x3005, f->regs.rdi);
	EXPECT_EQ(u, 0x93, f->regs.rbx);
	expect(u, !memcmp(f->memory + 0x3000, "\1\2\3\4\5", 6), "copied", 1, 0);
	fake_free(f);
}

/* A whole new state is taken as it is, also where it looks like the old one. */
static void reset_in_repeated(struct unit *u)
{
	struct fake *f = fake_new("\xf3\xa4", 2, true);
	unsigned int i;

	u->name = "reset during rep movsb";
	f->regs.rcx = 5;
	f->regs.rdi = 0x3000;
	f->script[0].kind = MMIO;
	for (i = 0; i < 3; i++)
		expect_exit(u, f, KVM_EXIT_MMIO);
	f->regs.rip = 0x2000;
	likex_vcpu_invalidate(f->vcpu);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0x2000, f->regs.rip);
	EXPECT_EQ(u, 5, f->regs.rcx);
	EXPECT_EQ(u, 0x3000, f->regs.rdi);
	fake_free(f);
}

/* KVM_INTERRUPT while an access is open: what is changed beside it leaves it alone. */
static void interrupt_meanwhile(struct unit *u, bool sync)
{
	struct fake *f = fake_new("\xf7\x36\x00\x00", 4, sync);	/* div word [0] */

	u->name = "an interrupt is queued meanwhile, then an exception";
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_MMIO);
	memset(f->run->mmio.data, 0, 8);
	f->events.interrupt.injected = 1;
	f->events.interrupt.nr = 0x20;
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 1, f->events.exception.injected);
	EXPECT_EQ(u, 0, f->events.exception.nr);
	EXPECT_EQ(u, 1, f->events.interrupt.injected);
	EXPECT_EQ(u, 0x20, f->events.interrupt.nr);
	fake_free(f);

	u->name = "an interrupt is queued meanwhile, in a shadow";
	f = fake_new("\xa3\x00\x00", 3, sync);
	f->events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_MMIO);
	f->events.interrupt.injected = 1;
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 1, f->events.interrupt.injected);
	EXPECT_EQ(u, 0, f->events.interrupt.shadow);
	fake_free(f);
}

/* Events that a program has put into the run area are newer than the kernel's. */
static void events_in_run_area(struct unit *u)
{
	struct fake *f = fake_new("\xf7\x36\x00\x00", 4, true);
	struct kvm_vcpu_events *ev = &f->run->s.regs.events;

	u->name = "events set in the run area meanwhile";
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_MMIO);
	memset(f->run->mmio.data, 0, 8);
	ev->nmi.pending = 1;
	ev->flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	f->run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	/* Another part was set by ioctl. */
	f->regs.rbx = 0x99;
	likex_vcpu_invalidate(f->vcpu);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 1, f->events.nmi.pending);
	EXPECT_EQ(u, true, f->events.flags & KVM_VCPUEVENT_VALID_NMI_PENDING);
	EXPECT_EQ(u, 1, f->events.exception.injected);
	EXPECT_EQ(u, 0x99, f->regs.rbx);
	fake_free(f);
}

/* The unfinished instruction is dropped, and no other one is emulated instead. */
static void rip_set_meanwhile(struct unit *u, bool by_ioctl)
{
	struct fake *f = fake_new("\xa1\x00\x00", 3, true);

	u->name = by_ioctl ? "RIP set by ioctl meanwhile" : "RIP set in the run area meanwhile";
	f->script[0].kind = MMIO;
	f->script[1].kind = SIGNAL;
	expect_exit(u, f, KVM_EXIT_MMIO);
	if (by_ioctl) {
		f->regs.rip = 0x2000;
		likex_vcpu_invalidate(f->vcpu);
	} else {
		f->run->s.regs.regs.rip = 0x2000;
		f->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	}
	f->run->immediate_exit = 1;
	EXPECT_EQ(u, -EINTR, likex_vcpu_run(f->vcpu));
	EXPECT_EQ(u, false, likex_vcpu_pending(f->vcpu));
	EXPECT_EQ(u, 2, f->runs);
	EXPECT_EQ(u, 0x2000, f->regs.rip);
	EXPECT_EQ(u, 0x1234, f->regs.rax);
	fake_free(f);
}

/* A kernel that has the registers for user space, and nothing else yet. */
static struct fake *lean_new(const void *code, size_t len)
{
	return fake_make(code, len, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS, true);
}

static void lean_access(struct unit *u)
{
	struct fake *f = lean_new("\xa3\x10\x00\xa1\x10\x00", 6);

	u->name = "a kernel without events";
	f->script[0] = f->script[1] = (struct script){ MMIO, { .gpa = DEVICE + 0x10 }, { 0 } };
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, 1, f->run->mmio.is_write);
	expect_exit(u, f, KVM_EXIT_MMIO);
	EXPECT_EQ(u, 0, f->run->mmio.is_write);
	memset(f->run->mmio.data, 0x5a, 8);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0x5a5a, f->regs.rax);
	EXPECT_EQ(u, 0x1006, f->regs.rip);
	/* Events were asked for once, in vain. */
	EXPECT_EQ(u, 1, f->ioctls);
	fake_free(f);
}

/* An instruction that needs events or vector registers is refused, with reason and RIP. */
static void lean_refusal(struct unit *u, const char *name, const void *code, size_t len,
			 unsigned int insn_len)
{
	struct fake *f = lean_new(code, len);
	struct likex_vcpu_error error = { .size = sizeof(error) };

	u->name = name;
	f->script[0] = (struct script){ MMIO, { .gpa = DEVICE + 0xffff }, { 0 } };
	expect_exit(u, f, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(u, KVM_INTERNAL_ERROR_EMULATION, f->run->emulation_failure.suberror);
	likex_vcpu_error(f->vcpu, &error);
	EXPECT_EQ(u, LIKEX_WHY_STATE, error.why);
	EXPECT_EQ(u, 0x1000, error.rip);
	EXPECT_EQ(u, insn_len, error.insn_len);
	EXPECT_EQ(u, 0x1000, f->regs.rip);
	fake_free(f);
}

/* A trap that cannot be delivered: before anything is done, by the device or to registers. */
static void lean_single_step(struct unit *u, bool events)
{
	struct fake *f = events ? fake_new("\xa3\x10\x00", 3, true) : lean_new("\xa3\x10\x00", 3);
	struct likex_vcpu_error error = { .size = sizeof(error) };

	u->name = events ? "single-step without debug registers" : "single-step without events";
	f->no_debug = true;
	f->regs.rflags |= 0x100;
	f->script[0] = f->script[1] = (struct script){ MMIO, { .gpa = DEVICE + 0x10 }, { 0 } };
	expect_exit(u, f, KVM_EXIT_INTERNAL_ERROR);
	likex_vcpu_error(f->vcpu, &error);
	EXPECT_EQ(u, LIKEX_WHY_STATE, error.why);
	EXPECT_EQ(u, 0x1000, error.rip);
	EXPECT_EQ(u, false, likex_vcpu_pending(f->vcpu));
	EXPECT_EQ(u, 0x1000, f->regs.rip);
	/* Nor does the next run do any of it. */
	expect_exit(u, f, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(u, 0x1000, f->regs.rip);
	EXPECT_EQ(u, 2, f->runs);
	fake_free(f);
}

/* A program that sets TF ends itself, too, and not its machine. */
static void user_single_step(struct unit *u)
{
	struct fake *f = fake_new("\x89\x07", 2, true);	/* mov [edi], eax */
	struct likex_vcpu_error error = { .size = sizeof(error) };
	struct rig mode;

	u->name = "single-step without debug registers, in user mode";
	rig_mode(&mode, 32, 3);
	memcpy(&f->sregs, &mode.sregs, sizeof(f->sregs));
	f->no_debug = true;
	f->regs.rdi = DEVICE;
	f->regs.rflags |= 0x100;
	f->script[0] = (struct script){ MMIO, { .gpa = DEVICE, .access = 1 }, { 0 } };
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 1, f->events.exception.injected);
	EXPECT_EQ(u, 6, f->events.exception.nr);
	EXPECT_EQ(u, 0x1000, f->regs.rip);
	likex_vcpu_error(f->vcpu, &error);
	EXPECT_EQ(u, LIKEX_WHY_STATE, error.why);
	fake_free(f);
}

/* An interrupt shadow cannot be told without events: the instruction is done without. */
static void lean_shadow(struct unit *u)
{
	struct fake *f = lean_new("\x8e\x16\x00\x00", 4);	/* mov ss, [0] */

	u->name = "mov ss without events";
	f->script[0].kind = MMIO;
	expect_exit(u, f, KVM_EXIT_MMIO);
	memcpy(f->run->mmio.data, "\x34\x12", 2);
	expect_exit(u, f, KVM_EXIT_HLT);
	EXPECT_EQ(u, 0x1004, f->regs.rip);
	EXPECT_EQ(u, 0x1234, f->sregs.ss.selector);
	fake_free(f);
}

/* Accesses to a local APIC in the kernel are no exits, except for an EOI that others wait for. */
static void local_apic(struct unit *u)
{
	/* mov %eax, 0xb0; mov 0x80, %ebx; mov %bx, 0x1000 */
	static const u8 code[] = { 0x66, 0xa3, 0xb0, 0x00, 0x66, 0x8b, 0x1e, 0x80, 0x00,
				   0x89, 0x1e, 0x00, 0x10 };

	for (int lapic = EDGE_ENDS; lapic <= LEVEL_ENDS; lapic++) {
		struct fake *f = fake_new(code, sizeof(code), true);

		u->name = lapic == EDGE_ENDS ? "a local APIC, an edge ends" : "a local APIC, a level ends";
		f->lapic = lapic;
		f->sregs.ds.base = LAPIC;
		f->script[0] = (struct script){ MMIO, { .gpa = LAPIC + 0xb0, .access = 1 }, { 0 } };
		f->script[1] = (struct script){ MMIO, { .gpa = LAPIC + 0x80 }, { 0 } };
		f->script[2] = (struct script){ MMIO, { .gpa = LAPIC + 0x1000, .access = 1 }, { 0 } };
		if (lapic == LEVEL_ENDS) {
			expect_exit(u, f, KVM_EXIT_IOAPIC_EOI);
			EXPECT_EQ(u, LAPIC_VECTOR, f->run->eoi.vector);
		}
		/* The next page is not a local APIC's. */
		expect_exit(u, f, KVM_EXIT_MMIO);
		EXPECT_EQ(u, LAPIC + 0x1000, f->run->mmio.phys_addr);
		EXPECT_EQ(u, 0x1009, f->regs.rip);
		EXPECT_EQ(u, LAPIC_VALUE, f->regs.rbx);
		EXPECT_EQ(u, 0xb0, f->access[0].offset);
		EXPECT_EQ(u, 0x1234, f->access[0].value);
		EXPECT_EQ(u, 0x80, f->access[1].offset);
		EXPECT_EQ(u, 0, f->access[1].flags);
		expect_exit(u, f, KVM_EXIT_HLT);
		fake_free(f);
	}
}

static void refused_config(struct unit *u)
{
	struct likex_vcpu_config config = { .size = sizeof(config), .ops = &fake_ops };

	u->name = "configuration without a run area";
	EXPECT_EQ(u, true, likex_vcpu_new(&config) == NULL);
	EXPECT_EQ(u, EINVAL, errno);
	EXPECT_EQ(u, true, likex_vcpu_new(NULL) == NULL);
}

void unit_run(struct unit *u)
{
	write_and_read(u, true);
	write_and_read(u, false);
	other_exits(u);
	signal_after(u);
	fault(u, true);
	fault(u, false);
	page_fault(u);
	unsupported(u);
	unsupported_user(u);
	kvm_failure(u);
	step_and_shadow(u);
	port(u);
	dirty(u);
	repeated(u);
	at_once(u);
	repeated_at_once(u);
	handed_out(u);
	device_fails(u);
	port_at_once(u);
	immediate_exit(u, true);
	immediate_exit(u, false);
	immediate_exit_inside(u);
	vectors(u);
	vectors_too_large(u);
	set_meanwhile(u);
	interrupt_meanwhile(u, true);
	interrupt_meanwhile(u, false);
	events_in_run_area(u);
	set_in_repeated(u, true);
	set_in_repeated(u, false);
	reset_in_repeated(u);
	rip_set_meanwhile(u, true);
	rip_set_meanwhile(u, false);
	lean_access(u);
	lean_refusal(u, "an exception, without events", "\xa3\xff\xff", 3, 0);
	lean_refusal(u, "a vector load, without XSAVE", "\x0f\x10\x06\x00\x00", 5, 5);
	lean_single_step(u, false);
	lean_single_step(u, true);
	user_single_step(u);
	lean_shadow(u);
	local_apic(u);
	refused_config(u);
}
