/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * liblikex: running a vCPU.
 *
 * likex_vcpu_run() takes the place of ioctl(KVM_RUN). Exits that need an
 * instruction decoded (LiKeX's MMIO exit, KVM's emulation failure) are decoded
 * here and come out as KVM_EXIT_MMIO and KVM_EXIT_IO, as a KVM program expects
 * them; a read is completed at the next run. A program that would rather have its
 * device called gives a callback. All other exits pass unchanged.
 *
 * The same code serves /dev/likex, with its one descriptor, and KVM's three.
 */
#ifndef LIKEX_VCPU_H
#define LIKEX_VCPU_H

#include <likex/emul.h>
#include <linux/kvm.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Opaque: one vCPU. Used by one thread at a time. */
struct likex_vcpu;

/**
 * struct likex_vcpu_ops - how the kernel is reached
 *
 * Both return 0 (or a positive value) or a negative errno.
 */
struct likex_vcpu_ops {
	/** @size: sizeof(struct likex_vcpu_ops) */
	uint32_t size;

	/** @run: KVM_RUN */
	int (*run)(void *handle);
	/** @ioctl: any other vCPU ioctl */
	int (*ioctl)(void *handle, unsigned long cmd, void *arg);
};

/**
 * struct likex_handle - the handle of the two implementations below
 * @fd: /dev/likex after KVM_CREATE_VM and KVM_CREATE_VCPU, or KVM's vCPU
 * @vcpu: the vCPU's id (/dev/likex only)
 * @many: true if the VM has more than one vCPU (/dev/likex only): then vCPU
 *	ioctls other than KVM_RUN go through LIKEX_VCPU_IOCTL
 */
struct likex_handle {
	int fd;
	uint32_t vcpu;
	bool many;
};

/** likex_ops_session() - for /dev/likex: one descriptor for all */
const struct likex_vcpu_ops *likex_ops_session(void);

/** likex_ops_kvm() - for a vCPU descriptor of /dev/kvm or /dev/likex-kvm */
const struct likex_vcpu_ops *likex_ops_kvm(void);

/**
 * struct likex_vcpu_config - parameters that a vCPU is made from
 * @size: sizeof(struct likex_vcpu_config)
 * @ops: how the kernel is reached
 * @handle: for @ops; must outlive the vCPU
 * @run: the vCPU's mapped run area
 * @sync_regs: the result of KVM_CHECK_EXTENSION(KVM_CAP_SYNC_REGS). With the
 *	bits for registers, system registers and events (the last only where
 *	the kernel has events), an MMIO access costs no ioctl except KVM_RUN;
 *	state without a bit is fetched and set by ioctls.
 * @map: the guest's memory, as in struct likex_emul_ops
 * @generation: likewise; NULL if @map's addresses may change unnoticed
 * @dirty: the same; NULL if no log is kept
 * @ctx: for @map, @dirty, @io and @bulk
 * @emul: the processor; NULL for the default
 * @io: carries out a device transaction at once, as in struct likex_emul_ops, so
 *	that likex_vcpu_run() goes on without an exit. It returns 1 for an exit, as
 *	it has to if the device changes registers or ends the run, and makes no
 *	call for this vCPU itself. NULL: each transaction is an exit.
 * @bulk: carries out many at once, as in struct likex_emul_ops; what it leaves is
 *	for @io. NULL, or without @io: none.
 */
struct likex_vcpu_config {
	uint32_t size;
	const struct likex_vcpu_ops *ops;
	void *handle;
	struct kvm_run *run;
	uint64_t sync_regs;
	void *(*map)(void *ctx, uint64_t gpa, bool write);
	const volatile uint64_t *generation;
	void (*dirty)(void *ctx, uint64_t gpa, uint32_t len);
	void *ctx;
	const struct likex_emul_config *emul;
	int (*io)(void *ctx, struct likex_io *io);
	int (*bulk)(void *ctx, const struct likex_bulk *bulk);
};

/**
 * likex_vcpu_new() - make a vCPU
 * @config: copied
 *
 * Return: the vCPU, or NULL with errno set, as likex_emul_new().
 */
struct likex_vcpu *likex_vcpu_new(const struct likex_vcpu_config *config);

/**
 * likex_vcpu_free() - free a vCPU; its descriptor and run area stay
 * @vcpu: vCPU, or NULL
 */
void likex_vcpu_free(struct likex_vcpu *vcpu);

/**
 * likex_vcpu_run() - run until an exit that is the caller's
 * @vcpu: vCPU
 *
 * As ioctl(KVM_RUN): on success run->exit_reason says why it came back. After
 * KVM_EXIT_MMIO and KVM_EXIT_IO the access is complete only with the next call
 * (set run->immediate_exit to have it completed and nothing run). A repeated
 * string instruction then ends after the iteration that the access belongs to.
 *
 * An instruction that is not emulated ends in KVM_EXIT_INTERNAL_ERROR with
 * KVM_INTERNAL_ERROR_EMULATION and the instruction's bytes, or, at CPL 1 to 3, in
 * #UD for the guest (likex_emul_config.refuse); likex_vcpu_error() tells more. An
 * exception that it raises is delivered to the guest.
 *
 * An access to a local APIC that LiKeX has in the kernel, at 0xfee00000, is
 * carried out there and is no exit, except for the end of a level-triggered
 * interrupt: KVM_EXIT_IOAPIC_EOI, completed with the next call, too. Such an access
 * needs the ioctl LIKEX_LAPIC_ACCESS (a seccomp filter, for example, has to allow it).
 *
 * A KVM_EXIT_IO made here (INS, OUTS) has its data within the first page of
 * the run area; io.data_offset says where, as always.
 *
 * A kernel that has not all of a vCPU's ioctls serves as far as it goes. An
 * instruction that needs vector or x87 registers that cannot be read, or raises an
 * exception that cannot be delivered, is among those that are not emulated; so
 * is any in single-step (RFLAGS.TF) if its trap could not be. An interrupt
 * shadow that cannot be told is forgotten.
 *
 * Return: 0, or a negative errno: -EINTR for a signal or immediate_exit, what
 * KVM_RUN or another ioctl returned otherwise, or what a callback did. After a
 * callback's error the instruction is dropped, as by likex_emul_step(), and
 * iterations of a repeated one that came before it stay done.
 */
int likex_vcpu_run(struct likex_vcpu *vcpu);

/**
 * likex_vcpu_pending() - return true if the next run completes an access first
 * @vcpu: vCPU
 */
bool likex_vcpu_pending(const struct likex_vcpu *vcpu);

/**
 * likex_vcpu_invalidate() - registers were set by an ioctl
 * @vcpu: vCPU
 *
 * To be called after KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_SREGS2, KVM_SET_FPU,
 * KVM_SET_XSAVE, KVM_SET_XCRS, KVM_SET_MSRS, KVM_SET_VCPU_EVENTS or
 * KVM_INTERRUPT while likex_vcpu_pending(). Changes through the run area and
 * kvm_dirty_regs need no call. If RIP is changed, the unfinished instruction is
 * dropped, and the next run begins with KVM_RUN. Else those general registers
 * are taken over that differ from what the kernel had: it has the ones with
 * which the instruction began, even where a repeated one has done some
 * iterations.
 */
void likex_vcpu_invalidate(struct likex_vcpu *vcpu);

/**
 * struct likex_vcpu_error - an instruction that was not emulated
 * @size: sizeof(struct likex_vcpu_error), set before the call
 * @why: enum likex_reason; LIKEX_WHY_NONE if there was none yet
 * @insn_len: number of valid bytes in @insn
 * @insn: the instruction's bytes, as far as they are known
 * @rip: the instruction's RIP
 */
struct likex_vcpu_error {
	uint32_t size;
	uint8_t why;
	uint8_t insn_len;
	uint8_t insn[LIKEX_INSN_MAX];
	uint64_t rip;
};

/**
 * likex_vcpu_error() - the last instruction that was not emulated
 * @vcpu: vCPU
 * @error: filled in
 */
void likex_vcpu_error(const struct likex_vcpu *vcpu,
		      struct likex_vcpu_error *error);

/**
 * likex_vcpu_get_stats() - counters of the vCPU's emulator
 * @vcpu: vCPU
 * @stats: filled in
 */
void likex_vcpu_get_stats(const struct likex_vcpu *vcpu,
			  struct likex_emul_stats *stats);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* LIKEX_VCPU_H */
