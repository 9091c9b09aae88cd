// SPDX-License-Identifier: GPL-2.0
/*
 * kexec: load another kernel, or one for after a panic, and start the former.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(unsigned long flags, char **files)
{
	int kernel = open(files[0], O_RDONLY | O_CLOEXEC);
	int initrd = open(files[1], O_RDONLY | O_CLOEXEC);

	if (kernel < 0 || initrd < 0) {
		fprintf(stderr, "kexec: %s: %s\n", files[kernel < 0 ? 0 : 1], strerror(errno));
		return 1;
	}
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(files[2]) + 1, files[2], flags)) {
		fprintf(stderr, "kexec: the kernel does not load it: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

static int start(void)
{
	sync();
	reboot(RB_KEXEC);
	fprintf(stderr, "kexec: the other kernel does not start: %s\n", strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "-l"))
		return load(0, argv + 2);
	if (argc == 5 && !strcmp(argv[1], "-p"))
		return load(KEXEC_FILE_ON_CRASH, argv + 2);
	if (argc == 2 && !strcmp(argv[1], "-e"))
		return start();
	printf("usage: kexec -l KERNEL INITRD COMMAND-LINE	load a kernel\n"
	       "       kexec -p KERNEL INITRD COMMAND-LINE	load one for after a panic\n"
	       "       kexec -e					start the kernel that was loaded\n");
	return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
}
