// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * liblikex-preload: LiKeX's MMIO exits for programs that know only KVM's.
 *
 *   LD_PRELOAD=liblikex-preload.so vmm ...
 *
 * It changes what KVM_RUN does, and nothing else: an exit that needs an
 * instruction decoded comes back as KVM_EXIT_MMIO or KVM_EXIT_IO, and an access
 * to LiKeX's local APIC does not come back. To do that
 * it has to know a VM's memory and vCPUs, so it looks on as they are created
 * and set up; those calls go to the kernel as they are.
 *
 * For programs that use the C library's ioctl(), with KVM's three descriptors
 * (/dev/kvm, or /dev/likex-kvm in its place). A descriptor that was duplicated
 * or came from another process is not recognised: it is passed through.
 */
#include <dlfcn.h>
#include <errno.h>
#include <likex/vcpu.h>
#include <linux/likex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

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

/* The registers of a local APIC in xAPIC mode, where each guest leaves them. */
#define APIC_PAGE	0xfee00000ull
#define APIC_SIZE	0x1000ull

typedef int (*ioctl_fn)(int fd, unsigned long request, ...);

struct slot {
	struct slot *next;
	struct kvm_userspace_memory_region region;
};

/* One VM. Freed with its last vCPU, once its descriptor means another. */
struct vm {
	struct vm *next;
	int fd;			/* -1: the number has been used again */
	unsigned int vcpus;
	size_t run_size;
	uint64_t sync_regs;
	pthread_rwlock_t lock;	/* @slots */
	struct slot *slots;
	volatile uint64_t generation;	/* of @slots */
};

struct vcpu {
	struct vcpu *next;
	int fd;
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

/* Around this library itself: its own calls must not come back here. */
static int kernel_run(void *handle)
{
	const struct likex_handle *h = handle;
	int r = next_ioctl()(h->fd, KVM_RUN, 0UL);

	return r < 0 ? -errno : r;
}

static int kernel_ioctl(void *handle, unsigned long cmd, void *arg)
{
	const struct likex_handle *h = handle;
	int r = next_ioctl()(h->fd, cmd, arg);

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
	pthread_rwlock_destroy(&vm->lock);
	free(vm);
}

static void vcpu_free(struct vcpu *v)
{
	struct vcpu **at;

	for (at = &all.vcpus; *at != v; at = &(*at)->next)
		;
	*at = v->next;
	likex_vcpu_free(v->likex);
	if (v->run)
		munmap(v->run, v->vm->run_size);
	v->vm->vcpus--;
	vm_free(v->vm);
	free(v);
}

/* A number that the kernel hands out anew no longer means what it did. */
static void forget(int fd)
{
	struct vcpu *v = vcpu_find(fd);
	struct vm *vm = vm_find(fd);

	if (v)
		vcpu_free(v);
	if (vm) {
		vm->fd = -1;
		vm_free(vm);
	}
}

static void vm_created(int system, int fd)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int size, sync;

	pthread_rwlock_wrlock(&all.lock);
	forget(fd);
	if (vm) {
		size = next_ioctl()(system, KVM_GET_VCPU_MMAP_SIZE, 0UL);
		sync = next_ioctl()(system, KVM_CHECK_EXTENSION,
				    (unsigned long)KVM_CAP_SYNC_REGS);
		vm->fd = fd;
		vm->run_size = size > 0 ? size : 0;
		vm->sync_regs = sync > 0 ? sync : 0;
		pthread_rwlock_init(&vm->lock, NULL);
		vm->next = all.vms;
		all.vms = vm;
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
		v->handle.fd = fd;
		v->vm = vm;
		vm->vcpus++;
		v->next = all.vcpus;
		all.vcpus = v;
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

/* Made at the first run, when the program has asked for nothing more. */
static bool vcpu_ready(struct vcpu *v)
{
	struct likex_vcpu_config config = {
		.size = sizeof(config),
		.ops = &kernel_ops, .handle = &v->handle, .map = guest_memory,
		.ctx = v->vm, .generation = &v->vm->generation,
		.sync_regs = v->vm->sync_regs,
	};
	void *run;

	if (v->likex)
		return true;
	run = mmap(NULL, v->vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   v->fd, 0);
	if (run == MAP_FAILED)
		return false;
	config.run = run;
	v->run = run;
	v->likex = likex_vcpu_new(&config);
	return v->likex;
}

/*
 * Carry out an access to the page of a local APIC that LiKeX has in the kernel. Returns
 * true if the guest can go on: the program has no part in it, except for the end of a
 * level-triggered interrupt, which it gets as KVM_EXIT_IOAPIC_EOI.
 */
static bool apic_access(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct likex_lapic_access access = {
		.offset = run->mmio.phys_addr & (APIC_SIZE - 1),
		.flags = run->mmio.is_write ? LIKEX_LAPIC_WRITE : 0,
	};

	if (run->exit_reason != KVM_EXIT_MMIO ||
	    (run->mmio.phys_addr & -APIC_SIZE) != APIC_PAGE)
		return false;
	memcpy(&access.value, run->mmio.data, sizeof(access.value));
	/* Without such an APIC, as on KVM, the program knows what is there. */
	if (kernel_ioctl(&v->handle, LIKEX_LAPIC_ACCESS, &access) < 0)
		return false;
	if (access.flags & LIKEX_LAPIC_EOI) {
		run->exit_reason = KVM_EXIT_IOAPIC_EOI;
		run->eoi.vector = access.vector;
		return false;
	}
	memcpy(run->mmio.data, &access.value, sizeof(access.value));
	return true;
}

static int vcpu_run(int fd, void *arg)
{
	struct vcpu *v;
	int r;

	pthread_rwlock_rdlock(&all.lock);
	v = vcpu_find(fd);
	pthread_rwlock_unlock(&all.lock);
	if (!v || arg || !vcpu_ready(v))
		return next_ioctl()(fd, KVM_RUN, arg);
	do
		r = likex_vcpu_run(v->likex);
	while (!r && apic_access(v));
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
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

__attribute__((visibility("default")))
int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int saved, r;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	/* KVM's numbers; some programs pass them with the sign extended. */
	request = (unsigned int)request;
	if (request == KVM_RUN)
		return vcpu_run(fd, arg);
	r = next_ioctl()(fd, request, arg);
	saved = errno;
	look_on(fd, request, arg, r);
	errno = saved;
	return r;
}
