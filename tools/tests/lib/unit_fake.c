// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A kernel that is played, for likex_vcpu_run().
 */
#include "unit_fake.h"
#include <errno.h>

static void take_registers(struct fake *f)
{
	struct kvm_run *run = f->run;

	if (run->kvm_dirty_regs & KVM_SYNC_X86_REGS)
		f->regs = run->s.regs.regs;
	if (run->kvm_dirty_regs & KVM_SYNC_X86_SREGS)
		f->sregs = run->s.regs.sregs;
	if (run->kvm_dirty_regs & KVM_SYNC_X86_EVENTS)
		f->events = run->s.regs.events;
	run->kvm_dirty_regs = 0;
}

static void give_registers(struct fake *f)
{
	struct kvm_run *run = f->run;

	if (run->kvm_valid_regs & KVM_SYNC_X86_REGS)
		run->s.regs.regs = f->regs;
	if (run->kvm_valid_regs & KVM_SYNC_X86_SREGS)
		run->s.regs.sregs = f->sregs;
	if (run->kvm_valid_regs & KVM_SYNC_X86_EVENTS)
		run->s.regs.events = f->events;
}

static int fake_run(void *handle)
{
	struct fake *f = handle;
	const struct script *s = &f->script[f->at];
	struct kvm_run *run = f->run;

	f->runs++;
	if ((run->kvm_valid_regs | run->kvm_dirty_regs) & ~f->sync)
		return -EINVAL;
	if (f->sync)
		take_registers(f);
	if (s->kind == SIGNAL) {
		f->at++;
		return -EINTR;
	}
	memset(run->padding, 0, sizeof(run->padding));
	run->exit_reason = KVM_EXIT_HLT;
	if (s->kind == MMIO) {
		run->exit_reason = LIKEX_EXIT_MMIO;
		memcpy(run->padding, &s->mmio, sizeof(s->mmio));
	} else if (s->kind == KVM_FAIL) {
		run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
		run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
		run->emulation_failure.ndata = 3;
		run->emulation_failure.flags = 1;
		run->emulation_failure.insn_size = 15;
		memcpy(run->emulation_failure.insn_bytes, s->insn, sizeof(s->insn));
	}
	if (s->kind != END)
		f->at++;
	if (f->sync)
		give_registers(f);
	return 0;
}

static void copy(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
}

static int fake_lapic(struct fake *f, struct likex_lapic_access *access)
{
	bool write = access->flags & LIKEX_LAPIC_WRITE;

	if (!f->lapic)
		return -EINVAL;
	f->access[!write] = *access;
	if (!write)
		access->value = LAPIC_VALUE;
	if (write && f->lapic == LEVEL_ENDS) {
		access->flags |= LIKEX_LAPIC_EOI;
		access->vector = LAPIC_VECTOR;
	}
	return 0;
}

static int fake_ioctl(void *handle, unsigned long cmd, void *arg)
{
	struct fake *f = handle;
	struct kvm_xcrs *xcrs = arg;

	f->ioctls++;
	if (f->lean && cmd != KVM_GET_REGS && cmd != KVM_SET_REGS &&
	    cmd != KVM_GET_SREGS && cmd != KVM_SET_SREGS)
		return -ENOTTY;
	if (f->no_debug && cmd == KVM_GET_DEBUGREGS)
		return -ENOTTY;
	switch (cmd) {
	case KVM_GET_REGS: copy(arg, &f->regs, sizeof(f->regs)); break;
	case KVM_SET_REGS: copy(&f->regs, arg, sizeof(f->regs)); break;
	case KVM_GET_SREGS: copy(arg, &f->sregs, sizeof(f->sregs)); break;
	case KVM_SET_SREGS: copy(&f->sregs, arg, sizeof(f->sregs)); break;
	case KVM_GET_VCPU_EVENTS: copy(arg, &f->events, sizeof(f->events)); break;
	case KVM_SET_VCPU_EVENTS: copy(&f->events, arg, sizeof(f->events)); break;
	case KVM_GET_DEBUGREGS: copy(arg, &f->dr, sizeof(f->dr)); break;
	case KVM_SET_DEBUGREGS: copy(&f->dr, arg, sizeof(f->dr)); break;
	case KVM_GET_XSAVE:
		if (f->big_xsave)
			return -EINVAL;
		f->xsaves++;
		copy(arg, f->xsave, sizeof(f->xsave));
		break;
	case KVM_SET_XSAVE: copy(f->xsave, arg, sizeof(f->xsave)); break;
	case LIKEX_LAPIC_ACCESS: return fake_lapic(f, arg);
	case KVM_GET_XCRS:
		memset(xcrs, 0, sizeof(*xcrs));
		xcrs->nr_xcrs = 1;
		xcrs->xcrs[0].value = 7;
		break;
	default:
		return -ENOTTY;
	}
	return 0;
}

const struct likex_vcpu_ops fake_ops = {
	.size = sizeof(fake_ops), .run = fake_run, .ioctl = fake_ioctl,
};

static void *fake_map(void *ctx, uint64_t gpa, bool write)
{
	struct fake *f = ctx;

	(void)write;
	return gpa < MEMORY ? f->memory + gpa : NULL;
}

static void fake_dirty(void *ctx, uint64_t gpa, uint32_t len)
{
	struct fake *f = ctx;

	f->dirty_gpa = gpa;
	f->dirty_len = len;
}

/* Reads as 5a5a... */
static int fake_io(void *ctx, struct likex_io *io)
{
	struct fake *f = ctx;

	if (f->ios == f->io_special && f->io_result) {
		f->io_special = 0;
		return f->io_result;
	}
	f->ios++;
	f->io_addr = io->addr;
	if (!io->write)
		memset(io->data, 0x5a, sizeof(io->data));
	return 0;
}

static int fake_bulk(void *ctx, const struct likex_bulk *bulk)
{
	struct fake *f = ctx;

	f->bulk_ios += bulk->count;
	return bulk->count;
}

/* Real mode, code at 0x1000, DS at the device; @config: the callbacks. */
static struct fake *fake_with(struct likex_vcpu_config config, const void *code, size_t len,
			      bool lean)
{
	struct fake *f = aligned_alloc(4096, (sizeof(*f) + 4095) & ~4095ull);
	struct rig mode;

	if (!f)
		exit(2);
	memset(f, 0, sizeof(*f));
	rig_mode(&mode, 16, 0);
	memcpy(&f->sregs, &mode.sregs, sizeof(f->sregs));
	f->sregs.ds.base = DEVICE;
	f->run = (struct kvm_run *)(void *)f->page;
	f->regs.rip = 0x1000;
	f->regs.rflags = 2;
	f->regs.rax = 0x1234;
	memcpy(f->memory + 0x1000, code, len);
	f->sync = config.sync_regs;
	f->lean = lean;
	config.handle = config.ctx = f;
	config.run = f->run;
	f->vcpu = likex_vcpu_new(&config);
	if (!f->vcpu)
		exit(2);
	return f;
}

static const struct likex_vcpu_config plain = {
	.size = sizeof(plain), .ops = &fake_ops, .map = fake_map, .dirty = fake_dirty,
};

struct fake *fake_make(const void *code, size_t len, u64 sync, bool lean)
{
	struct likex_vcpu_config config = plain;

	config.sync_regs = sync;
	return fake_with(config, code, len, lean);
}

struct fake *fake_device(const void *code, size_t len, bool bulk)
{
	struct likex_vcpu_config config = plain;

	config.sync_regs = KVM_SYNC_X86_VALID_FIELDS;
	config.io = fake_io;
	config.bulk = bulk ? fake_bulk : NULL;
	return fake_with(config, code, len, false);
}

struct fake *fake_new(const void *code, size_t len, bool sync)
{
	return fake_make(code, len, sync ? KVM_SYNC_X86_VALID_FIELDS : 0, false);
}

void fake_free(struct fake *f)
{
	likex_vcpu_free(f->vcpu);
	free(f);
}

void expect_exit(struct unit *u, struct fake *f, u32 reason)
{
	EXPECT_EQ(u, 0, likex_vcpu_run(f->vcpu));
	EXPECT_EQ(u, reason, f->run->exit_reason);
}
