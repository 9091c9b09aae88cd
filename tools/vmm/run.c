// SPDX-License-Identifier: GPL-2.0
/* likexvm run: options, and the thread that waits for a machine's end. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "command.h"
#include "confine.h"
#include "console.h"
#include "cpu.h"
#include "guest.h"
#include "mptable.h"
#include "parse.h"
#include "report.h"

#define PAGE		4096
#define MEMORY_LEAST	(2ULL << 20)
#define MEMORY_MOST	(1ULL << 40)
#define FILE_MOST	(1ULL << 30)
#define DISKS		16
#define WAIT_MS		20

struct asked {
	const char *kernel, *initrd, *console, *disks[DISKS];
	unsigned int nr_disks;
	uint64_t memory, cpus;
	bool no_reset;
};

/* All of a run: of one machine, or of several after resets */
struct run {
	struct guest guest;
	struct console console;
	struct file kernel, initrd;
	struct disk disks[DISKS];
	int signals;			/* signalfd */
	bool stopped;			/* by the escape key or a signal: no new machine */
	int ended_by;			/* signal that is to end this program */
};

static const char help[] =
	"usage: likexvm run --kernel FILE [OPTION...]\n"
	"Boot Linux in a VM, with a serial console.\n"
	"\n"
	"  --kernel FILE                  uncompressed kernel (vmlinux) or bzImage\n"
	"  --initrd FILE                  initial RAM disk\n"
	"  --cmdline WORDS                command line of the kernel (console=ttyS0)\n"
	"  --cpus N                       vCPUs, 1 to 128 (1)\n"
	"  --mem SIZE                     memory, such as 512M or 2G (128M)\n"
	"  --disk FILE[,ro]               disk image; again for more disks, up to 16\n"
	"  --rng                          random numbers from the host, by virtio\n"
	"  --console stdio|FILE           console: this terminal, or a file for its output (stdio)\n"
	"  --apic x2apic|xapic            local APIC that the guest is offered (x2apic)\n"
	"  --no-reset                     end, with status 4, if the guest resets the machine\n"
	"  --hypervisor likex|kvm|auto    auto: /dev/likex where it is there (auto)\n"
	"  --help                         print this\n"
	"\n"
	"SIGUSR1 prints registers and statistics.\n"
	"Exit status: 0 after power-off; 1 after an error, 2 for a wrong call, 3 after a\n"
	"guest's panic (pvpanic), 4 after a reset with --no-reset.\n";

static bool take_apic(struct guest *guest, const char *text)
{
	guest->apic = !strcmp(text, "xapic") ? APIC_X : APIC_X2;
	return guest->apic == APIC_X || !strcmp(text, "x2apic");
}

static bool take_memory(struct asked *asked, const char *text)
{
	return parse_size(text, &asked->memory) && asked->memory >= MEMORY_LEAST &&
	       asked->memory <= MEMORY_MOST && !(asked->memory % PAGE);
}

static bool take_disk(struct asked *asked, const char *text)
{
	if (!*text || asked->nr_disks == DISKS)
		return false;
	asked->disks[asked->nr_disks++] = text;
	return true;
}

static bool take(struct guest *guest, struct asked *asked, int option, const char *text)
{
	switch (option) {
	case 'k':
		asked->kernel = text;
		return true;
	case 'i':
		asked->initrd = text;
		return true;
	case 'l':
		guest->boot.cmdline = text;
		return true;
	case 'c':
		return parse_count(text, 1, MPTABLE_CPUS, &asked->cpus);
	case 'm':
		return take_memory(asked, text);
	case 'd':
		return take_disk(asked, text);
	case 'r':
		guest->rng = true;
		return true;
	case 'o':
		asked->console = text;
		return *text;
	case 'a':
		return take_apic(guest, text);
	case 'n':
		asked->no_reset = true;
		return true;
	default:
		guest->node = hypervisor_node(text);
		return guest->node;
	}
}

/* Return COMMAND_GOES_ON, or an exit status. */
static int parse(struct guest *guest, struct asked *asked, int argc, char **argv)
{
	static const struct option options[] = {
		{ "kernel", required_argument, NULL, 'k' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "cmdline", required_argument, NULL, 'l' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "mem", required_argument, NULL, 'm' },
		{ "disk", required_argument, NULL, 'd' },
		{ "rng", no_argument, NULL, 'r' },
		{ "console", required_argument, NULL, 'o' },
		{ "apic", required_argument, NULL, 'a' },
		{ "no-reset", no_argument, NULL, 'n' },
		{ "hypervisor", required_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option, index = 0;

	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (option == 'h')
			return fputs(help, stdout) < 0 ? STATUS_ERROR : STATUS_END;
		if (option == '?')
			return command_wrong("run");
		if (!take(guest, asked, option, optarg)) {
			refuse("--%s: %s is not accepted", options[index].name, optarg);
			return command_wrong("run");
		}
	}
	if (optind < argc)
		refuse("%s: run takes options only", argv[optind]);
	else if (!asked->kernel)
		refuse("no --kernel");
	else
		return COMMAND_GOES_ON;
	return command_wrong("run");
}

/* Signals that this thread reads from a descriptor. The threads of vCPUs leave them alone. */
static int take_signals(struct run *run)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    /* A disk's image over RLIMIT_FSIZE is an error of the request. */
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR ||
	    cpu_prepare())
		return complain(-errno, "signals");
	run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signals < 0 ? complain(-errno, "signals") : 0;
}

static void stop(struct run *run)
{
	run->stopped = true;
	guest_end(&run->guest, END_STOPPED);
}

static void read_signal(struct run *run)
{
	struct signalfd_siginfo info;

	if (read(run->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1) {
		guest_dump(&run->guest);
		return;
	}
	run->ended_by = info.ssi_signo;
	stop(run);
}

static void drain(int wake)
{
	uint64_t count;

	if (read(wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		complain(-errno, "eventfd");
}

/* Wait for the machine's end. */
static enum end wait_for_end(struct run *run)
{
	struct guest *guest = &run->guest;

	for (;;) {
		bool wants = console_wants(&run->console);
		struct pollfd files[] = {
			{ .fd = guest->wake, .events = POLLIN },
			{ .fd = run->signals, .events = POLLIN },
			{ .fd = wants ? run->console.input : -1, .events = POLLIN },
		};
		enum end end = (enum end)atomic_load(&guest->end);

		if (end != END_NONE)
			return end;
		/* A device that was busy has no event for the bytes that wait. */
		if (poll(files, 3, run->console.count ? WAIT_MS : -1) < 0 && errno != EINTR)
			return complain(-errno, "poll"), END_ERROR;
		if (files[0].revents)
			drain(guest->wake);
		if (files[1].revents)
			read_signal(run);
		if (files[2].revents && console_read(&run->console))
			stop(run);
		console_feed(&run->console, &guest->board);
	}
}

static int status_of(enum end end)
{
	switch (end) {
	case END_OFF:
	case END_STOPPED:
		return STATUS_END;
	case END_PANIC:
		refuse("the guest has panicked");
		return STATUS_PANIC;
	case END_RESET:
		refuse("the guest has reset the machine");
		return STATUS_RESET;
	default:
		return STATUS_ERROR;
	}
}

/* Run machines, one after another, until one ends in another way than by a reset. */
static int run_machines(struct run *run, bool no_reset)
{
	enum end end;

	run->guest.output = run->console.output;
	/* A machine that is the only one is made first. */
	if (!no_reset && confine(CONFINE_MAKE))
		return STATUS_ERROR;
	do {
		if (guest_start(&run->guest))
			return STATUS_ERROR;
		if (no_reset && confine(CONFINE_WAIT))
			guest_end(&run->guest, END_ERROR);
		end = wait_for_end(run);
		guest_stop(&run->guest);
	} while (end == END_RESET && !no_reset && !run->stopped);
	return status_of(run->stopped ? END_STOPPED : end);
}

static int read_files(struct run *run, const struct asked *asked)
{
	int r = file_read(&run->kernel, asked->kernel, FILE_MOST);

	if (!r && asked->initrd)
		r = file_read(&run->initrd, asked->initrd, FILE_MOST);
	run->guest.boot.kernel = &run->kernel;
	run->guest.boot.initrd = &run->initrd;
	return r;
}

static int open_disks(struct run *run, const struct asked *asked)
{
	int r = 0;

	run->guest.disks = run->disks;
	for (unsigned int i = 0; i < asked->nr_disks && !r; i++) {
		r = disk_open(&run->disks[i], asked->disks[i], i);
		run->guest.nr_disks += !r;
	}
	return r;
}

static void close_files(struct run *run)
{
	console_close(&run->console);
	file_free(&run->kernel);
	file_free(&run->initrd);
	for (unsigned int i = 0; i < run->guest.nr_disks; i++)
		disk_close(&run->disks[i]);
}

/*
 * End as the signal would have ended this program, now that the terminal is as it was. The
 * call to send it is one of those that the filter allows.
 */
static void end_by_signal(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	signal(number, SIG_DFL);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int command_run(int argc, char **argv)
{
	struct run run = { .guest = { .node = hypervisor_node("auto"), .apic = APIC_X2,
				      .boot = { .cmdline = "console=ttyS0", .ioapic = true,
						.acpi = true } } };
	struct asked asked = { .console = "stdio", .memory = 128 << 20, .cpus = 1 };
	int status = parse(&run.guest, &asked, argc, argv);

	if (status != COMMAND_GOES_ON)
		return status;
	run.guest.memory_size = asked.memory;
	run.guest.nr_cpus = asked.cpus;
	status = STATUS_ERROR;
	if (!read_files(&run, &asked) && !open_disks(&run, &asked) && !take_signals(&run) &&
	    !console_open(&run.console, asked.console))
		status = run_machines(&run, asked.no_reset);
	close_files(&run);
	if (run.ended_by)
		end_by_signal(run.ended_by);
	return status;
}
