// SPDX-License-Identifier: GPL-2.0
/*
 * uret: a KVM guest that executes SYSCALL with LSTAR, STAR, SFMASK and TSC_AUX
 * of its own, and notices at once when one of them is not what it set. Around
 * it, user space of the host looks whether it has its own values back.
 *
 * The processor takes these values from its MSRs, not from the VMCS, so a guest
 * that sees its own proves that the hypervisor knows what is in the MSRs, also
 * when another user of these MSRs has been there in between.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm.h"

#define MEMORY		0x10000
#define PML4		0x1000
#define PDPT		0x2000
#define PAGE_DIRECTORY	0x3000
#define GDT		0x4000
#define STACK_TOP	0x7000
#define CODE		0x8000

#define EXITS_PER_OUT	16	/* all others are handled in the kernel */
#define PORT_ALIVE	0x10
#define PORT_WRONG	0x11

#define MSR_EFER	0xc0000080u
#define MSR_STAR	0xc0000081u
#define MSR_LSTAR	0xc0000082u
#define MSR_SFMASK	0xc0000084u
#define MSR_TSC_AUX	0xc0000103u

#define CODE_SELECTOR	0x08	/* before SYSCALL */
#define STAR_SELECTOR	0x18	/* CS after SYSCALL */
#define FLAGS_MASK	0x400	/* DF of DF, ZF and CF; Linux, for one, masks them all */

/*
 * Each round is one VM exit. %r10d holds the TSC_AUX that is expected. A wrong
 * register goes to PORT_WRONG: 1 RFLAGS, 2 CS, 3 TSC_AUX, 4 the return address.
 */
extern const char guest_code[], guest_entry[], guest_end[];
asm(".pushsection .rodata\n"
    "guest_code:\n"
    "	pushq	$0x08\n"
    "	lea	1f(%rip), %rax\n"
    "	push	%rax\n"
    "	lretq\n"
    "1:	pushq	$0x443\n"
    "	popfq\n"
    "	syscall\n"
    "2:	mov	$5, %al\n"		/* SYSCALL does not come back here */
    "	jmp	9f\n"
    "guest_entry:\n"
    "	pushfq\n"
    "	pop	%rdx\n"
    "	cld\n"
    "	mov	%rcx, %r8\n"
    "	mov	$1, %al\n"
    "	and	$0x441, %edx\n"
    "	cmp	$0x041, %edx\n"
    "	jne	9f\n"
    "	mov	%cs, %edx\n"
    "	mov	$2, %al\n"
    "	cmp	$0x18, %edx\n"
    "	jne	9f\n"
    "	rdtscp\n"
    "	mov	$3, %al\n"
    "	cmp	%r10d, %ecx\n"
    "	jne	9f\n"
    "	lea	2b(%rip), %rdx\n"
    "	mov	$4, %al\n"
    "	cmp	%rdx, %r8\n"
    "	jne	9f\n"
    "	inc	%r9d\n"
    "	test	$15, %r9d\n"
    "	jz	3f\n"
    "	xor	%eax, %eax\n"
    "	cpuid\n"			/* an exit that the kernel handles */
    "	jmp	guest_code\n"
    "3:	out	%al, $0x10\n"
    "	jmp	guest_code\n"
    "9:	out	%al, $0x11\n"
    "	hlt\n"
    "guest_end:\n"
    ".popsection");

struct options {
	const char *device;
	unsigned long exits;
	int cpu;
};

struct host_check {
	volatile int stop;
	unsigned int want;	/* TSC_AUX of the processor that all runs on */
	unsigned long done, wrong;
};

static unsigned int host_tsc_aux(void)
{
	unsigned int low, high, aux;

	asm volatile("rdtscp" : "=a" (low), "=d" (high), "=c" (aux));
	return aux;
}

/* Return the TSC_AUX that Linux uses; the register itself may hold a guest's value. */
static unsigned int linux_tsc_aux(void)
{
	unsigned int cpu, node;

	syscall(SYS_getcpu, &cpu, &node, NULL);
	return node << 12 | cpu;
}

static void host_look(struct host_check *check)
{
	/* That this system call arrives is the check of LSTAR. */
	getppid();
	if (host_tsc_aux() != check->want)
		__atomic_add_fetch(&check->wrong, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&check->done, 1, __ATOMIC_RELAXED);
}

/* A task that has nothing to do with a guest, on the guest's processor. */
static void *bystander(void *arg)
{
	struct host_check *check = arg;

	while (!check->stop) {
		host_look(check);
		usleep(300);
	}
	return NULL;
}

static void put64(char *memory, unsigned int at, uint64_t value)
{
	memcpy(memory + at, &value, sizeof(value));
}

static void fill_memory(char *memory)
{
	put64(memory, PML4, PDPT | 7);
	put64(memory, PDPT, PAGE_DIRECTORY | 7);
	put64(memory, PAGE_DIRECTORY, 0x87);			/* 2 MB at 0 */
	put64(memory, GDT + CODE_SELECTOR, 0x00af9b000000ffff);
	put64(memory, GDT + 0x10, 0x00cf93000000ffff);
	memcpy(memory + CODE, guest_code, guest_end - guest_code);
}

static int set_cpuid(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	int error = 0;

	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = 256;
	if (ioctl(vm->sys, KVM_GET_SUPPORTED_CPUID, cpuid) || ioctl(vm->vcpu, KVM_SET_CPUID2, cpuid))
		error = -errno;
	free(cpuid);
	return error;
}

static int set_msrs(struct vm *vm, unsigned int tsc_aux)
{
	const struct {
		unsigned int index;
		uint64_t value;
	} values[] = {
		{ MSR_STAR, (uint64_t)STAR_SELECTOR << 32 },
		{ MSR_LSTAR, CODE + (guest_entry - guest_code) },
		{ MSR_SFMASK, FLAGS_MASK },
		{ MSR_TSC_AUX, tsc_aux },
	};
	const int count = sizeof(values) / sizeof(values[0]);
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + count * sizeof(msrs->entries[0]));
	int set;

	if (!msrs)
		return -ENOMEM;
	msrs->nmsrs = count;
	for (int i = 0; i < count; i++) {
		msrs->entries[i].index = values[i].index;
		msrs->entries[i].data = values[i].value;
	}
	set = ioctl(vm->vcpu, KVM_SET_MSRS, msrs);
	free(msrs);
	return set == count ? 0 : -EINVAL;
}

static struct kvm_segment flat(uint16_t selector, int code)
{
	return (struct kvm_segment){
		.selector = selector, .limit = 0xffffffff, .type = code ? 0xb : 0x3, .present = 1,
		.s = 1, .l = code, .db = !code, .g = 1,
	};
}

static int set_long_mode(struct vm *vm, unsigned int tsc_aux)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK_TOP, .rflags = 2, .r10 = tsc_aux };
	struct kvm_sregs sregs;

	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs = flat(CODE_SELECTOR, 1);
	sregs.ss = sregs.ds = sregs.es = sregs.fs = sregs.gs = flat(0x10, 0);
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 0x17;
	sregs.cr3 = PML4;
	sregs.cr4 = 0x20;		/* PAE */
	sregs.cr0 = 0x80000011;		/* PG, ET, PE */
	sregs.efer = 0x501;		/* LMA, LME, SCE */
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs) || ioctl(vm->vcpu, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

static int set_up(struct vm *vm, const char *device, unsigned int tsc_aux)
{
	char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int error;

	if (memory == MAP_FAILED)
		return -errno;
	fill_memory(memory);
	error = vm_create(vm, device);
	if (!error)
		error = vm_create_vcpu(vm);
	if (!error)
		error = vm_set_slot(vm, 0, 0, memory, MEMORY);
	if (!error)
		error = set_cpuid(vm);
	if (!error)
		error = set_long_mode(vm, tsc_aux);
	if (!error)
		error = set_msrs(vm, tsc_aux);
	return error;
}

static int run_guest(struct vm *vm, unsigned long exits, struct host_check *check)
{
	static const char * const wrong[] = { "?", "RFLAGS", "CS", "TSC_AUX", "RCX", "LSTAR" };

	for (unsigned long done = 0; done < exits; done += EXITS_PER_OUT) {
		int reason = vm_run(vm);
		unsigned char what;

		host_look(check);
		if (reason == -EINTR) {
			done -= EXITS_PER_OUT;
			continue;
		}
		if (reason == KVM_EXIT_IO && vm->run->io.port == PORT_ALIVE)
			continue;
		if (reason == KVM_EXIT_IO && vm->run->io.port == PORT_WRONG) {
			what = ((unsigned char *)vm->run)[vm->run->io.data_offset];
			printf("after %lu exits the guest found a wrong %s\n", done,
			       what < sizeof(wrong) / sizeof(wrong[0]) ? wrong[what] : wrong[0]);
			return 1;
		}
		printf("after %lu exits the guest went astray: exit reason %d\n", done, reason);
		return 1;
	}
	return 0;
}

static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int run(const struct options *o)
{
	struct host_check check = {};
	pthread_t thread;
	struct vm vm;
	int error;

	error = pin(o->cpu);
	if (!error) {
		check.want = linux_tsc_aux();
		error = set_up(&vm, o->device, 0x1000 + getpid());
	}
	if (!error)
		error = -pthread_create(&thread, NULL, bystander, &check);
	if (error) {
		fprintf(stderr, "uret: %s\n", strerror(-error));
		return 2;
	}
	error = run_guest(&vm, o->exits, &check);
	check.stop = 1;
	pthread_join(thread, NULL);
	vm_destroy(&vm);
	printf("CPU %d: %s after %lu exits; the host looked %lu times, %lu wrong\n", o->cpu,
	       error ? "FAILED" : "guest right", o->exits, check.done, check.wrong);
	return error || check.wrong;
}

int main(int argc, char **argv)
{
	struct options o = { .device = "/dev/kvm", .exits = 100000, .cpu = 0 };
	int option;

	while ((option = getopt(argc, argv, "c:d:n:h")) != -1) {
		if (option == 'c')
			o.cpu = atoi(optarg);
		else if (option == 'd')
			o.device = optarg;
		else if (option == 'n')
			o.exits = strtoul(optarg, NULL, 0);
		else
			break;
	}
	if (option != -1 || optind < argc || !o.exits) {
		printf("usage: uret [-d DEVICE] [-c CPU] [-n EXITS]\n\n"
		       "Run a guest that checks its SYSCALL MSRs and TSC_AUX at each of EXITS VM exits.\n"
		       "Exit status: 0 all right, 1 something was wrong, 2 it could not be run.\n");
		return option == 'h' ? 0 : 2;
	}
	return run(&o);
}
