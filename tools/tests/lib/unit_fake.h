/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel that is played: it executes nothing, but hands out scripted exits, and
 * takes and gives registers as the kernel does.
 */
#ifndef UNIT_FAKE_H
#define UNIT_FAKE_H

#include "unit.h"
#include <likex/vcpu.h>
#include <linux/likex.h>

#define MEMORY  0x10000ull
#define DEVICE  0xd0000ull
#define SCRIPT  8
#define LAPIC   0xfee00000ull	/* its registers; each reads as: */
#define LAPIC_VALUE 0x89abcdef
#define LAPIC_VECTOR 0x44

enum exit_kind { END, MMIO, KVM_FAIL, HLT, SIGNAL };

struct script {
	enum exit_kind kind;
	struct likex_exit_mmio mmio;
	u8 insn[4];		/* KVM_FAIL: bytes that come along */
};

struct fake {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	struct kvm_debugregs dr;
	u8 xsave[4096];
	struct kvm_run *run;
	u8 page[8192] __attribute__((aligned(4096)));
	u8 memory[MEMORY];
	struct script script[SCRIPT];
	unsigned int at, runs, ioctls, xsaves;
	u64 sync;		/* its bits of KVM_CAP_SYNC_REGS */
	bool lean;		/* ioctls only for the registers */
	bool no_debug;		/* none for debug registers */
	bool big_xsave;		/* more vector state than KVM_GET_XSAVE gives */
	enum { NO_LAPIC, EDGE_ENDS, LEVEL_ENDS } lapic;	/* in the kernel: which interrupt an EOI ends */
	struct likex_lapic_access access[2];	/* to it: the last one that wrote, and that read */
	struct likex_vcpu *vcpu;
	/* Of a device that answers at once. */
	unsigned int ios, bulk_ios;	/* that it has carried out */
	unsigned int io_special;	/* after so many, it returns @io_result once */
	int io_result;
	u64 io_addr;			/* of the last one */
	u64 dirty_gpa, dirty_len;	/* of the last write that was reported */
};

/* For a handle that is a struct fake. */
extern const struct likex_vcpu_ops fake_ops;

/* Real mode, code at 0x1000, DS at the device. */
struct fake *fake_make(const void *code, size_t len, u64 sync, bool lean);
/* With all registers synchronized, or none. */
struct fake *fake_new(const void *code, size_t len, bool sync);
/* As fake_new(), all synchronized, with a device that answers at once. */
struct fake *fake_device(const void *code, size_t len, bool bulk);
void fake_free(struct fake *f);

void expect_exit(struct unit *u, struct fake *f, u32 reason);

#endif /* UNIT_FAKE_H */
