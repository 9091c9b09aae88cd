// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * liblikex-preload: LiKeX's MMIO exits for programs that know only KVM's.
 *
 *   LD_PRELOAD=liblikex-preload.so vmm ...
 *
 * It changes what KVM_RUN does: an exit that needs an instruction decoded comes back
 * as KVM_EXIT_MMIO or KVM_EXIT_IO. An access to LiKeX's local APIC does not come back,
 * nor does a write to memory that signals an eventfd. The kernel has such eventfds for
 * ports only, so KVM_IOEVENTFD and its capabilities are completed here. To do that the
 * library has to know a VM's memory and vCPUs, so it looks on as they are created,
 * set up and closed; those calls go to the kernel as they are.
 *
 * For programs that use the C library's ioctl(), with KVM's three descriptors
 * (/dev/kvm, or /dev/likex-kvm in its place). A descriptor that was duplicated
 * or came from another process is not recognised: it is passed through. After a fork
 * the VMs are the parent's, as in the kernel. A thread that may be cancelled at any time
 * is cancelled in the kernel's KVM_RUN or after the call, never with a lock held here.
 */
#include "ioeventfd.h"

#include <dlfcn.h>
#include <errno.h>
#include <likex/vcpu.h>
#include <linux/likex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * KVM_SET_USER_MEMORY_REGION2, by a name of our own: headers may be older. Of
 * memory with a guest_memfd, the part that the program shares is at its address.
 */
struct memory_region2 {
	struct kvm_userspace_memory_region region;
	uint64_t guest_memfd_offset;
	uint32_t guest_memfd;
	uint32_t pad1;
	uint64_t pad2[14];
};

#define SET_MEMORY_REGION2 _IOW(KVMIO, 0x49, struct memory_region2)

/* The inputs of KVM's own IOAPIC */
#define IOAPIC_PINS	24

/* Descriptors below this that are neither a VM nor a vCPU are closed without a lock. */
#define MARKS 65536

/* How the thread that is in a call of this library may be cancelled outside of it */
static __thread int cancel_type;

typedef int (*ioctl_fn)(int fd, unsigned long request, ...);
typedef int (*close_fn)(int fd);

struct slot {
	struct slot *next;
	struct kvm_userspace_memory_region region;
};

/* One VM. Freed with its last vCPU, once its descriptor is closed. */
struct vm {
	struct vm *next;
	int fd;			/* -1: closed */
	unsigned int vcpus;
	size_t run_size;
	uint64_t sync_regs;
	pthread_rwlock_t lock;	/* @slots */
	struct slot *slots;
	volatile uint64_t generation;	/* of @slots */
	bool ports_only;	/* the kernel has eventfds for ports, and none for memory */
	struct ioeventfds ioeventfds;
};

struct vcpu {
	struct vcpu *next;
	int fd;
	_Atomic unsigned int refs;	/* the list's, and each KVM_RUN's */
	struct vm *vm;
	struct kvm_run *run;
	struct likex_vcpu *likex;
	struct likex_handle handle;
};

/*
 * A preloaded library is called with descriptors only, so what they stand for
 * has to be kept in the process.
 */
static struct {
	pthread_rwlock_t lock;	/* the lists, not what is in them */
	struct vm *vms;
	struct vcpu *vcpus;
	_Atomic bool marks[MARKS];	/* descriptors of the two lists */
} all = { .lock = PTHREAD_RWLOCK_INITIALIZER };

static ioctl_fn next_ioctl(void)
{
	static _Atomic(ioctl_fn) next;
	ioctl_fn fn = next;
	void *symbol;

	if (!fn) {
		symbol = dlsym(RTLD_NEXT, "ioctl");
		memcpy(&fn, &symbol, sizeof(fn));
		next = fn;
	}
	return fn;
}

static close_fn next_close(void)
{
	static _Atomic(close_fn) next;
	close_fn fn = next;
	void *symbol;

	if (!fn) {
		symbol = dlsym(RTLD_NEXT, "close");
		memcpy(&fn, &symbol, sizeof(fn));
		next = fn;
	}
	return fn;
}

static void mark(int fd, bool on)
{
	if (fd < MARKS)
		all.marks[fd] = on;
}

static void *guest_memory(void *ctx, uint64_t gpa, bool write)
{
	struct vm *vm = ctx;
	const struct kvm_userspace_memory_region *r;
	struct slot *s;
	void *host = NULL;

	pthread_rwlock_rdlock(&vm->lock);
	for (s = vm->slots; s && !host; s = s->next) {
		r = &s->region;
		if (gpa - r->guest_phys_addr >= r->memory_size)
			continue;
		if (write && (r->flags & KVM_MEM_READONLY))
			break;
		host = (char *)(uintptr_t)r->userspace_addr +
		       (gpa - r->guest_phys_addr);
	}
	pthread_rwlock_unlock(&vm->lock);
	return host;
}

/* Cancelled at once no longer, and not at all until the next call of the C library that allows it. */
static int cancel_later(void)
{
	int type;

	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
	return type;
}

static void cancel_as_before(int type)
{
	if (type == PTHREAD_CANCEL_ASYNCHRONOUS)
		pthread_setcanceltype(type, NULL);
}

/* For work that holds locks in calls of the C library that allow it, as write() and close(). */
static int cancel_disable(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

static void cancel_restore(int state)
{
	pthread_setcancelstate(state, NULL);
}

/* Around this library itself: its own calls must not come back here. */
static int kernel_run(void *handle)
{
	const struct likex_handle *h = handle;
	int fd = __atomic_load_n(&h->fd, __ATOMIC_RELAXED);
	int r;

	cancel_as_before(cancel_type);
	r = next_ioctl()(fd, KVM_RUN, 0UL);
	if (cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
		cancel_later();
	return r < 0 ? -errno : r;
}

static int kernel_ioctl(void *handle, unsigned long cmd, void *arg)
{
	const struct likex_handle *h = handle;
	int fd = __atomic_load_n(&h->fd, __ATOMIC_RELAXED);
	int r = next_ioctl()(fd, cmd, arg);

	return r < 0 ? -errno : r;
}

static const struct likex_vcpu_ops kernel_ops = {
	.size = sizeof(kernel_ops),
	.run = kernel_run, .ioctl = kernel_ioctl,
};

static struct vm *vm_find(int fd)
{
	struct vm *vm;

	for (vm = all.vms; vm && vm->fd != fd; vm = vm->next)
		;
	return vm;
}

static struct vcpu *vcpu_find(int fd)
{
	struct vcpu *v;

	for (v = all.vcpus; v && v->fd != fd; v = v->next)
		;
	return v;
}

static void vm_free(struct vm *vm)
{
	struct vm **at;
	struct slot *s;

	if (vm->vcpus || vm->fd >= 0)
		return;
	for (at = &all.vms; *at != vm; at = &(*at)->next)
		;
	*at = vm->next;
	while ((s = vm->slots)) {
		vm->slots = s->next;
		free(s);
	}
	ioeventfds_free(&vm->ioeventfds);
	pthread_rwlock_destroy(&vm->lock);
	free(vm);
}

/* Call with the lists' lock for writing. */
static void vcpu_put(struct vcpu *v)
{
	if (--v->refs)
		return;
	likex_vcpu_free(v->likex);
	if (v->run)
		munmap(v->run, v->vm->run_size);
	v->vm->vcpus--;
	vm_free(v->vm);
	free(v);
}

static struct vcpu *vcpu_get(int fd)
{
	struct vcpu *v;

	pthread_rwlock_rdlock(&all.lock);
	v = vcpu_find(fd);
	if (v)
		v->refs++;
	pthread_rwlock_unlock(&all.lock);
	return v;
}

/* The end of a run. The list has a reference of its own, unless the vCPU was closed meanwhile. */
static void vcpu_ran(struct vcpu *v)
{
	unsigned int refs = v->refs;
	int state;

	while (refs > 1)
		if (atomic_compare_exchange_weak(&v->refs, &refs, refs - 1))
			return;
	state = cancel_disable();
	pthread_rwlock_wrlock(&all.lock);
	vcpu_put(v);
	pthread_rwlock_unlock(&all.lock);
	cancel_restore(state);
}

static void vcpu_forget(struct vcpu *v)
{
	struct vcpu **at;

	for (at = &all.vcpus; *at != v; at = &(*at)->next)
		;
	*at = v->next;
	/* A thread that runs it goes on no further than this exit: the number gets another meaning. */
	__atomic_store_n(&v->handle.fd, -1, __ATOMIC_RELAXED);
	vcpu_put(v);
}

/*
 * The descriptor is closed, or was, by a call that the library does not see. Call with the
 * lists' lock for writing.
 */
static void forget(int fd)
{
	struct vcpu *v = vcpu_find(fd);
	struct vm *vm = vm_find(fd);

	if (v)
		vcpu_forget(v);
	if (vm) {
		vm->fd = -1;
		vm_free(vm);
	}
	mark(fd, false);
}

/*
 * True if the kernel has eventfds for ports, and none for memory. It says so in a way of
 * its own: KVM_IOEVENTFD is there, and its capability, which promises both, is 0.
 */
static bool ports_only(int vm)
{
	struct kvm_ioeventfd none = { .len = 1, .fd = -1, .flags = KVM_IOEVENTFD_FLAG_PIO };

	return !next_ioctl()(vm, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_IOEVENTFD) &&
	       next_ioctl()(vm, KVM_IOEVENTFD, &none) < 0 && errno == EBADF;
}

static struct vm *vm_new(int system, int fd)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int size, sync;

	if (!vm)
		return NULL;
	if (ioeventfds_init(&vm->ioeventfds)) {
		free(vm);
		return NULL;
	}
	size = next_ioctl()(system, KVM_GET_VCPU_MMAP_SIZE, 0UL);
	sync = next_ioctl()(system, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_SYNC_REGS);
	vm->fd = fd;
	vm->run_size = size > 0 ? size : 0;
	vm->sync_regs = sync > 0 ? sync : 0;
	vm->ports_only = ports_only(fd);
	pthread_rwlock_init(&vm->lock, NULL);
	return vm;
}

static void vm_created(int system, int fd)
{
	struct vm *vm = vm_new(system, fd);

	pthread_rwlock_wrlock(&all.lock);
	forget(fd);
	if (vm) {
		vm->next = all.vms;
		all.vms = vm;
		mark(fd, true);
	}
	pthread_rwlock_unlock(&all.lock);
}

static void vcpu_created(int vm_fd, int fd)
{
	struct vcpu *v = calloc(1, sizeof(*v));
	struct vm *vm;

	pthread_rwlock_wrlock(&all.lock);
	forget(fd);
	vm = vm_find(vm_fd);
	if (vm && v) {
		v->fd = fd;
		v->refs = 1;
		v->handle.fd = fd;
		v->vm = vm;
		vm->vcpus++;
		v->next = all.vcpus;
		all.vcpus = v;
		mark(fd, true);
	} else {
		free(v);
	}
	pthread_rwlock_unlock(&all.lock);
}

static struct slot *slot_take(struct vm *vm, uint32_t number)
{
	struct slot **at, *s;

	for (at = &vm->slots; *at; at = &(*at)->next) {
		if ((*at)->region.slot != number)
			continue;
		s = *at;
		*at = s->next;
		return s;
	}
	return NULL;
}

static void memory_set(int vm_fd, const struct kvm_userspace_memory_region *r)
{
	struct slot *s;
	struct vm *vm;

	pthread_rwlock_rdlock(&all.lock);
	vm = vm_find(vm_fd);
	/* Other address spaces than the first are for system management mode. */
	if (vm && !(r->slot >> 16)) {
		pthread_rwlock_wrlock(&vm->lock);
		s = slot_take(vm, r->slot);
		if (r->memory_size) {
			if (!s)
				s = calloc(1, sizeof(*s));
			if (s) {
				s->region = *r;
				s->next = vm->slots;
				vm->slots = s;
			}
		} else {
			free(s);
		}
		vm->generation++;
		pthread_rwlock_unlock(&vm->lock);
	}
	pthread_rwlock_unlock(&all.lock);
}

/* A write that signals an eventfd is done by that; all else is the program's. */
static int device(void *ctx, struct likex_io *io)
{
	struct vm *vm = ctx;
	uint64_t value = 0;
	int state, r;

	if (io->space != LIKEX_SPACE_MMIO || !io->write)
		return 1;
	memcpy(&value, io->data, io->len);
	state = cancel_disable();
	r = !ioeventfd_signal(&vm->ioeventfds, io->addr, io->len, value);
	cancel_restore(state);
	return r;
}

/* Made at the first run, when the program has asked for nothing more. */
static bool vcpu_ready(struct vcpu *v)
{
	struct likex_vcpu_config config = {
		.size = sizeof(config),
		.ops = &kernel_ops, .handle = &v->handle, .map = guest_memory,
		.ctx = v->vm, .generation = &v->vm->generation, .io = device,
	};
	void *run;

	if (v->likex)
		return true;
	run = mmap(NULL, v->vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   v->fd, 0);
	if (run == MAP_FAILED)
		return false;
	/* Else the VM would live as long as a child. */
	madvise(run, v->vm->run_size, MADV_DONTFORK);
	config.run = run;
	v->run = run;
	/* Registers in the run area are the program's, if it uses them. */
	if (!v->run->kvm_valid_regs && !v->run->kvm_dirty_regs)
		config.sync_regs = v->vm->sync_regs;
	v->likex = likex_vcpu_new(&config);
	return v->likex;
}

static int run_to_exit(struct vcpu *v)
{
	return vcpu_ready(v) ? likex_vcpu_run(v->likex) : kernel_run(&v->handle);
}

static void cancelled(void *vcpu)
{
	vcpu_ran(vcpu);
}

static int run_cancellable(struct vcpu *v)
{
	int r;

	pthread_cleanup_push(cancelled, v);
	r = run_to_exit(v);
	pthread_cleanup_pop(0);
	return r;
}

static int vcpu_run(int fd, void *arg)
{
	struct vcpu *v = arg ? NULL : vcpu_get(fd);
	int r;

	if (!v) {
		cancel_as_before(cancel_type);
		return next_ioctl()(fd, KVM_RUN, arg);
	}
	r = cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS ? run_cancellable(v) : run_to_exit(v);
	vcpu_ran(v);
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

static int run(int fd, void *arg)
{
	int type = cancel_later(), outer = cancel_type, r;

	cancel_type = type;
	r = vcpu_run(fd, arg);
	/* This may be a signal's handler, in the middle of another call. */
	cancel_type = outer;
	cancel_as_before(type);
	return r;
}

/* Registers that the program sets must not be overwritten by older ones. */
static void registers_set(int fd)
{
	struct vcpu *v;

	pthread_rwlock_rdlock(&all.lock);
	v = vcpu_find(fd);
	if (v && v->likex)
		likex_vcpu_invalidate(v->likex);
	pthread_rwlock_unlock(&all.lock);
}

/* Return 0 if the kernel takes a descriptor for an eventfd, else a negative errno. */
static int eventfd_check(int vm, int fd)
{
	/* No write has such a value, so the removal finds nothing. */
	struct kvm_ioeventfd args = {
		.datamatch = ~0ull, .addr = 0xffff, .len = 1, .fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH |
			 KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	if (next_ioctl()(vm, KVM_IOEVENTFD, &args) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static int ioeventfd_memory(struct vm *vm, const struct kvm_ioeventfd *args)
{
	bool remove = args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;
	int r = remove ? 0 : ioeventfd_check(args);

	if (!r)
		r = eventfd_check(vm->fd, args->fd);
	if (r)
		return r;
	return remove ? ioeventfd_deassign(&vm->ioeventfds, args) :
			ioeventfd_assign(&vm->ioeventfds, args);
}

/* KVM_IOEVENTFD. The kernel has the first word, and says -EINVAL for what it leaves to us. */
static int ioeventfd(int fd, const struct kvm_ioeventfd *args)
{
	const uint32_t ours = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN;
	int r = next_ioctl()(fd, KVM_IOEVENTFD, args);
	struct vm *vm;

	if (r >= 0 || errno != EINVAL || (args->flags & ~ours))
		return r;
	pthread_rwlock_rdlock(&all.lock);
	vm = vm_find(fd);
	r = vm && vm->ports_only ? ioeventfd_memory(vm, args) : -EINVAL;
	pthread_rwlock_unlock(&all.lock);
	if (!r)
		return 0;
	errno = -r;
	return -1;
}

/* KVM_CHECK_EXTENSION of eventfds: 1 where the kernel and this library together have all. */
static int ioeventfd_promised(int fd)
{
	int vm;
	bool ours;

	if (ports_only(fd))
		return 1;
	/* The device itself cannot be asked for ioctls of a VM. */
	vm = next_ioctl()(fd, KVM_CREATE_VM, 0UL);
	if (vm < 0)
		return 0;
	ours = ports_only(vm);
	next_close()(vm);
	return ours;
}

static int check_extension(int fd, unsigned long cap)
{
	int r = next_ioctl()(fd, KVM_CHECK_EXTENSION, cap);

	if (r)
		return r;
	switch (cap) {
	case KVM_CAP_IOEVENTFD:
	case KVM_CAP_IOEVENTFD_NO_LENGTH:
	case KVM_CAP_IOEVENTFD_ANY_LENGTH:
		return ioeventfd_promised(fd);
	default:
		return 0;
	}
}

/*
 * For tests that ask for KVM's whole irqchip and use its local APICs only: they get those,
 * if the environment says so. A program that needs the IOAPIC or the PIC would find none.
 */
static int create_irqchip(int fd, void *arg)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { IOAPIC_PINS } };
	const char *irqchip = getenv("LIKEX_PRELOAD_IRQCHIP");

	if (!irqchip || strcmp(irqchip, "split") != 0 || !ports_only(fd))
		return next_ioctl()(fd, KVM_CREATE_IRQCHIP, arg);
	return next_ioctl()(fd, KVM_ENABLE_CAP, &split);
}

static void look_on(int fd, unsigned long request, const void *arg, int result)
{
	if (result < 0)
		return;
	switch (request) {
	case KVM_CREATE_VM:
		vm_created(fd, result);
		break;
	case KVM_CREATE_VCPU:
		vcpu_created(fd, result);
		break;
	case KVM_SET_USER_MEMORY_REGION:
	case SET_MEMORY_REGION2:	/* begins with the same members */
		memory_set(fd, arg);
		break;
	case KVM_SET_REGS:
	case KVM_SET_SREGS:
	case KVM_SET_SREGS2:
	case KVM_SET_FPU:
	case KVM_SET_XSAVE:
	case KVM_SET_XCRS:
	case KVM_SET_MSRS:
	case KVM_SET_VCPU_EVENTS:
	case KVM_INTERRUPT:
		registers_set(fd);
		break;
	}
}

static int complete(int fd, unsigned long request, void *arg)
{
	int saved, r;

	switch (request) {
	case KVM_IOEVENTFD:
		return ioeventfd(fd, arg);
	case KVM_CHECK_EXTENSION:
		return check_extension(fd, (uintptr_t)arg);
	case KVM_CREATE_IRQCHIP:
		return create_irqchip(fd, arg);
	}
	r = next_ioctl()(fd, request, arg);
	saved = errno;
	look_on(fd, request, arg, r);
	errno = saved;
	return r;
}

__attribute__((visibility("default")))
int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int state, r;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	/* KVM's numbers; some programs pass them with the sign extended. */
	if ((unsigned int)request == KVM_RUN)
		return run(fd, arg);
	state = cancel_disable();
	r = complete(fd, (unsigned int)request, arg);
	cancel_restore(state);
	return r;
}

__attribute__((visibility("default")))
int close(int fd)
{
	int state;

	/* First: as soon as it is closed, the number can be another thread's. */
	if (fd >= 0 && (fd >= MARKS || all.marks[fd])) {
		state = cancel_disable();
		pthread_rwlock_wrlock(&all.lock);
		forget(fd);
		pthread_rwlock_unlock(&all.lock);
		cancel_restore(state);
	}
	return next_close()(fd);
}

static void before_fork(void)
{
	pthread_rwlock_wrlock(&all.lock);
}

static void after_fork(void)
{
	pthread_rwlock_unlock(&all.lock);
}

/*
 * The VMs are the parent's, whose threads had locks, so the memory that describes them is
 * left as it is. The kernel has not copied the run areas.
 */
static void in_child(void)
{
	const struct vcpu *v;
	const struct vm *vm;

	for (v = all.vcpus; v; v = v->next)
		mark(v->fd, false);
	for (vm = all.vms; vm; vm = vm->next) {
		if (vm->fd >= 0)
			mark(vm->fd, false);
		ioeventfds_close(&vm->ioeventfds);
	}
	all.vcpus = NULL;
	all.vms = NULL;
	pthread_rwlock_init(&all.lock, NULL);
}

__attribute__((constructor))
static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}
