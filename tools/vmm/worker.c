// SPDX-License-Identifier: GPL-2.0
/* See worker.h. */
#include "worker.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "confine.h"
#include "report.h"

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

int worker_start(struct worker *worker, const struct virtio_config *config)
{
	struct virtio_config copy = *config;
	int r;

	atomic_init(&worker->stop, false);
	worker->running = false;
	worker->kick = eventfd(0, EFD_CLOEXEC);
	if (worker->kick < 0)
		return complain(-errno, "eventfd");
	copy.kick = worker->kick;
	virtio_init(&worker->virtio, &copy);
	r = pthread_create(&worker->thread, NULL, work, worker);
	if (r)
		return complain(-r, "the thread of a device");
	worker->running = true;
	return 0;
}

void worker_stop(struct worker *worker)
{
	atomic_store(&worker->stop, true);
	if (worker->running) {
		eventfd_write(worker->kick, 1);
		pthread_join(worker->thread, NULL);
	}
	if (worker->kick >= 0)
		close(worker->kick);
	worker->running = false;
	worker->kick = -1;
}
