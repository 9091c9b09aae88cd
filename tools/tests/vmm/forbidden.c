// SPDX-License-Identifier: GPL-2.0
/*
 * Confines itself as a thread of likexvm does, and makes a system call.
 * Usage: forbidden cpu|wait|make|worker CALL
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"

static int write_text(void)
{
	return write(STDOUT_FILENO, "written\n", 8);
}

static int run_ioctl(void)
{
	ioctl(-1, KVM_RUN, 0);
	return 0;
}

static int message_ioctl(void)
{
	ioctl(-1, KVM_SIGNAL_MSI, 0);
	return 0;
}

static int create_ioctl(void)
{
	ioctl(-1, KVM_CREATE_VM, 0);
	return 0;
}

/* A terminal's input, as if typed */
static int type_ioctl(void)
{
	return ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static int sync_file(void)
{
	fdatasync(STDOUT_FILENO);
	return 0;
}

static int random_bytes(void)
{
	char byte;

	return getrandom(&byte, 1, 0);
}

static int map_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static int map_data(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static int open_file(void)
{
	return openat(AT_FDCWD, "/dev/null", O_WRONLY);
}

static int open_device(void)
{
	return openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
}

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int make_event(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

static int execute(void)
{
	char *none[] = { NULL };

	return execve("/bin/true", none, none);
}

static const struct {
	const char *name;
	int (*run)(void);
} calls[] = {
	{ "write", write_text }, { "run", run_ioctl }, { "message", message_ioctl },
	{ "create", create_ioctl }, { "sync", sync_file }, { "random", random_bytes }, { "type", type_ioctl }, { "code", map_code }, { "data", map_data }, { "file", open_file },
	{ "device", open_device }, { "socket", open_socket }, { "event", make_event },
	{ "exec", execute },
};

int main(int argc, char **argv)
{
	static const char *const names[] = { "cpu", "wait", "make", "worker" };

	for (int what = 0; argc == 3 && what < 4; what++)
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
			if (!strcmp(argv[1], names[what]) && !strcmp(argv[2], calls[i].name))
				return confine((enum confine)what) || calls[i].run() < 0;
	errx(2, "usage: forbidden cpu|wait|make|worker CALL");
}
