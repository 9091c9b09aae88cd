/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * LiKeX: additions to the user-space interface of KVM (linux/kvm.h).
 *
 * All other ioctl numbers, structures and exit reasons are those of KVM.
 */
#ifndef _UAPI_LINUX_LIKEX_H
#define _UAPI_LINUX_LIKEX_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* LiKeX has the numbers 0x20 to 0x3f of this type. */
#define LIKEX_IOCTL_TYPE	0xAF

/**
 * struct likex_vcpu_ioctl - a vCPU ioctl and the vCPU that it is for
 * @vcpu: id of the vCPU
 * @cmd: a vCPU ioctl of KVM (KVM_GET_REGS, ...), except KVM_RUN
 * @arg: its argument, as the third argument of ioctl(2)
 *
 * Device, VM and vCPUs share one descriptor. KVM_RUN takes the vCPU's id as its
 * argument. Every other vCPU ioctl goes to the only vCPU, or, if there are several, to
 * the one named here.
 */
struct likex_vcpu_ioctl {
	__u32 vcpu;
	__u32 cmd;
	__u64 arg;
};

/*
 * LIKEX_VCPU_IOCTL returns what @cmd returns. Errors of its own: -EFAULT for a
 * pointer that cannot be read, -EINVAL if there is no such vCPU, -ENOTTY if
 * @cmd is no vCPU ioctl.
 */
#define LIKEX_VCPU_IOCTL	_IOWR(LIKEX_IOCTL_TYPE, 0x20, struct likex_vcpu_ioctl)

/* likex_vcpu_ioctl.vcpu in an element of LIKEX_CREATE: the ioctl is for the VM */
#define LIKEX_VM		(~0U)

#define LIKEX_CREATE_MAX	4096

/**
 * struct likex_create - a VM with all its state
 * @ops: address of an array of struct likex_vcpu_ioctl
 * @nr: number of its elements, at most LIKEX_CREATE_MAX
 * @failed: after an error: index of the element that failed; @nr: no element did
 *
 * The elements are executed in their order, on a VM that only this call can find. The
 * session gets the VM when all have succeeded. After an error the session is empty as
 * before, and nothing of the VM is left. An element is KVM_CREATE_VCPU, or another ioctl of
 * VM or vCPU that sets something. KVM_SET_MSRS fails if not all MSRs are written.
 */
struct likex_create {
	__u64 ops;
	__u32 nr;
	__u32 failed;
};

/*
 * Errors: -EFAULT for a pointer that cannot be read; -E2BIG for too many elements; -EBUSY if
 * the session has a VM; -ENOTTY for an element that is no such ioctl; -EINVAL for a vCPU
 * that does not exist; -ENOMEM; -EINTR for a signal; and the errors of the elements.
 */
#define LIKEX_CREATE	_IOWR(LIKEX_IOCTL_TYPE, 0x22, struct likex_create)

/**
 * struct likex_create_vcpu - a vCPU that shares the run area of another one
 * @id: id of the vCPU
 * @run_fd: a session of the caller's process
 * @run_id: id of a vCPU of that session's VM
 * @reserved: 0
 *
 * Otherwise the ioctl is KVM_CREATE_VCPU. The run area is a page of the kernel's, filled
 * with zeros by this call. A program that has it mapped needs no mapping for the new vCPU.
 * The other vCPU may run at the same time, or end, but whatever both write into the page
 * is mixed.
 */
struct likex_create_vcpu {
	__u32 id;
	__s32 run_fd;
	__u32 run_id;
	__u32 reserved;
};

/*
 * Errors: those of KVM_CREATE_VCPU; -EFAULT for a pointer that cannot be read; -EBADF
 * without a descriptor @run_fd; -EINVAL if it is no /dev/likex, has no such vCPU, or has
 * no VM yet, and for another @reserved; -EIO if its VM is dead or of another process.
 */
#define LIKEX_CREATE_VCPU	_IOW(LIKEX_IOCTL_TYPE, 0x23, struct likex_create_vcpu)

/* Bits of likex_lapic_access.flags */
#define LIKEX_LAPIC_WRITE	(1 << 0)	/* in: a write, not a read */
#define LIKEX_LAPIC_EOI		(1 << 1)	/* out: tell the IOAPIC the end of vector */

/**
 * struct likex_lapic_access - an access to a register of a local APIC in xAPIC mode
 * @offset: of the access, into the page of registers
 * @value: the value to write, or the value that was read
 * @flags: LIKEX_LAPIC_* bits
 * @vector: of a level-triggered interrupt that this write ended
 *
 * The guest's access to the page leaves as LIKEX_EXIT_MMIO. User space emulates the
 * instruction, and accesses the register by this ioctl of the vCPU. As with the APIC
 * page of a processor, a write that is not aligned to 16 bytes has no effect, and such
 * a read gives 0.
 */
struct likex_lapic_access {
	__u32 offset;
	__u32 value;
	__u32 flags;
	__u32 vector;
};

/*
 * Errors: -EFAULT for a pointer that cannot be accessed; -EINVAL without a local APIC in
 * xAPIC mode, for an offset beyond the page, and for other flags.
 */
#define LIKEX_LAPIC_ACCESS	_IOWR(LIKEX_IOCTL_TYPE, 0x21, struct likex_lapic_access)

/* Values of kvm_run.exit_reason; KVM's own stay far below. */
#define LIKEX_EXIT_MMIO		0x10000

/* Values of likex_exit_mmio.access */
#define LIKEX_MMIO_READ		0	/* a data read */
#define LIKEX_MMIO_WRITE	1	/* a data write, or a read and write */
#define LIKEX_MMIO_FETCH	2	/* an instruction fetch */

/* Bits of likex_exit_mmio.flags */
#define LIKEX_MMIO_GVA_VALID	(1 << 0)	/* gva is the linear address of the access */
#define LIKEX_MMIO_PAGE_WALK	(1 << 1)	/* the access was the guest's own page walk */
#define LIKEX_MMIO_EVENT	(1 << 2)	/* while an event was delivered, which is kept */

/**
 * struct likex_exit_mmio - the guest accessed an address without a memory slot
 * @gpa: guest-physical address of the access
 * @gva: guest-linear address, if LIKEX_MMIO_GVA_VALID is set
 * @access: one of LIKEX_MMIO_READ, LIKEX_MMIO_WRITE and LIKEX_MMIO_FETCH
 * @flags: LIKEX_MMIO_* bits
 *
 * With exit reason LIKEX_EXIT_MMIO it is at &kvm_run.hw in struct kvm_run, like the
 * data of other exits. The instruction has had no effect and RIP is
 * at its start: user space emulates it, or removes the cause, and runs again.
 * The instruction's length is not here, since the processor does not define it
 * for an EPT violation (SDM volume 3, "VM-Exit Instruction-Information Field"
 * and "Basic VM-Exit Information").
 */
struct likex_exit_mmio {
	__u64 gpa;
	__u64 gva;
	__u32 access;
	__u32 flags;
};

#endif /* _UAPI_LINUX_LIKEX_H */
