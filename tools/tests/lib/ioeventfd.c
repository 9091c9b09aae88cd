// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Eventfds for writes to memory (KVM_IOEVENTFD), with guests in real mode: the same is
 * expected of KVM, and of /dev/likex-kvm under the preload library.
 *
 *   --device NODE   /dev/kvm (default) or /dev/likex-kvm
 *   --count N       writes of the storm (2000)
 */
#include "../../guests/vm.h"
#include "rig.h"
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY	0x10000
#define CODE	0x1000
#define DEVICE	0xd0000ull

#define BYTE	0x11
#define WORD	0x2211
#define DWORD	0x44332211
#define QWORD	0x8877665544332211

#define DATA	KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define REMOVE	KVM_IOEVENTFD_FLAG_DEASSIGN

#define WRITES	4		/* of each_length */
#define MOV_DS	"\xb8\x00\xd0\x8e\xd8"		/* mov ax, 0xd000; mov ds, ax */

static const char *node = "/dev/kvm";
static unsigned int failures;

/* The last write is a read, too. */
static const char each_length[] = MOV_DS
	"\xc6\x06\x00\x00\x11"			/* mov byte [0], 0x11 */
	"\xc7\x06\x10\x00\x11\x22"		/* mov word [0x10], 0x2211 */
	"\x66\xc7\x06\x20\x00\x11\x22\x33\x44"	/* mov dword [0x20], 0x44332211 */
	"\x66\x31\xc0\x66\x31\xd2"		/* xor eax, eax; xor edx, edx */
	"\x66\xbb\x11\x22\x33\x44"		/* mov ebx, 0x44332211 */
	"\x66\xb9\x55\x66\x77\x88"		/* mov ecx, 0x88776655 */
	"\x0f\xc7\x0e\x30\x00"			/* cmpxchg8b [0x30], which holds 0 */
	"\xf4";

/* mov [0x20], eax, with EAX from 0 to ECX - 1 */
static const char values[] = MOV_DS
	"\x66\x31\xc0"				/* xor eax, eax */
	"\x66\xa3\x20\x00"			/* again: mov [0x20], eax */
	"\x66\x40\x66\x39\xc8"			/* inc eax; cmp eax, ecx */
	"\x75\xf5"				/* jne again */
	"\xf4";

/* Each with one descriptor, for the writes of each_length. */
static const struct {
	u64 addr;
	u32 len, flags;
	u64 data;
	bool fits;
} rows[] = {
	{ 0x00, 1, 0, 0, true },		{ 0x10, 2, 0, 0, true },
	{ 0x20, 4, 0, 0, true },		{ 0x30, 8, 0, 0, true },
	{ 0x00, 0, 0, 0, true },		{ 0x10, 0, 0, 0, true },
	{ 0x20, 0, 0, 0, true },
	{ 0x00, 1, DATA, BYTE, true },		{ 0x10, 2, DATA, WORD, true },
	{ 0x20, 4, DATA, DWORD, true },		{ 0x30, 8, DATA, QWORD, true },
	/* Other lengths, values and addresses. */
	{ 0x00, 2, 0, 0, false },		{ 0x10, 1, 0, 0, false },
	{ 0x20, 8, 0, 0, false },		{ 0x30, 4, 0, 0, false },
	{ 0x00, 1, DATA, BYTE + 1, false },	{ 0x10, 2, DATA, BYTE, false },
	{ 0x20, 4, DATA, QWORD, false },	{ 0x30, 8, DATA, DWORD, false },
	{ 0x01, 1, 0, 0, false },		{ 0x21, 0, 0, 0, false },
	{ 0x1f, 4, 0, 0, false },		{ 0x20, 4, PIO, 0, false },
};

static void expect_same(const char *what, unsigned int i, u64 want, u64 got)
{
	if (want == got)
		return;
	printf("%s %u: %llu, not %llu\n", what, i, (unsigned long long)got,
	       (unsigned long long)want);
	failures++;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	must(fd >= 0, "eventfd");
	return fd;
}

static u64 signals(int fd)
{
	u64 count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static int call(struct vm *vm, int fd, u64 addr, u32 len, u32 flags, u64 data)
{
	struct kvm_ioeventfd args = {
		.fd = fd, .addr = addr + (flags & PIO ? 0 : DEVICE), .len = len,
		.flags = flags, .datamatch = data,
	};

	return ioctl(vm->vm, KVM_IOEVENTFD, &args) ? errno : 0;
}

static void boot(struct vm *vm, const char *code, size_t size, u64 ecx)
{
	char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	struct kvm_regs regs;

	must(memory != MAP_FAILED, "memory");
	memcpy(memory + CODE, code, size);
	errno = -vm_create(vm, node);
	must(!errno, node);
	errno = -vm_set_slot(vm, 0, 0, memory, MEMORY);
	must(!errno, "memory slot");
	errno = -vm_create_vcpu(vm);
	must(!errno, "vCPU");
	errno = -vm_start_real_mode(vm, CODE);
	must(!errno && !ioctl(vm->vcpu, KVM_GET_REGS, &regs), "registers");
	regs.rcx = ecx;
	must(!ioctl(vm->vcpu, KVM_SET_REGS, &regs), "registers");
}

/* Run to the HLT; returns the number of writes that came here. */
static unsigned int exits(struct vm *vm)
{
	unsigned int count = 0;
	int reason;

	while ((reason = vm_run(vm)) == KVM_EXIT_MMIO) {
		count += vm->run->mmio.is_write;
		if (!vm->run->mmio.is_write)
			memset(vm->run->mmio.data, 0, sizeof(vm->run->mmio.data));
	}
	expect_same("exit reason", 0, KVM_EXIT_HLT, reason);
	return count;
}

static void test_rows(void)
{
	int fd = new_eventfd();
	unsigned int i;
	struct vm vm;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		boot(&vm, each_length, sizeof(each_length), 0);
		expect_same("assign, row", i, 0, call(&vm, fd, rows[i].addr, rows[i].len,
						      rows[i].flags, rows[i].data));
		expect_same("exits, row", i, WRITES - rows[i].fits, exits(&vm));
		expect_same("signals, row", i, rows[i].fits, signals(fd));
		vm_destroy(&vm);
	}
	close(fd);
}

/* Values 0 to 2 have an eventfd each; 3 and 4 have none. */
static void test_values(void)
{
	unsigned int i;
	struct vm vm;
	int fds[3];

	boot(&vm, values, sizeof(values), 5);
	for (i = 0; i < 3; i++) {
		fds[i] = new_eventfd();
		expect_same("assign, value", i, 0, call(&vm, fds[i], 0x20, 4, DATA, i));
	}
	expect_same("exits, values", 0, 2, exits(&vm));
	for (i = 0; i < 3; i++) {
		expect_same("signals, value", i, 1, signals(fds[i]));
		close(fds[i]);
	}
	vm_destroy(&vm);
}

/* The VM keeps an eventfd that the program closes; a full counter does not stop the guest. */
static void test_closed_or_full(void)
{
	int closed = new_eventfd(), kept = dup(closed), full = eventfd(0, EFD_CLOEXEC);
	u64 most = ~0ull - 1;
	struct vm vm;

	boot(&vm, each_length, sizeof(each_length), 0);
	expect_same("assign, closed", 0, 0, call(&vm, closed, 0x10, 2, 0, 0));
	close(closed);
	must(write(full, &most, sizeof(most)) == sizeof(most), "eventfd");
	expect_same("assign, full", 0, 0, call(&vm, full, 0x20, 4, 0, 0));
	expect_same("exits, closed or full", 0, WRITES - 2, exits(&vm));
	expect_same("signals, closed", 0, 1, signals(kept));
	vm_destroy(&vm);
	close(kept);
	close(full);
}

static void test_capabilities(void)
{
	static const int caps[] = {
		KVM_CAP_IOEVENTFD, KVM_CAP_IOEVENTFD_NO_LENGTH, KVM_CAP_IOEVENTFD_ANY_LENGTH,
	};
	unsigned int i;
	struct vm vm;

	boot(&vm, each_length, sizeof(each_length), 0);
	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		expect_same("capability", caps[i], 1, ioctl(vm.sys, KVM_CHECK_EXTENSION, caps[i]));
		expect_same("the VM's", caps[i], 1, ioctl(vm.vm, KVM_CHECK_EXTENSION, caps[i]));
	}
	vm_destroy(&vm);
}

static const struct {
	u64 addr;
	u32 len, flags;
	u64 data;
	int error;
} errors[] = {
	{ 0x20, 4, DATA, 7, 0 },		{ 0x20, 4, DATA, 7, EEXIST },
	{ 0x20, 4, 0, 0, EEXIST },		{ 0x20, 0, 0, 0, EEXIST },
	{ 0x20, 2, 0, 0, 0 },			{ 0x20, 4, DATA, 8, 0 },
	{ 0x20, 4, REMOVE, 0, ENOENT },		{ 0x20, 4, REMOVE | DATA, 9, ENOENT },
	{ 0x20, 1, REMOVE, 0, ENOENT },		{ 0x20, 4, REMOVE | DATA, 7, 0 },
	{ 0x20, 4, REMOVE | DATA, 7, ENOENT },	{ 0x20, 4, DATA, 7, 0 },
	{ 0x40, 3, 0, 0, EINVAL },		{ 0x40, 16, 0, 0, EINVAL },
	{ 0x40, 0, DATA, 0, EINVAL },		{ 0x40, 4, 1 << 8, 0, EINVAL },
	{ ~0ull - DEVICE, 2, 0, 0, EINVAL },
};

static void test_errors(void)
{
	int fd = new_eventfd(), no_eventfd = dup(0);
	unsigned int i;
	struct vm vm;

	boot(&vm, each_length, sizeof(each_length), 0);
	for (i = 0; i < ARRAY_SIZE(errors); i++)
		expect_same("error", i, errors[i].error,
			    call(&vm, fd, errors[i].addr, errors[i].len, errors[i].flags,
				 errors[i].data));
	expect_same("no descriptor", 0, EBADF, call(&vm, -1, 0x40, 4, 0, 0));
	expect_same("no eventfd", 0, EINVAL, call(&vm, no_eventfd, 0x40, 4, 0, 0));
	expect_same("no argument", 0, -1, ioctl(vm.vm, KVM_IOEVENTFD, NULL));
	expect_same("no argument", 1, EFAULT, errno);
	vm_destroy(&vm);
	close(no_eventfd);
	close(fd);
}

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	must(dir, "/proc/self/fd");
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Return the exit status of a child: 0 if it has no eventfd beside those of its parent. */
static int forked(struct vm *vm, int fd, unsigned int before)
{
	pid_t child = fork();
	int status = -1;

	if (!child)
		_exit(descriptors() > before ? 1 : call(vm, fd, 0x40, 4, 0, 0) != EIO ? 2 : 0);
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The VM lives as long as its vCPU's descriptor. A child, and a program after exec(), have no part in it. */
static void test_lifetime(void)
{
	unsigned int before = descriptors();
	int fd = new_eventfd();
	struct vm vm;

	boot(&vm, each_length, sizeof(each_length), 0);
	expect_same("assign, lifetime", 0, 0, call(&vm, fd, 0x20, 4, 0, 0));
	/* The program's own: device, VM, vCPU, eventfd. */
	expect_same("a child", 0, 0, forked(&vm, fd, before + 4));
	expect_same("another program", 0, 1,
		    WEXITSTATUS(system("ls -l /proc/self/fd | grep -q eventfd")));
	close(vm.vm);
	vm.vm = -1;
	expect_same("exits, VM closed", 0, WRITES - 1, exits(&vm));
	expect_same("signals, VM closed", 0, 1, signals(fd));
	vm_destroy(&vm);
	close(fd);
	expect_same("descriptors", 0, before, descriptors());
}

struct storm {
	struct vm vm;
	unsigned int exits;
	atomic_bool done;
};

static void *storm_run(void *arg)
{
	struct storm *s = arg;

	s->exits = exits(&s->vm);
	s->done = true;
	return NULL;
}

/*
 * A thread runs the guest, and this one, which made the VM, assigns and removes: each
 * write has one effect, and no signal comes after a removal.
 */
static void test_storm(unsigned int writes)
{
	unsigned int late = 0, changes = 0;
	int fd = new_eventfd();
	struct storm s = { 0 };
	pthread_t thread;
	u64 total = 0;

	boot(&s.vm, values, sizeof(values), writes);
	must(!pthread_create(&thread, NULL, storm_run, &s), "thread");
	while (!s.done) {
		expect_same("assign, storm", changes, 0, call(&s.vm, fd, 0x20, changes % 2 * 4, 0, 0));
		usleep(changes % 4 * 100);
		expect_same("removal, storm", changes, 0,
			    call(&s.vm, fd, 0x20, changes % 2 * 4, REMOVE, 0));
		changes++;
		total += signals(fd);
		usleep(changes % 3 * 100);
		late += signals(fd);
	}
	pthread_join(thread, NULL);
	expect_same("late signals", 0, 0, late);
	expect_same("writes", 0, writes, total + s.exits);
	printf("storm: %u writes, %u changes, %s\n", writes, changes,
	       total && s.exits ? "signals and exits" : "no mixture");
	expect_same("mixture", 0, true, total && s.exits);
	vm_destroy(&s.vm);
	close(fd);
}

int main(int argc, char **argv)
{
	struct options o = {
		.about = "Eventfds for writes to memory.", .count = 2000,
		.extra_name = "device", .extra_help = "/dev/kvm (default) or /dev/likex-kvm",
	};

	options_parse(&o, argc, argv);
	if (o.extra)
		node = o.extra;
	test_capabilities();
	test_errors();
	test_rows();
	test_values();
	test_closed_or_full();
	test_lifetime();
	test_storm(o.count);
	printf("%s: %zu rows, %u failures\n", node, ARRAY_SIZE(rows), failures);
	return failures != 0;
}
