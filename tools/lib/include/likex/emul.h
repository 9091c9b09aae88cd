/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * liblikex: the x86 instruction emulator.
 *
 * The emulator executes one guest instruction that a hypervisor could not:
 * usually because it touches memory that is not there (MMIO). It knows no
 * hypervisor and needs no kernel's headers. Registers come all at once or on
 * demand, guest-physical memory comes through one callback, and device accesses
 * go out one transaction at a time.
 *
 * A context (struct likex_emul) belongs to one vCPU and is used by one thread
 * at a time. Contexts share nothing, and the library has no global state.
 * likex_emul_step() allocates nothing.
 *
 * Structures that the caller fills in begin with their size: set it to sizeof.
 * So one that was compiled with an older header goes on to work. Members that
 * such a header lacks count as zero.
 */
#ifndef LIKEX_EMUL_H
#define LIKEX_EMUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Version of the interface that this header describes. */
#define LIKEX_VERSION_MAJOR 0
#define LIKEX_VERSION_MINOR 2

/** The longest x86 instruction. */
#define LIKEX_INSN_MAX 15

/** Opaque context: decode cache and the state of an unfinished instruction. */
struct likex_emul;

/*
 * Registers are laid out as in KVM's structures (struct likex_regs, kvm_sregs), so
 * that a pointer to the one may be used as a pointer to the other.
 */
#ifdef __GNUC__
#define LIKEX_MAY_ALIAS __attribute__((__may_alias__))
#else
#define LIKEX_MAY_ALIAS
#endif

/** struct likex_regs - general registers */
struct LIKEX_MAY_ALIAS likex_regs {
	uint64_t rax, rbx, rcx, rdx;
	uint64_t rsi, rdi, rsp, rbp;
	uint64_t r8, r9, r10, r11;
	uint64_t r12, r13, r14, r15;
	uint64_t rip, rflags;
};

/**
 * struct likex_segment - a segment register
 * @base: linear address of its beginning
 * @limit: the highest offset, in bytes whatever @g is
 * @selector: the value that the guest has loaded
 * @type: of the descriptor, as @present, @dpl, @db, @s, @l, @g and @avl
 * @unusable: a null selector was loaded
 */
struct LIKEX_MAY_ALIAS likex_segment {
	uint64_t base;
	uint32_t limit;
	uint16_t selector;
	uint8_t type;
	uint8_t present, dpl, db, s, l, g, avl;
	uint8_t unusable;
	uint8_t reserved;
};

/** struct likex_dtable - a descriptor-table register */
struct LIKEX_MAY_ALIAS likex_dtable {
	uint64_t base;
	uint16_t limit;
	uint16_t reserved[3];
};

/**
 * struct likex_sregs - system registers
 *
 * The emulator uses neither IDT, CR2, CR8 nor what comes after EFER.
 */
struct LIKEX_MAY_ALIAS likex_sregs {
	struct likex_segment cs, ds, es, fs, gs, ss;
	struct likex_segment tr, ldt;
	struct likex_dtable gdt, idt;
	uint64_t cr0, cr2, cr3, cr4, cr8;
	uint64_t efer;
	uint64_t apic_base;
	uint64_t interrupt_bitmap[4];
};

/**
 * LIKEX_STATE_* - registers, a bit each, for likex_emul_ops.regs
 *
 * LIKEX_STATE_GPR(n) is the nth member of struct likex_regs.
 */
#define LIKEX_STATE_GPR(n)  (1ull << (n))
#define LIKEX_STATE_GPRS    0xffffull
#define LIKEX_STATE_RIP     (1ull << 16)
#define LIKEX_STATE_RFLAGS  (1ull << 17)
#define LIKEX_STATE_ES      (1ull << 18)
#define LIKEX_STATE_CS      (1ull << 19)
#define LIKEX_STATE_SS      (1ull << 20)
#define LIKEX_STATE_DS      (1ull << 21)
#define LIKEX_STATE_FS      (1ull << 22)
#define LIKEX_STATE_GS      (1ull << 23)
#define LIKEX_STATE_TR      (1ull << 24)
#define LIKEX_STATE_LDT     (1ull << 25)
#define LIKEX_STATE_GDT     (1ull << 26)
#define LIKEX_STATE_CONTROL (1ull << 27)	/* CR0, CR3, CR4 and EFER */
#define LIKEX_STATE_ALL     ((1ull << 28) - 1)

/** likex_version() - the version of the library: major << 16 | minor */
uint32_t likex_version(void);

/**
 * enum likex_result - the outcome of likex_emul_step()
 * @LIKEX_DONE: the instruction has retired; registers and memory are as after
 *	it. See likex_step.events for what else the processor would do.
 * @LIKEX_MORE: a repeated string instruction has done some of its iterations
 *	and used up its budget (or likex_step.pause is set). Registers say where
 *	it stands, RIP is still on it: deliver what is pending, then step again
 *	or let the processor go on.
 * @LIKEX_IO: one device transaction is needed: likex_step.io. Carry it out,
 *	for a read store the value in it, and step again.
 * @LIKEX_FAULT: the instruction raised likex_step.fault. Registers are as
 *	before it (for a repeated one: as before the iteration that faulted).
 *	With #XM the flags in MXCSR have been set, and @fpu_put called.
 * @LIKEX_UNSUPPORTED: not emulated; likex_step.why, .insn and .insn_len tell
 *	the reason and the instruction, which has changed nothing.
 *	likex_emul_config.refuse chooses between this result and #UD.
 *
 * Besides these, likex_emul_step() returns a negative errno when a callback
 * did. The instruction is dropped then: registers are as before it, device
 * transactions that it has already made stay made.
 */
enum likex_result {
	LIKEX_DONE = 0,
	LIKEX_MORE = 1,
	LIKEX_IO = 2,
	LIKEX_FAULT = 3,
	LIKEX_UNSUPPORTED = 4,
};

/**
 * enum likex_reason - why an instruction is not emulated
 * @LIKEX_WHY_NONE: no reason: the result was another one
 * @LIKEX_WHY_UNDECODED: the bytes are no instruction that the decoder knows
 * @LIKEX_WHY_INSN: the instruction, or this form of it, is not emulated
 * @LIKEX_WHY_MODE: the processor is in a mode whose rules are not emulated
 *	(protection keys for supervisor pages, AMD's upper-address ignore, shadow
 *	stacks for CALL and RET)
 * @LIKEX_WHY_FETCH: the instruction lies where there is no memory
 * @LIKEX_WHY_PAGE_TABLE: a page table lies where there is no memory
 * @LIKEX_WHY_EVENT: the access came from delivering an event, not from an
 *	instruction
 * @LIKEX_WHY_LOCK: a locked access crosses into a page that does not follow
 *	in the caller's memory too, so it cannot be atomic
 * @LIKEX_WHY_STATE: it needs state of the vCPU that is not available: vector
 *	and x87 registers or PKRU; with likex_vcpu_run() also events and debug
 *	registers, to deliver the exception that it raised or its single-step
 *	trap
 */
enum likex_reason {
	LIKEX_WHY_NONE = 0,
	LIKEX_WHY_UNDECODED,
	LIKEX_WHY_INSN,
	LIKEX_WHY_MODE,
	LIKEX_WHY_FETCH,
	LIKEX_WHY_PAGE_TABLE,
	LIKEX_WHY_EVENT,
	LIKEX_WHY_LOCK,
	LIKEX_WHY_STATE,
};

/** enum likex_space - the address space of a device transaction */
enum likex_space {
	LIKEX_SPACE_MMIO = 0,
	LIKEX_SPACE_PIO = 1,
};

/**
 * struct likex_io - one device transaction
 * @addr: guest-physical address, or port
 * @data: the value, little-endian: given for a write, wanted for a read
 * @len: bytes, 1 to 8 (MMIO) or 1, 2, 4 (PIO)
 * @write: true if the guest writes
 * @space: enum likex_space
 *
 * A transaction never crosses a page. An access of more than 8 bytes, or one
 * that crosses a page, is several transactions, in address order. Each is
 * carried out exactly once, whatever happens between.
 */
struct likex_io {
	uint64_t addr;
	uint8_t data[8];
	uint8_t len;
	bool write;
	uint8_t space;
};

/**
 * struct likex_bulk - device transactions of one kind, one after the other
 * @addr: the first one's guest-physical address, or port
 * @stride: from each one's address to the next one's: @size, -@size, or 0 (a port)
 * @data: the first one's value, little-endian: given for a write, wanted for a
 *	read. It may be the guest's memory, which other vCPUs change meanwhile.
 * @data_stride: from each value to the next one: @size, -@size, or 0 (a write of
 *	one value to all)
 * @count: how many there are; at least 2
 * @size: bytes of each: 1, 2, 4 or 8
 * @write: true if the guest writes
 * @space: enum likex_space
 */
struct likex_bulk {
	uint64_t addr;
	int32_t stride;
	int32_t data_stride;
	void *data;
	uint32_t count;
	uint8_t size;
	bool write;
	uint8_t space;
};

/**
 * struct likex_fault - an exception
 * @vector: 0 #DE, 6 #UD, 7 #NM, 10 #TS, 11 #NP, 12 #SS, 13 #GP, 14 #PF, 16 #MF,
 *	17 #AC, 19 #XM
 * @has_error: true if the exception pushes an error code; none does in real mode
 * @error: that error code
 * @cr2: the linear address, for a page fault. CR2 itself is left for the
 *	caller to load, when it delivers the exception.
 */
struct likex_fault {
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint64_t cr2;
};

/** likex_trap.kind: what the processor was doing when it trapped */
#define LIKEX_TRAP_READ  0
#define LIKEX_TRAP_WRITE 1
#define LIKEX_TRAP_FETCH 2

/** likex_trap.flags */
#define LIKEX_TRAP_PAGE_WALK (1u << 0)	/* the guest's own page walk */
#define LIKEX_TRAP_EVENT     (1u << 1)	/* delivering an event */
#define LIKEX_TRAP_GVA       (1u << 2)	/* gva and gpa are one access's */

/**
 * struct likex_trap - description of the access that trapped
 * @gpa: guest-physical address of the access
 * @gva: its linear address, if LIKEX_TRAP_GVA
 * @kind: LIKEX_TRAP_READ, LIKEX_TRAP_WRITE or LIKEX_TRAP_FETCH
 * @flags: LIKEX_TRAP_PAGE_WALK, LIKEX_TRAP_EVENT, LIKEX_TRAP_GVA
 * @insn_len: number of valid bytes in @insn; 0 if they are not known
 * @insn: the instruction's first bytes. If there are too few, the rest is
 *	fetched from guest memory.
 *
 * Accesses that no instruction can finish (a fetch, a page walk, delivering an
 * event) are refused at once with the reason. With LIKEX_TRAP_GVA, the
 * processor's own translation of that page is used, and not made again: it has
 * checked rights, and set accessed and dirty flags, before it trapped.
 */
struct likex_trap {
	uint64_t gpa;
	uint64_t gva;
	uint8_t kind;
	uint8_t flags;
	uint8_t insn_len;
	uint8_t insn[LIKEX_INSN_MAX];
};

/** likex_step.events: set with LIKEX_DONE and LIKEX_MORE */
#define LIKEX_EVENT_SINGLE_STEP (1u << 0) /* EFLAGS.TF: deliver #DB, DR6.BS */
#define LIKEX_EVENT_MOV_SS      (1u << 1) /* interrupts and #DB wait one more */
#define LIKEX_EVENT_SREGS       (1u << 2) /* a segment register has changed */
#define LIKEX_EVENT_FPU         (1u << 3) /* vector or x87 state has changed */

/**
 * struct likex_step - one call's arguments and results
 * @size: sizeof(struct likex_step)
 * @regs: general registers, RIP and RFLAGS; changed in place
 * @sregs: system registers; changed only by a load of a segment register
 * @trap: the access that trapped, or NULL. Set to NULL once the instruction
 *	is over, so that the same structure can be used for the next.
 * @io: with LIKEX_IO, the transaction; keep it for the next call
 * @fault: with LIKEX_FAULT, the exception
 * @events: with LIKEX_DONE and LIKEX_MORE, LIKEX_EVENT_* bits
 * @why: with LIKEX_UNSUPPORTED, and with a #UD in its place, enum likex_reason
 * @insn_len: number of valid bytes in @insn
 * @insn: with LIKEX_UNSUPPORTED, the instruction's bytes as far as fetched
 * @pause: set by the caller to have a repeated string instruction stop after
 *	one iteration, as if its budget were used up
 * @have: with likex_emul_ops.regs: which registers @regs and @sregs have,
 *	LIKEX_STATE_* bits. The caller sets it for each new instruction, the
 *	emulator adds what it has asked for.
 * @changed: with likex_emul_ops.regs: which of them this call has changed
 */
struct likex_step {
	uint32_t size;
	struct likex_regs *regs;
	struct likex_sregs *sregs;
	const struct likex_trap *trap;
	struct likex_io io;
	struct likex_fault fault;
	uint32_t events;
	uint8_t why;
	uint8_t insn_len;
	uint8_t insn[LIKEX_INSN_MAX];
	bool pause;
	uint64_t have;
	uint64_t changed;
};

/**
 * struct likex_fpu - the vector and x87 state of a vCPU
 * @xsave: XSAVE area in the standard (not compacted) format, at least 4096
 *	bytes and 8-byte aligned, as KVM_GET_XSAVE gives it
 * @xcr0: the guest's XCR0
 */
struct likex_fpu {
	void *xsave;
	uint64_t xcr0;
};

/**
 * struct likex_emul_ops - how the emulator reaches the rest of the VM
 *
 * Callbacks get the pointer that was given to likex_emul_new(). Those that
 * return int return 0 or a negative errno, which ends the step. Only @map is
 * required. @fpu_get and @pkru may return -EOPNOTSUPP, which is the same as
 * not being there. likex_emul_new() copies the structure.
 */
struct likex_emul_ops {
	/** @size: sizeof(struct likex_emul_ops) */
	uint32_t size;

	/**
	 * @map: find the guest's memory. Returns the host address of the
	 * byte at @gpa, valid up to the end of its 4096-byte page, or NULL if
	 * there is no memory, or, with @write, none that may be written: then
	 * the access is MMIO. Memory is accessed with ordinary and atomic
	 * instructions: other vCPUs may run meanwhile. An address is not used
	 * beyond the step, nor after a device transaction, but asked for anew;
	 * see @generation for the exception.
	 */
	void *(*map)(void *ctx, uint64_t gpa, bool write);

	/**
	 * @io: carry out a device transaction at once. Returns 0 if done, 1 to
	 * have it handed out with LIKEX_IO, or a negative errno. NULL is the
	 * same as always returning 1.
	 */
	int (*io)(void *ctx, struct likex_io *io);

	/**
	 * @bulk: carry out many transactions at once, for REP STOS, MOVS, INS and
	 * OUTS. Returns how many of them, from the first one on, are done; the
	 * others are offered to @io. 0 for a device that takes only single ones,
	 * or a negative errno. May be NULL.
	 */
	int (*bulk)(void *ctx, const struct likex_bulk *bulk);

	/**
	 * @fpu_get: fill in where the vector state is. Called only for an
	 * instruction that needs it. If NULL, such are not emulated
	 * (LIKEX_WHY_STATE).
	 */
	int (*fpu_get)(void *ctx, struct likex_fpu *fpu);

	/** @fpu_put: the vector state of @fpu_get has been changed. May be NULL. */
	int (*fpu_put)(void *ctx);

	/**
	 * @pkru: the guest's PKRU. Called only when CR4.PKE is set and a user
	 * page is accessed. If NULL, such an access is not emulated.
	 */
	int (*pkru)(void *ctx, uint32_t *pkru);

	/**
	 * @pdptrs: the four PDPTE registers, for PAE paging. If NULL, they are
	 * read from where CR3 points, which differs only for a guest that
	 * changed them there without loading CR3.
	 */
	int (*pdptrs)(void *ctx, uint64_t pdptrs[4]);

	/**
	 * @generation: a number that the caller changes whenever an address
	 * that @map has returned may have become another. While it stays, the
	 * emulator may use such addresses again in later steps (to check that
	 * the page tables of the code are still what they were). NULL: it
	 * never does, and asks anew each time.
	 */
	const volatile uint64_t *generation;

	/**
	 * @regs: registers on demand. Fills in those of step->regs and step->sregs
	 * that @want names, LIKEX_STATE_* bits, and may fill in more and add it to
	 * step->have. For a hypervisor where reading each one costs.
	 * step->changed tells which ones are to be written back. NULL: they are
	 * all there when the step begins.
	 */
	int (*regs)(void *ctx, struct likex_step *step, uint64_t want);

	/**
	 * @dirty: the emulator has written to memory: @len bytes at @gpa, within
	 * one page, page tables and descriptors included. For a log of dirty
	 * pages. May be NULL.
	 */
	void (*dirty)(void *ctx, uint64_t gpa, uint32_t len);
};

/** likex_emul_config.features: what the guest's processor has */
#define LIKEX_FEATURE_1G_PAGES (1u << 0)  /* else PS in a PDPTE is reserved */

/**
 * enum likex_vendor - vendor of the processor that the guest believes to be on
 * @LIKEX_VENDOR_INTEL: Intel's
 * @LIKEX_VENDOR_AMD: AMD's: a near branch in 64-bit code obeys an operand-size
 *	prefix; a repeated string instruction whose count is 0 changes no
 *	register; CMPS looks at its first operand first, and flags change with
 *	each iteration; operands of 16 and 32 bytes are checked for alignment,
 *	and after the end of canonical addresses
 */
enum likex_vendor {
	LIKEX_VENDOR_INTEL = 0,
	LIKEX_VENDOR_AMD = 1,
};

/**
 * enum likex_refuse - treatment of an instruction that is not emulated
 * @LIKEX_REFUSE_USER_UD: #UD into the guest at CPL 1 to 3, so that a guest's
 *	program ends itself and not its machine; LIKEX_UNSUPPORTED at CPL 0
 * @LIKEX_REFUSE_EXIT: LIKEX_UNSUPPORTED always
 * @LIKEX_REFUSE_UD: #UD always
 *
 * An access made while an event is delivered, or by a page walk, is no
 * instruction's: it is LIKEX_UNSUPPORTED in any case. With a #UD that stands for
 * a refusal, likex_step.why, .insn and .insn_len are filled in, too.
 */
enum likex_refuse {
	LIKEX_REFUSE_USER_UD = 0,
	LIKEX_REFUSE_EXIT = 1,
	LIKEX_REFUSE_UD = 2,
};

/**
 * struct likex_emul_config - properties of the emulated processor
 * @size: sizeof(struct likex_emul_config)
 * @maxphyaddr: physical-address bits, 32 to 52; those above are reserved in
 *	page tables
 * @features: LIKEX_FEATURE_* bits
 * @rep_budget: iterations of a repeated string instruction in one step before
 *	LIKEX_MORE; 0 for the default (1024)
 * @vendor: enum likex_vendor
 * @refuse: enum likex_refuse
 */
struct likex_emul_config {
	uint32_t size;
	uint32_t maxphyaddr;
	uint32_t features;
	uint32_t rep_budget;
	uint8_t vendor;
	uint8_t refuse;
};

/**
 * likex_emul_new() - make a context
 * @ops: callbacks
 * @ctx: handed to each callback
 * @config: the processor; NULL for one with 52 address bits and 1G pages
 *
 * Return: the context, or NULL with errno set: EINVAL, ENOMEM, or E2BIG if a
 * structure is of a newer version and has more in it than this one knows.
 */
struct likex_emul *likex_emul_new(const struct likex_emul_ops *ops, void *ctx,
				  const struct likex_emul_config *config);

/**
 * likex_emul_free() - free a context
 * @emul: context, or NULL
 */
void likex_emul_free(struct likex_emul *emul);

/**
 * likex_emul_step() - execute the instruction at CS:RIP, or go on with it
 * @emul: context
 * @step: registers in, results out
 *
 * After LIKEX_IO the next call continues the same instruction, provided that
 * RIP is still the same; else the unfinished instruction is dropped, with its
 * trap, and the one at the new RIP executed. (To have the processor run that,
 * or with a trap of its own, call likex_emul_cancel() first.) Registers that
 * user space has changed meanwhile keep their new value, unless the instruction
 * writes them.
 *
 * Interrupts, debug registers' breakpoints and the interrupt shadow on entry
 * are the caller's: an instruction that retires ends any shadow, and sets
 * RFLAGS.RF to 0.
 *
 * Return: enum likex_result, or a negative errno.
 */
int likex_emul_step(struct likex_emul *emul, struct likex_step *step);

/**
 * likex_emul_cancel() - drop an instruction that waits for a transaction
 * @emul: context
 *
 * For a vCPU that is reset or restored. Bytes that the instruction has already
 * written stay written.
 */
void likex_emul_cancel(struct likex_emul *emul);

/**
 * likex_emul_pending() - return true if an instruction waits for a transaction
 * @emul: context
 */
bool likex_emul_pending(const struct likex_emul *emul);

/**
 * struct likex_emul_stats - counters of a context, since it was made
 *
 * @size is sizeof(struct likex_emul_stats), and is set before the call. Counters
 * that this version does not have become 0.
 */
struct likex_emul_stats {
	uint32_t size;
	uint64_t insns;		/* instructions looked up */
	uint64_t decode_misses;	/* of them, not found in the decode cache */
};

/**
 * likex_emul_get_stats() - read the counters
 * @emul: context
 * @stats: filled in
 */
void likex_emul_get_stats(const struct likex_emul *emul,
			  struct likex_emul_stats *stats);

/** Access kinds for likex_emul_translate(): a sum of bits as in #PF's error. */
#define LIKEX_ACCESS_WRITE (1u << 1)
#define LIKEX_ACCESS_USER  (1u << 2)
#define LIKEX_ACCESS_FETCH (1u << 4)

/**
 * likex_emul_translate() - walk the guest's page tables
 * @emul: context
 * @step: registers in; a fault out
 * @linear: linear address
 * @access: LIKEX_ACCESS_* bits; without LIKEX_ACCESS_USER the access is an
 *	explicit one of the supervisor
 * @gpa: the guest-physical address
 *
 * Accessed and dirty bits are set as the access would set them.
 *
 * Return: LIKEX_DONE, LIKEX_FAULT, LIKEX_UNSUPPORTED, or a negative errno.
 */
int likex_emul_translate(struct likex_emul *emul, struct likex_step *step,
			 uint64_t linear, uint32_t access, uint64_t *gpa);

/**
 * likex_reason_str() - a reason in words, for messages
 * @why: enum likex_reason
 */
const char *likex_reason_str(unsigned int why);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* LIKEX_EMUL_H */
