// SPDX-License-Identifier: GPL-2.0
/* same: the state of a vCPU: its structures, field by field, read, changed and compared. */
#include "same.h"

#include <errno.h>
#include <string.h>

#define FIELD(s, n)	{ #n, offsetof(struct s, n), sizeof(((struct s *)0)->n), 0, 1 }
#define ARRAY(s, n)	{ #n, offsetof(struct s, n), sizeof(((struct s *)0)->n[0]),	\
			  sizeof(((struct s *)0)->n[0]), COUNT(((struct s *)0)->n) }
#define BYTES(n, at, sz, cnt)	{ n, at, sz, sz, cnt }

static const struct field regs_fields[] = {
	FIELD(kvm_regs, rax), FIELD(kvm_regs, rbx), FIELD(kvm_regs, rcx), FIELD(kvm_regs, rdx),
	FIELD(kvm_regs, rsi), FIELD(kvm_regs, rdi), FIELD(kvm_regs, rsp), FIELD(kvm_regs, rbp),
	FIELD(kvm_regs, r8), FIELD(kvm_regs, r9), FIELD(kvm_regs, r10), FIELD(kvm_regs, r11),
	FIELD(kvm_regs, r12), FIELD(kvm_regs, r13), FIELD(kvm_regs, r14), FIELD(kvm_regs, r15),
	FIELD(kvm_regs, rip), FIELD(kvm_regs, rflags),
};

#define SEGMENT(t, seg)								\
	FIELD(t, seg.base), FIELD(t, seg.limit), FIELD(t, seg.selector),	\
	FIELD(t, seg.type), FIELD(t, seg.present), FIELD(t, seg.dpl),		\
	FIELD(t, seg.db), FIELD(t, seg.s), FIELD(t, seg.l), FIELD(t, seg.g),	\
	FIELD(t, seg.avl), FIELD(t, seg.unusable)

#define SREGS(t)								\
	FIELD(t, cr0), FIELD(t, cr2), FIELD(t, cr3), FIELD(t, cr4),		\
	FIELD(t, cr8), FIELD(t, efer), FIELD(t, apic_base), FIELD(t, gdt.base),	\
	FIELD(t, gdt.limit), FIELD(t, idt.base), FIELD(t, idt.limit),		\
	SEGMENT(t, cs), SEGMENT(t, ds), SEGMENT(t, es), SEGMENT(t, fs),		\
	SEGMENT(t, gs), SEGMENT(t, ss), SEGMENT(t, tr), SEGMENT(t, ldt)

static const struct field sregs_fields[] = {
	SREGS(kvm_sregs), ARRAY(kvm_sregs, interrupt_bitmap),
};

static const struct field sregs2_fields[] = {
	SREGS(kvm_sregs2), FIELD(kvm_sregs2, flags), ARRAY(kvm_sregs2, pdptrs),
};

static const struct field fpu_fields[] = {
	FIELD(kvm_fpu, fcw), FIELD(kvm_fpu, fsw), FIELD(kvm_fpu, ftwx), FIELD(kvm_fpu, last_opcode),
	FIELD(kvm_fpu, last_ip), FIELD(kvm_fpu, last_dp), FIELD(kvm_fpu, mxcsr),
	BYTES("fpr", offsetof(struct kvm_fpu, fpr), 8, 16),
	BYTES("xmm", offsetof(struct kvm_fpu, xmm), 8, 32),
};

static const struct field xsave_fields[] = {
	BYTES("fcw", 0, 2, 1), BYTES("fsw", 2, 2, 1), BYTES("ftw", 4, 2, 1), BYTES("fop", 6, 2, 1),
	BYTES("fip", 8, 8, 1), BYTES("fdp", 16, 8, 1), BYTES("mxcsr", 24, 4, 1),
	BYTES("mxcsr_mask", 28, 4, 1), BYTES("legacy", 32, 8, 60),
	BYTES("xstate_bv", 512, 8, 1), BYTES("xcomp_bv", 520, 8, 1), BYTES("header", 528, 8, 6),
	BYTES("extended", 576, 8, 440),
};

static const struct field xcrs_fields[] = {
	FIELD(kvm_xcrs, nr_xcrs),     FIELD(kvm_xcrs, flags),
	FIELD(kvm_xcrs, xcrs[0].xcr), FIELD(kvm_xcrs, xcrs[0].value),
	FIELD(kvm_xcrs, xcrs[1].xcr), FIELD(kvm_xcrs, xcrs[1].value),
};

static const struct field debugregs_fields[] = {
	ARRAY(kvm_debugregs, db), FIELD(kvm_debugregs, dr6), FIELD(kvm_debugregs, dr7),
	FIELD(kvm_debugregs, flags),
};

static const struct field events_fields[] = {
	FIELD(kvm_vcpu_events, exception.injected), FIELD(kvm_vcpu_events, exception.nr),
	FIELD(kvm_vcpu_events, exception.has_error_code), FIELD(kvm_vcpu_events, exception.pending),
	FIELD(kvm_vcpu_events, exception.error_code), FIELD(kvm_vcpu_events, interrupt.injected),
	FIELD(kvm_vcpu_events, interrupt.nr), FIELD(kvm_vcpu_events, interrupt.soft),
	FIELD(kvm_vcpu_events, interrupt.shadow), FIELD(kvm_vcpu_events, nmi.injected),
	FIELD(kvm_vcpu_events, nmi.pending), FIELD(kvm_vcpu_events, nmi.masked),
	FIELD(kvm_vcpu_events, sipi_vector), FIELD(kvm_vcpu_events, flags),
	FIELD(kvm_vcpu_events, smi.smm), FIELD(kvm_vcpu_events, smi.pending),
	FIELD(kvm_vcpu_events, smi.smm_inside_nmi), FIELD(kvm_vcpu_events, smi.latched_init),
	FIELD(kvm_vcpu_events, triple_fault.pending),
	FIELD(kvm_vcpu_events, exception_has_payload), FIELD(kvm_vcpu_events, exception_payload),
};

static const struct field mp_state_fields[] = { FIELD(kvm_mp_state, mp_state) };

/* The registers; the index is the register's number, its offset divided by 16. */
static const struct field lapic_fields[] = { { "register", 0, 4, 16, 64 } };

#define PART(n, type, member, getter, setter)						\
	{ n, getter, setter, offsetof(struct state, member), sizeof(struct type),	\
	  member##_fields, COUNT(member##_fields) }

const struct part parts[NR_PARTS] = {
	[PART_REGS]	= PART("REGS", kvm_regs, regs, KVM_GET_REGS, KVM_SET_REGS),
	[PART_SREGS]	= PART("SREGS", kvm_sregs, sregs, KVM_GET_SREGS, KVM_SET_SREGS),
	[PART_SREGS2]	= PART("SREGS2", kvm_sregs2, sregs2, KVM_GET_SREGS2, KVM_SET_SREGS2),
	[PART_FPU]	= PART("FPU", kvm_fpu, fpu, KVM_GET_FPU, KVM_SET_FPU),
	[PART_XSAVE]	= PART("XSAVE", kvm_xsave, xsave, KVM_GET_XSAVE, KVM_SET_XSAVE),
	[PART_XCRS]	= PART("XCRS", kvm_xcrs, xcrs, KVM_GET_XCRS, KVM_SET_XCRS),
	[PART_DEBUGREGS] = PART("DEBUGREGS", kvm_debugregs, debugregs, KVM_GET_DEBUGREGS,
				KVM_SET_DEBUGREGS),
	[PART_EVENTS]	= PART("VCPU_EVENTS", kvm_vcpu_events, events, KVM_GET_VCPU_EVENTS,
			       KVM_SET_VCPU_EVENTS),
	[PART_MP_STATE]	= PART("MP_STATE", kvm_mp_state, mp_state, KVM_GET_MP_STATE,
			       KVM_SET_MP_STATE),
	[PART_LAPIC]	= PART("LAPIC", kvm_lapic_state, lapic, KVM_GET_LAPIC, KVM_SET_LAPIC),
};

static uint64_t field_read(const struct field *f, unsigned int i, const void *data)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)data + f->offset + i * f->stride, f->size);
	return value;
}

void compare_fields(struct pair *p, const char *of, const struct field *fields, unsigned int nr,
		    const void *kvm, const void *likex)
{
	p->of = of;
	p->data[KVM] = kvm;
	p->data[LIKEX] = likex;
	for (const struct field *f = fields; f < fields + nr; f++)
		for (unsigned int i = 0; i < f->count; i++)
			same(p, f->name, i, field_read(f, i, kvm), field_read(f, i, likex));
	p->of = NULL;
}

/* Change one value. */
void mutate(struct pair *p, struct rnd *r, const struct field *fields, unsigned int nr, void *data)
{
	const struct field *f = &fields[rnd_below(r, nr)];
	unsigned int i = rnd_below(r, f->count);
	uint64_t value = rnd_value(r, field_read(f, i, data));

	/* Small fields are flags and numbers, which have few valid values. */
	if (f->size == 1 && rnd_rarely(r, 2))
		value = rnd_below(r, 4);
	memcpy((char *)data + f->offset + i * f->stride, &value, f->size);
	say(p, " %s[%u]=%#llx", f->name, i, (unsigned long long)field_read(f, i, data));
}

/* Get a structure from one side; return 0 or -errno. */
int part_get(struct pair *p, unsigned int part, int side, struct state *state)
{
	return side_ioctl(&p->side[side], FD_VCPU, parts[part].get,
			  (char *)state + parts[part].offset);
}

/* Compare what both sides give for a structure. */
void part_compare(struct pair *p, unsigned int part)
{
	static struct state state[SIDES];
	int result[SIDES];

	for (int i = 0; i < SIDES; i++) {
		memset((char *)&state[i] + parts[part].offset, 0x5a, parts[part].size);
		result[i] = part_get(p, part, i, &state[i]);
	}
	same(p, "get", 0, result[KVM], result[LIKEX]);
	if (!result[KVM] && !result[LIKEX])
		compare_fields(p, parts[part].name, parts[part].fields, parts[part].nr_fields,
			       (char *)&state[KVM] + parts[part].offset,
			       (char *)&state[LIKEX] + parts[part].offset);
}

unsigned int msrs_read(const struct side *side, const struct pair *p, uint64_t *values)
{
	static struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[MAX_MSRS];
	} all;
	int got;

	all.head.nmsrs = p->nr_msrs;
	for (unsigned int i = 0; i < p->nr_msrs; i++)
		all.entry[i] = (struct kvm_msr_entry){ .index = p->msrs[i] };
	got = side_ioctl(side, FD_VCPU, KVM_GET_MSRS, &all);
	for (unsigned int i = 0; i < p->nr_msrs; i++)
		values[i] = all.entry[i].data;
	return got;
}

/* Compare all MSRs that both sides could read when the VMs were made. */
void msrs_compare(struct pair *p)
{
	static uint64_t values[SIDES][MAX_MSRS];
	unsigned int got[SIDES];

	for (int i = 0; i < SIDES; i++)
		got[i] = msrs_read(&p->side[i], p, values[i]);
	same(p, "msrs read", 0, got[KVM], got[LIKEX]);
	if (got[KVM] != got[LIKEX])
		return;
	for (unsigned int i = 0; i < got[KVM] && i < p->nr_msrs; i++)
		same(p, "msr", p->msrs[i], values[KVM][i], values[LIKEX][i]);
}

void memory_compare(struct pair *p)
{
	for (unsigned int at = 0; at < RAM_SIZE; at += 0x1000) {
		const unsigned char *kvm = p->side[KVM].ram + at, *likex = p->side[LIKEX].ram + at;
		unsigned int i = 0;

		if (at == AT_CLOCK || !memcmp(kvm, likex, 0x1000))
			continue;
		while (kvm[i] == likex[i])
			i++;
		same(p, "memory", at + i, kvm[i], likex[i]);
	}
}

/* Compare all that there is to see of the two VMs. */
void state_compare(struct pair *p)
{
	for (unsigned int i = 0; i < NR_PARTS && !p->different && !p->ended; i++)
		if (i != PART_SREGS && (i != PART_LAPIC || p->split))
			part_compare(p, i);
	if (!p->different && !p->ended)
		msrs_compare(p);
	if (!p->different && !p->ended)
		memory_compare(p);
}
