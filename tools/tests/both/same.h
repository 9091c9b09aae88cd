/* SPDX-License-Identifier: GPL-2.0 */
/*
 * same: random programs of ioctls and small guests, each run on KVM and on LiKeX, which
 * must give the same results.
 *
 * same.c takes program after program, and shrinks those that differ. same_program.c makes
 * and runs one. same_calls.c, same_vmcalls.c and same_run.c have the calls, same_guest.c
 * the guests. same_vm.c makes and resets the two VMs, same_state.c compares vCPUs, and
 * same_rules*.c know the differences that are documented.
 */
#ifndef LIKEX_TESTS_SAME_H
#define LIKEX_TESTS_SAME_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COUNT(array)	(sizeof(array) / sizeof(*(array)))

/* Guest-physical layout of slot 0 */
#define RAM_SIZE	0x10000u
#define AT_PML4		0x1000u
#define AT_PDPT		0x2000u
#define AT_GDT		0x3000u
#define AT_TSS		0x3400u
#define AT_IDT64	0x4000u
#define AT_IDT32	0x5000u
#define AT_STUBS	0x6000u		/* one of 16 bytes for each vector */
#define AT_CODE		0x8000u
#define AT_DATA		0x9000u
#define AT_PD		0xa000u		/* long mode: 2 MB pages */
#define AT_PD32		0xb000u		/* 32-bit paging: 4 MB pages */
#define AT_CLOCK	0xc000u		/* for kvmclock and steal time */
#define AT_STACK	0xf000u		/* its end */
#define EXTRA_SIZE	0x4000u		/* memory for other slots */

#define SEL_CODE64	0x08
#define SEL_DATA	0x10
#define SEL_CODE32	0x18
#define SEL_TSS		0x20
#define STUB_PORT	0x21		/* gets the vector of an exception */

#define CR0_BITS	0xffffffffe005003full	/* that exist */
#define MCG_CAP		0x01000120ull	/* machine-check banks of each vCPU */

#define MAX_CALLS	16
#define MAX_INSNS	10
#define MAX_MSRS	400

enum { KVM, LIKEX, SIDES };
enum mode { REAL, PROTECTED, PAGED, LONG, NR_MODES };

struct rnd {
	uint64_t state;
};

struct side {
	int		sys, vm, vcpu;
	struct kvm_run	*run;
	size_t		run_size;
	unsigned char	*ram, *extra;
};

/* The whole state of a vCPU that ioctls read. */
struct state {
	struct kvm_regs		regs;
	struct kvm_sregs	sregs;
	struct kvm_sregs2	sregs2;
	struct kvm_fpu		fpu;
	struct kvm_xsave	xsave;
	struct kvm_xcrs		xcrs;
	struct kvm_debugregs	debugregs;
	struct kvm_vcpu_events	events;
	struct kvm_mp_state	mp_state;
	struct kvm_lapic_state	lapic;
};

/* A value, or an array of values, in a structure. */
struct field {
	const char	*name;
	unsigned short	offset;
	unsigned char	size, stride;
	unsigned short	count;
};

/* A structure that has an ioctl to get it and one to set it. */
struct part {
	const char		*name;
	unsigned long		get, set;
	size_t			offset, size;	/* in struct state */
	const struct field	*fields;
	unsigned int		nr_fields;
};

enum { PART_REGS, PART_SREGS, PART_SREGS2, PART_FPU, PART_XSAVE, PART_XCRS, PART_DEBUGREGS,
       PART_EVENTS, PART_MP_STATE, PART_LAPIC, NR_PARTS };

struct difference {
	char		where[64];	/* "call: value" */
	uint64_t	index, value[SIDES];
};

struct event {
	int		fd[SIDES];
	struct kvm_ioeventfd args;
};

#define MAX_EVENTS	8

/* Events of a program that rules and later calls look back at */
struct past {
	struct kvm_regs	io_regs[SIDES];	/* at the last exit for a port */
	struct kvm_sregs io_sregs;	/* of LiKeX, then */
	bool		string_exit;	/* that exit was for INS or OUTS */
	bool		had_string;	/* there was such an exit */
	bool		event_waits, irq_waits;	/* at the begin of KVM_RUN */
	bool		stepped;	/* by KVM_GUESTDBG_SINGLESTEP */
	bool		enforced;	/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
	bool		extint;		/* KVM_INTERRUPT with a local APIC */
	bool		dropped_route;	/* there was one for a message that LiKeX drops */
	bool		translated;	/* KVM has set accessed bits */
	bool		fpu_lost;	/* KVM's FPU was set while not in use */
	bool		raw_fpu;	/* KVM has loaded it without an entry */
};

/* A VM on each side, and the result of the program that runs on them. */
struct pair {
	struct side	side[SIDES];
	bool		split, has_cpuid;
	struct kvm_cpuid2 *cpuid;
	struct state	base;
	uint64_t	vm_seed;	/* that the list of MSRs is for */
	unsigned int	nr_msrs;
	uint32_t	msrs[MAX_MSRS];
	uint64_t	msr_base[SIDES][MAX_MSRS];
	struct event	events[MAX_EVENTS];
	unsigned int	nr_events;
	unsigned char	*template;
	bool		slots_changed, mce_changed, routes_changed;
	bool		nmi_request;	/* that KVM has seen only when it runs */
	bool		renew;		/* a reset does not undo what the program did */

	const char	*op, *of;	/* the call, and the structure that is compared */
	const void	*data[SIDES];	/* this structure */
	const void	*args;		/* of the call, if a rule looks at them */
	uint32_t	debug;		/* control of KVM_SET_GUEST_DEBUG */
	struct past	past;
	bool		ended;		/* by a documented difference */
	bool		different;
	struct difference diff;
	FILE		*log;		/* receives the calls of the program, or NULL */
};

/* SMI, remote read, ExtINT */
static inline bool is_dropped_data(uint32_t data)
{
	unsigned int mode = data >> 8 & 7;

	return mode == 2 || mode == 3 || mode == 7;
}

struct call {
	unsigned int	op;
	uint64_t	seed;
};

struct insn {
	unsigned int	kind;
	uint64_t	seed;
};

struct program {
	uint64_t	seed, number;
	bool		split, has_cpuid;
	uint64_t	vm_seed, base_seed;
	enum mode	mode;
	bool		has_idt;
	unsigned int	nr_calls, nr_insns;
	struct call	calls[MAX_CALLS];
	struct insn	insns[MAX_INSNS];
};

/* same_random.c */
uint64_t rnd_next(struct rnd *r);
unsigned int rnd_below(struct rnd *r, unsigned int bound);
bool rnd_rarely(struct rnd *r, unsigned int times);
uint64_t rnd_value(struct rnd *r, uint64_t old);

/* same_rules.c: tell of a value that both sides have; note_end() ends the program. */
void same(struct pair *p, const char *what, uint64_t index, uint64_t kvm, uint64_t likex);
void end_by(struct pair *p, const char *rule);
bool msr_is_missing(uint32_t index);
void rules_print(void);
void rules_report(uint64_t programs);

/* same_state.c */
extern const struct part parts[NR_PARTS];
void compare_fields(struct pair *p, const char *of, const struct field *fields, unsigned int nr,
		    const void *kvm, const void *likex);
void mutate(struct pair *p, struct rnd *r, const struct field *fields, unsigned int nr, void *data);
int part_get(struct pair *p, unsigned int part, int side, struct state *state);
void part_compare(struct pair *p, unsigned int part);
void state_compare(struct pair *p);
unsigned int msrs_read(const struct side *side, const struct pair *p, uint64_t *values);
void msrs_compare(struct pair *p);
void memory_compare(struct pair *p);

/* same_vm.c */
bool pair_open(struct pair *p, const struct program *program);
void pair_close(struct pair *p);
bool pair_reset(struct pair *p);
void pair_start(struct pair *p, const struct program *program);
int msr_get(const struct side *side, uint32_t index, uint64_t *value);
int msr_set(const struct side *side, uint32_t index, uint64_t value);

/* same_guest.c */
void guest_template(unsigned char *ram);
void guest_code(struct pair *p, const struct program *program, unsigned char *code);
void guest_sregs(struct kvm_sregs2 *s, const struct program *program);
uint32_t msr_choose(struct pair *p, struct rnd *r);
uint64_t msr_value(struct rnd *r, uint32_t index, uint64_t old);
unsigned int guest_kinds(void);

/* same_calls.c, same_vmcalls.c, same_run.c: each makes its arguments from @r. */
struct op {
	const char	*name;
	void		(*call)(struct pair *p, struct rnd *r);
	unsigned int	share;
};

extern const struct op vcpu_ops[], vm_ops[], run_ops[];
extern const unsigned int nr_vcpu_ops, nr_vm_ops, nr_run_ops;

enum fd_kind { FD_SYS, FD_VM, FD_VCPU };
int both(struct pair *p, enum fd_kind kind, unsigned long cmd, const void *kvm, const void *likex);
int side_ioctl(const struct side *side, enum fd_kind kind, unsigned long cmd, const void *arg);
bool has_exception(struct pair *p);
bool at_string(const struct side *side);
void finish_run(struct pair *p);
void __attribute__((format(printf, 2, 3))) say(struct pair *p, const char *format, ...);

/* same_program.c */
void program_make(struct program *program, uint64_t seed, uint64_t number);
void program_run(struct pair *p, const struct program *program);
const struct op *op_at(unsigned int i);

#endif
