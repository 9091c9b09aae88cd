// SPDX-License-Identifier: GPL-2.0
/* likexvm run and check: the thread that waits for a machine's end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "command.h"
#include "confine.h"
#include "console.h"
#include "guest.h"
#include "options.h"
#include "report.h"

#define FILE_MOST	(1ULL << 30)
#define WAIT_MS		20

/* All of a run: of one machine, or of several after resets */
struct run {
	struct guest guest;
	struct console console;
	struct file kernel, initrd;
	struct disk disks[OPTIONS_DISKS];
	int signals;			/* signalfd */
	bool stopped;			/* by the escape key or a signal: no new machine */
	int ended_by;			/* signal that is to end this program */
};

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
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
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
		console_feed(&run->console, guest);
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

static int read_files(struct run *run, const struct options *options)
{
	int r = file_read(&run->kernel, options->kernel, FILE_MOST);

	if (!r && options->initrd)
		r = file_read(&run->initrd, options->initrd, FILE_MOST);
	run->guest.boot.kernel = &run->kernel;
	run->guest.boot.initrd = &run->initrd;
	return r;
}

static int open_disks(struct run *run, const struct options *options)
{
	int r = 0;

	run->guest.disks = run->disks;
	for (unsigned int i = 0; i < options->nr_disks && !r; i++) {
		r = disk_open(&run->disks[i], options->disks[i], i);
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

static void describe(struct guest *guest, const struct options *options)
{
	*guest = (struct guest){
		.node = options->node, .memory_size = options->memory, .nr_cpus = options->cpus,
		.populate = options->populate,
		.apic = options->apic, .rng = options->rng, .hvc = options->hvc, .mmio = options->mmio,
		.boot = { .cmdline = options->cmdline, .ioapic = true, .acpi = true },
	};
}

int command_run(int argc, char **argv)
{
	struct run run = { 0 };
	struct options options;
	int status = options_parse(&options, argc, argv);

	if (status != COMMAND_GOES_ON)
		return status;
	describe(&run.guest, &options);
	status = STATUS_ERROR;
	if (!read_files(&run, &options) && !open_disks(&run, &options) && !take_signals(&run) &&
	    !console_open(&run.console, options.console))
		status = run_machines(&run, options.no_reset);
	close_files(&run);
	if (run.ended_by)
		end_by_signal(run.ended_by);
	return status;
}

/* Make the machine that "run" would, and run nothing in it. The console is left alone. */
int command_check(int argc, char **argv)
{
	struct run run = { 0 };
	struct options options;
	int status = options_parse(&options, argc, argv);

	if (status != COMMAND_GOES_ON)
		return status;
	describe(&run.guest, &options);
	run.guest.check = true;
	status = STATUS_ERROR;
	if (!read_files(&run, &options) && !open_disks(&run, &options) && !guest_start(&run.guest)) {
		guest_stop(&run.guest);
		status = STATUS_END;
	}
	close_files(&run);
	return status;
}
