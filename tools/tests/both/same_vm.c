// SPDX-License-Identifier: GPL-2.0
/* same: the two VMs: made alike, reset for the next program, and put into a mode. */
#define _GNU_SOURCE
#include "same.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CPUID_ROOM	256

static const char *const devices[SIDES] = { "/dev/kvm", "/dev/likex-kvm" };

static void *pages(size_t size)
{
	void *got = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return got == MAP_FAILED ? NULL : got;
}

/* LiKeX is "as KVM" with this quirk disabled: see MWAIT in api.rst. */
static int drop_quirk(const struct side *kvm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DISABLE_QUIRKS2,
		.args = { KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS },
	};

	return ioctl(kvm->vm, KVM_ENABLE_CAP, &cap) ? -errno : 0;
}

static int set_slot0(const struct side *side)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = RAM_SIZE, .userspace_addr = (uintptr_t)side->ram,
	};

	return ioctl(side->vm, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static int side_open(struct side *side, const char *device, bool is_kvm, bool split)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };

	side->sys = open(device, O_RDWR | O_CLOEXEC);
	side->vm = ioctl(side->sys, KVM_CREATE_VM, 0);
	if (side->vm < 0 || (split && ioctl(side->vm, KVM_ENABLE_CAP, &cap)))
		return -errno;
	if (is_kvm && drop_quirk(side))
		return -errno;
	side->ram = pages(RAM_SIZE);
	side->extra = pages(EXTRA_SIZE);
	side->vcpu = ioctl(side->vm, KVM_CREATE_VCPU, 0);
	if (side->vcpu < 0 || !side->ram || !side->extra || set_slot0(side))
		return -errno;
	side->run_size = ioctl(side->sys, KVM_GET_VCPU_MMAP_SIZE, 0);
	side->run = mmap(NULL, side->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, side->vcpu, 0);
	return side->run == MAP_FAILED ? -errno : 0;
}

static void side_close(struct side *side)
{
	munmap(side->run, side->run_size);
	close(side->vcpu);
	close(side->vm);
	close(side->sys);
	munmap(side->ram, RAM_SIZE);
	munmap(side->extra, EXTRA_SIZE);
}

/* Without a local APIC these features are not there: see KVM_GET_SUPPORTED_CPUID in api.rst. */
static void cpuid_fit(struct kvm_cpuid_entry2 *e, bool split, struct rnd *r)
{
	uint32_t *features[] = { &e->ebx, &e->ecx, &e->edx };

	if (e->function == 1 && !split)
		e->ecx &= ~(1u << 21 | 1u << 24);
	/* Take away a feature, but not APIC, which KVM gives a guest all the same. */
	if ((e->function == 1 || e->function == 7 || e->function == 0x80000001) && rnd_rarely(r, 4))
		*features[(e->function == 1) + rnd_below(r, 2)] &= ~(1u << rnd_below(r, 32));
	e->edx |= e->function == 1 ? 1u << 9 : 0;
}

/* Give both vCPUs the CPUID that LiKeX supports, less some features. */
static int set_cpuid(struct pair *p, struct rnd *r)
{
	struct kvm_cpuid2 *cpuid = p->cpuid;

	cpuid->nent = 0;
	if (p->has_cpuid) {
		cpuid->nent = CPUID_ROOM;
		if (ioctl(p->side[LIKEX].sys, KVM_GET_SUPPORTED_CPUID, cpuid))
			return -errno;
		for (unsigned int i = 0; i < cpuid->nent; i++)
			cpuid_fit(&cpuid->entries[i], p->split, r);
	}
	for (int i = 0; i < SIDES; i++)
		if (ioctl(p->side[i].vcpu, KVM_SET_CPUID2, cpuid))
			return -errno;
	return 0;
}

int msr_get(const struct side *side, uint32_t index, uint64_t *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { { .nmsrs = 1 }, { .index = index } };
	int got = ioctl(side->vcpu, KVM_GET_MSRS, &one);

	*value = one.entry.data;
	return got < 0 ? -errno : got;
}

int msr_set(const struct side *side, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { { .nmsrs = 1 }, { .index = index, .data = value } };
	int got = ioctl(side->vcpu, KVM_SET_MSRS, &one);

	return got < 0 ? -errno : got;
}

static void add_msr(struct pair *p, uint32_t index)
{
	uint64_t value[SIDES];
	int got[SIDES];

	for (unsigned int i = 0; i < p->nr_msrs; i++)
		if (p->msrs[i] == index)
			return;
	for (int i = 0; i < SIDES; i++)
		got[i] = msr_get(&p->side[i], index, &value[i]);
	same(p, "readable", index, got[KVM], got[LIKEX]);
	if (got[KVM] != 1 || got[LIKEX] != 1 || p->nr_msrs == MAX_MSRS)
		return;
	same(p, "msr", index, value[KVM], value[LIKEX]);
	p->msrs[p->nr_msrs++] = index;
}

/* Find the MSRs that can be compared. */
static void find_msrs(struct pair *p)
{
	static const struct { uint32_t first, count; } more[] = {
		{ 0x1b, 1 }, { 0x2a, 1 }, { 0xfe, 1 }, { 0x179, 1 }, { 0x17b, 1 }, { 0x198, 2 },
		{ 0x200, 16 }, { 0x250, 1 }, { 0x258, 2 }, { 0x268, 8 }, { 0x2ff, 1 },
		{ 0xc0000080, 5 }, { 0xc0000100, 4 },
	};
	struct {
		struct kvm_msr_list head;
		uint32_t room[MAX_MSRS];
	} list;

	p->nr_msrs = 0;
	for (int side = 0; side < SIDES; side++) {
		list.head.nmsrs = MAX_MSRS;
		if (ioctl(p->side[side].sys, KVM_GET_MSR_INDEX_LIST, &list))
			continue;
		for (unsigned int i = 0; i < list.head.nmsrs; i++)
			add_msr(p, list.head.indices[i]);
	}
	for (unsigned int i = 0; i < COUNT(more); i++)
		for (unsigned int j = 0; j < more[i].count; j++)
			add_msr(p, more[i].first + j);
}

static void drop_events(struct pair *p)
{
	while (p->nr_events) {
		struct event *e = &p->events[--p->nr_events];

		e->args.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
		for (int i = 0; i < SIDES; i++) {
			e->args.fd = e->fd[i];
			ioctl(p->side[i].vm, KVM_IOEVENTFD, &e->args);
			close(e->fd[i]);
		}
	}
}

void pair_close(struct pair *p)
{
	drop_events(p);
	for (int i = 0; i < SIDES; i++)
		side_close(&p->side[i]);
}

static int reset_slots(struct pair *p, int side)
{
	for (unsigned int slot = 0; slot < 5; slot++) {
		struct kvm_userspace_memory_region none = { .slot = slot };

		ioctl(p->side[side].vm, KVM_SET_USER_MEMORY_REGION, &none);
	}
	return set_slot0(&p->side[side]);
}

static void reset_ram(struct pair *p, int side)
{
	for (unsigned int at = 0; at < RAM_SIZE; at += 0x400)
		if (memcmp(p->side[side].ram + at, p->template + at, 0x400))
			memcpy(p->side[side].ram + at, p->template + at, 0x400);
}

/* Set one structure to the state of a new vCPU. */
static int reset_part(struct pair *p, int side, unsigned int part)
{
	return side_ioctl(&p->side[side], FD_VCPU, parts[part].set,
			  (char *)&p->base + parts[part].offset);
}

/* Write the MSRs that have changed, except the TSC, which is not compared. */
static bool reset_msrs(struct pair *p, int side)
{
	static uint64_t now[MAX_MSRS];

	if (msrs_read(&p->side[side], p, now) != p->nr_msrs)
		return false;
	for (unsigned int i = 0; i < p->nr_msrs; i++) {
		uint64_t want = p->msr_base[side][i];

		if (p->msrs[i] == 0x10 || p->msrs[i] == 0xc0000080 || now[i] == want)
			continue;
		if (msr_set(&p->side[side], p->msrs[i], want) != 1)
			return false;
	}
	return true;
}

static bool reset_routes(struct pair *p, int side)
{
	struct kvm_irq_routing none = {};

	return side_ioctl(&p->side[side], FD_VM, KVM_SET_GSI_ROUTING, &none) ==
	       (p->split ? 0 : -EINVAL);
}

static bool reset_side(struct pair *p, int side)
{
	static const unsigned int order[] = {
		PART_SREGS2, PART_REGS, PART_XCRS, PART_XSAVE, PART_DEBUGREGS,
	};
	struct kvm_vcpu_events events = p->base.events;
	struct kvm_guest_debug debug = {};
	bool good = !ioctl(p->side[side].vcpu, KVM_SET_GUEST_DEBUG, &debug);

	for (unsigned int i = 0; i < COUNT(order); i++)
		good &= !reset_part(p, side, order[i]);
	if (p->mce_changed)
		side_ioctl(&p->side[side], FD_VCPU, KVM_X86_SETUP_MCE, &(uint64_t){ MCG_CAP });
	good &= reset_msrs(p, side);
	if (p->routes_changed)
		good &= reset_routes(p, side);
	if (p->split)
		good &= !reset_part(p, side, PART_LAPIC) && !reset_part(p, side, PART_MP_STATE);
	events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		       KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	good &= !ioctl(p->side[side].vcpu, KVM_SET_VCPU_EVENTS, &events);
	if (p->slots_changed)
		good &= !reset_slots(p, side);
	reset_ram(p, side);
	return good;
}

static bool is_base(struct pair *p, int side)
{
	static const unsigned int small[] = {
		PART_REGS, PART_SREGS2, PART_DEBUGREGS, PART_EVENTS, PART_MP_STATE, PART_XCRS,
	};
	static struct state now;

	memset(&now, 0, sizeof(now));
	for (unsigned int i = 0; i < COUNT(small); i++) {
		const struct part *part = &parts[small[i]];

		if (part_get(p, small[i], side, &now) ||
		    memcmp((char *)&now + part->offset, (char *)&p->base + part->offset,
			   part->size))
			return false;
	}
	return true;
}

/* Put x87 and SSE in use: KVM_SET_FPU has no effect on KVM before (see it in api.rst). */
static void use_fpu(struct pair *p)
{
	uint32_t *region = p->base.xsave.region;

	region[0] = 0x37e;		/* FCW */
	region[6] = 0x1f80;		/* MXCSR */
	region[40] = 1;			/* XMM0 */
	region[128] |= 3;		/* XSTATE_BV */
	for (int i = 0; i < SIDES; i++)
		reset_part(p, i, PART_XSAVE);
}

/* Reset both VMs; false if new ones are needed. */
bool pair_reset(struct pair *p)
{
	bool good = !p->renew;

	p->op = "reset";
	if (good)
		finish_run(p);
	drop_events(p);
	for (int i = 0; good && i < SIDES; i++)
		good = reset_side(p, i) && is_base(p, i);
	p->slots_changed = p->mce_changed = p->routes_changed = false;
	p->debug = 0;
	return good;
}

/* LiKeX's vCPUs begin without machine-check banks, KVM's with 32: give both as many. */
static void setup_mce(struct pair *p)
{
	uint64_t cap = MCG_CAP;

	for (int i = 0; i < SIDES; i++)
		side_ioctl(&p->side[i], FD_VCPU, KVM_X86_SETUP_MCE, &cap);
}

/* LiKeX's ARCH_CAPABILITIES have a bit less: see the MSR in api.rst. */
static void fit_arch_caps(struct pair *p)
{
	uint64_t caps;

	if (msr_get(&p->side[LIKEX], 0x10a, &caps) == 1)
		msr_set(&p->side[KVM], 0x10a, caps);
}

/* Make VMs for programs from this one on; false if that fails. */
bool pair_open(struct pair *p, const struct program *program)
{
	struct rnd r = { program->vm_seed };
	int result;

	p->split = program->split;
	p->has_cpuid = program->has_cpuid;
	p->op = "new VM";
	p->ended = p->renew = p->nmi_request = false;
	p->slots_changed = p->mce_changed = p->routes_changed = false;
	p->nr_events = 0;
	if (!p->cpuid)
		p->cpuid = calloc(1, sizeof(*p->cpuid) + CPUID_ROOM * sizeof(p->cpuid->entries[0]));
	if (!p->template) {
		p->template = calloc(1, RAM_SIZE);
		guest_template(p->template);
	}
	for (int i = 0; i < SIDES; i++) {
		result = side_open(&p->side[i], devices[i], i == KVM, p->split);
		if (result) {
			fprintf(stderr, "%s: %s\n", devices[i], strerror(-result));
			return false;
		}
	}
	result = set_cpuid(p, &r);
	if (result)
		fprintf(stderr, "CPUID: %s\n", strerror(-result));
	setup_mce(p);
	fit_arch_caps(p);
	/* VMs that are made alike have the same MSRs. */
	if (p->vm_seed != program->vm_seed || !p->nr_msrs) {
		p->vm_seed = program->vm_seed;
		find_msrs(p);
		state_compare(p);
	}
	for (int i = 0; i < SIDES; i++)
		msrs_read(&p->side[i], p, p->msr_base[i]);
	for (unsigned int i = 0; i < NR_PARTS; i++)
		if (i != PART_LAPIC || p->split)
			part_get(p, i, KVM, &p->base);
	use_fpu(p);
	/* KVM's map of local APICs lacks a vCPU until one has changed. */
	for (int i = 0; i < SIDES && p->split; i++)
		reset_part(p, i, PART_LAPIC);
	return !result;
}

/* Begin a program: its guest's code, and the vCPU's mode. */
void pair_start(struct pair *p, const struct program *program)
{
	struct kvm_regs regs = p->base.regs;
	struct kvm_sregs2 sregs = p->base.sregs2;
	struct rnd r = { program->base_seed };

	for (int i = 0; i < SIDES; i++) {
		reset_ram(p, i);
		memset(p->side[i].run, 0, sizeof(*p->side[i].run));
	}
	guest_code(p, program, p->side[KVM].ram + AT_CODE);
	memcpy(p->side[LIKEX].ram + AT_CODE, p->side[KVM].ram + AT_CODE, 0x400);
	guest_sregs(&sregs, program);
	/* The local APIC in x2APIC mode */
	if (program->split && program->has_cpuid && rnd_rarely(&r, 2))
		sregs.apic_base |= 1 << 10;
	both(p, FD_VCPU, KVM_SET_SREGS2, &sregs, &sregs);
	regs = (struct kvm_regs){
		.rip = AT_CODE, .rsp = AT_STACK - 0x100, .rsi = AT_DATA, .rdi = AT_DATA + 0x100,
		.rcx = rnd_below(&r, 4), .rdx = 0x10 + rnd_below(&r, 3), .rax = rnd_next(&r),
		.rbx = AT_DATA, .rflags = 2 | (rnd_rarely(&r, 2) ? 0x200 : 0),
	};
	both(p, FD_VCPU, KVM_SET_REGS, &regs, &regs);
}
