// SPDX-License-Identifier: GPL-2.0
/* same: calls of a VM and of the device, and unknown ones. */
#include "same.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void message(struct rnd *r, uint32_t *low, uint32_t *data)
{
	/* Fixed, lowest priority, NMI, INIT; the others are dropped. */
	static const unsigned char modes[] = { 0, 0, 0, 0, 0, 1, 1, 4, 4, 5 };

	*low = 0xfee00000;
	if (!rnd_rarely(r, 2))
		*low |= (rnd_rarely(r, 2) ? 0xff : rnd_below(r, 4)) << 12;
	*low |= rnd_rarely(r, 4) ? rnd_below(r, 16) : 0;
	*data = rnd_below(r, 256) | modes[rnd_below(r, COUNT(modes))] << 8;
	if (rnd_rarely(r, 16))
		*data |= rnd_below(r, 8) << 8;
	if (rnd_rarely(r, 4))
		*data |= rnd_below(r, 4) << 14;
	if (rnd_rarely(r, 16))
		*data = rnd_value(r, *data);
	if (rnd_rarely(r, 16))
		*low = rnd_value(r, *low);
	/* With the redirection hint, KVM makes some of these fixed interrupts. */
	if (*data & 0x600)
		*low &= ~8u;
}

static void signal_msi(struct pair *p, struct rnd *r)
{
	struct kvm_msi msi = { .flags = rnd_rarely(r, 16) ? rnd_below(r, 4) : 0 };

	message(r, &msi.address_lo, &msi.data);
	if (rnd_rarely(r, 8))
		msi.address_hi = rnd_value(r, 0);
	say(p, "%s address %x:%x, data %#x, flags %x", p->op, msi.address_hi, msi.address_lo,
	    msi.data, msi.flags);
	/* Remote read and NMI leave something in KVM that no ioctl takes away. */
	p->renew |= (msi.data >> 8 & 7) > 2;
	p->nmi_request |= (msi.data >> 8 & 7) == 4;
	p->args = &msi;
	both(p, FD_VM, KVM_SIGNAL_MSI, &msi, &msi);
	/* This lets KVM execute an INIT. */
	part_compare(p, PART_MP_STATE);
	if (p->split)
		part_compare(p, PART_LAPIC);
}

#define ROUTES	4

static void gsi_routing(struct pair *p, struct rnd *r)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[ROUTES];
	} set = {};

	set.head.nr = rnd_below(r, ROUTES + 1);
	set.head.flags = rnd_rarely(r, 16);
	say(p, "%s flags %x", p->op, set.head.flags);
	for (unsigned int i = 0; i < set.head.nr; i++) {
		struct kvm_irq_routing_entry *e = &set.entries[i];

		e->gsi = rnd_rarely(r, 16) ? rnd_value(r, 4096) : rnd_below(r, 6);
		e->type = rnd_rarely(r, 8) ? rnd_below(r, 7) : KVM_IRQ_ROUTING_MSI;
		e->flags = rnd_rarely(r, 8) ? rnd_below(r, 4) : 0;
		message(r, &e->u.msi.address_lo, &e->u.msi.data);
		p->past.dropped_route |= is_dropped_data(e->u.msi.data);
		e->u.msi.address_hi = rnd_rarely(r, 8) ? rnd_value(r, 0) : 0;
		say(p, " [gsi %u type %u flags %x %x:%x %x]", e->gsi, e->type, e->flags,
		    e->u.msi.address_hi, e->u.msi.address_lo, e->u.msi.data);
	}
	p->args = &set;
	both(p, FD_VM, KVM_SET_GSI_ROUTING, &set, &set);
	p->routes_changed = true;
}

static void irq_line(struct pair *p, struct rnd *r)
{
	struct kvm_irq_level set[SIDES] = {};
	bool status = rnd_rarely(r, 2);
	unsigned long cmd = status ? KVM_IRQ_LINE_STATUS : KVM_IRQ_LINE;

	set[KVM].irq = rnd_rarely(r, 16) ? rnd_value(r, 0) : rnd_below(r, 6);
	set[KVM].level = rnd_below(r, 3);
	set[LIKEX] = set[KVM];
	/* It may be an NMI. */
	p->nmi_request |= p->routes_changed;
	say(p, "%s%s gsi %u level %u", p->op, status ? "_STATUS" : "", set[KVM].irq,
	    set[KVM].level);
	if (!both(p, FD_VM, cmd, &set[KVM], &set[LIKEX]) && status)
		same(p, "status", set[KVM].level, set[KVM].status, set[LIKEX].status);
	part_compare(p, PART_MP_STATE);
	if (p->split)
		part_compare(p, PART_LAPIC);
}

/* Memory slots at all kinds of places; the memory itself is the side's own. */
static void memory(struct pair *p, struct rnd *r)
{
	static const uint64_t places[] = {
		0x10000, 0x20000, 0x8000, 0xf000, 0x100000, 0xd0000, 0xfffff000, 0xfee00000, 0x800,
		0x10000000, 0xfffffffffffff000, 0, 0x8000000000000000,
	};
	static const uint64_t sizes[] = {
		0, 0, 0x1000, 0x1000, 0x2000, 0x4000, 0x800, 0xfffffffffffff000, 0x10000,
	};
	static const uint32_t flags[] = {
		0, 0, 0, 0, KVM_MEM_READONLY, KVM_MEM_READONLY, 4, 0x80000000,
	};
	struct kvm_userspace_memory_region set[SIDES] = {};
	unsigned int at = rnd_below(r, 4) << 12, kind = rnd_below(r, 16);
	uint64_t hostile = rnd_value(r, 0);

	set[KVM].slot = rnd_rarely(r, 16) ? rnd_value(r, 32764) : rnd_below(r, 5);
	set[KVM].flags = flags[rnd_below(r, COUNT(flags))];
	set[KVM].guest_phys_addr = places[rnd_below(r, COUNT(places))];
	set[KVM].memory_size = sizes[rnd_below(r, COUNT(sizes))];
	if (set[KVM].slot > 4 && set[KVM].slot < 32764)
		p->renew = true;
	set[LIKEX] = set[KVM];
	for (int i = 0; i < SIDES; i++) {
		set[i].userspace_addr = (uintptr_t)p->side[i].extra + at;
		if (set[i].memory_size == RAM_SIZE)
			set[i].userspace_addr = (uintptr_t)p->side[i].ram;
		if (kind == 0)
			set[i].userspace_addr = hostile;
		if (kind == 1)
			set[i].userspace_addr |= 0x800;
	}
	p->slots_changed = true;
	p->args = &set[KVM];
	say(p, "%s slot %u flags %x at %#llx size %#llx of memory %#x, kind %u", p->op,
	    set[KVM].slot, set[KVM].flags, set[KVM].guest_phys_addr, set[KVM].memory_size, at,
	    kind);
	both(p, FD_VM, KVM_SET_USER_MEMORY_REGION, &set[KVM], &set[LIKEX]);
}

static void ioeventfd(struct pair *p, struct rnd *r)
{
	static const unsigned char lengths[] = { 0, 1, 1, 1, 2, 2, 4, 4, 3, 8, 0 };
	struct kvm_ioeventfd set = {
		.flags = KVM_IOEVENTFD_FLAG_PIO,
		.addr = rnd_rarely(r, 16) ? rnd_value(r, 0xffff) : 0x40 + rnd_below(r, 16),
		.len = lengths[rnd_below(r, COUNT(lengths))],
		.datamatch = rnd_rarely(r, 2) ? rnd_value(r, 0) : 0,
	};
	int fd[SIDES];

	if (rnd_rarely(r, 3))
		set.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (rnd_rarely(r, 8))
		set.flags ^= 1u << rnd_below(r, 5);
	say(p, "%s flags %x addr %#llx len %u match %#llx", p->op, set.flags, set.addr, set.len,
	    set.datamatch);
	if (p->nr_events == MAX_EVENTS || (set.flags & KVM_IOEVENTFD_FLAG_DEASSIGN)) {
		set.fd = -1;
		p->args = &set;
		both(p, FD_VM, KVM_IOEVENTFD, &set, &set);
		return;
	}
	for (int i = 0; i < SIDES; i++)
		fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->events[p->nr_events].args = set;
	memcpy(p->events[p->nr_events].fd, fd, sizeof(fd));
	p->nr_events++;

	struct kvm_ioeventfd likex = set;

	set.fd = fd[KVM];
	likex.fd = fd[LIKEX];
	p->args = &set;
	both(p, FD_VM, KVM_IOEVENTFD, &set, &likex);
}

/* Compare how often each eventfd was signalled. */
static void events_read(struct pair *p, struct rnd *r)
{
	(void)r;
	say(p, "%s\n", p->op);
	for (unsigned int i = 0; i < p->nr_events; i++) {
		uint64_t count[SIDES] = {};

		for (int side = 0; side < SIDES; side++)
			if (read(p->events[i].fd[side], &count[side], 8) != 8)
				count[side] = 0;
		same(p, "signals", i, count[KVM], count[LIKEX]);
	}
}

static void check_extension(struct pair *p, struct rnd *r)
{
	uintptr_t cap = rnd_rarely(r, 8) ? rnd_value(r, 0) : rnd_below(r, 245);
	enum fd_kind kind = rnd_rarely(r, 2) ? FD_SYS : FD_VM;
	int result[SIDES];

	for (int i = 0; i < SIDES; i++)
		result[i] = side_ioctl(&p->side[i], kind, KVM_CHECK_EXTENSION, (void *)cap);
	say(p, "%s %zu of %s = %d, LiKeX %d\n", p->op, (size_t)cap,
	    kind == FD_SYS ? "device" : "VM", result[KVM], result[LIKEX]);
	same(p, "answer", cap, result[KVM], result[LIKEX]);
}

static void enable_cap(struct pair *p, struct rnd *r)
{
	static const uint32_t caps[] = {
		KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_X2APIC_API, KVM_CAP_X86_USER_SPACE_MSR,
		KVM_CAP_ENFORCE_PV_FEATURE_CPUID,
	};
	struct kvm_enable_cap cap = { .cap = caps[rnd_below(r, COUNT(caps))] };
	enum fd_kind kind = rnd_rarely(r, 3) ? FD_VCPU : FD_VM;
	int result[SIDES];

	cap.flags = rnd_rarely(r, 8);
	cap.args[0] = rnd_rarely(r, 4) ? rnd_value(r, 0) : rnd_below(r, 8);
	for (int i = 0; i < SIDES; i++)
		result[i] = side_ioctl(&p->side[i], kind, KVM_ENABLE_CAP, &cap);
	say(p, "%s %u of %s, flags %u, %#llx = %d, LiKeX %d\n", p->op, cap.cap,
	    kind == FD_VM ? "VM" : "vCPU", cap.flags, cap.args[0], result[KVM], result[LIKEX]);
	same(p, "enable", cap.cap, result[KVM], result[LIKEX]);
	p->past.enforced |= cap.cap == KVM_CAP_ENFORCE_PV_FEATURE_CPUID && !result[KVM];
	p->renew |= !result[KVM] || !result[LIKEX];
}

static const struct field clock_fields[] = {
	{ "clock", offsetof(struct kvm_clock_data, clock), 8, 0, 1 },
	{ "flags", offsetof(struct kvm_clock_data, flags), 4, 0, 1 },
	{ "realtime", offsetof(struct kvm_clock_data, realtime), 8, 0, 1 },
	{ "host_tsc", offsetof(struct kvm_clock_data, host_tsc), 8, 0, 1 },
};

static void clock_get(struct pair *p, struct rnd *r)
{
	struct kvm_clock_data got[SIDES] = {};

	(void)r;
	say(p, "%s", p->op);
	if (!both(p, FD_VM, KVM_GET_CLOCK, &got[KVM], &got[LIKEX]))
		compare_fields(p, "CLOCK", clock_fields, COUNT(clock_fields), &got[KVM],
			       &got[LIKEX]);
}

static void clock_set(struct pair *p, struct rnd *r)
{
	struct kvm_clock_data set = {
		.clock = rnd_value(r, 1000000), .realtime = rnd_value(r, 0),
		.flags = rnd_rarely(r, 2) ? rnd_value(r, 0) : 0,
	};

	say(p, "%s clock %#llx flags %#x realtime %#llx", p->op, set.clock, set.flags,
	    set.realtime);
	both(p, FD_VM, KVM_SET_CLOCK, &set, &set);
}

static void vm_tsc_khz(struct pair *p, struct rnd *r)
{
	uintptr_t khz = rnd_rarely(r, 2) ? rnd_value(r, 20000) : 20000;

	say(p, "%s %zu", p->op, (size_t)khz);
	p->args = &khz;
	both(p, FD_VM, KVM_SET_TSC_KHZ, (void *)khz, (void *)khz);
	both(p, FD_VM, KVM_GET_TSC_KHZ, NULL, NULL);
	khz = 20000;
	for (int i = 0; i < SIDES; i++)
		side_ioctl(&p->side[i], FD_VM, KVM_SET_TSC_KHZ, (void *)khz);
}

static void tss_addr(struct pair *p, struct rnd *r)
{
	uintptr_t addr = rnd_value(r, 0xffffd000);
	uint64_t map = rnd_value(r, 0);

	say(p, "%s %#zx", p->op, (size_t)addr);
	both(p, FD_VM, KVM_SET_TSS_ADDR, (void *)addr, (void *)addr);
	both(p, FD_VM, KVM_SET_IDENTITY_MAP_ADDR, &map, &map);
}

/* Numbers that KVM does not know, and known ones with another size or direction */
static void unknown(struct pair *p, struct rnd *r)
{
	static const unsigned long known[] = {
		KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_MSRS, KVM_GET_CLOCK, KVM_GET_API_VERSION,
		KVM_SET_USER_MEMORY_REGION, KVM_SIGNAL_MSI, KVM_GET_LAPIC, KVM_SET_XSAVE, KVM_NMI,
	};
	static unsigned char zeros[0x4000];
	enum fd_kind kind = rnd_below(r, 3);
	unsigned long cmd =
		_IOC(rnd_below(r, 4), KVMIO, 0xf0 + rnd_below(r, 16), rnd_below(r, 256));
	int result[SIDES];

	if (rnd_rarely(r, 2))
		cmd = known[rnd_below(r, COUNT(known))] ^ 1ul << (16 + rnd_below(r, 14));
	if (rnd_rarely(r, 8))
		cmd = rnd_next(r) & 0xffff00ff;
	for (int i = 0; i < SIDES; i++)
		result[i] = side_ioctl(&p->side[i], kind, cmd, zeros);
	say(p, "%s %#lx of descriptor %u = %d, LiKeX %d\n", p->op, cmd, kind, result[KVM],
	    result[LIKEX]);
	same(p, "unknown", kind, result[KVM], result[LIKEX]);
}

/* Known numbers with pointers that cannot be read or written */
static void bad_pointer(struct pair *p, struct rnd *r)
{
	static const struct {
		enum fd_kind kind;
		unsigned long cmd;
	} calls[] = {
		{ FD_VCPU, KVM_GET_REGS }, { FD_VCPU, KVM_SET_REGS }, { FD_VCPU, KVM_GET_SREGS },
		{ FD_VCPU, KVM_SET_SREGS }, { FD_VCPU, KVM_GET_SREGS2 },
		{ FD_VCPU, KVM_SET_SREGS2 }, { FD_VCPU, KVM_GET_FPU }, { FD_VCPU, KVM_SET_FPU },
		{ FD_VCPU, KVM_GET_XSAVE }, { FD_VCPU, KVM_SET_XSAVE }, { FD_VCPU, KVM_GET_XCRS },
		{ FD_VCPU, KVM_SET_XCRS }, { FD_VCPU, KVM_GET_DEBUGREGS },
		{ FD_VCPU, KVM_SET_DEBUGREGS }, { FD_VCPU, KVM_GET_VCPU_EVENTS },
		{ FD_VCPU, KVM_SET_VCPU_EVENTS }, { FD_VCPU, KVM_GET_MSRS },
		{ FD_VCPU, KVM_SET_MSRS }, { FD_VCPU, KVM_GET_MP_STATE },
		{ FD_VCPU, KVM_SET_MP_STATE }, { FD_VCPU, KVM_GET_CPUID2 },
		{ FD_VCPU, KVM_SET_CPUID2 }, { FD_VCPU, KVM_GET_LAPIC },
		{ FD_VCPU, KVM_SET_LAPIC }, { FD_VCPU, KVM_INTERRUPT },
		{ FD_VCPU, KVM_SET_GUEST_DEBUG }, { FD_VCPU, KVM_TRANSLATE },
		{ FD_VCPU, KVM_ENABLE_CAP }, { FD_VM, KVM_SIGNAL_MSI },
		{ FD_VM, KVM_SET_GSI_ROUTING }, { FD_VM, KVM_IRQ_LINE },
		{ FD_VM, KVM_SET_USER_MEMORY_REGION }, { FD_VM, KVM_IOEVENTFD },
		{ FD_VM, KVM_ENABLE_CAP }, { FD_VM, KVM_GET_CLOCK }, { FD_VM, KVM_SET_CLOCK },
		{ FD_VM, KVM_SET_IDENTITY_MAP_ADDR }, { FD_SYS, KVM_GET_SUPPORTED_CPUID },
		{ FD_SYS, KVM_GET_MSR_INDEX_LIST }, { FD_SYS, KVM_GET_MSRS },
		{ FD_SYS, KVM_GET_MSR_FEATURE_INDEX_LIST },
	};
	static const uintptr_t pointers[] = {
		0, 0x10, 0x7ffffffff000, 0xffff800000000000, UINTPTR_MAX,
	};
	unsigned int i = rnd_below(r, COUNT(calls));
	void *pointer = (void *)pointers[rnd_below(r, COUNT(pointers))];

	say(p, "%s %#lx %p", p->op, calls[i].cmd, pointer);
	both(p, calls[i].kind, calls[i].cmd, pointer, pointer);
}

const struct op vm_ops[] = {
	{ "SIGNAL_MSI",		signal_msi,	5 },
	{ "SET_GSI_ROUTING",	gsi_routing,	3 },
	{ "IRQ_LINE",		irq_line,	2 },
	{ "SET_USER_MEMORY_REGION", memory,	6 },
	{ "IOEVENTFD",		ioeventfd,	3 },
	{ "eventfd",		events_read,	1 },
	{ "CHECK_EXTENSION",	check_extension, 2 },
	{ "ENABLE_CAP",		enable_cap,	1 },
	{ "GET_CLOCK",		clock_get,	1 },
	{ "SET_CLOCK",		clock_set,	1 },
	{ "VM TSC_KHZ",		vm_tsc_khz,	1 },
	{ "SET_TSS_ADDR",	tss_addr,	1 },
	{ "unknown ioctl",	unknown,	2 },
	{ "bad pointer",	bad_pointer,	2 },
};

const unsigned int nr_vm_ops = COUNT(vm_ops);
