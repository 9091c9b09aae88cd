// SPDX-License-Identifier: GPL-2.0
/* See virtio.h. */
#include "virtio.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <sys/eventfd.h>

#define VENDOR		0x1af4
#define MODERN_ID	0x1040		/* and virtio's id of the kind */
#define WORD		4

/* Parts of the memory BAR */
#define PART		0x1000
enum { PART_COMMON, PART_ISR, PART_SPACE, PART_MSIX };
#define PENDING		0x800		/* offset in PART_MSIX of what is pending */

/* Fields of an entry of the MSI-X table */
enum { ENTRY_LOW, ENTRY_HIGH, ENTRY_DATA, ENTRY_CONTROL };

#define ISR_QUEUE	1
#define ISR_CONFIG	2
#define LIVE		(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

static void send(struct virtio *virtio, unsigned int vector)
{
	const struct virtio_config *config = &virtio->config;
	const uint32_t *entry = virtio->table[vector];

	if (virtio->control & PCI_MSIX_FLAGS_MASKALL ||
	    entry[ENTRY_CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT) {
		virtio->pending |= 1U << vector;
		return;
	}
	virtio->pending &= ~(1U << vector);
	config->host->message(config->ctx, entry[ENTRY_LOW] | (uint64_t)entry[ENTRY_HIGH] << 32,
			      entry[ENTRY_DATA]);
}

static void send_pending(struct virtio *virtio)
{
	for (unsigned int vector = 0; vector < VIRTIO_VECTORS; vector++)
		if (virtio->control & PCI_MSIX_FLAGS_ENABLE && virtio->pending >> vector & 1)
			send(virtio, vector);
}

static void interrupt(struct virtio *virtio, uint16_t vector, uint8_t isr)
{
	if (!(virtio->control & PCI_MSIX_FLAGS_ENABLE))
		virtio->state.isr |= isr;
	else if (vector < VIRTIO_VECTORS)
		send(virtio, vector);
}

/* The guest has done what no driver does: the device stands still until it is reset. */
static void break_off(struct virtio *virtio)
{
	virtio->state.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	interrupt(virtio, virtio->state.vector, ISR_CONFIG);
}

static void reset(struct virtio *virtio)
{
	virtio->state = (struct virtio_state){ .vector = VIRTIO_MSI_NO_VECTOR };
	for (unsigned int i = 0; i < virtio->config.kind->queues; i++)
		virtio->state.queues[i] = (struct virtio_queue){
			.ring = { .memory = virtio->config.memory, .size = VIRTQUEUE_MOST },
			.vector = VIRTIO_MSI_NO_VECTOR,
		};
}

/* The buffers of a request are the driver's again after a reset, so the request ends first. */
static void reset_idle(struct virtio *virtio)
{
	virtio->resets++;
	while (virtio->busy)
		pthread_cond_wait(&virtio->idle, &virtio->lock);
	virtio->resets--;
	reset(virtio);
}

static void set_status(struct virtio *virtio, uint8_t status)
{
	struct virtio_state *state = &virtio->state;
	bool good = state->accepted & VIRTIO_FEATURE(VIRTIO_F_VERSION_1) &&
		    !(state->accepted & ~virtio->config.features);

	if (!status) {
		reset_idle(virtio);
		return;
	}
	if (!good)
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	state->status = status | (state->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void set_half(uint64_t *field, bool high, uint32_t value)
{
	*field = high ? (uint32_t)*field | (uint64_t)value << 32 :
			(*field & ~0xffffffffULL) | value;
}

/* The halves of the addresses of the selected queue */
static uint64_t *ring_address(struct virtqueue *ring, uint32_t offset)
{
	if (offset < VIRTIO_PCI_COMMON_Q_AVAILLO)
		return &ring->table;
	return offset < VIRTIO_PCI_COMMON_Q_USEDLO ? &ring->avail : &ring->used;
}

static uint32_t read_queue(struct virtio *virtio, uint32_t offset)
{
	struct virtio_queue *queue = &virtio->state.queues[virtio->state.select];

	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return queue->ring.size;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return queue->vector;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return queue->enabled;
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return virtio->state.select;
	default:
		if (offset % WORD || offset > VIRTIO_PCI_COMMON_Q_USEDHI)
			return 0;
		return *ring_address(&queue->ring, offset) >> (offset & WORD ? 32 : 0);
	}
}

static uint16_t checked_vector(uint32_t value)
{
	return value < VIRTIO_VECTORS ? value : VIRTIO_MSI_NO_VECTOR;
}

static void enable(struct virtio *virtio, struct virtio_queue *queue)
{
	if (virtqueue_valid(&queue->ring))
		queue->enabled = true;
	else
		break_off(virtio);
}

static void write_queue(struct virtio *virtio, uint32_t offset, uint32_t value)
{
	struct virtio_queue *queue = &virtio->state.queues[virtio->state.select];

	if (offset == VIRTIO_PCI_COMMON_Q_MSIX)
		queue->vector = checked_vector(value);
	if (queue->enabled)
		return;
	if (offset == VIRTIO_PCI_COMMON_Q_SIZE)
		queue->ring.size = value;
	else if (offset == VIRTIO_PCI_COMMON_Q_ENABLE && value == 1)
		enable(virtio, queue);
	else if (offset >= VIRTIO_PCI_COMMON_Q_DESCLO && offset <= VIRTIO_PCI_COMMON_Q_USEDHI &&
		 !(offset % WORD))
		set_half(ring_address(&queue->ring, offset), offset & WORD, value);
}

static uint32_t read_common(struct virtio *virtio, uint32_t offset)
{
	const struct virtio_state *state = &virtio->state;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return state->device_select;
	case VIRTIO_PCI_COMMON_DF:
		return state->device_select < 2 ? virtio->config.features >> 32 * state->device_select : 0;
	case VIRTIO_PCI_COMMON_GFSELECT:
		return state->driver_select;
	case VIRTIO_PCI_COMMON_GF:
		return state->driver_select < 2 ? state->accepted >> 32 * state->driver_select : 0;
	case VIRTIO_PCI_COMMON_MSIX:
		return state->vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return virtio->config.kind->queues;
	case VIRTIO_PCI_COMMON_STATUS:
		return state->status;
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return 0;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return state->select;
	default:
		return state->select < virtio->config.kind->queues ? read_queue(virtio, offset) : 0;
	}
}

static void write_common(struct virtio *virtio, uint32_t offset, uint32_t value)
{
	struct virtio_state *state = &virtio->state;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		state->device_select = value;
		return;
	case VIRTIO_PCI_COMMON_GFSELECT:
		state->driver_select = value;
		return;
	case VIRTIO_PCI_COMMON_GF:
		if (state->driver_select < 2 && !(state->status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&state->accepted, state->driver_select, value);
		return;
	case VIRTIO_PCI_COMMON_MSIX:
		state->vector = checked_vector(value);
		return;
	case VIRTIO_PCI_COMMON_STATUS:
		set_status(virtio, value);
		return;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		state->select = value;
		return;
	default:
		if (state->select < virtio->config.kind->queues)
			write_queue(virtio, offset, value);
	}
}

static uint32_t read_space(const struct virtio_config *config, uint32_t offset)
{
	uint32_t value = 0, size = WORD;

	if (offset >= config->space_size)
		return 0;
	if (size > config->space_size - offset)
		size = config->space_size - offset;
	memcpy(&value, (const uint8_t *)config->space + offset, size);
	return value;
}

static uint32_t read_msix(const struct virtio *virtio, uint32_t offset)
{
	if (offset == PENDING)
		return virtio->pending;
	return offset < sizeof(virtio->table) && !(offset % WORD) ?
	       (&virtio->table[0][0])[offset / WORD] : 0;
}

static void write_msix(struct virtio *virtio, uint32_t offset, uint32_t value)
{
	if (offset >= sizeof(virtio->table) || offset % WORD)
		return;
	virtio->table[offset / sizeof(virtio->table[0])][offset / WORD % 4] = value;
	send_pending(virtio);
}

/* The driver reads and writes each field with its own width; wider accesses reach only one. */
static uint32_t read_part(struct virtio *virtio, uint32_t offset)
{
	uint32_t value = 0;

	switch (offset / PART) {
	case PART_COMMON:
		return read_common(virtio, offset);
	case PART_ISR:
		value = virtio->state.isr;
		virtio->state.isr = 0;
		return value;
	case PART_SPACE:
		return read_space(&virtio->config, offset % PART);
	default:
		return read_msix(virtio, offset % PART);
	}
}

static uint32_t bar_read(void *ctx, enum pci_bar bar, uint32_t offset)
{
	struct virtio *virtio = ctx;
	uint32_t value;

	if (bar == PCI_PORTS)
		return 0;
	pthread_mutex_lock(&virtio->lock);
	value = read_part(virtio, offset);
	pthread_mutex_unlock(&virtio->lock);
	return value;
}

static void bar_write(void *ctx, enum pci_bar bar, uint32_t offset, uint32_t value)
{
	struct virtio *virtio = ctx;

	if (bar == PCI_PORTS) {
		/* A kick that no eventfd has taken, such as one byte */
		eventfd_write(virtio->config.kick, 1);
		return;
	}
	pthread_mutex_lock(&virtio->lock);
	if (offset / PART == PART_COMMON)
		write_common(virtio, offset, value);
	else if (offset / PART == PART_MSIX)
		write_msix(virtio, offset % PART, value);
	pthread_mutex_unlock(&virtio->lock);
}

static void listen(const struct virtio *virtio, uint16_t port, bool on)
{
	const struct virtio_config *config = &virtio->config;

	for (unsigned int i = 0; port && i < config->kind->queues; i++)
		config->host->listen(config->ctx, port + i * sizeof(uint16_t), config->kick, on);
}

/* Follow the BAR of ports, and MSI-X's control. */
static void configured(void *ctx)
{
	struct virtio *virtio = ctx;
	uint32_t port = pci_bar_at(&virtio->pci, PCI_PORTS);

	if (port > UINT16_MAX || port < PCI_PORTS_FIRST)
		port = 0;
	if (port != virtio->port) {
		listen(virtio, virtio->port, false);
		listen(virtio, port, true);
		virtio->port = port;
	}
	pthread_mutex_lock(&virtio->lock);
	memcpy(&virtio->control, virtio->pci.config + virtio->msix + PCI_MSIX_FLAGS,
	       sizeof(virtio->control));
	send_pending(virtio);
	pthread_mutex_unlock(&virtio->lock);
}

static void add_part(struct pci_device *pci, uint8_t type, enum pci_bar bar, uint32_t offset,
		     uint32_t size)
{
	struct virtio_pci_notify_cap cap = {
		.cap = { .cap_vndr = PCI_CAP_ID_VNDR, .cap_len = sizeof(cap.cap), .cfg_type = type,
			 .bar = bar, .offset = offset, .length = size },
		.notify_off_multiplier = sizeof(uint16_t),
	};

	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
		cap.cap.cap_len = sizeof(cap);
	pci_add_capability(pci, &cap, cap.cap.cap_len);
}

static uint8_t add_msix(struct pci_device *pci)
{
	const uint32_t msix[] = { PCI_CAP_ID_MSIX | (VIRTIO_VECTORS - 1) << 16,
				  PART_MSIX * PART | PCI_MEMORY,
				  (PART_MSIX * PART + PENDING) | PCI_MEMORY };
	uint8_t at = pci_add_capability(pci, msix, sizeof(msix));

	pci->writable[at + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	return at;
}

/* A mutex with priority inheritance is handed over; where the host has none, a usual one is left. */
static void make_lock(struct virtio *virtio)
{
	pthread_mutexattr_t fair;

	pthread_mutexattr_init(&fair);
	pthread_mutexattr_setprotocol(&fair, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&virtio->lock, &fair);
	pthread_mutexattr_destroy(&fair);
	pthread_cond_init(&virtio->idle, NULL);
}

void virtio_init(struct virtio *virtio, const struct virtio_config *config)
{
	static const struct pci_ops ops = { bar_read, bar_write, configured };
	const struct virtio_kind *kind = config->kind;
	uint32_t id = VENDOR | (MODERN_ID + kind->id) << 16;

	*virtio = (struct virtio){ .config = *config };
	virtio->config.features |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
	make_lock(virtio);
	for (unsigned int i = 0; i < VIRTIO_VECTORS; i++)
		virtio->table[i][ENTRY_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	reset(virtio);
	pci_device_init(&virtio->pci, id, kind->class, &ops, virtio);
	memcpy(virtio->pci.config + PCI_SUBSYSTEM_VENDOR_ID, &id, sizeof(id));
	virtio->msix = add_msix(&virtio->pci);
	add_part(&virtio->pci, VIRTIO_PCI_CAP_COMMON_CFG, PCI_MEMORY, PART_COMMON * PART,
		 sizeof(struct virtio_pci_common_cfg));
	add_part(&virtio->pci, VIRTIO_PCI_CAP_ISR_CFG, PCI_MEMORY, PART_ISR * PART, 1);
	add_part(&virtio->pci, VIRTIO_PCI_CAP_NOTIFY_CFG, PCI_PORTS, 0,
		 kind->queues * sizeof(uint16_t));
	if (config->space_size)
		add_part(&virtio->pci, VIRTIO_PCI_CAP_DEVICE_CFG, PCI_MEMORY, PART_SPACE * PART,
			 config->space_size);
}

static bool used(const struct virtio *virtio, unsigned int queue)
{
	return virtio->state.queues[queue].enabled &&
	       (virtio->state.status & (LIVE | VIRTIO_CONFIG_S_NEEDS_RESET)) == LIVE;
}

bool virtio_used(struct virtio *virtio, unsigned int queue)
{
	bool is_used;

	pthread_mutex_lock(&virtio->lock);
	is_used = used(virtio, queue);
	pthread_mutex_unlock(&virtio->lock);
	return is_used;
}

static int take(struct virtio *virtio, unsigned int queue, struct virtqueue_chain *chain)
{
	const struct virtio_config *config = &virtio->config;

	if (virtio->resets || !used(virtio, queue) ||
	    (config->kind->ready && !config->kind->ready(config->device, queue)))
		return 0;
	return virtqueue_take(&virtio->state.queues[queue].ring, chain);
}

/* Return 1 after a request, 0 if there is none, or a negative errno. Gives up the lock meanwhile. */
static int serve(struct virtio *virtio, unsigned int index)
{
	const struct virtio_config *config = &virtio->config;
	struct virtio_queue *queue = &virtio->state.queues[index];
	uint64_t features = virtio->state.accepted;
	struct virtqueue_chain chain;
	int r = take(virtio, index, &chain);
	int64_t written;

	if (r <= 0)
		return r;
	virtio->busy = true;
	pthread_mutex_unlock(&virtio->lock);
	written = config->kind->serve(config->device, index, features, &chain);
	pthread_mutex_lock(&virtio->lock);
	virtio->busy = false;
	pthread_cond_broadcast(&virtio->idle);
	if (written < 0)
		return written;
	if (virtqueue_give(&queue->ring, chain.head, written))
		interrupt(virtio, queue->vector, ISR_QUEUE);
	return 1;
}

void virtio_serve(struct virtio *virtio, const atomic_bool *stop)
{
	for (unsigned int i = 0; i < virtio->config.kind->queues; i++) {
		int r = 1;

		while (r > 0 && !atomic_load(stop)) {
			pthread_mutex_lock(&virtio->lock);
			r = serve(virtio, i);
			if (r < 0)
				break_off(virtio);
			pthread_mutex_unlock(&virtio->lock);
		}
	}
}
