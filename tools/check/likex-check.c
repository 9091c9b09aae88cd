// SPDX-License-Identifier: GPL-2.0
/*
 * likex-check: tell whether LiKeX can be used on this host, and what is missing.
 *
 * Prints a line for each part. The device decides: if it makes a VM, LiKeX can be used.
 * Else the first problem on the way to it is named again at the end, with what to do.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MSR_FEAT_CTL	0x3a
#define FEAT_CTL_LOCKED	(1 << 0)
#define FEAT_CTL_VMX	(1 << 2)
#define CPUID_VMX	(1u << 5)	/* leaf 1, ECX */

#define TEXT	65536
#define LINE	256

struct check {
	const char *root;	/* "" for this host */
	bool quiet;
	char cpu[TEXT];		/* the first processor in /proc/cpuinfo */
	char problem[LINE];	/* the first one */
	char advice[LINE];
};

static void __attribute__((format(printf, 3, 4)))
say(const struct check *c, const char *part, const char *format, ...)
{
	va_list args;

	if (c->quiet)
		return;
	printf("%-15s ", part);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* Say it, and keep it unless there is a problem already. */
static void problem(struct check *c, const char *part, const char *what, const char *advice)
{
	say(c, part, "%s", what);
	if (c->problem[0])
		return;
	snprintf(c->problem, sizeof(c->problem), "%s: %s", part, what);
	snprintf(c->advice, sizeof(c->advice), "%s", advice);
}

static const char *path(const struct check *c, const char *name)
{
	static char whole[4096];

	snprintf(whole, sizeof(whole), "%s%s", c->root, name);
	return whole;
}

static bool exists(const struct check *c, const char *name)
{
	return !access(path(c, name), F_OK);
}

/* Read a text, cut off at @size - 1 bytes; returns false if there is none. */
static bool read_text(const struct check *c, const char *name, char *text, size_t size)
{
	FILE *file = fopen(path(c, name), "r");
	size_t got;

	text[0] = '\0';
	if (!file)
		return false;
	got = fread(text, 1, size - 1, file);
	text[got] = '\0';
	fclose(file);
	return true;
}

/* The value of a row of /proc/cpuinfo, or "". */
static const char *cpu_row(const struct check *c, const char *name)
{
	static char value[TEXT];
	const char *row = c->cpu, *colon;

	for (; row && *row; row = strchr(row, '\n') ? strchr(row, '\n') + 1 : NULL) {
		colon = strchr(row, ':');
		if (!colon || strncmp(row, name, strlen(name)) ||
		    !strchr("\t :", row[strlen(name)]))
			continue;
		snprintf(value, sizeof(value), "%.*s",
			 (int)strcspn(colon + 1, "\n"), colon + 1);
		return value[0] == ' ' ? value + 1 : value;
	}
	return "";
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);
	const char *at;

	for (at = text; (at = strstr(at, word)); at += length)
		if ((at == text || at[-1] == ' ') && strchr(" \n", at[length]))
			return true;
	return false;
}

static bool cpu_has(const struct check *c, const char *flag)
{
	return has_word(cpu_row(c, "flags"), flag);
}

/* The kernel hides VT-x that the firmware has disabled; CPUID does not. */
static bool hidden(const struct check *c)
{
	unsigned int a, b, ecx = 0, d;
	uint64_t value = 0;
	int fd = open(path(c, "/dev/cpu/0/msr"), O_RDONLY | O_CLOEXEC);
	bool known = fd >= 0 && pread(fd, &value, sizeof(value), MSR_FEAT_CTL) == sizeof(value);

	if (fd >= 0)
		close(fd);
	if (known)
		return (value & FEAT_CTL_LOCKED) && !(value & FEAT_CTL_VMX);
	return !c->root[0] && __get_cpuid(1, &a, &b, &ecx, &d) && (ecx & CPUID_VMX);
}

static void check_processor(struct check *c)
{
	char name[LINE], *end = NULL;
	bool vmx;

	if (read_text(c, "/proc/cpuinfo", c->cpu, sizeof(c->cpu)))
		end = strstr(c->cpu, "\n\n");
	if (end)
		end[1] = '\0';
	vmx = cpu_has(c, "vmx");
	snprintf(name, sizeof(name), "%.200s", cpu_row(c, "model name"));
	say(c, "processor", "%s%s", name[0] ? name : "unknown",
	    cpu_has(c, "hypervisor") ? ", in a virtual machine" : "");
	if (vmx)
		say(c, "VT-x", "is there, and the firmware has enabled it");
	else if (cpu_has(c, "svm") || !strcmp(cpu_row(c, "vendor_id"), "AuthenticAMD"))
		problem(c, "VT-x", "is not there: this processor is AMD's",
			"LiKeX needs Intel VT-x. There is no support for AMD-V.");
	else if (hidden(c))
		problem(c, "VT-x", "is there, but the firmware has disabled it",
			"Enable VT-x (\"Intel Virtualization Technology\") in the firmware's setup.");
	else if (cpu_has(c, "hypervisor"))
		problem(c, "VT-x", "is not there: the hypervisor of this virtual machine does not offer it",
			"Have the hypervisor offer nested VT-x. For KVM: kvm_intel's parameter nested, "
			"and -cpu host.");
	else
		problem(c, "VT-x", "is not there", "LiKeX needs a processor with Intel VT-x.");
}

static const struct {
	const char *flag, *name;
} needed[] = {
	{ "ept", "EPT" }, { "vpid", "VPID" }, { "unrestricted_guest", "unrestricted guests" },
	{ "vtpr", "TPR shadow" }, { "vnmi", "virtual NMIs" },
	{ "tsc_offset", "TSC offsetting" }, { "mtf", "monitor trap flag" },
}, useful[] = {
	{ "ept_ad", "EPT A/D bits" }, { "ept_1gb", "1G pages" },
	{ "vapic_reg", "APIC registers" }, { "vid", "virtual interrupts" },
	{ "posted_intr", "posted interrupts" }, { "tsc_scaling", "TSC scaling" },
};

static void add_name(char *list, size_t size, const char *name)
{
	size_t length = strlen(list);

	snprintf(list + length, size - length, "%s%s", length ? ", " : "", name);
}

static void check_features(struct check *c)
{
	const char *flags = cpu_row(c, "vmx flags");
	char lacking[LINE] = "", extra[LINE] = "", text[LINE];
	size_t i;

	/* Kernels before 5.7 do not list them. */
	if (!flags[0])
		return;
	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!has_word(flags, needed[i].flag))
			add_name(lacking, sizeof(lacking), needed[i].name);
	for (i = 0; i < sizeof(useful) / sizeof(useful[0]); i++)
		if (has_word(flags, useful[i].flag))
			add_name(extra, sizeof(extra), useful[i].name);
	if (lacking[0]) {
		snprintf(text, sizeof(text), "lacks %.200s", lacking);
		problem(c, "its features", text,
			"LiKeX needs them. Processors since Intel's Westmere (2010) have them; in a "
			"virtual machine the hypervisor may leave them out.");
		return;
	}
	say(c, "its features", "all that LiKeX needs%s%s", extra[0] ? "; also " : "", extra);
}

/* Tell whether the modules of the kernel that runs include likex. */
static bool module_built(const struct check *c, const char *release, const char *list)
{
	static char text[4 << 20];
	char name[LINE + 128];

	snprintf(name, sizeof(name), "/lib/modules/%s/%s", release, list);
	return read_text(c, name, text, sizeof(text)) && strstr(text, "likex.ko");
}

static void check_kernel(struct check *c)
{
	struct utsname host;

	uname(&host);
	if (exists(c, "/sys/module/likex")) {
		say(c, "kernel", "%s, likex is loaded", host.release);
	} else if (exists(c, "/dev/likex") || module_built(c, host.release, "modules.builtin")) {
		say(c, "kernel", "%s, likex is built in", host.release);
	} else if (module_built(c, host.release, "modules.dep")) {
		problem(c, "kernel", "has the module likex, which is not loaded",
			"Load it: modprobe likex. If that fails, the kernel's log says why.");
	} else {
		problem(c, "kernel", "has no LiKeX",
			"Build a kernel with the series and CONFIG_LIKEX=m, and boot it.");
	}
}

static void check_kvm(const struct check *c)
{
	bool kvm = exists(c, "/sys/module/kvm_intel") || exists(c, "/dev/kvm");

	say(c, "KVM", "%s%s", kvm ? "is there" : "is not loaded",
	    kvm && exists(c, "/dev/likex") ? "; both run VMs at the same time" : "");
}

/* Open a device; returns the descriptor, or -1 after having said why. */
static int open_device(struct check *c, const char *name, bool needed_one)
{
	int fd = open(path(c, name), O_RDWR | O_CLOEXEC);
	char text[LINE];

	if (fd >= 0)
		return fd;
	if (errno == ENOENT) {
		snprintf(text, sizeof(text), "is not there");
	} else {
		snprintf(text, sizeof(text), "cannot be opened: %s", strerror(errno));
	}
	if (needed_one)
		problem(c, name, text, errno == EACCES || errno == EPERM ?
			"Run this as root, or give your group the device: chgrp and chmod, or a udev rule." :
			"The kernel's log may say why (dmesg).");
	else
		say(c, name, "%s", text);
	return -1;
}

static void check_capabilities(const struct check *c, int fd)
{
	static const struct {
		int cap;
		const char *name;
	} rows[] = {
		{ KVM_CAP_SPLIT_IRQCHIP, "a local APIC" }, { KVM_CAP_IRQFD, "irqfd" },
		{ KVM_CAP_IOEVENTFD, "ioeventfd for ports" },
		{ KVM_CAP_TSC_DEADLINE_TIMER, "a TSC-deadline timer" },
		{ KVM_CAP_TSC_CONTROL, "TSC scaling" },
	};
	char with[LINE] = "", without[LINE] = "";
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, rows[i].cap) > 0)
			add_name(with, sizeof(with), rows[i].name);
		else
			add_name(without, sizeof(without), rows[i].name);
	}
	say(c, "VMs have", "%s", with[0] ? with : "no optional part");
	if (without[0])
		say(c, "they lack", "%s", without);
	say(c, "at most", "%d vCPUs (%d advised), %d memory slots",
	    ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS),
	    ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS),
	    ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS));
}

/* Make a VM; returns true if that works. */
static bool check_device(struct check *c)
{
	int fd = open_device(c, "/dev/likex", true), version, error;
	char text[LINE];

	if (fd < 0)
		return false;
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version < 0) {
		problem(c, "/dev/likex", "is not LiKeX's device", "Remove it, and load the module: modprobe likex.");
	} else if (ioctl(fd, KVM_CREATE_VM, 0)) {
		error = errno;
		snprintf(text, sizeof(text), "makes no VM: %s", strerror(error));
		problem(c, "/dev/likex", text, "The kernel's log may say why (dmesg).");
	} else {
		say(c, "/dev/likex", "makes VMs (KVM's interface, version %d)", version);
		check_capabilities(c, fd);
		close(fd);
		return true;
	}
	close(fd);
	return false;
}

static void check_facade(struct check *c)
{
	int fd = open_device(c, "/dev/likex-kvm", false);

	if (fd < 0)
		return;
	say(c, "/dev/likex-kvm", "is there, for programs that are written for KVM");
	close(fd);
}

static void usage(FILE *to)
{
	fprintf(to, "Usage: likex-check [-q]\n"
		"Tell whether LiKeX can be used on this host, and what is missing.\n\n"
		"  -q, --quiet      print nothing\n"
		"      --root DIR   look at the files of another root folder\n"
		"  -h, --help       this text\n\n"
		"Exit status: 0 if LiKeX can be used, 1 if not, 2 for a wrong call.\n");
}

static void parse(struct check *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "quiet", no_argument, NULL, 'q' }, { "help", no_argument, NULL, 'h' },
		{ "root", required_argument, NULL, 'r' }, { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "qh", options, NULL)) != -1) {
		switch (option) {
		case 'q':
			c->quiet = true;
			break;
		case 'r':
			c->root = optarg;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "likex-check: it takes no argument: %s\n", argv[optind]);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct check c = { .root = "" };
	bool works;

	parse(&c, argc, argv);
	check_processor(&c);
	if (cpu_has(&c, "vmx"))
		check_features(&c);
	check_kernel(&c);
	check_kvm(&c);
	works = check_device(&c);
	if (works)
		check_facade(&c);
	if (!c.quiet && works)
		printf("\nLiKeX can be used.\n");
	else if (!c.quiet)
		printf("\nLiKeX cannot be used: %s.\n%s\n", c.problem, c.advice);
	return works ? 0 : 1;
}
