/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Event descriptors for writes to memory, of one VM: KVM_IOEVENTFD without
 * KVM_IOEVENTFD_FLAG_PIO, with KVM's checks and errors. Functions that return
 * int return 0 or a negative errno.
 */
#ifndef PRELOAD_IOEVENTFD_H
#define PRELOAD_IOEVENTFD_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ioeventfd;

struct ioeventfds {
	pthread_rwlock_t lock;		/* the members below */
	struct ioeventfd *list;		/* by address */
	_Atomic size_t count;
};

int ioeventfds_init(struct ioeventfds *fds);
void ioeventfds_free(struct ioeventfds *fds);

/* Close what a forked child has inherited. Takes no lock and frees no memory. */
void ioeventfds_close(const struct ioeventfds *fds);

/*
 * The caller has checked that args->fd is an eventfd, and that no flags other than
 * KVM_IOEVENTFD_FLAG_DATAMATCH and _DEASSIGN are set. After a removal no write signals
 * the eventfd any more.
 */
int ioeventfd_assign(struct ioeventfds *fds, const struct kvm_ioeventfd *args);
int ioeventfd_deassign(struct ioeventfds *fds, const struct kvm_ioeventfd *args);

/* Check what does not depend on the descriptor. */
int ioeventfd_check(const struct kvm_ioeventfd *args);

/* Signal the eventfd of a write, if there is one. @value has zeros above its length. */
bool ioeventfd_signal(struct ioeventfds *fds, uint64_t addr, unsigned int len, uint64_t value);

#endif /* PRELOAD_IOEVENTFD_H */
