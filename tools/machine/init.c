// SPDX-License-Identifier: GPL-2.0
/*
 * init: the first program of the emulated machine.
 *
 * Runs the steps that the host put into /job, one after the other, and reports
 * over I/O port 0xe9, which nothing else writes to; the serial line is left to
 * the kernel. So the output of a program is never taken for a kernel message,
 * nor the other way round. At the end it powers the machine off.
 *
 * /job is a list of zero-terminated strings. A step is
 *	"run" NAME ARGC ARGV...		run a program
 *	"shell" NAME 0			an interactive shell on the serial line
 *
 * A frame on the port is 'L' 'X' '1', a type, the length of the payload (32
 * bits, little endian), the payload:
 *	H	once, before the first step: the kernel's release
 *	S	a step begins: its name
 *	O, E	what the step wrote to standard output and standard error
 *	X	the step ended: its wait status (32 bits)
 *	T	all steps ended: the kernel's taint mask, in decimal
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define REPORT_PORT	0xe9
#define BOCHS_POWER	0x8900	/* Bochs powers off when "Shutdown" is written here */
#define PIPE_HOLDS	65536	/* bytes, without a reader: pipe(7) */

struct job {
	char	*at;
	char	*end;
};

static const struct {
	const char *type, *where, *options;
} mounts[] = {
	{ "proc",	"/proc",			"" },
	{ "sysfs",	"/sys",				"" },
	{ "devtmpfs",	"/dev",				"" },
	{ "tmpfs",	"/tmp",				"" },
	{ "tmpfs",	"/dev/shm",			"" },
	{ "devpts",	"/dev/pts",			"" },
	{ "debugfs",	"/sys/kernel/debug",		"" },
	{ "tracefs",	"/sys/kernel/tracing",		"" },
	{ "cgroup2",	"/sys/fs/cgroup",		"" },
};

/* <sys/io.h> has an outsb() that does not tell the compiler that it reads memory. */
static void write_port(uint16_t port, const void *data, size_t length)
{
	asm volatile("rep outsb" : "+S" (data), "+c" (length) : "d" (port) : "memory");
}

static void report(char type, const void *data, uint32_t length)
{
	unsigned char head[8] = { 'L', 'X', '1', type, length, length >> 8, length >> 16, length >> 24 };

	write_port(REPORT_PORT, head, sizeof(head));
	write_port(REPORT_PORT, data, length);
}

static void report_text(char type, const char *text)
{
	report(type, text, strlen(text));
}

static _Noreturn void power_off(void)
{
	const char *word = "Shutdown";

	/* The kernel's output must have left the line before the machine is off. */
	tcdrain(STDERR_FILENO);
	write_port(BOCHS_POWER, word, strlen(word));
	reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].where, 0755);
		/* A kernel without debugfs, say, is no reason to stop. */
		mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, mounts[i].options);
	}
}

static char *next_word(struct job *job)
{
	char *word = job->at;

	if (job->at >= job->end)
		return NULL;
	job->at += strlen(word) + 1;
	return word;
}

static int read_job(struct job *job)
{
	struct stat st;
	int fd = open("/job", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	job->at = malloc(st.st_size + 1);
	if (!job->at)
		return -ENOMEM;
	if (read(fd, job->at, st.st_size) != st.st_size)
		return -EIO;
	job->at[st.st_size] = 0;
	job->end = job->at + st.st_size;
	close(fd);
	return 0;
}

/* Send on what a pipe holds; returns how much, 0 when its last writer is gone. */
static long forward(int fd, char type)
{
	static char buffer[16384];
	ssize_t got = read(fd, buffer, sizeof(buffer));

	if (got > 0)
		report(type, buffer, got);
	return got > 0 ? got : 0;
}

static int collect(pid_t child, int out, int err)
{
	struct pollfd watch[2] = { { out, POLLIN, 0 }, { err, POLLIN, 0 } };
	const char types[2] = { 'O', 'E' };
	int open_ends = 2, status = 0, ended = 0;
	long left = 2 * PIPE_HOLDS;

	while (open_ends && left > 0) {
		/*
		 * A process left behind may hold a pipe for ever, or write to it:
		 * once the step itself has ended, only what can already be in the
		 * pipes is taken.
		 */
		int ready = poll(watch, 2, ended ? 0 : 100);

		for (int i = 0; i < 2; i++) {
			long got;

			if (!watch[i].revents)
				continue;
			got = forward(watch[i].fd, types[i]);
			if (!got) {
				watch[i].fd = -1;
				open_ends--;
			}
			if (ended)
				left -= got;
		}
		if (!ready && ended)
			break;
		if (!ended)
			ended = waitpid(child, &status, WNOHANG) == child;
	}
	if (!ended)
		waitpid(child, &status, 0);
	return status;
}

static int start_step(char **argv, int *out, int *err)
{
	int out_pipe[2], err_pipe[2];
	pid_t child;

	if (pipe2(out_pipe, O_CLOEXEC) || pipe2(err_pipe, O_CLOEXEC))
		return -errno;
	child = fork();
	if (!child) {
		setsid();
		/* exec keeps port permissions: the report port is init's alone */
		ioperm(REPORT_PORT, 1, 0);
		ioperm(BOCHS_POWER, 1, 0);
		dup2(out_pipe[1], STDOUT_FILENO);
		dup2(err_pipe[1], STDERR_FILENO);
		execvp(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(out_pipe[1]);
	close(err_pipe[1]);
	*out = out_pipe[0];
	*err = err_pipe[0];
	return child;
}

static void run_step(char **argv)
{
	int out = -1, err = -1, status;
	pid_t child = start_step(argv, &out, &err);

	if (child < 0) {
		report_text('E', "init: no process for this step\n");
		status = 125 << 8;
	} else {
		status = collect(child, out, err);
		close(out);
		close(err);
	}
	/* The next step starts on a machine without this one's leftovers. */
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	report('X', &status, sizeof(status));
}

static void run_shell(void)
{
	char *argv[] = { "/bin/sh", "-l", NULL };
	int status = 0;
	pid_t child = fork();

	if (!child) {
		int tty;

		setsid();
		tty = open("/dev/ttyS0", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			dup2(tty, fd);
		execv(argv[0], argv);
		_exit(127);
	}
	waitpid(child, &status, 0);
	report('X', &status, sizeof(status));
}

static void run_job(struct job *job)
{
	char *kind, *name, *count;

	while ((kind = next_word(job)) && (name = next_word(job)) && (count = next_word(job))) {
		int argc = atoi(count);
		char **argv = calloc(argc + 1, sizeof(*argv));

		for (int i = 0; argv && i < argc; i++)
			argv[i] = next_word(job);
		report_text('S', name);
		if (!argv)
			return;
		if (!strcmp(kind, "shell"))
			run_shell();
		else
			run_step(argv);
		free(argv);
	}
}

static void report_taint(void)
{
	char text[32] = "";
	int fd = open("/proc/sys/kernel/tainted", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		strcpy(text, "unknown");
	text[strcspn(text, "\n")] = 0;
	report_text('T', text);
}

int main(void)
{
	struct utsname host;
	struct job job = {};
	int error;

	mount_all();
	if (ioperm(REPORT_PORT, 1, 1) || ioperm(BOCHS_POWER, 1, 1)) {
		perror("init: the kernel gives no I/O ports (CONFIG_X86_IOPL_IOPERM)");
		reboot(RB_POWER_OFF);
	}
	setenv("PATH", "/bin:/sbin:/tests", 1);
	setenv("HOME", "/", 1);
	uname(&host);
	report_text('H', host.release);
	error = read_job(&job);
	if (error)
		fprintf(stderr, "init: /job: %s\n", strerror(-error));
	else
		run_job(&job);
	report_taint();
	power_off();
}
