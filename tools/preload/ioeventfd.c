// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table is an array that is sorted by address. Two descriptors collide if one
 * write could signal both, and the table holds no two that collide. So at most one
 * fits a write.
 *
 * A vCPU signals with the lock held for reading, and removal takes it for writing.
 * When a removal returns, no vCPU signals the eventfd any more. Programs rely on
 * that: they remove a descriptor, look a last time for an event, and from then on
 * expect exits.
 */
#include "ioeventfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not one of the three that programs close and open for standard input and output. */
#define LEAST_COPY 3

struct ioeventfd {
	uint64_t addr, data;
	uint32_t len;		/* 0: any */
	bool any_data;
	bool may_block;		/* the eventfd, when its counter is full */
	int copy;		/* our own descriptor of the eventfd */
	int number;		/* the program's when it assigned */
	long id;		/* of the eventfd, or -1 */
};

int ioeventfd_check(const struct kvm_ioeventfd *args)
{
	switch (args->len) {
	case 0:
		/* A value has a length. */
		if (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
			return -EINVAL;
		break;
	case 1:
	case 2:
	case 4:
	case 8:
		break;
	default:
		return -EINVAL;
	}
	return args->addr + args->len < args->addr ? -EINVAL : 0;
}

/* The kernel's number of an eventfd, which its duplicates share; -1 if it is not to be had. */
static long eventfd_id(int fd)
{
	char path[40], text[256], *found = NULL;
	ssize_t got;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -1;
	got = read(info, text, sizeof(text) - 1);
	close(info);
	if (got > 0) {
		text[got] = '\0';
		found = strstr(text, "eventfd-id:");
	}
	return found ? strtol(found + strlen("eventfd-id:"), NULL, 10) : -1;
}

/* The first entry with this address, or that after which it belongs. Call with the lock. */
static size_t position(const struct ioeventfds *fds, uint64_t addr)
{
	size_t low = 0, high = fds->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fds->list[middle].addr < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool collide(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (!a->len || !b->len)
		return true;
	return a->len == b->len && (a->any_data || b->any_data || a->data == b->data);
}

static bool same(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->len != b->len || a->any_data != b->any_data ||
	    (!a->any_data && a->data != b->data))
		return false;
	return a->id >= 0 && b->id >= 0 ? a->id == b->id : a->number == b->number;
}

/* Find an entry with the address of @key; returns its index, or @count. Call with the lock. */
static size_t find(const struct ioeventfds *fds, const struct ioeventfd *key,
		   bool (*fits)(const struct ioeventfd *a, const struct ioeventfd *b))
{
	size_t i;

	for (i = position(fds, key->addr); i < fds->count; i++) {
		if (fds->list[i].addr != key->addr)
			break;
		if (fits(&fds->list[i], key))
			return i;
	}
	return fds->count;
}

static struct ioeventfd key_of(const struct kvm_ioeventfd *args)
{
	return (struct ioeventfd) {
		.addr = args->addr, .data = args->datamatch, .len = args->len,
		.any_data = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
		.number = args->fd, .id = eventfd_id(args->fd), .copy = -1,
	};
}

static int insert(struct ioeventfds *fds, const struct ioeventfd *new)
{
	struct ioeventfd *list;
	size_t at;

	if (find(fds, new, collide) < fds->count)
		return -EEXIST;
	list = realloc(fds->list, (fds->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	fds->list = list;
	at = position(fds, new->addr);
	memmove(list + at + 1, list + at, (fds->count - at) * sizeof(*list));
	list[at] = *new;
	fds->count++;
	return 0;
}

int ioeventfd_assign(struct ioeventfds *fds, const struct kvm_ioeventfd *args)
{
	struct ioeventfd new = key_of(args);
	int r;

	/* The program may close its descriptor at any time. */
	new.copy = fcntl(args->fd, F_DUPFD_CLOEXEC, LEAST_COPY);
	if (new.copy < 0)
		return -errno;
	new.may_block = !(fcntl(new.copy, F_GETFL) & O_NONBLOCK);
	pthread_rwlock_wrlock(&fds->lock);
	r = insert(fds, &new);
	pthread_rwlock_unlock(&fds->lock);
	if (r)
		close(new.copy);
	return r;
}

int ioeventfd_deassign(struct ioeventfds *fds, const struct kvm_ioeventfd *args)
{
	struct ioeventfd key = key_of(args);
	int copy = -1;
	size_t i;

	pthread_rwlock_wrlock(&fds->lock);
	i = find(fds, &key, same);
	if (i < fds->count) {
		copy = fds->list[i].copy;
		fds->count--;
		memmove(fds->list + i, fds->list + i + 1,
			(fds->count - i) * sizeof(*fds->list));
	}
	pthread_rwlock_unlock(&fds->lock);
	if (copy < 0)
		return -ENOENT;
	close(copy);
	return 0;
}

/*
 * Add 1 to the counter. If it is full, leave it: its reader has an event in any case,
 * and KVM does not stop a guest for it. syscall() is no cancellation point; a thread
 * that ends here would keep the lock.
 */
static void signal_one(const struct ioeventfd *e)
{
	static const uint64_t one = 1;
	struct pollfd ready = { .fd = e->copy, .events = POLLOUT };

	if (e->may_block &&
	    (syscall(SYS_poll, &ready, 1UL, 0) != 1 || !(ready.revents & POLLOUT)))
		return;
	syscall(SYS_write, e->copy, &one, sizeof(one));
}

bool ioeventfd_signal(struct ioeventfds *fds, uint64_t addr, unsigned int len, uint64_t value)
{
	const struct ioeventfd write = { .addr = addr, .len = len, .data = value };
	bool found;
	size_t i;

	if (!fds->count)
		return false;
	pthread_rwlock_rdlock(&fds->lock);
	i = find(fds, &write, collide);
	found = i < fds->count;
	if (found)
		signal_one(&fds->list[i]);
	pthread_rwlock_unlock(&fds->lock);
	return found;
}

int ioeventfds_init(struct ioeventfds *fds)
{
	pthread_rwlockattr_t attr;
	int r;

	fds->list = NULL;
	fds->count = 0;
	r = pthread_rwlockattr_init(&attr);
	if (r)
		return -r;
	/* Several vCPUs that write all the time must not keep a removal waiting. */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	r = pthread_rwlock_init(&fds->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return -r;
}

void ioeventfds_close(const struct ioeventfds *fds)
{
	size_t i;

	for (i = 0; i < fds->count; i++)
		close(fds->list[i].copy);
}

void ioeventfds_free(struct ioeventfds *fds)
{
	ioeventfds_close(fds);
	free(fds->list);
	pthread_rwlock_destroy(&fds->lock);
}
