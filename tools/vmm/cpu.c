// SPDX-License-Identifier: GPL-2.0
/* See cpu.h. */
#include "cpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "confine.h"
#include "dump.h"
#include "guest.h"
#include "report.h"
#include "stats.h"
#include "virtio_mmio.h"

static void nothing(int signal __attribute__((unused)))
{
}

int cpu_prepare(void)
{
	struct sigaction action = { .sa_handler = nothing };

	/* No SA_RESTART: the signal is there to end a call. */
	return sigaction(SIGRTMIN, &action, NULL) ? -errno : 0;
}

void cpu_kick(struct cpu *cpu)
{
	__atomic_store_n(&cpu->vcpu.run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(cpu->thread, SIGRTMIN);
}

static enum end port(struct cpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool out = run->io.direction == KVM_EXIT_IO_OUT;
	enum end end = END_NONE;

	for (uint32_t i = 0; i < run->io.count && end == END_NONE; i++, data += run->io.size)
		if (!pci_port(&cpu->guest->pci, run->io.port, out, data, run->io.size))
			end = board_port(&cpu->guest->board, run->io.port, out, data, run->io.size);
	return end;
}

/* Access a virtio device in memory; false if there is none. */
static bool virtio_access(struct guest *guest, uint64_t address, bool write, uint8_t *data,
			  uint32_t size)
{
	uint64_t number = (address - VIRTIO_MMIO_AT) / VIRTIO_MMIO_SIZE;

	if (!guest->mmio || address < VIRTIO_MMIO_AT || number >= guest->nr_workers)
		return false;
	virtio_mmio_access(&guest->workers[number].virtio, address % VIRTIO_MMIO_SIZE, write, data, size);
	return true;
}

static enum end mmio(struct cpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;

	if (!virtio_access(cpu->guest, run->mmio.phys_addr, run->mmio.is_write, run->mmio.data,
			   run->mmio.len) &&
	    !pci_mmio(&cpu->guest->pci, run->mmio.phys_addr, run->mmio.is_write, run->mmio.data,
		      run->mmio.len))
		board_mmio(&cpu->guest->board, run->mmio.phys_addr, run->mmio.is_write,
			   run->mmio.data, run->mmio.len);
	return END_NONE;
}

static void dump(struct cpu *cpu)
{
	/* Other threads print theirs before or after. */
	flockfile(stderr);
	dump_vcpu(stderr, &cpu->vcpu, &cpu->guest->memory);
	stats_print_vcpu(stderr, &cpu->vcpu, cpu->guest->vm.likex);
	funlockfile(stderr);
}

static enum end not_emulated(struct cpu *cpu)
{
	struct likex_vcpu_error error = { .size = sizeof(error) };

	likex_vcpu_error(cpu->emulator, &error);
	if (error.why)
		refuse("vCPU %u: an instruction is not emulated: %s", cpu->vcpu.handle.vcpu,
		       likex_reason_str(error.why));
	else
		refuse("vCPU %u: internal error %u of the hypervisor", cpu->vcpu.handle.vcpu,
		       cpu->vcpu.run->internal.suberror);
	return END_ERROR;
}

static enum end handle_exit(struct cpu *cpu)
{
	const struct kvm_run *run = cpu->vcpu.run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return port(cpu);
	case KVM_EXIT_MMIO:
		return mmio(cpu);
	case KVM_EXIT_IOAPIC_EOI:
		board_eoi(&cpu->guest->board, run->eoi.vector);
		return END_NONE;
	case KVM_EXIT_SHUTDOWN:
		/* On a PC a triple fault is a reset. */
		return END_RESET;
	case KVM_EXIT_INTERNAL_ERROR:
		return not_emulated(cpu);
	default:
		refuse("vCPU %u: exit reason %u", cpu->vcpu.handle.vcpu, run->exit_reason);
		return END_ERROR;
	}
}

/* Do what cpu_kick() was for. */
static void answer(struct cpu *cpu)
{
	__atomic_store_n(&cpu->vcpu.run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (atomic_exchange(&cpu->dump, false))
		dump(cpu);
}

static enum end run_once(struct cpu *cpu)
{
	int r = likex_vcpu_run(cpu->emulator);

	if (!r)
		return handle_exit(cpu);
	/* KVM says EAGAIN when a vCPU has got the message that starts it. */
	if (r == -EINTR || r == -EAGAIN) {
		answer(cpu);
		return END_NONE;
	}
	complain(r, "vCPU %u: KVM_RUN", cpu->vcpu.handle.vcpu);
	return END_ERROR;
}

void *cpu_run(void *arg)
{
	struct cpu *cpu = arg;
	enum end end = confine(CONFINE_CPU) ? END_ERROR : END_NONE;

	while (end == END_NONE && atomic_load(&cpu->guest->end) == END_NONE)
		end = run_once(cpu);
	if (end == END_ERROR)
		dump(cpu);
	if (end != END_NONE)
		guest_end(cpu->guest, end);
	return NULL;
}
