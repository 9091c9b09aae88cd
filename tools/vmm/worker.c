// SPDX-License-Identifier: GPL-2.0
/* See worker.h. */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "confine.h"
#include "report.h"
#include "virtio_mmio.h"
#include "virtio_pci.h"

#define MOMENT_NS	1000000

static void *work(void *arg)
{
	struct worker *worker = arg;
	const struct virtio_config *config = &worker->virtio.config;
	eventfd_t count;

	if (confine(CONFINE_WORKER)) {
		config->host->failed(config->ctx);
		return NULL;
	}
	while (!atomic_load(&worker->stop)) {
		if (eventfd_read(worker->kick, &count) && errno != EINTR)
			break;
		virtio_serve(&worker->virtio, &worker->stop);
	}
	return NULL;
}

int worker_start(struct worker *worker, const struct virtio_config *config, int place)
{
	struct virtio_config copy = *config;
	int r;

	atomic_init(&worker->stop, false);
	worker->running = false;
	worker->kick = eventfd(0, EFD_CLOEXEC);
	if (worker->kick < 0)
		return complain(-errno, "eventfd");
	copy.kick = worker->kick;
	if (place == WORKER_PCI)
		virtio_pci_init(&worker->virtio, &copy);
	else
		virtio_mmio_init(&worker->virtio, &copy, place);
	r = pthread_create(&worker->thread, NULL, work, worker);
	if (r)
		return complain(-r, "the thread of a device");
	worker->running = true;
	return 0;
}

void worker_kick(struct worker *worker)
{
	eventfd_write(worker->kick, 1);
}

bool worker_ended(struct worker *worker)
{
	if (!worker->running)
		return true;
	worker_kick(worker);
	pthread_kill(worker->thread, SIGRTMIN);
	worker->running = !thread_ended(worker->thread);
	return !worker->running;
}

void worker_close(struct worker *worker)
{
	if (worker->kick >= 0)
		close(worker->kick);
	worker->kick = -1;
}

bool thread_ended(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += MOMENT_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_timedjoin_np(thread, NULL, &until) != ETIMEDOUT;
}
