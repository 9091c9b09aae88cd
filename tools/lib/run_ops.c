// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The ways to a vCPU's ioctls: one descriptor for all, or one of its own.
 */
#include <errno.h>
#include <likex/vcpu.h>
#include <linux/likex.h>
#include <sys/ioctl.h>

static int result(int r)
{
	return r < 0 ? -errno : r;
}

static int session_run(void *handle)
{
	const struct likex_handle *h = handle;

	return result(ioctl(h->fd, KVM_RUN, (unsigned long)h->vcpu));
}

static int session_ioctl(void *handle, unsigned long cmd, void *arg)
{
	const struct likex_handle *h = handle;
	struct likex_vcpu_ioctl call = {
		.vcpu = h->vcpu, .cmd = cmd, .arg = (uintptr_t)arg,
	};

	if (!h->many)
		return result(ioctl(h->fd, cmd, arg));
	return result(ioctl(h->fd, LIKEX_VCPU_IOCTL, &call));
}

static int kvm_run(void *handle)
{
	const struct likex_handle *h = handle;

	return result(ioctl(h->fd, KVM_RUN, 0UL));
}

static int kvm_ioctl(void *handle, unsigned long cmd, void *arg)
{
	const struct likex_handle *h = handle;

	return result(ioctl(h->fd, cmd, arg));
}

const struct likex_vcpu_ops *likex_ops_session(void)
{
	static const struct likex_vcpu_ops ops = {
		.size = sizeof(ops), .run = session_run, .ioctl = session_ioctl,
	};

	return &ops;
}

const struct likex_vcpu_ops *likex_ops_kvm(void)
{
	static const struct likex_vcpu_ops ops = {
		.size = sizeof(ops), .run = kvm_run, .ioctl = kvm_ioctl,
	};

	return &ops;
}
