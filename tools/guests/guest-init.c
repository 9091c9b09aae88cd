// SPDX-License-Identifier: GPL-2.0
/*
 * The first program of a small Linux guest. It uses what needs interrupts: it sleeps on
 * each processor, wakes a thread on another, and changes mappings that several
 * processors use. Then it prints one line and reboots. With the word "tty" (after "--" in the
 * kernel's command line) it uses the serial port first.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SLEEPS		20
#define SLEEP_NS	3000000
#define WAKES		200
#define CHANGES		100
#define PAGE		4096
#define LINES		40
#define LINE		128

/*
 * With most VMMs the serial port has no interrupt, so lines go to the kernel's log; as an
 * alert, which "quiet" lets pass.
 */
static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	int fd = open("/dev/kmsg", O_WRONLY), length;
	char line[256] = "<1>";
	va_list args;

	va_start(args, format);
	length = 3 + vsnprintf(line + 3, sizeof(line) - 3, format, args);
	va_end(args);
	if (write(fd, line, length) != length)
		reboot(RB_HALT_SYSTEM);
	close(fd);
}

static void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Return the number of sleeps that were too short. */
static int sleep_on(int cpu)
{
	int early = 0;

	pin_to(cpu);
	for (int i = 0; i < SLEEPS; i++) {
		struct timespec time = { 0, SLEEP_NS };
		int64_t begin = now();

		nanosleep(&time, NULL);
		early += now() - begin < SLEEP_NS;
	}
	return early;
}

struct pair {
	int there[2], back[2], cpu;
	atomic_bool done;
	volatile char *page;
};

static void *echo(void *arg)
{
	struct pair *pair = arg;
	char byte;

	pin_to(pair->cpu);
	while (read(pair->there[0], &byte, 1) == 1)
		if (write(pair->back[1], &byte, 1) != 1)
			break;
	return NULL;
}

/* Wake a thread on another processor, over and over; return the number of answers. */
static int wake(int cpu)
{
	struct pair pair = { .cpu = cpu };
	pthread_t thread;
	int answers = 0;
	char byte = 1;

	if (pipe(pair.there) || pipe(pair.back) || pthread_create(&thread, NULL, echo, &pair))
		return -1;
	for (int i = 0; i < WAKES; i++)
		if (write(pair.there[1], &byte, 1) == 1 && read(pair.back[0], &byte, 1) == 1)
			answers++;
	close(pair.there[1]);
	pthread_join(thread, NULL);
	return answers;
}

static void *use(void *arg)
{
	struct pair *pair = arg;

	pin_to(pair->cpu);
	while (!pair->done)
		(void)*pair->page;
	return NULL;
}

/* Change the mapping of a page that another processor reads; return the changes. */
static int change(int cpu)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pair pair = { .cpu = cpu, .page = page };
	pthread_t thread;
	int changes = 0;

	if (pthread_create(&thread, NULL, use, &pair))
		return -1;
	for (int i = 0; i < CHANGES; i++) {
		changes += !mprotect(page, PAGE, PROT_READ);
		changes += !mprotect(page, PAGE, PROT_READ | PROT_WRITE);
		*page = i;
	}
	pair.done = true;
	pthread_join(thread, NULL);
	return changes / 2;
}

/* Tell whether the processors are in x2APIC mode, as the kernel's log has it. */
static int cpuinfo_has(const char *word)
{
	static char text[16384];
	int fd = open("/proc/cpuinfo", O_RDONLY), got = 0, size = 0;

	while (size < (int)sizeof(text) - 1 &&
	       (got = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += got;
	close(fd);
	text[size] = 0;
	return strstr(text, word) != NULL;
}

/* Tell how many interrupts the serial port has had, as the kernel has it. */
static int tty_interrupts(void)
{
	static char text[16384];
	int fd = open("/proc/interrupts", O_RDONLY), got, size = 0, count = 0;
	char *row, *end;

	while (size < (int)sizeof(text) - 1 &&
	       (got = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += got;
	close(fd);
	text[size] = 0;
	end = strstr(text, "ttyS0");
	if (!end)
		return 0;
	for (row = end; row > text && row[-1] != '\n'; row--)
		;
	for (row = strchr(row, ':'); row && row < end; row = strchr(row + 1, ' '))
		count += atoi(row + 1);
	return count;
}

/* Use the serial port as programs do, by interrupts: send much, and answer a line. */
static void use_tty(void)
{
	int fd = open("/dev/ttyS0", O_RDWR), got;
	char text[LINE];

	for (int i = 0; i < LINES; i++) {
		int length = snprintf(text, sizeof(text), "tty: line %d of %d\n", i, LINES);

		if (write(fd, text, length) != length)
			return;
	}
	got = read(fd, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = 0;
	dprintf(fd, "tty: got %s", text);
	tcdrain(fd);
	dprintf(fd, "tty: interrupts %s\n", tty_interrupts() > LINES ? "come" : "do not come");
	tcdrain(fd);
	close(fd);
}

int main(int argc, char **argv)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), early = 0, wakes = 0, changes = 0;

	mkdir("/proc", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, "");
	mount("devtmpfs", "/dev", "devtmpfs", 0, "");
	if (argc > 1 && !strcmp(argv[1], "tty"))
		use_tty();
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	for (int cpu = 0; cpu < cpus; cpu++)
		early += sleep_on(cpu);
	pin_to(0);
	for (int cpu = 1; cpu < cpus; cpu++) {
		wakes += wake(cpu);
		changes += change(cpu);
	}
	say("guest-init: cpus %d, %s, early %d, wakes %d, changes %d\n", cpus,
	    cpuinfo_has(" x2apic") ? "x2apic" : "xapic", early, wakes, changes);
	reboot(RB_AUTOBOOT);
	return 1;
}
