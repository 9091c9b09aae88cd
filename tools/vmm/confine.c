// SPDX-License-Identifier: GPL-2.0
/* See confine.h. */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/likex.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "report.h"

/* Calls of each thread, whatever their arguments are */
static const int all_calls[] = {
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(close),
	SCMP_SYS(futex), SCMP_SYS(restart_syscall), SCMP_SYS(brk), SCMP_SYS(munmap),
	SCMP_SYS(madvise), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(sched_yield), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
};

/* Those of a thread that serves a device's requests */
static const int worker_calls[] = {
	SCMP_SYS(read), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(fdatasync),
	SCMP_SYS(fallocate), SCMP_SYS(getrandom),
};

/* Those of a thread that waits: for files, signals and threads */
static const int wait_calls[] = {
	SCMP_SYS(read), SCMP_SYS(poll), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(tgkill), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(timer_settime),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(mremap), SCMP_SYS(sysinfo),
};

/* Those that make a machine. Its threads begin with this filter, and add their own. */
static const int make_calls[] = {
	SCMP_SYS(eventfd2), SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq), SCMP_SYS(seccomp), SCMP_SYS(prctl),
};

/* Ioctls of a complete VM, and those that liblikex uses for an instruction */
static const unsigned int run_ioctls[] = {
	KVM_RUN, KVM_SIGNAL_MSI, KVM_SET_GSI_ROUTING, KVM_IOEVENTFD, KVM_GET_STATS_FD, KVM_TRANSLATE,
	KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_VCPU_EVENTS,
	KVM_SET_VCPU_EVENTS, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, KVM_GET_XSAVE,
	KVM_SET_XSAVE, KVM_GET_XCRS, KVM_GET_FPU, KVM_SET_FPU, LIKEX_VCPU_IOCTL,
	LIKEX_LAPIC_ACCESS,
};

static const unsigned int worker_ioctls[] = { KVM_SIGNAL_MSI };

static const unsigned int wait_ioctls[] = { TCGETS, TCSETS };

static const unsigned int make_ioctls[] = {
	KVM_CREATE_VM, KVM_GET_VCPU_MMAP_SIZE, KVM_CHECK_EXTENSION, KVM_ENABLE_CAP,
	KVM_SET_USER_MEMORY_REGION, KVM_CREATE_VCPU, KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2,
	KVM_SET_SIGNAL_MASK,
};

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static int allow_calls(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && !r; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

static int allow_ioctls(scmp_filter_ctx filter, const unsigned int *commands, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && !r; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, commands[i], 0));
	return r;
}

/* Memory is never executable; a file is opened as a device of a hypervisor is. */
static int allow_memory(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static int allow_worker(scmp_filter_ctx filter)
{
	int r = allow_calls(filter, worker_calls, COUNT(worker_calls));

	return r ? r : allow_ioctls(filter, worker_ioctls, COUNT(worker_ioctls));
}

static int allow_making(scmp_filter_ctx filter)
{
	int r = allow_calls(filter, make_calls, COUNT(make_calls));

	r = r ? r : allow_calls(filter, worker_calls, COUNT(worker_calls));
	r = r ? r : allow_ioctls(filter, make_ioctls, COUNT(make_ioctls));
	r = r ? r : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r ? r : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
					SCMP_A2(SCMP_CMP_MASKED_EQ, 0xffffffff,
						O_RDWR | O_CLOEXEC));
}

static int make_rules(scmp_filter_ctx filter, enum confine what)
{
	int r = allow_calls(filter, all_calls, COUNT(all_calls));

	r = r ? r : allow_memory(filter);
	if (r || what == CONFINE_WORKER)
		return r ? r : allow_worker(filter);
	r = allow_ioctls(filter, run_ioctls, COUNT(run_ioctls));
	if (!r && what != CONFINE_CPU) {
		r = allow_calls(filter, wait_calls, COUNT(wait_calls));
		r = r ? r : allow_ioctls(filter, wait_ioctls, COUNT(wait_ioctls));
	}
	return r || what != CONFINE_MAKE ? r : allow_making(filter);
}

int confine(enum confine what)
{
	/* seccomp_load() sets no_new_privs, too. */
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? make_rules(filter, what) : -ENOMEM;

	/* A tree of calls, not a list */
	r = r ? r : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = r ? r : seccomp_load(filter);
	seccomp_release(filter);
	return r ? complain(r, "seccomp") : 0;
}
