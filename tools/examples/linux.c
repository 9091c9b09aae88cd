// SPDX-License-Identifier: GPL-2.0
/*
 * A VMM that boots Linux: an uncompressed kernel with a PVH entry, an initramfs, several
 * vCPUs, memory, and the output half of a serial port. The local APICs are in the
 * kernel. The guest ends it by a reboot with "reboot=t".
 * Usage: linux [/dev/likex|/dev/kvm] CPUS x2apic|xapic VMLINUX INITRAMFS [WORDS...]
 *
 * In xAPIC mode LiKeX leaves accesses to the APIC to user space: likex_vcpu_run()
 * decodes them and has the kernel carry them out.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "vmm.h"

static void *run(void *arg)
{
	struct cpu *cpu = arg;

	for (;;) {
		int r = likex_vcpu_run(cpu->emulator);

		/* KVM says EAGAIN when a vCPU has got the message that starts it. */
		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (!r && cpu->vcpu.run->exit_reason == KVM_EXIT_SHUTDOWN)
			exit(0);
		if (!r && cpu->vcpu.run->exit_reason == KVM_EXIT_IO)
			serial(cpu->vcpu.run);
		else
			errx(1, "vCPU %u: %d, exit reason %u", cpu->vcpu.handle.vcpu, r,
			     cpu->vcpu.run->exit_reason);
	}
}

int main(int argc, char **argv)
{
	struct machine m = { .cpus = argc < 6 ? 0 : atoi(argv[2]) };
	struct cpu cpus[MAX_CPUS];
	pthread_t thread;

	if (m.cpus >= 1)
		m.apic = apic_of(argv[3]);
	if (m.cpus > MAX_CPUS || m.apic == APIC_NONE)
		errx(2, "usage: linux DEVICE CPUS x2apic|xapic VMLINUX INITRAMFS [WORDS...]");
	machine_create(&m, argv[1]);
	machine_boot(&m, cpus, argv[4], argv[5], argv + 6);
	for (int id = 1; id < m.cpus; id++)
		if (pthread_create(&thread, NULL, run, &cpus[id]))
			errx(1, "no thread for vCPU %d", id);
	run(&cpus[0]);
}
