// SPDX-License-Identifier: GPL-2.0
/* See virtio.h. */
#include "virtio.h"

#include <errno.h>
#include <linux/virtio_pci.h>
#include <string.h>

#define WORD		4
#define LIVE		(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* The guest has done what no driver does: the device stands still until it is reset. */
static void break_off(struct virtio *virtio)
{
	virtio->state.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	virtio->interrupt(virtio, virtio->state.vector, VIRTIO_ISR_CONFIG);
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

uint32_t virtio_read(struct virtio *virtio, uint32_t offset)
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

void virtio_write(struct virtio *virtio, uint32_t offset, uint32_t value)
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

uint32_t virtio_read_space(const struct virtio *virtio, uint32_t offset)
{
	const struct virtio_config *config = &virtio->config;
	uint32_t value = 0, size = WORD;

	if (offset >= config->space_size)
		return 0;
	if (size > config->space_size - offset)
		size = config->space_size - offset;
	memcpy(&value, (const uint8_t *)config->space + offset, size);
	return value;
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
	*virtio = (struct virtio){ .config = *config };
	virtio->config.features |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
	make_lock(virtio);
	reset(virtio);
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
		virtio->interrupt(virtio, queue->vector, VIRTIO_ISR_QUEUE);
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
