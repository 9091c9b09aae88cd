// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The preload library, linked in here, in front of a KVM that is played: the
 * ioctl() that it finds after its own is one of this file.
 */
#include "../../preload/ioeventfd.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/likex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSTEM 1000		/* descriptors that no one has */
#define VM     1001
#define MEMORY 0x2000ull
#define CODE   0x1000ull
#define DEVICE 0xd0000ull
#define APIC_EOI 0xfee000b0ull
#define VECTOR 0x55
#define RUN_SIZE 12288

/* Descriptors are all that an ioctl() comes with, so there is one machine. */
static struct {
	int vcpu;
	struct kvm_run *run;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	u8 memory[MEMORY] __attribute__((aligned(4096)));
	bool failed;		/* the instruction has been handed out */
	unsigned int gets;	/* KVM_GET_REGS */
	enum { NO_APIC, EDGE, LEVEL } apic;	/* and the interrupt that ends */
	struct likex_lapic_access access;	/* the last one */
	bool memory_fds;	/* eventfds for memory, as KVM has; else for ports only */
	int sync_regs;		/* KVM_CAP_SYNC_REGS */
	bool irqchip;		/* KVM_CREATE_IRQCHIP came */
	struct kvm_enable_cap enabled;
} kvm;

/* KVM cannot emulate the first instruction, and then comes to a HLT. */
static int kvm_run(void)
{
	struct kvm_run *run = kvm.run;

	memset(run->padding, 0, sizeof(run->padding));
	run->exit_reason = kvm.failed ? KVM_EXIT_HLT : KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = kvm.failed ? 0 : KVM_INTERNAL_ERROR_EMULATION;
	kvm.failed = true;
	return 0;
}

static int apic_access(struct likex_lapic_access *access)
{
	if (kvm.apic == NO_APIC) {
		errno = EINVAL;
		return -1;
	}
	kvm.access = *access;
	if (kvm.apic == LEVEL) {
		access->flags |= LIKEX_LAPIC_EOI;
		access->vector = VECTOR;
	}
	return 0;
}

static int kvm_ioeventfd(const struct kvm_ioeventfd *args)
{
	if (kvm.memory_fds)
		return 0;
	errno = ENOENT;
	if (!(args->flags & KVM_IOEVENTFD_FLAG_PIO))
		errno = EINVAL;
	else if (fcntl(args->fd, F_GETFD) < 0)
		errno = EBADF;
	else if (args->fd == kvm.vcpu)
		errno = EINVAL;		/* no eventfd */
	else if (!(args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN))
		return 0;
	return -1;
}

static int kvm_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	(void)fd;
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case KVM_CREATE_VM: return VM;
	case KVM_CREATE_VCPU: return kvm.vcpu;
	case KVM_GET_VCPU_MMAP_SIZE: return RUN_SIZE;
	case KVM_RUN: return kvm_run();
	case LIKEX_LAPIC_ACCESS: return apic_access(arg);
	case KVM_CHECK_EXTENSION:
		return (uintptr_t)arg == KVM_CAP_SYNC_REGS ? kvm.sync_regs : kvm.memory_fds;
	case KVM_CREATE_IRQCHIP: kvm.irqchip = true; break;
	case KVM_ENABLE_CAP: memcpy(&kvm.enabled, arg, sizeof(kvm.enabled)); break;
	case KVM_IOEVENTFD: return kvm_ioeventfd(arg);
	case KVM_GET_SREGS: memcpy(arg, &kvm.sregs, sizeof(kvm.sregs)); break;
	case KVM_GET_VCPU_EVENTS: memset(arg, 0, sizeof(struct kvm_vcpu_events)); break;
	case KVM_GET_REGS:
		kvm.gets++;
		memcpy(arg, &kvm.regs, sizeof(kvm.regs));
		break;
	}
	return 0;
}

void *__real_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name)
{
	int (*fn)(int, unsigned long, ...) = kvm_ioctl;
	void *symbol;

	if (strcmp(name, "ioctl"))
		return __real_dlsym(handle, name);
	memcpy(&symbol, &fn, sizeof(symbol));
	return symbol;
}

/* Real mode: mov [0], ax with DS at the device. */
static bool start(struct unit *u, const char *name)
{
	struct rig mode;

	u->name = name;
	memset(&kvm, 0, sizeof(kvm));
	kvm.vcpu = memfd_create("vcpu", 0);
	if (kvm.vcpu < 0 || ftruncate(kvm.vcpu, RUN_SIZE))
		return false;
	kvm.run = mmap(NULL, RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, kvm.vcpu, 0);
	if (kvm.run == MAP_FAILED)
		return false;
	rig_mode(&mode, 16, 0);
	memcpy(&kvm.sregs, &mode.sregs, sizeof(kvm.sregs));
	kvm.sregs.ds.base = DEVICE;
	kvm.regs.rip = CODE;
	kvm.regs.rflags = 2;
	memcpy(kvm.memory + CODE, "\xa3\x00\x00", 3);
	EXPECT_EQ(u, VM, ioctl(SYSTEM, KVM_CREATE_VM, 0UL));
	EXPECT_EQ(u, kvm.vcpu, ioctl(VM, KVM_CREATE_VCPU, 0UL));
	return true;
}

static void stop(void)
{
	munmap(kvm.run, RUN_SIZE);
	close(kvm.vcpu);
	/* No one has it, but the library does not know that. */
	close(VM);
}

static void expect_run(struct unit *u, u32 reason)
{
	EXPECT_EQ(u, 0, ioctl(kvm.vcpu, KVM_RUN, 0UL));
	EXPECT_EQ(u, reason, kvm.run->exit_reason);
}

/* As in kernels that have KVM_CAP_USER_MEMORY2; this header may be older. */
struct region2 {
	struct kvm_userspace_memory_region region;
	u64 guest_memfd_offset;
	u32 guest_memfd, pad1;
	u64 pad2[14];
};

static void memory(struct unit *u, const char *name, unsigned long request)
{
	struct region2 r = {
		.region = { .memory_size = MEMORY, .userspace_addr = (uintptr_t)kvm.memory },
	};

	if (!start(u, name))
		return;
	EXPECT_EQ(u, 0, ioctl(VM, request, &r));
	expect_run(u, KVM_EXIT_MMIO);
	EXPECT_EQ(u, DEVICE, kvm.run->mmio.phys_addr);
	expect_run(u, KVM_EXIT_HLT);
	/* Once in all: nothing was set meanwhile. */
	EXPECT_EQ(u, 1, kvm.gets);
	stop();
	if (!start(u, "memory that is taken away"))
		return;
	EXPECT_EQ(u, 0, ioctl(VM, request, &r));
	r.region.memory_size = 0;
	EXPECT_EQ(u, 0, ioctl(VM, request, &r));
	expect_run(u, KVM_EXIT_INTERNAL_ERROR);
	stop();
}

/* After each of these, what was fetched with the exit is not what counts. */
static void registers_set(struct unit *u)
{
	static const unsigned long requests[] = {
		KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_SREGS2, KVM_SET_FPU, KVM_SET_XSAVE,
		KVM_SET_XCRS, KVM_SET_MSRS, KVM_SET_VCPU_EVENTS, KVM_INTERRUPT,
	};
	struct kvm_userspace_memory_region r = {
		.memory_size = MEMORY, .userspace_addr = (uintptr_t)kvm.memory,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!start(u, "registers set while an access is pending"))
			return;
		EXPECT_EQ(u, 0, ioctl(VM, KVM_SET_USER_MEMORY_REGION, &r));
		expect_run(u, KVM_EXIT_MMIO);
		EXPECT_EQ(u, 0, ioctl(kvm.vcpu, requests[i], &r));
		expect_run(u, KVM_EXIT_HLT);
		EXPECT_EQ(u, 2, kvm.gets);
		stop();
	}
}

/* An access to the local APIC in the kernel does not come back, except for the EOI. */
static void apic(struct unit *u)
{
	struct kvm_userspace_memory_region r = {
		.memory_size = MEMORY, .userspace_addr = (uintptr_t)kvm.memory,
	};
	unsigned int i;

	for (i = NO_APIC; i <= LEVEL; i++) {
		if (!start(u, "a local APIC"))
			return;
		kvm.apic = i;
		kvm.sregs.ds.base = APIC_EOI;
		EXPECT_EQ(u, 0, ioctl(VM, KVM_SET_USER_MEMORY_REGION, &r));
		if (i == NO_APIC) {
			expect_run(u, KVM_EXIT_MMIO);
			EXPECT_EQ(u, APIC_EOI, kvm.run->mmio.phys_addr);
		} else if (i == LEVEL) {
			expect_run(u, KVM_EXIT_IOAPIC_EOI);
			EXPECT_EQ(u, VECTOR, kvm.run->eoi.vector);
		}
		expect_run(u, KVM_EXIT_HLT);
		EXPECT_EQ(u, i == NO_APIC ? 0 : 0xb0, kvm.access.offset);
		EXPECT_EQ(u, i == NO_APIC ? 0 : LIKEX_LAPIC_WRITE, kvm.access.flags);
		stop();
	}
}

static int ioeventfd(int fd, u64 addr, u32 len, u32 flags, u64 data)
{
	struct kvm_ioeventfd args = {
		.fd = fd, .addr = addr, .len = len, .flags = flags, .datamatch = data,
	};

	return ioctl(VM, KVM_IOEVENTFD, &args) ? errno : 0;
}

static u64 signals(int fd)
{
	u64 count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static int descriptors(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

#define DATA	KVM_IOEVENTFD_FLAG_DATAMATCH
#define REMOVE	KVM_IOEVENTFD_FLAG_DEASSIGN
#define PIO	KVM_IOEVENTFD_FLAG_PIO

/* One that fits the guest's write of AX, 0, to the device, and one that does not. */
static void memory_eventfd(struct unit *u)
{
	struct kvm_userspace_memory_region r = {
		.memory_size = MEMORY, .userspace_addr = (uintptr_t)kvm.memory,
	};
	int fd = eventfd(0, EFD_NONBLOCK), before, i;

	for (i = 0; i < 2; i++) {
		if (!start(u, "an eventfd for memory"))
			return;
		before = descriptors();
		EXPECT_EQ(u, 0, ioctl(VM, KVM_SET_USER_MEMORY_REGION, &r));
		EXPECT_EQ(u, 0, ioeventfd(fd, DEVICE, 2, DATA, i));
		expect_run(u, i ? KVM_EXIT_MMIO : KVM_EXIT_HLT);
		EXPECT_EQ(u, !i, signals(fd));
		/* Closing the VM and its last vCPU drops the table. */
		EXPECT_EQ(u, before + 1, descriptors());
		stop();
		EXPECT_EQ(u, before - 1, descriptors());
	}
	close(fd);
}

/* The kernel has the first word, also about the descriptor. */
static void errors(struct unit *u)
{
	int fd = eventfd(0, EFD_NONBLOCK), copy = dup(fd), other = eventfd(0, EFD_NONBLOCK);

	if (!start(u, "KVM_IOEVENTFD"))
		return;
	EXPECT_EQ(u, 0, ioeventfd(fd, DEVICE, 2, PIO, 0));
	EXPECT_EQ(u, EBADF, ioeventfd(-1, DEVICE, 2, PIO, 0));
	EXPECT_EQ(u, EBADF, ioeventfd(-1, DEVICE, 2, 0, 0));
	EXPECT_EQ(u, EINVAL, ioeventfd(kvm.vcpu, DEVICE, 2, 0, 0));
	EXPECT_EQ(u, EINVAL, ioeventfd(fd, DEVICE, 3, 0, 0));
	EXPECT_EQ(u, EINVAL, ioeventfd(fd, DEVICE, 0, DATA, 0));
	EXPECT_EQ(u, EINVAL, ioeventfd(fd, DEVICE, 2, 1 << 8, 0));
	EXPECT_EQ(u, EINVAL, ioeventfd(fd, ~0ull, 2, 0, 0));
	EXPECT_EQ(u, ENOENT, ioeventfd(fd, DEVICE, 2, REMOVE, 0));
	EXPECT_EQ(u, 0, ioeventfd(fd, DEVICE, 2, DATA, 7));
	EXPECT_EQ(u, EEXIST, ioeventfd(other, DEVICE, 2, DATA, 7));
	EXPECT_EQ(u, EEXIST, ioeventfd(other, DEVICE, 2, 0, 0));
	EXPECT_EQ(u, EEXIST, ioeventfd(other, DEVICE, 0, 0, 0));
	EXPECT_EQ(u, 0, ioeventfd(other, DEVICE, 2, DATA, 8));
	EXPECT_EQ(u, 0, ioeventfd(other, DEVICE, 4, 0, 0));
	EXPECT_EQ(u, ENOENT, ioeventfd(other, DEVICE, 2, DATA | REMOVE, 7));
	EXPECT_EQ(u, ENOENT, ioeventfd(fd, DEVICE, 2, REMOVE, 7));
	/* Another descriptor of the same eventfd. */
	EXPECT_EQ(u, 0, ioeventfd(copy, DEVICE, 2, DATA | REMOVE, 7));
	EXPECT_EQ(u, ENOENT, ioeventfd(fd, DEVICE, 2, DATA | REMOVE, 7));
	stop();
	close(fd);
	close(copy);
	close(other);
}

/* A child has none of the parent's VMs, and no descriptor of its eventfds. */
static void forked(struct unit *u)
{
	int fd = eventfd(0, EFD_NONBLOCK), before, status = -1;
	pid_t child;

	if (!start(u, "a fork"))
		return;
	before = descriptors();
	EXPECT_EQ(u, 0, ioeventfd(fd, DEVICE, 2, 0, 0));
	child = fork();
	if (!child)
		_exit(descriptors() != before || ioeventfd(fd, DEVICE, 4, 0, 0) != EINVAL);
	EXPECT_EQ(u, child, waitpid(child, &status, 0));
	EXPECT_EQ(u, 0, status);
	EXPECT_EQ(u, before + 1, descriptors());
	EXPECT_EQ(u, 0, ioeventfd(fd, DEVICE, 2, REMOVE, 0));
	stop();
	close(fd);
}

/* Capabilities are completed only where the kernel has eventfds for ports only. */
static void capabilities(struct unit *u)
{
	static const unsigned long caps[] = {
		KVM_CAP_IOEVENTFD, KVM_CAP_IOEVENTFD_NO_LENGTH, KVM_CAP_IOEVENTFD_ANY_LENGTH,
	};
	unsigned int i;

	if (!start(u, "capabilities"))
		return;
	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		EXPECT_EQ(u, 1, ioctl(SYSTEM, KVM_CHECK_EXTENSION, caps[i]));
		EXPECT_EQ(u, 1, ioctl(VM, KVM_CHECK_EXTENSION, caps[i]));
	}
	EXPECT_EQ(u, 0, ioctl(SYSTEM, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_COALESCED_MMIO));
	stop();
	/* KVM's own serve its own. */
	if (!start(u, "KVM's eventfds"))
		return;
	kvm.memory_fds = true;
	EXPECT_EQ(u, 0, ioeventfd(-1, DEVICE, 2, 0, 0));
	stop();
}

#define ROUNDS 200

/* The library's write to an eventfd takes its time. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c);
long __wrap_syscall(long number, long a, long b, long c)
{
	usleep(200);
	return __real_syscall(number, a, b, c);
}

struct fire {
	struct ioeventfds fds;
	atomic_bool end;
};

/* Half of KVM's irqchip, for tests that say so; on KVM they get the whole. */
static void irqchip(struct unit *u)
{
	for (int row = 0; row < 4; row++) {
		bool asked = row & 1, on_kvm = row & 2;

		if (!start(u, "irqchip"))
			return;
		kvm.memory_fds = on_kvm;
		if (asked)
			setenv("LIKEX_PRELOAD_IRQCHIP", "split", 1);
		EXPECT_EQ(u, 0, ioctl(VM, KVM_CREATE_IRQCHIP, 0UL));
		unsetenv("LIKEX_PRELOAD_IRQCHIP");
		EXPECT_EQ(u, !asked || on_kvm, kvm.irqchip);
		EXPECT_EQ(u, asked && !on_kvm ? KVM_CAP_SPLIT_IRQCHIP : 0, kvm.enabled.cap);
		EXPECT_EQ(u, asked && !on_kvm ? 24 : 0, kvm.enabled.args[0]);
		stop();
	}
}

/* The registers in the run area stay as the program wants them, if it uses them. */
static void sync_regs(struct unit *u)
{
	for (int uses = 0; uses < 2; uses++) {
		if (!start(u, "sync_regs"))
			return;
		close(VM);
		kvm.sync_regs = KVM_SYNC_X86_VALID_FIELDS;
		EXPECT_EQ(u, VM, ioctl(SYSTEM, KVM_CREATE_VM, 0UL));
		EXPECT_EQ(u, kvm.vcpu, ioctl(VM, KVM_CREATE_VCPU, 0UL));
		kvm.run->kvm_valid_regs = uses ? KVM_SYNC_X86_EVENTS : 0;
		kvm.failed = true;
		expect_run(u, KVM_EXIT_HLT);
		EXPECT_EQ(u, uses ? KVM_SYNC_X86_EVENTS : KVM_SYNC_X86_VALID_FIELDS,
			  kvm.run->kvm_valid_regs);
		stop();
	}
}

static void *fire(void *arg)
{
	struct fire *f = arg;

	while (!f->end)
		ioeventfd_signal(&f->fds, DEVICE, 2, 0);
	return NULL;
}

/*
 * After a removal no thread signals. Here the file that comes next gets the number of
 * the library's own descriptor, so a signal that is late is a write to that file.
 */
static void removal(struct unit *u)
{
	int fd = eventfd(0, EFD_NONBLOCK), next, round;
	struct kvm_ioeventfd args = { .fd = fd, .addr = DEVICE, .len = 2 };
	struct fire f = { .end = false };
	pthread_t threads[2];
	off_t late = 0;

	u->name = "removal while others signal";
	EXPECT_EQ(u, 0, ioeventfds_init(&f.fds));
	EXPECT_EQ(u, 0, pthread_create(&threads[0], NULL, fire, &f));
	EXPECT_EQ(u, 0, pthread_create(&threads[1], NULL, fire, &f));
	for (round = 0; round < ROUNDS; round++) {
		if (ioeventfd_assign(&f.fds, &args))
			break;
		usleep(300);
		if (ioeventfd_deassign(&f.fds, &args))
			break;
		next = memfd_create("next", 0);
		usleep(300);
		late += lseek(next, 0, SEEK_CUR);
		close(next);
	}
	f.end = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	EXPECT_EQ(u, ROUNDS, round);
	EXPECT_EQ(u, 0, late);
	EXPECT_EQ(u, true, signals(fd) > 0);
	ioeventfds_free(&f.fds);
	close(fd);
}

void unit_preload(struct unit *u)
{
	memory(u, "a memory slot", KVM_SET_USER_MEMORY_REGION);
	memory(u, "a memory slot of KVM_SET_USER_MEMORY_REGION2", _IOW(KVMIO, 0x49, struct region2));
	registers_set(u);
	apic(u);
	memory_eventfd(u);
	errors(u);
	forked(u);
	capabilities(u);
	irqchip(u);
	sync_regs(u);
	removal(u);
}
