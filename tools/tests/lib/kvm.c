// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * likex_vcpu_run() on a real /dev/kvm: a guest that stores to and loads from a
 * device with instructions that KVM's own emulator does not know.
 *
 *   --how library   with likex_vcpu_run() (default)
 *   --how plain     with ioctl(KVM_RUN), as a program that is not changed; to
 *                   be run under the preload library, or (--count 0) without
 *                   it, when the first such instruction must fail
 *
 * Exits with 77 where there is no usable /dev/kvm.
 */
#include "rig.h"
#include <errno.h>
#include <fcntl.h>
#include <likex/vcpu.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY 0x10000
#define DEVICE 0xd0000
#define CODE   0x1000

/* Real mode, DS at the device. */
static const u8 guest[] = {
	0xf3, 0x0f, 0x11, 0x06, 0x10, 0x00,	/* movss [0x10], xmm0 */
	0x0f, 0x12, 0x0e, 0x20, 0x00,		/* movlps xmm1, [0x20] */
	0x0f, 0x17, 0x06, 0x30, 0x00,		/* movhps [0x30], xmm0 */
	0xa3, 0x40, 0x00,			/* mov [0x40], ax: KVM does this one */
	0x0f, 0x13, 0x0e, 0x50, 0x00,		/* movlps [0x50], xmm1 */
	0xf4,
};

static const struct {
	u64 addr;
	unsigned int len;
	bool write;
	u8 data[8];
} want[] = {
	{ DEVICE + 0x10, 4, true, { 0, 1, 2, 3 } },
	{ DEVICE + 0x20, 8, false, { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7 } },
	{ DEVICE + 0x30, 8, true, { 8, 9, 10, 11, 12, 13, 14, 15 } },
	{ DEVICE + 0x40, 2, true, { 0x34, 0x12 } },
	{ DEVICE + 0x50, 8, true, { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7 } },
};

struct machine {
	int system, vm, vcpu;
	u8 *memory;
	struct kvm_run *run;
	struct likex_handle handle;
	struct likex_vcpu *likex;
};

static void skip(const char *what)
{
	printf("skipped: %s: %s\n", what, strerror(errno));
	exit(77);
}

static void *map(void *ctx, uint64_t gpa, bool write)
{
	(void)write;
	return gpa < MEMORY ? (u8 *)ctx + gpa : NULL;
}

static void machine_open(struct machine *m)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	int size;

	m->system = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m->system < 0)
		skip("/dev/kvm");
	m->vm = ioctl(m->system, KVM_CREATE_VM, 0);
	if (m->vm < 0)
		skip("KVM_CREATE_VM");
	m->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)m->memory;
	if (m->memory == MAP_FAILED || ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region))
		skip("memory");
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	size = ioctl(m->system, KVM_GET_VCPU_MMAP_SIZE, 0);
	m->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (m->vcpu < 0 || m->run == MAP_FAILED)
		skip("KVM_CREATE_VCPU");
}

static void vcpu_setup(struct machine *m)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rax = 0x1234 };
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	u8 *area = (u8 *)&xsave;
	unsigned int i;

	memcpy(m->memory + CODE, guest, sizeof(guest));
	if (ioctl(m->vcpu, KVM_GET_SREGS, &sregs) || ioctl(m->vcpu, KVM_GET_XSAVE, &xsave))
		skip("registers");
	sregs.cs.base = sregs.cs.selector = 0;
	sregs.ds.base = DEVICE;
	sregs.ds.selector = DEVICE >> 4;
	sregs.cr4 |= 0x200;
	for (i = 0; i < 16; i++)
		area[160 + i] = i;
	area[512] |= 2;
	if (ioctl(m->vcpu, KVM_SET_SREGS, &sregs) || ioctl(m->vcpu, KVM_SET_XSAVE, &xsave) ||
	    ioctl(m->vcpu, KVM_SET_REGS, &regs))
		skip("registers");
}

static void use_library(struct machine *m)
{
	struct likex_vcpu_config config = {
		.size = sizeof(config),
		.ops = likex_ops_kvm(), .handle = &m->handle, .run = m->run,
		.map = map, .ctx = m->memory,
	};

	m->handle.fd = m->vcpu;
	config.sync_regs = ioctl(m->system, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	m->likex = likex_vcpu_new(&config);
	if (!m->likex)
		exit(2);
}

static int run(struct machine *m)
{
	if (m->likex)
		return likex_vcpu_run(m->likex);
	return ioctl(m->vcpu, KVM_RUN, 0) ? -errno : 0;
}

static bool access_ok(struct machine *m, unsigned int i)
{
	struct kvm_run *r = m->run;

	if (r->exit_reason != KVM_EXIT_MMIO || r->mmio.phys_addr != want[i].addr ||
	    r->mmio.len != want[i].len || r->mmio.is_write != want[i].write) {
		printf("access %u: exit %u, %llx, %u bytes, write %u\n", i, r->exit_reason,
		       r->mmio.phys_addr, r->mmio.len, r->mmio.is_write);
		return false;
	}
	if (!want[i].write) {
		memcpy(r->mmio.data, want[i].data, sizeof(r->mmio.data));
		return true;
	}
	if (!memcmp(r->mmio.data, want[i].data, want[i].len))
		return true;
	print_bytes("data:", r->mmio.data, want[i].len);
	return false;
}

/* Without the library, the first of them is KVM's emulation failure. */
static int must_fail(struct machine *m)
{
	if (run(m))
		skip("KVM_RUN");
	if (m->run->exit_reason == KVM_EXIT_MMIO) {
		printf("skipped: this KVM emulates movss\n");
		return 77;
	}
	printf("without the library: exit %u, suberror %u\n", m->run->exit_reason,
	       m->run->internal.suberror);
	return m->run->exit_reason != KVM_EXIT_INTERNAL_ERROR ||
	       m->run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION;
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "likex_vcpu_run() on /dev/kvm.", .count = 1,
		.extra_name = "how", .extra_help = "library (default) or plain",
	};
	struct machine m = { 0 };
	unsigned int i;
	int r;

	options_parse(&o, argc, argv);
	machine_open(&m);
	vcpu_setup(&m);
	if (!o.count)
		return must_fail(&m);
	if (!o.extra || strcmp(o.extra, "plain"))
		use_library(&m);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		r = run(&m);
		if (r) {
			printf("run: %s\n", strerror(-r));
			return 1;
		}
		if (!access_ok(&m, i))
			return 1;
	}
	r = run(&m);
	printf("%u accesses, then exit %u\n", i, m.run->exit_reason);
	likex_vcpu_free(m.likex);
	return r || m.run->exit_reason != KVM_EXIT_HLT;
}
