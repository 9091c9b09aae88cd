// SPDX-License-Identifier: GPL-2.0
/* See options.h. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "hypervisor.h"
#include "mptable.h"
#include "parse.h"
#include "report.h"

#define PAGE		4096
#define MEMORY_LEAST	(2ULL << 20)
#define MEMORY_MOST	(1ULL << 40)

static const char help[] =
	"usage: likexvm run|check --kernel FILE [OPTION...]\n"
	"Boot Linux in a VM, with a serial console; or only check whether that can be done.\n"
	"\n"
	"  --kernel FILE                  uncompressed kernel (vmlinux) or bzImage\n"
	"  --initrd FILE                  initial RAM disk\n"
	"  --cmdline WORDS                command line of the kernel (console=ttyS0; hvc0 with --hvc)\n"
	"  --cpus N                       vCPUs, 1 to 128 (1)\n"
	"  --mem SIZE                     memory, such as 512M or 2G (128M)\n"
	"  --populate                     take all memory from the host before the guest runs\n"
	"  --disk FILE[,ro]               disk image; again for more disks, up to 16\n"
	"  --rng                          random numbers from the host, by virtio\n"
	"  --hvc                          a console by virtio, too (hvc0)\n"
	"  --bus pci|mmio                 place of the virtio devices (pci)\n"
	"  --console stdio|FILE           console: this terminal, or a file for its output (stdio)\n"
	"  --apic x2apic|xapic            local APIC that the guest is offered (x2apic)\n"
	"  --no-reset                     end, with status 4, if the guest resets the machine\n"
	"  --hypervisor likex|kvm|auto    auto: /dev/likex where it is there (auto)\n"
	"  --help                         print this\n"
	"\n"
	"SIGUSR1 prints registers and statistics.\n"
	"Exit status: 0 after power-off; 1 after an error, 2 for a wrong call, 3 after a\n"
	"guest's panic (pvpanic), 4 after a reset with --no-reset.\n";

static bool take_apic(struct options *options, const char *text)
{
	options->apic = !strcmp(text, "xapic") ? APIC_X : APIC_X2;
	return options->apic == APIC_X || !strcmp(text, "x2apic");
}

static bool take_bus(struct options *options, const char *text)
{
	options->mmio = !strcmp(text, "mmio");
	return options->mmio || !strcmp(text, "pci");
}

static bool take_memory(struct options *options, const char *text)
{
	return parse_size(text, &options->memory) && options->memory >= MEMORY_LEAST &&
	       options->memory <= MEMORY_MOST && !(options->memory % PAGE);
}

static bool take_disk(struct options *options, const char *text)
{
	if (!*text || options->nr_disks == OPTIONS_DISKS)
		return false;
	options->disks[options->nr_disks++] = text;
	return true;
}

static bool take(struct options *options, int option, const char *text)
{
	switch (option) {
	case 'k':
		options->kernel = text;
		return true;
	case 'i':
		options->initrd = text;
		return true;
	case 'l':
		options->cmdline = text;
		return true;
	case 'c':
		return parse_count(text, 1, MPTABLE_CPUS, &options->cpus);
	case 'm':
		return take_memory(options, text);
	case 'p':
		options->populate = true;
		return true;
	case 'd':
		return take_disk(options, text);
	case 'r':
		options->rng = true;
		return true;
	case 'b':
		return take_bus(options, text);
	case 'v':
		options->hvc = true;
		return true;
	case 'o':
		options->console = text;
		return *text;
	case 'a':
		return take_apic(options, text);
	case 'n':
		options->no_reset = true;
		return true;
	default:
		options->node = hypervisor_node(text);
		return options->node;
	}
}

int options_parse(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "kernel", required_argument, NULL, 'k' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "cmdline", required_argument, NULL, 'l' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "mem", required_argument, NULL, 'm' },
		{ "populate", no_argument, NULL, 'p' },
		{ "disk", required_argument, NULL, 'd' },
		{ "rng", no_argument, NULL, 'r' },
		{ "hvc", no_argument, NULL, 'v' },
		{ "bus", required_argument, NULL, 'b' },
		{ "console", required_argument, NULL, 'o' },
		{ "apic", required_argument, NULL, 'a' },
		{ "no-reset", no_argument, NULL, 'n' },
		{ "hypervisor", required_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option, index = 0;

	*options = (struct options){ .console = "stdio", .memory = 128 << 20, .cpus = 1,
				     .apic = APIC_X2, .node = hypervisor_node("auto") };
	/* A new start, also if this is not the first call */
	optind = 0;
	while ((option = getopt_long(argc, argv, "", known, &index)) != -1) {
		if (option == 'h')
			return fputs(help, stdout) < 0 ? STATUS_ERROR : STATUS_END;
		if (option == '?')
			return command_wrong(argv[0]);
		if (!take(options, option, optarg)) {
			refuse("--%s: %s is not accepted", known[index].name, optarg);
			return command_wrong(argv[0]);
		}
	}
	if (!options->cmdline)
		options->cmdline = options->hvc ? "console=hvc0" : "console=ttyS0";
	if (optind < argc)
		refuse("%s: %s takes options only", argv[optind], argv[0]);
	else if (!options->kernel)
		refuse("no --kernel");
	else
		return COMMAND_GOES_ON;
	return command_wrong(argv[0]);
}

