// SPDX-License-Identifier: GPL-2.0
/* See guest.h. */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cpu.h"
#include "report.h"
#include "rng.h"
#include "stats.h"
#include "virtio_mmio.h"

static void wake(struct guest *guest)
{
	uint64_t one = 1;

	if (write(guest->wake, &one, sizeof(one)) != sizeof(one))
		complain(-errno, "eventfd");
}

void guest_end(struct guest *guest, enum end end)
{
	int none = END_NONE;

	atomic_compare_exchange_strong(&guest->end, &none, end);
	wake(guest);
}

/* The console may block for ever, which must not keep the machine from its end. */
static bool output(void *ctx, const uint8_t *bytes, size_t size)
{
	struct guest *guest = ctx;

	while (size && atomic_load(&guest->end) == END_NONE) {
		ssize_t r = write(guest->output, bytes, size);

		if (r < 0 && errno != EINTR) {
			complain(-errno, "console");
			return false;
		}
		r = r < 0 ? 0 : r;
		bytes += r;
		size -= r;
	}
	return true;
}

static bool output_byte(void *ctx, uint8_t byte)
{
	return output(ctx, &byte, 1);
}

static bool output_hvc(void *ctx, const uint8_t *bytes, size_t size)
{
	bool good = output(ctx, bytes, size);

	if (!good)
		guest_end(ctx, END_ERROR);
	return good;
}

static void room(void *ctx)
{
	wake(ctx);
}

static void send(void *ctx, uint64_t address, uint32_t data)
{
	struct guest *guest = ctx;
	struct kvm_msi msi = { .address_lo = address, .address_hi = address >> 32, .data = data };

	/* A destination that is not there is the guest's fault. */
	ioctl(guest->vm.fd, KVM_SIGNAL_MSI, &msi);
}

static void message(void *ctx, const struct ioapic_message *message)
{
	send(ctx, message->address, message->data);
}

/* The hypervisor reports the end of level-triggered interrupts only for its routes. */
static void routes(void *ctx, const struct ioapic *ioapic)
{
	struct guest *guest = ctx;
	struct kvm_irq_routing *table = guest->routes;
	struct ioapic_message message;

	table->nr = 0;
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		if (!ioapic_message(ioapic, pin, &message))
			continue;
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = pin, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = message.address, .data = message.data },
		};
	}
	if (ioctl(guest->vm.fd, KVM_SET_GSI_ROUTING, table))
		complain(-errno, "KVM_SET_GSI_ROUTING");
}

static const struct board_host host = {
	.output = output_byte, .room = room, .message = message, .routes = routes,
};

static const struct hvc_host hvc_host = { .output = output_hvc, .room = room };

static void set_line(void *ctx, unsigned int pin, bool high)
{
	struct guest *guest = ctx;

	board_line(&guest->board, pin, high);
}

static void listen_at(void *ctx, bool port, uint64_t at, int kick, bool on)
{
	struct guest *guest = ctx;
	struct kvm_ioeventfd event = {
		.addr = at, .len = port ? sizeof(uint16_t) : sizeof(uint32_t), .fd = kick,
		.flags = (port ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			 (on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	/* If the guest has put two devices at a port, writes for the second are exits. */
	ioctl(guest->vm.fd, KVM_IOEVENTFD, &event);
}

static void failed(void *ctx)
{
	guest_end(ctx, END_ERROR);
}

static const struct virtio_host virtio_host = {
	.message = send, .line = set_line, .listen = listen_at, .failed = failed,
};

static void *map(void *ctx, uint64_t gpa, bool write __attribute__((unused)))
{
	return memory_at(ctx, gpa, 1);
}

static int make_emulator(struct guest *guest, struct cpu *cpu)
{
	struct likex_vcpu_config config = {
		.size = sizeof(config), .ops = guest->vm.ops, .handle = &cpu->vcpu.handle,
		.run = cpu->vcpu.run, .sync_regs = guest->vm.sync_regs, .map = map,
		.ctx = &guest->memory,
	};

	cpu->emulator = likex_vcpu_new(&config);
	return cpu->emulator ? 0 : complain(-errno, "liblikex");
}

static int make_cpu(struct guest *guest, unsigned int id)
{
	struct cpu *cpu = &guest->cpus[id];
	struct kvm_cpuid2 *cpuid;
	int r;

	cpu->guest = guest;
	r = vcpu_open(&cpu->vcpu, &guest->vm, id, guest->nr_cpus > 1);
	r = r ? r : make_emulator(guest, cpu);
	if (r)
		return r;
	cpuid = vm_supported_cpuid(&guest->vm);
	if (!cpuid)
		return -ENOMEM;
	cpuid_adapt(cpuid, guest->apic, id, guest->nr_cpus);
	r = vcpu_set(&cpu->vcpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
	return r;
}

static unsigned int devices_of(const struct guest *guest)
{
	return guest->nr_disks + guest->rng + guest->hvc;
}

/* Linux learns of devices in memory by its command line, before words for its first program. */
static int tell_devices(struct guest *guest, struct boot *boot)
{
	for (unsigned int i = devices_of(guest); i--;) {
		char *longer;

		if (asprintf(&longer, "virtio_mmio.device=%u@%#x:%u %s", VIRTIO_MMIO_SIZE,
			     VIRTIO_MMIO_AT + i * VIRTIO_MMIO_SIZE, VIRTIO_MMIO_PIN + i,
			     boot->cmdline) < 0)
			return complain(-ENOMEM, "command line");
		free(guest->cmdline);
		boot->cmdline = guest->cmdline = longer;
	}
	return 0;
}

static int make_memory(struct guest *guest, struct boot_entry *entry)
{
	int r = memory_create(&guest->memory, guest->memory_size);
	struct boot boot = guest->boot;
	const char *error;

	if (!r && guest->populate)
		r = memory_populate(&guest->memory);
	if (r)
		return complain(r, "memory");
	boot.cpus = guest->nr_cpus;
	boot.pci = devices_of(guest) && !guest->mmio;
	if (guest->mmio && tell_devices(guest, &boot))
		return -ENOMEM;
	error = boot_load(&guest->memory, &boot, entry);
	if (error)
		return refuse("the kernel %s", error);
	return vm_add_memory(&guest->vm, &guest->memory);
}

static int make_cpus(struct guest *guest, const struct boot_entry *entry)
{
	int r = 0;

	guest->cpus = calloc(guest->nr_cpus, sizeof(*guest->cpus));
	guest->routes = calloc(1, sizeof(*guest->routes) +
				  IOAPIC_PINS * sizeof(guest->routes->entries[0]));
	guest->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!guest->cpus || !guest->routes || guest->wake < 0)
		return complain(-ENOMEM, "vCPUs");
	for (unsigned int id = 0; id < guest->nr_cpus && !r; id++)
		r = make_cpu(guest, id);
	return r ? r : boot_set(&guest->cpus[0].vcpu, entry);
}

static int make_device(struct guest *guest, const struct virtio_config *config)
{
	unsigned int number = guest->nr_workers;
	struct worker *worker = &guest->workers[guest->nr_workers++];
	int r = worker_start(worker, config, guest->mmio ? (int)number : WORKER_PCI);

	if (!r && !guest->mmio && !pci_add(&guest->pci, &worker->virtio.pci))
		r = refuse("too many devices");
	return r;
}

static int make_devices(struct guest *guest)
{
	struct virtio_config config = { .memory = &guest->memory, .host = &virtio_host,
					.ctx = guest };
	int r = 0;

	if (!devices_of(guest))
		return 0;
	if (guest->mmio && devices_of(guest) > VIRTIO_MMIO_MOST)
		return refuse("--bus mmio has room for %u devices", VIRTIO_MMIO_MOST);
	if (!guest->mmio)
		pci_init(&guest->pci);
	guest->workers = calloc(devices_of(guest), sizeof(*guest->workers));
	if (!guest->workers)
		return complain(-ENOMEM, "devices");
	for (unsigned int i = 0; i < guest->nr_disks && !r; i++) {
		disk_describe(&guest->disks[i], &config);
		r = make_device(guest, &config);
	}
	if (!r && guest->rng) {
		rng_describe(&config);
		r = make_device(guest, &config);
	}
	if (!r && guest->hvc) {
		hvc_init(&guest->console, &hvc_host, guest);
		hvc_describe(&guest->console, &config);
		r = make_device(guest, &config);
		guest->console_worker = &guest->workers[guest->nr_workers - 1];
	}
	return r;
}

static int start_threads(struct guest *guest)
{
	for (unsigned int id = 0; id < guest->nr_cpus; id++) {
		struct cpu *cpu = &guest->cpus[id];
		int r = pthread_create(&cpu->thread, NULL, cpu_run, cpu);

		if (r)
			return complain(-r, "the thread of vCPU %u", id);
		cpu->running = true;
	}
	return 0;
}

int guest_start(struct guest *guest)
{
	struct boot_entry entry;
	int r;

	guest->cpus = NULL;
	guest->routes = NULL;
	guest->workers = NULL;
	guest->cmdline = NULL;
	guest->nr_workers = 0;
	guest->console_worker = NULL;
	guest->pci.count = 0;
	guest->wake = -1;
	guest->memory = (struct memory){ 0 };
	atomic_init(&guest->end, END_NONE);
	board_init(&guest->board, &host, guest);
	if (cpu_prepare())
		return complain(-errno, "signals");
	r = vm_open(&guest->vm, guest->node);
	if (r)
		return r;
	r = vm_split_irqchip(&guest->vm, IOAPIC_PINS);
	r = r ? r : make_memory(guest, &entry);
	r = r ? r : make_cpus(guest, &entry);
	r = r ? r : make_devices(guest);
	r = r || guest->check ? r : start_threads(guest);
	if (r)
		guest_stop(guest);
	return r;
}

/* Bytes go to the device that the guest uses: to its serial port as long as hvc0 has no driver. */
size_t guest_receive(struct guest *guest, const uint8_t *bytes, size_t count)
{
	struct worker *worker = guest->console_worker;

	if (!worker || !virtio_used(&worker->virtio, HVC_RECEIVE))
		return board_receive(&guest->board, bytes, count);
	count = hvc_receive(&guest->console, bytes, count);
	worker_kick(worker);
	return count;
}

static bool cpu_ended(struct cpu *cpu)
{
	if (!cpu->running)
		return true;
	cpu_kick(cpu);
	cpu->running = !thread_ended(cpu->thread);
	return !cpu->running;
}

/*
 * A thread may wait for another: a vCPU's reset of a device for its request, a device's interrupt
 * for a vCPU that writes to the console. And a signal may come just before a call that waits. So
 * all are interrupted until all have ended.
 */
static void join(struct guest *guest)
{
	bool ended;

	do {
		ended = true;
		for (unsigned int i = 0; i < guest->nr_workers; i++)
			ended &= worker_ended(&guest->workers[i]);
		for (unsigned int id = 0; guest->cpus && id < guest->nr_cpus; id++)
			ended &= cpu_ended(&guest->cpus[id]);
	} while (!ended);
}

void guest_stop(struct guest *guest)
{
	int none = END_NONE;

	atomic_compare_exchange_strong(&guest->end, &none, END_STOPPED);
	for (unsigned int i = 0; i < guest->nr_workers; i++)
		atomic_store(&guest->workers[i].stop, true);
	join(guest);
	for (unsigned int id = 0; guest->cpus && id < guest->nr_cpus; id++) {
		likex_vcpu_free(guest->cpus[id].emulator);
		if (guest->cpus[id].vcpu.run)
			vcpu_close(&guest->cpus[id].vcpu);
	}
	for (unsigned int i = 0; i < guest->nr_workers; i++)
		worker_close(&guest->workers[i]);
	vm_close(&guest->vm);
	memory_destroy(&guest->memory);
	free(guest->cpus);
	free(guest->routes);
	free(guest->workers);
	free(guest->cmdline);
	if (guest->wake >= 0)
		close(guest->wake);
	guest->cpus = NULL;
	guest->routes = NULL;
	guest->workers = NULL;
	guest->cmdline = NULL;
	guest->nr_workers = 0;
	guest->wake = -1;
}

void guest_dump(struct guest *guest)
{
	stats_print(stderr, &guest->vm);
	for (unsigned int id = 0; id < guest->nr_cpus; id++) {
		atomic_store(&guest->cpus[id].dump, true);
		cpu_kick(&guest->cpus[id]);
	}
}
