// SPDX-License-Identifier: GPL-2.0
/* See dump.h. */
#include "dump.h"

#define BYTES		16

static void dump_regs(FILE *to, const struct kvm_regs *r)
{
	fprintf(to, "RIP %016llx  RFLAGS %08llx\n", r->rip, r->rflags);
	fprintf(to, "RAX %016llx  RBX %016llx  RCX %016llx  RDX %016llx\n", r->rax, r->rbx,
		r->rcx, r->rdx);
	fprintf(to, "RSI %016llx  RDI %016llx  RSP %016llx  RBP %016llx\n", r->rsi, r->rdi,
		r->rsp, r->rbp);
	fprintf(to, "R8  %016llx  R9  %016llx  R10 %016llx  R11 %016llx\n", r->r8, r->r9,
		r->r10, r->r11);
	fprintf(to, "R12 %016llx  R13 %016llx  R14 %016llx  R15 %016llx\n", r->r12, r->r13,
		r->r14, r->r15);
}

static void dump_sregs(FILE *to, const struct kvm_sregs *s)
{
	fprintf(to, "CR0 %08llx  CR2 %016llx  CR3 %016llx  CR4 %08llx  EFER %04llx\n", s->cr0,
		s->cr2, s->cr3, s->cr4, s->efer);
	fprintf(to, "CS  %04x base %llx  SS  %04x base %llx  DS  %04x base %llx\n",
		s->cs.selector, s->cs.base, s->ss.selector, s->ss.base, s->ds.selector,
		s->ds.base);
	fprintf(to, "GDT %llx limit %x  IDT %llx limit %x\n", s->gdt.base, s->gdt.limit,
		s->idt.base, s->idt.limit);
}

/* Print the bytes at CS:RIP, as far as its page has them. */
static void dump_code(FILE *to, const struct vcpu *vcpu, const struct memory *memory,
		      uint64_t linear)
{
	struct kvm_translation where = { .linear_address = linear };
	const uint8_t *code = NULL;
	uint64_t count = BYTES;

	if (linear % 4096 > 4096 - BYTES)
		count = 4096 - linear % 4096;
	if (vcpu_ioctl(vcpu, KVM_TRANSLATE, &where) >= 0 && where.valid)
		code = memory_at(memory, where.physical_address, count);
	fprintf(to, "code");
	for (uint64_t i = 0; code && i < count; i++)
		fprintf(to, " %02x", code[i]);
	fprintf(to, code ? "\n" : " is not in memory\n");
}

void dump_vcpu(FILE *to, const struct vcpu *vcpu, const struct memory *memory)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (vcpu_ioctl(vcpu, KVM_GET_REGS, &regs) < 0 ||
	    vcpu_ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0) {
		fprintf(to, "the registers of vCPU %u cannot be read\n", vcpu->handle.vcpu);
		return;
	}
	fprintf(to, "vCPU %u\n", vcpu->handle.vcpu);
	dump_regs(to, &regs);
	dump_sregs(to, &sregs);
	dump_code(to, vcpu, memory, sregs.efer & 0x400 ? regs.rip : sregs.cs.base + regs.rip);
}
